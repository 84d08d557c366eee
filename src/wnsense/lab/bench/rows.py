"""Table of the benchmark: one row for each run, as plain CSV."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from wnsense.atomic import write_text
from wnsense.lab.bench.cells import Cell
from wnsense.lab.bench.csv_table import read_lines, table_text
from wnsense.sensing.kinds import Kind

ACCURACIES = ("1e-3", "1e-6", "1e-10")
NEVER = math.inf


class Purpose(StrEnum):
    """Purpose of a run: published configuration, tuning, or best configuration of the tuning."""

    DEFAULT = "default"
    TUNING = "tuning"
    TUNED = "tuned"


class Key(NamedTuple):
    """Key of a run; the same key gives the same row, except for seconds."""

    cell: Cell
    seed: int
    method: str
    purpose: Purpose
    parameters: str


@dataclass(frozen=True)
class Row:
    """Result of one run.

    Attributes:
        key: Key of the run.
        status: Text of `Status`; `converged` if the error reaches the level at which runs end.
        rank: Rank of the answer; 0 if the answer is not finite.
        error: Relative error `||Z - A||_F / ||A||_F` at the end; infinite if it is not a number.
        applications: Number of applications, calibration and start included.
        seconds: Number of seconds, calibration and start included.
        applications_to: Number of applications to each of `ACCURACIES`; infinite if the accuracy is not reached.
        seconds_to: Number of seconds to each of `ACCURACIES`; infinite if the accuracy is not reached.
        oracle_ratio: Under noise, the error over that of the least-squares fit of the true rank started at the truth.
    """

    key: Key
    status: str
    rank: int
    error: float
    applications: int
    seconds: float
    applications_to: tuple[float, ...]
    seconds_to: tuple[float, ...]
    oracle_ratio: float | None = None

    def texts(self) -> list[str]:
        """Return the fields as texts, in the order of `COLUMNS`."""
        cell, seed, method, purpose, parameters = self.key
        return [
            *(cell.ensemble, str(cell.kind), str(cell.size), str(cell.rank), str(cell.cap), repr(cell.condition)),
            *(repr(cell.oversampling), str(cell.measurements), repr(cell.noise)),
            *(str(seed), method, str(purpose), parameters, self.status, str(self.rank), repr(self.error)),
            *(str(self.applications), repr(self.seconds)),
            *("" if spent == NEVER else str(int(spent)) for spent in self.applications_to),
            *("" if spent == NEVER else repr(spent) for spent in self.seconds_to),
            "" if self.oracle_ratio is None else repr(self.oracle_ratio),
        ]

    @classmethod
    def from_texts(cls, texts: list[str]) -> "Row":
        """Parse a row from the texts of `texts()`.

        Raises:
            ValueError: If the texts are not a row.
        """
        fields = dict(zip(COLUMNS, texts, strict=True))
        cell = Cell(
            fields["ensemble"],
            Kind(fields["kind"]),
            int(fields["size"]),
            int(fields["rank"]),
            int(fields["cap"]),
            float(fields["condition"]),
            float(fields["oversampling"]),
            float(fields["noise"]),
        )
        return cls(
            Key(cell, int(fields["seed"]), fields["method"], Purpose(fields["setting"]), fields["parameters"]),
            fields["status"],
            int(fields["rank_found"]),
            float(fields["error"]),
            int(fields["applications"]),
            float(fields["seconds"]),
            tuple(float(fields[f"applications_to_{a}"] or NEVER) for a in ACCURACIES),
            tuple(float(fields[f"seconds_to_{a}"] or NEVER) for a in ACCURACIES),
            float(fields["error_over_oracle"]) if fields["error_over_oracle"] else None,
        )


COLUMNS = (
    *("ensemble", "kind", "size", "rank", "cap", "condition", "oversampling", "measurements", "noise"),
    *("seed", "method", "setting", "parameters", "status", "rank_found", "error", "applications", "seconds"),
    *(f"applications_to_{accuracy}" for accuracy in ACCURACIES),
    *(f"seconds_to_{accuracy}" for accuracy in ACCURACIES),
    "error_over_oracle",
)


def as_csv(rows: Iterable[Row], *, head: bool = True) -> str:
    """Return rows as CSV, with a line of column names if `head` is true."""
    return table_text((row.texts() for row in rows), COLUMNS if head else None)


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write a sorted table, whole or not at all."""
    write_text(path, as_csv(sorted(rows, key=lambda row: row.key)))


def read_rows(path: Path) -> list[Row]:
    """Read the rows of a table; an incomplete last line is left out.

    Raises:
        InputError: If the file cannot be read or is not a table of the benchmark.
    """
    return list(read_lines(path, COLUMNS, Row.from_texts))
