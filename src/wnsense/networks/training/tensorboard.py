"""Measurements for TensorBoard, beside what a training writes there itself."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

from wnsense.checks import InputError
from wnsense.networks.diagnosis import Diagnosis
from wnsense.networks.measuring.measurement import Measurement


@runtime_checkable
class ScalarWriter(Protocol):
    """What is asked of a `torch.utils.tensorboard.SummaryWriter`, or of anything in its place."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int | None = None) -> None:
        """Write a number."""
        ...

    def close(self) -> None:
        """Finish."""
        ...


@contextmanager
def tensorboard_writer(folder: Path) -> Iterator[ScalarWriter]:
    """A `SummaryWriter` on a folder, closed at the end.

    Args:
        folder: The log directory of the run.

    Raises:
        InputError: When tensorboard is not installed.
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
    writer: ScalarWriter, found: Measurement | Diagnosis, step: int, *, prefix: str = "weight_normalization"
) -> None:
    """Write what was measured at a step; what is NaN is left out.

    Args:
        writer: Where to.
        found: A measurement, or a diagnosis, which adds row lengths layer by layer.
        step: The step that curves are drawn against.
        prefix: What tags begin with.
    """
    measurement = found.measurement if isinstance(found, Diagnosis) else found
    values = {} if measurement is None else measurement.row()
    if isinstance(found, Diagnosis):
        for layer in found.layers:
            values[f"rows/{layer.name}/shortest"] = layer.shortest
            values[f"rows/{layer.name}/longest"] = layer.longest
    for name, value in values.items():
        if math.isfinite(value):
            writer.add_scalar(f"{prefix}/{name}", value, step)
