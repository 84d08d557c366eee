"""What is written down along a run, and the columns it becomes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from wnsense.checks import InputError, require

if TYPE_CHECKING:
    import pandas as pd

# (objective, point) -> number, of whatever the loop runs on: `SensingObjective` and `LowRank`, or a diagonal network's.
Metric = Callable[..., Tensor]
Row = Mapping[str, Tensor | float]


@dataclass(frozen=True)
class Trace:
    """What to write down: step, applications, seconds, residual and held-out residual, and metrics of one's own.

    The clock stands still while metrics are computed.

    Attributes:
        every: Write every so many steps; the first and the last are always written.
        at: Write at these steps instead, as far as the residual is looked at there; None to go by `every`.
        error: A metric for the column `error`, such as `relative_error`.
        metrics: Further columns: (objective, point in scaled units) -> number.
    """

    every: int = 1
    error: Metric | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    at: frozenset[int] | None = None

    def __post_init__(self) -> None:
        """Refuse an interval below one."""
        require(self.every >= 1, "a trace every 1 or more steps", self.every)

    def is_due(self, step: int) -> bool:
        """Whether to write at this step."""
        return step % self.every == 0 if self.at is None else step == 0 or step in self.at

    def measure(self, objective: object, point: object) -> dict[str, Tensor | float]:
        """The metrics at a point."""
        values: dict[str, Tensor | float] = {}
        if self.error is not None:
            values["error"] = self.error(objective, point)
        for name, metric in self.metrics.items():
            values[name] = metric(objective, point)
        return values


@dataclass(frozen=True)
class Columns(Mapping[str, np.ndarray]):
    """A trace as named NumPy columns of equal length; a batch of points gives columns of more dimensions."""

    arrays: Mapping[str, np.ndarray]

    @classmethod
    def from_rows(cls, rows: list[Row]) -> "Columns":
        """Turn rows into columns; a value that a row lacks is NaN."""
        names = list(dict.fromkeys(name for row in rows for name in row))
        return cls({name: _column([row.get(name, float("nan")) for row in rows]) for name in names})

    def __getitem__(self, name: str) -> np.ndarray:
        """One column."""
        return self.arrays[name]

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self.arrays)

    def __len__(self) -> int:
        """The number of columns."""
        return len(self.arrays)

    def to_pandas(self) -> "pd.DataFrame":
        """The same as a pandas DataFrame.

        Raises:
            InputError: When pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise InputError("needed pandas, got none installed; pip install 'wnsense[pandas]'") from error
        return pd.DataFrame(dict(self.arrays))


def _column(values: list[Tensor | float]) -> np.ndarray:
    return np.stack(
        [value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value) for value in values]
    )
