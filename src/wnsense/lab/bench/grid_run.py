"""All runs of a grid, in parallel; rows are stored as they come, so that a stopped grid can be resumed."""

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TextIO

import torch

from wnsense.checks import InputError, require
from wnsense.lab.bench.bench_run import GridRun, make_row
from wnsense.lab.bench.grid import Grid
from wnsense.lab.bench.grid_files import TableFiles
from wnsense.lab.bench.rows import Key, Purpose, Row, as_csv, read_rows, write_rows
from wnsense.running.progress import ProgressCallback, no_progress

RowMaker = Callable[[Sequence[GridRun]], Iterator[Row]]

# Version of the table; raise it when columns or the way of measuring change.
_FORMAT = 1


@dataclass(frozen=True)
class GridFiles:
    """Files of a grid.

    Attributes:
        directory: Directory of the files.
        grid: The grid.
    """

    directory: Path
    grid: Grid

    @property
    def files(self) -> TableFiles:
        """Paths of the table and its description."""
        return TableFiles(self.directory, self.grid.name, self.grid.fingerprint, _FORMAT)

    @property
    def table(self) -> Path:
        """Path of the rows."""
        return self.files.table

    @property
    def facts(self) -> Path:
        """Path of the description: grid, versions and machine."""
        return self.files.description

    def read(self) -> list[Row]:
        """Read the stored rows; an empty list if there is no table.

        Raises:
            InputError: If the table is of another grid or of other versions, or cannot be read.
        """
        if not self.table.exists():
            return []
        self.files.check()
        return read_rows(self.table)

    def write(self, rows: Sequence[Row]) -> None:
        """Write rows, and the description unless there is a table already."""
        self.files.describe()
        write_rows(self.table, rows)


def facts(grid: Grid) -> dict[str, object]:
    """Return the description of a table: grid, versions and machine."""
    return GridFiles(Path(), grid).files.facts()


def run_grid(
    grid: Grid, directory: Path, *, jobs: int = 1, anew: Sequence[str] = (), progress: ProgressCallback = no_progress
) -> list[Row]:
    """Make the runs of a grid that are not in its table, add each row to the table, and sort the table.

    The rows of an interrupted grid stay, and the same call resumes it.

    Args:
        grid: The grid.
        directory: Directory of the table.
        jobs: Number of processes, each with one thread; 1 runs in this process.
        anew: Methods whose rows are discarded and made again.
        progress: Callback for reports of progress.

    Returns:
        All rows, sorted.

    Raises:
        InputError: If the directory holds another table, or a file cannot be written.
    """
    require(jobs >= 1, "at least 1 process", jobs)
    unknown = set(anew) - set(grid.methods)
    require(not unknown, f"methods of {', '.join(grid.methods)}", ", ".join(sorted(unknown)))
    files = GridFiles(directory, grid)
    first = list(grid.first_runs())
    first_keys = {run.key for run in first}
    stored = [row for row in files.read() if row.key.method not in anew]
    rows = {row.key: row for row in stored if row.key in first_keys or row.key.purpose is Purpose.TUNED}
    files.write(list(rows.values()))
    try:
        with files.table.open("a", encoding="utf-8", newline="") as table, _row_maker(jobs) as make_rows:
            growing = _GrowingTable(rows, table)
            growing.fill(first, make_rows, partial(progress, "running"))
            tuned = list(grid.tuned_runs(rows.values()))
            growing.copy_published(tuned)
            growing.fill(tuned, make_rows, partial(progress, "running as tuned"))
    except OSError as error:
        raise InputError(f"needed a place to write {files.table}, got: {error.strerror}") from error
    # A tuning that was made again may have left rows of other configurations; they are not part of the table.
    final = first_keys | {run.key for run in tuned}
    done = sorted((row for row in rows.values() if row.key in final), key=lambda row: row.key)
    write_rows(files.table, done)
    return done


@dataclass(frozen=True)
class _GrowingTable:
    """Rows of a grid, in memory and in an open file that each new row is appended to."""

    rows: dict[Key, Row]
    file: TextIO

    def add(self, row: Row) -> None:
        """Add a row, and write it at once."""
        self.rows[row.key] = row
        self.file.write(as_csv([row], head=False))
        self.file.flush()

    def fill(self, runs: Sequence[GridRun], make_rows: RowMaker, progress: Callable[[int, int], None]) -> None:
        """Make the runs that have no row yet."""
        missing = [run for run in runs if run.key not in self.rows]
        done = len(runs) - len(missing)
        progress(done, len(runs))
        for count, row in enumerate(make_rows(missing), start=done + 1):
            self.add(row)
            progress(count, len(runs))

    def copy_published(self, tuned: Sequence[GridRun]) -> None:
        """Copy the row of the published configuration where it is also the best one; the computation is the same."""
        for run in tuned:
            published = self.rows.get(run.key._replace(purpose=Purpose.DEFAULT))
            if published is not None and run.key not in self.rows:
                self.add(replace(published, key=run.key))


@contextmanager
def _row_maker(jobs: int) -> Iterator[RowMaker]:
    """Yield a function that makes runs and yields their rows as they come; all its calls share the processes."""
    if jobs == 1:
        with _one_thread():
            yield lambda runs: map(make_row, runs)
        return
    # Fresh processes: a fork of one that has used threads may hang.
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _use_one_thread)

    def make_rows(runs: Sequence[GridRun]) -> Iterator[Row]:
        with _ignored_signals():
            futures = [pool.submit(make_row, run) for run in runs]
        for future in as_completed(futures):
            yield future.result()

    try:
        yield make_rows
    except BrokenProcessPool as error:
        raise InputError(
            "needed processes that run until their work is done, got one that was killed; finished rows are stored, "
            "run the same command again with a smaller --jobs"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _use_one_thread() -> None:
    """Limit torch to one thread; called once in each new process."""
    torch.set_num_threads(1)


@contextmanager
def _ignored_signals() -> Iterator[None]:
    """Ignore interrupts for a moment; processes that start meanwhile ignore them for good.

    The main process handles an interrupt and ends these processes.
    """
    handlers = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in handlers:
            signal.signal(number, signal.SIG_IGN)
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
