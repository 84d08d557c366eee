"""Trace of a run: choice of what is recorded, and the columns that result."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from wnsense.checks import InputError, require
from wnsense.values import by_value

if TYPE_CHECKING:
    import pandas as pd

# (objective, point) -> number, for any pair that the loop runs on, such as `SensingObjective` and `LowRank`.
Metric = Callable[..., Tensor]
Row = Mapping[str, Tensor | float]


@dataclass(frozen=True)
@by_value
class Trace:
    """Choice of what is recorded beside step, applications, seconds, residual and held-out residual.

    The clock stands still while metrics are computed.

    Attributes:
        every: Number of steps between rows; the first and the last step are always recorded.
        at: Steps to record instead, where the residual is checked at them; None to use `every`.
        error: Metric for the column `error`, such as `relative_error`.
        metrics: Further columns by name; each metric takes the objective and a point in scaled units.
    """

    every: int = 1
    error: Metric | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    at: frozenset[int] | None = None

    def __post_init__(self) -> None:
        """Check that the interval is at least one."""
        require(self.every >= 1, "a trace every 1 or more steps", self.every)

    def is_due(self, step: int) -> bool:
        """Return True if this step is recorded."""
        return step % self.every == 0 if self.at is None else step == 0 or step in self.at

    def measure(self, objective: object, point: object) -> dict[str, Tensor | float]:
        """Return the metrics in a point, by name."""
        values: dict[str, Tensor | float] = {}
        if self.error is not None:
            values["error"] = self.error(objective, point)
        for name, metric in self.metrics.items():
            values[name] = metric(objective, point)
        return values


@dataclass(frozen=True)
@by_value
class Columns(Mapping[str, np.ndarray]):
    """Trace as named NumPy columns of equal length; for a batch of points the columns have more dimensions."""

    arrays: Mapping[str, np.ndarray]

    @classmethod
    def from_rows(cls, rows: list[Row]) -> "Columns":
        """Return the columns of some rows; a value missing in a row is NaN."""
        names = list(dict.fromkeys(name for row in rows for name in row))
        return cls({name: _column([row.get(name, float("nan")) for row in rows]) for name in names})

    def __getitem__(self, name: str) -> np.ndarray:
        """Return the column of a name."""
        return self.arrays[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self.arrays)

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(self.arrays)

    def to_pandas(self) -> "pd.DataFrame":
        """Return the columns as a pandas DataFrame.

        Raises:
            InputError: If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise InputError("needed pandas, got none installed; pip install 'wnsense[pandas]'") from error
        return pd.DataFrame(dict(self.arrays))


def _column(values: list[Tensor | float]) -> np.ndarray:
    """Return values of equal shape as one array; shorter vectors are filled with NaN."""
    arrays = [
        value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value) for value in values
    ]
    longest = max(array.shape[-1] if array.ndim else 0 for array in arrays)
    filled = [
        np.concatenate([array, np.full((*array.shape[:-1], longest - array.shape[-1]), np.nan)], axis=-1)
        if array.ndim and array.shape[-1] < longest
        else array
        for array in arrays
    ]
    return np.stack(filled)
