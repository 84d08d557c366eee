"""All runs of a grid, in parallel, kept as they come: what was stopped goes on where it was."""

import json
import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from wnsense.atomic import write_text
from wnsense.checks import InputError, require
from wnsense.lab.bench.bench_run import Run, measure
from wnsense.lab.bench.grid import Grid
from wnsense.lab.bench.rows import Purpose, Row, as_csv, read_rows, write_rows
from wnsense.lab.costs import machine, versions

# Told what is being done, how much of it is done, and of how much.
Tell = Callable[[str, int, int], None]

# What the rows mean; to be raised when columns or the way of measuring change.
_FORMAT = 1


@dataclass(frozen=True)
class Store:
    """Where the table of a grid is kept: rows in a CSV, and beside it what they belong to, as JSON.

    Attributes:
        directory: Where both are.
        grid: What is run.
    """

    directory: Path
    grid: Grid

    @property
    def table(self) -> Path:
        """The rows."""
        return self.directory / f"bench_{self.grid.name}.csv"

    @property
    def facts(self) -> Path:
        """The grid, the versions and the machine."""
        return self.directory / f"bench_{self.grid.name}.json"

    def kept(self) -> list[Row]:
        """The rows that are there.

        Raises:
            InputError: When they are of another grid or of other versions, or cannot be read.
        """
        if not self.table.exists():
            return []
        known, now = read_facts(self.facts), facts(self.grid)
        for name in ("format", "grid", "fingerprint", "versions"):
            require(
                known.get(name) == now[name],
                f"a table with {name} {now[name]} at {self.table}",
                known.get(name),
                "name another directory, or remove that table to begin anew",
            )
        return read_rows(self.table)

    def begin(self, rows: Sequence[Row]) -> None:
        """Write the rows that are to be kept, and what they belong to."""
        if not self.table.exists():
            write_text(self.facts, json.dumps(facts(self.grid), indent=2, sort_keys=True) + "\n")
        write_rows(self.table, rows)


def facts(grid: Grid) -> dict[str, object]:
    """What a table belongs to."""
    return {
        "format": _FORMAT,
        "grid": grid.name,
        "fingerprint": grid.fingerprint,
        "versions": versions(),
        "machine": machine(),
    }


def read_facts(path: Path) -> dict[str, object]:
    """What is written beside a table.

    Raises:
        InputError: When it cannot be read.
    """
    try:
        known = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"needed what the table belongs to at {path}, got: {error}; name another directory") from error
    require(isinstance(known, dict), f"what the table belongs to at {path}", "something else", "name another directory")
    return dict(known)


def run_grid(
    grid: Grid, directory: Path, *, jobs: int = 1, anew: Sequence[str] = (), tell: Tell = lambda *_: None
) -> list[Row]:
    """Make every run of a grid that is not in its table, which is kept after each; then the table is sorted.

    An interruption keeps what was done.

    Args:
        grid: What is run.
        directory: Where the table is kept.
        jobs: How many processes, each with one thread; one makes none.
        anew: Methods whose rows are thrown away and made again.
        tell: Told of progress.

    Returns:
        All rows, sorted.

    Raises:
        InputError: When the table there is another's, or a place cannot be written.
    """
    require(jobs >= 1, "at least 1 process", jobs)
    unknown = set(anew) - set(grid.methods)
    require(not unknown, f"methods of {', '.join(grid.methods)}", ", ".join(sorted(unknown)))
    store = Store(directory, grid)
    wanted = {run.key for run in grid.first_runs()}
    kept = [row for row in store.kept() if row.key.method not in anew]
    rows = {row.key: row for row in kept if row.key in wanted or row.key.purpose is Purpose.TUNED}
    store.begin(list(rows.values()))
    try:
        with store.table.open("a", encoding="utf-8", newline="") as table, _measuring(jobs) as measured:

            def keep(row: Row) -> None:
                rows[row.key] = row
                table.write(as_csv([row], head=False))
                table.flush()

            def make(words: str, runs: Sequence[Run]) -> None:
                missing = [run for run in runs if run.key not in rows]
                done = len(runs) - len(missing)
                tell(words, done, len(runs))
                for more, row in enumerate(measured(missing), start=1):
                    keep(row)
                    tell(words, done + more, len(runs))

            make("running", list(grid.first_runs()))
            tuned = list(grid.tuned_runs(rows.values()))
            for run in tuned:
                # The same computation, where the published setting turned out to be the best.
                same = rows.get(run.key._replace(purpose=Purpose.DEFAULT))
                if same is not None and run.key not in rows:
                    keep(replace(same, key=run.key))
            make("running as tuned", tuned)
    except OSError as error:
        raise InputError(f"needed a place to write {store.table}, got: {error.strerror}") from error
    # Settings that a tuning made again has passed over are not part of the table.
    final = wanted | {run.key for run in tuned}
    done = sorted((row for row in rows.values() if row.key in final), key=lambda row: row.key)
    write_rows(store.table, done)
    return done


@contextmanager
def _measuring(jobs: int) -> Iterator[Callable[[Sequence[Run]], Iterator[Row]]]:
    """What makes runs and gives their rows as they come; the processes are the same for all that is asked of it."""
    if jobs == 1:
        with _one_thread():
            yield lambda runs: map(measure, runs)
        return
    # Fresh processes: a fork of one that has used threads may hang.
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _prepare)

    def measured(runs: Sequence[Run]) -> Iterator[Row]:
        with _deaf():
            futures = [pool.submit(measure, run) for run in runs]
        for future in as_completed(futures):
            yield future.result()

    try:
        yield measured
    except BrokenProcessPool as error:
        raise InputError(
            "needed processes that live as long as their work, got one that was killed; what was done is kept, "
            "run the same command again with a smaller --jobs"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare() -> None:
    """In a process of its own."""
    torch.set_num_threads(1)


@contextmanager
def _deaf() -> Iterator[None]:
    """Ignore signals for a moment: processes begun in it do so for good, and leave them to the one that began them."""
    heard = {}
    if threading.current_thread() is threading.main_thread():
        heard = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in heard:
            signal.signal(number, signal.SIG_IGN)
        yield
    finally:
        for number, handler in heard.items():
            signal.signal(number, handler)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
