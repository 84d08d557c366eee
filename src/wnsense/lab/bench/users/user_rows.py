"""Table of the grid `users`: one row for each run, as plain CSV, and the judgement of a run."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from wnsense.atomic import write_text
from wnsense.lab.bench.csv_table import read_lines, table_text
from wnsense.lab.bench.users.user_cells import CellEnsemble, SpectrumLaw, UserCell
from wnsense.sensing.kinds import Kind

# Bounds of a success: the relative error of the matrix, and of each of its singular values.
EXACT_ERROR = 1e-8
EXACT_VALUES = 1e-3
# Relative error above which a claimed success is false. Between the two bounds an answer is neither.
FALSE_ERROR = 1e-6


class UserKey(NamedTuple):
    """Key of a run; the same key gives the same row, except for seconds and memory."""

    cell: UserCell
    seed: int
    method: str


@dataclass(frozen=True)
class UserRow:
    """Result of one run.

    Attributes:
        key: Key of the run.
        is_told_rank: True if the method was given the rank.
        status: Text of `Status`, or `failed: ` with the error of a method that raised one.
        is_claimed: True if the method calls its answer a success.
        rank: Rank of the answer.
        error: Relative error `||Z - A||_F / ||A||_F`; infinite if it is not a number.
        value_error: Largest relative error of a singular value, over the `r` singular values of the truth; infinite if
            the rank is wrong or the spectrum decays.
        best_ratio: For a decaying spectrum, `||Z - A||_F` over that of the best approximation of the answer's rank;
            None for a truth of rank `r`.
        is_determined: False if some row or column of the sampled places has fewer than `r` of them.
        applications: Number of applications of the operator.
        seconds: CPU seconds of the run.
        memory: Peak of the memory of the run in MiB beyond that of the problem; None where it cannot be measured.
    """

    key: UserKey
    is_told_rank: bool
    status: str
    is_claimed: bool
    rank: int
    error: float
    value_error: float
    best_ratio: float | None
    is_determined: bool
    applications: int
    seconds: float
    memory: float | None

    @property
    def is_success(self) -> bool:
        """True if the run is claimed a success and its rank, error and singular values are right."""
        is_right = self.rank == self.key.cell.rank and self.error <= EXACT_ERROR and self.value_error <= EXACT_VALUES
        return self.key.cell.is_exact and self.is_claimed and is_right

    @property
    def is_false_success(self) -> bool:
        """True if the run is claimed a success and is wrong; a decaying spectrum has no exact answer to miss."""
        return self.key.cell.is_exact and self.is_claimed and not self.error <= FALSE_ERROR

    @property
    def is_right(self) -> bool:
        """True for a success, and for a refusal where the entries do not determine the matrix."""
        return self.is_success or (not self.is_determined and not self.is_claimed)

    def texts(self) -> list[str]:
        """Return the fields as texts, in the order of `USER_COLUMNS`."""
        cell, seed, method = self.key
        return [
            *(str(cell.ensemble), str(cell.kind), *(str(side) for side in cell.shape), str(cell.rank)),
            *(str(cell.law), repr(cell.condition), repr(cell.oversampling), str(cell.measurements), str(seed)),
            *(method, _truth_text(is_true=self.is_told_rank), self.status, _truth_text(is_true=self.is_claimed)),
            *(str(self.rank), repr(self.error), repr(self.value_error), _optional(self.best_ratio)),
            *(_truth_text(is_true=self.is_determined), str(self.applications), repr(self.seconds)),
            _optional(self.memory),
            *(_truth_text(is_true=self.is_success), _truth_text(is_true=self.is_false_success)),
        ]

    @classmethod
    def from_texts(cls, texts: list[str]) -> "UserRow":
        """Parse a row from the texts of `texts()`; `success` and `false_success` follow from the others.

        Raises:
            ValueError: If the texts are not a row.
        """
        fields = dict(zip(USER_COLUMNS, texts, strict=True))
        cell = UserCell(
            CellEnsemble(fields["ensemble"]),
            Kind(fields["kind"]),
            (int(fields["m1"]), int(fields["m2"])),
            int(fields["rank"]),
            SpectrumLaw(fields["spectrum"]),
            float(fields["condition"]),
            float(fields["oversampling"]),
        )
        return cls(
            UserKey(cell, int(fields["seed"]), fields["method"]),
            fields["told_rank"] == "yes",
            fields["status"],
            fields["claimed"] == "yes",
            int(fields["rank_found"]),
            float(fields["error"]),
            float(fields["value_error"]),
            float(fields["error_over_best"]) if fields["error_over_best"] else None,
            fields["determined"] == "yes",
            int(fields["applications"]),
            float(fields["cpu_seconds"]),
            float(fields["memory_mib"]) if fields["memory_mib"] else None,
        )


USER_COLUMNS = (
    *("ensemble", "kind", "m1", "m2", "rank", "spectrum", "condition", "oversampling", "measurements", "seed"),
    *("method", "told_rank", "status", "claimed", "rank_found", "error", "value_error", "error_over_best"),
    *("determined", "applications", "cpu_seconds", "memory_mib", "success", "false_success"),
)


def write_user_rows(path: Path, rows: Iterable[UserRow]) -> None:
    """Write a sorted table, whole or not at all."""
    ordered = sorted(rows, key=lambda row: row.key)
    write_text(path, table_text((row.texts() for row in ordered), USER_COLUMNS))


def read_user_rows(path: Path) -> list[UserRow]:
    """Read the rows of a table; an incomplete last line is left out.

    Raises:
        InputError: If the file cannot be read or is not a table of this grid.
    """
    return list(read_lines(path, USER_COLUMNS, UserRow.from_texts))


def _truth_text(*, is_true: bool) -> str:
    return "yes" if is_true else "no"


def _optional(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else repr(value)
