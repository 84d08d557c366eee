"""All runs of the grid `users`, one at a time; rows are stored as they come, so that a stopped grid can be resumed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wnsense.checks import InputError, require
from wnsense.lab.bench.csv_table import table_text
from wnsense.lab.bench.grid_files import TableFiles
from wnsense.lab.bench.users.own_process import called_in_process, processes
from wnsense.lab.bench.users.user_grid import UserGrid
from wnsense.lab.bench.users.user_rows import UserRow, read_user_rows, write_user_rows
from wnsense.lab.bench.users.user_run import UserRun, make_user_row
from wnsense.running.progress import ProgressCallback, no_progress

RowMaker = Callable[[UserRun], UserRow]

# Version of the table; raise it when columns or the way of measuring change.
_FORMAT = 1


@dataclass(frozen=True)
class UserFiles:
    """Files of a grid.

    Attributes:
        directory: Directory of the files.
        grid: The grid.
    """

    directory: Path
    grid: UserGrid

    @property
    def files(self) -> TableFiles:
        """Paths of the table and its description."""
        return TableFiles(self.directory, self.grid.name, self.grid.fingerprint, _FORMAT)

    @property
    def page(self) -> Path:
        """Path of the page."""
        return self.directory / f"bench_{self.grid.name}.md"

    def read(self) -> list[UserRow]:
        """Read the stored rows; an empty list if there is no table.

        Raises:
            InputError: If the table is of another grid or of other versions, or cannot be read.
        """
        if not self.files.table.exists():
            return []
        self.files.check()
        return read_user_rows(self.files.table)


def run_user_grid(
    grid: UserGrid,
    directory: Path,
    *,
    anew: Sequence[str] = (),
    make: RowMaker | None = None,
    progress: ProgressCallback = no_progress,
) -> list[UserRow]:
    """Make the runs of a grid that are not in its table, one after the other, and sort the table.

    The rows of an interrupted grid stay, and the same call resumes it.

    Args:
        grid: The grid.
        directory: Directory of the table.
        anew: Methods whose rows are discarded and made again.
        make: Function that makes a run; by default `make_user_row` in a process of its own.
        progress: Callback for reports of progress.

    Returns:
        All rows, sorted.

    Raises:
        InputError: If the directory holds another table, or a file cannot be written.
    """
    unknown = set(anew) - set(grid.methods)
    require(not unknown, f"methods of {', '.join(grid.methods)}", ", ".join(sorted(unknown)))
    files = UserFiles(directory, grid)
    runs = list(grid.runs())
    keys = {run.key for run in runs}
    rows = {row.key: row for row in files.read() if row.key in keys and row.key.method not in anew}
    files.files.describe()
    write_user_rows(files.files.table, rows.values())
    missing = [run for run in runs if run.key not in rows]
    progress("running", len(rows), len(runs))
    try:
        with files.files.table.open("a", encoding="utf-8", newline="") as table, _row_maker(make) as make_row:
            for count, run in enumerate(missing, start=len(rows) + 1):
                row = make_row(run)
                rows[row.key] = row
                table.write(table_text([row.texts()], None))
                table.flush()
                progress("running", count, len(runs))
    except OSError as error:
        raise InputError(f"needed a place to write {files.files.table}, got: {error.strerror}") from error
    done = sorted(rows.values(), key=lambda row: row.key)
    write_user_rows(files.files.table, done)
    return done


@contextmanager
def _row_maker(make: RowMaker | None) -> Iterator[RowMaker]:
    """Yield a function that makes a run: the given one, or `make_user_row` in a new process."""
    if make is not None:
        yield make
        return
    with processes(make_user_row.__module__) as context:
        yield lambda run: called_in_process(context, make_user_row, run)
