"""Tables of the benchmark's runs as CSV, whose last line may be incomplete after an interruption."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from wnsense.checks import InputError

T = TypeVar("T")


def table_text(lines: Iterable[Sequence[str]], columns: Sequence[str] | None) -> str:
    """Return lines as CSV, below a line of column names unless that is None."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    if columns is not None:
        writer.writerow(columns)
    writer.writerows(lines)
    return buffer.getvalue()


def read_lines(path: Path, columns: tuple[str, ...], parse: Callable[[list[str]], T]) -> Iterator[T]:
    """Yield the parsed lines of a table; an incomplete last line is left out.

    Args:
        path: Path of the table.
        columns: Names of its columns.
        parse: Function from the texts of a line to a row, which raises `ValueError` if they are none.

    Raises:
        InputError: If the file cannot be read, has other columns, or a line cannot be parsed.
    """
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"needed a table of the benchmark at {path}, got: {error}; name another directory") from error
    # Text after the last line end is a line whose writing was interrupted.
    whole = text[: text.rfind("\n") + 1]
    lines = csv.reader(io.StringIO(whole, newline=""))
    head = next(lines, None)
    if head is not None and tuple(head) != columns:
        raise InputError(f"needed the columns of the benchmark in {path}, got others; name another directory")
    for number, texts in enumerate(lines, start=2):
        try:
            yield parse(texts)
        except ValueError as error:
            raise InputError(
                f"needed a run of the benchmark in line {number} of {path}, got: {error}; remove that line"
            ) from error
