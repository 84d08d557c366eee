"""The table: one row a run, as plain CSV that any program reads."""

import csv
import io
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from wnsense.atomic import write_text
from wnsense.checks import InputError
from wnsense.lab.bench.cells import Cell
from wnsense.sensing.kinds import Kind

ACCURACIES = ("1e-3", "1e-6", "1e-10")
NEVER = math.inf


class Purpose(StrEnum):
    """What a run is made for."""

    DEFAULT = "default"
    TUNING = "tuning"
    TUNED = "tuned"


class Key(NamedTuple):
    """What tells one run from another; the same key gives the same row, up to seconds."""

    cell: Cell
    seed: int
    method: str
    purpose: Purpose
    parameters: str


@dataclass(frozen=True)
class Row:
    """One run.

    Attributes:
        key: Which.
        status: How it ended, in the words of `Status`; `converged` where the error came down to where runs end.
        rank: Of what it ended with; 0 where that is not finite.
        error: ||Z - A||_F / ||A||_F at the end; infinite where that is no number.
        applications: Spent in all, calibration and start included.
        seconds: The same.
        applications_to: What was spent when the error was first at each of `ACCURACIES`; infinite where it never was.
        seconds_to: The same in seconds.
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
        """The fields as they are written, in the order of `COLUMNS`."""
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
        """The row that was written so.

        Raises:
            ValueError: When it is none.
        """
        of = dict(zip(COLUMNS, texts, strict=True))
        cell = Cell(
            of["ensemble"],
            Kind(of["kind"]),
            int(of["size"]),
            int(of["rank"]),
            int(of["cap"]),
            float(of["condition"]),
            float(of["oversampling"]),
            float(of["noise"]),
        )
        return cls(
            Key(cell, int(of["seed"]), of["method"], Purpose(of["setting"]), of["parameters"]),
            of["status"],
            int(of["rank_found"]),
            float(of["error"]),
            int(of["applications"]),
            float(of["seconds"]),
            tuple(float(of[f"applications_to_{a}"] or NEVER) for a in ACCURACIES),
            tuple(float(of[f"seconds_to_{a}"] or NEVER) for a in ACCURACIES),
            float(of["error_over_oracle"]) if of["error_over_oracle"] else None,
        )


COLUMNS = (
    *("ensemble", "kind", "size", "rank", "cap", "condition", "oversampling", "measurements", "noise"),
    *("seed", "method", "setting", "parameters", "status", "rank_found", "error", "applications", "seconds"),
    *(f"applications_to_{accuracy}" for accuracy in ACCURACIES),
    *(f"seconds_to_{accuracy}" for accuracy in ACCURACIES),
    "error_over_oracle",
)


def as_csv(rows: Iterable[Row], *, head: bool = True) -> str:
    """Rows as CSV, with a line of names before them unless they go on from others."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    if head:
        writer.writerow(COLUMNS)
    writer.writerows(row.texts() for row in rows)
    return buffer.getvalue()


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write a table whole or not at all, sorted."""
    write_text(path, as_csv(sorted(rows, key=lambda row: row.key)))


def read_rows(path: Path) -> list[Row]:
    """The rows of a table; a last line that was torn when a run was stopped is left out.

    Raises:
        InputError: When the file cannot be read or is another table.
    """
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"needed a table of the benchmark at {path}, got: {error}; name another directory") from error
    # What follows the last end of a line was being written.
    whole = text[: text.rfind("\n") + 1]
    lines = csv.reader(io.StringIO(whole, newline=""))
    head = next(lines, None)
    if head is not None and tuple(head) != COLUMNS:
        raise InputError(f"needed the columns of the benchmark in {path}, got others; name another directory")
    return list(_parsed(path, lines))


def _parsed(path: Path, lines: Iterable[list[str]]) -> Iterator[Row]:
    for number, texts in enumerate(lines, start=2):
        try:
            yield Row.from_texts(texts)
        except ValueError as error:
            raise InputError(
                f"needed a run of the benchmark in line {number} of {path}, got: {error}; remove that line"
            ) from error
