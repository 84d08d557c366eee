"""Measurements and diagnoses as scalars of TensorBoard."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

from wnsense.checks import InputError
from wnsense.networks.diagnosis.diagnose import Diagnosis
from wnsense.networks.measuring.measurement import Measurement


@runtime_checkable
class ScalarWriter(Protocol):
    """Writer of scalars, such as `torch.utils.tensorboard.SummaryWriter`."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int | None = None) -> None:
        """Write one number."""
        ...

    def close(self) -> None:
        """Close the files."""
        ...


@contextmanager
def tensorboard_writer(folder: Path) -> Iterator[ScalarWriter]:
    """Open a `SummaryWriter` on a folder, and close it at the end.

    Args:
        folder: Log directory of the run.

    Raises:
        InputError: If tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InputError("needed tensorboard, got none installed; pip install 'wnsense[tensorboard]'") from error
    writer = cast("ScalarWriter", SummaryWriter(str(folder)))
    try:
        yield writer
    finally:
        writer.close()


def write_scalars(
    writer: ScalarWriter, result: Measurement | Diagnosis, step: int, *, prefix: str = "weight_normalization"
) -> None:
    """Write the numbers of a measurement or a diagnosis at a step, without those that are NaN.

    Args:
        writer: Writer.
        result: Measurement, or diagnosis, which adds the row lengths of each layer.
        step: Number of the step, the horizontal axis of the curves.
        prefix: First part of the tags.
    """
    measurement = result.measurement if isinstance(result, Diagnosis) else result
    values = {} if measurement is None else measurement.row()
    if isinstance(result, Diagnosis):
        for layer in result.layers:
            values[f"rows/{layer.name}/shortest"] = layer.shortest
            values[f"rows/{layer.name}/longest"] = layer.longest
    for name, value in values.items():
        if math.isfinite(value):
            writer.add_scalar(f"{prefix}/{name}", value, step)
