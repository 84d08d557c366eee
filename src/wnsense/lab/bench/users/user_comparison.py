"""Comparison of `recover()` with the methods that are told the rank, cell by cell."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from wnsense.lab.bench.contestants import RECOVER
from wnsense.lab.bench.users.user_cells import UserCell
from wnsense.lab.bench.users.user_rows import UserKey, UserRow

# Share of its runs in which a method must succeed to count as a peer in a cell.
_PEER_SHARE = 0.5


@dataclass(frozen=True)
class MethodSummary:
    """Runs of one method in one cell.

    Attributes:
        method: Name of the method.
        is_told_rank: True if it was given the rank.
        runs: Number of runs.
        right: Number of successes, and of refusals where the entries do not determine the matrix.
        successes: Number of successes.
        false_successes: Number of claimed successes that are wrong.
        applications: Median of the applications.
        seconds: Median of the CPU seconds.
        memory: Median of the peak memory in MiB; NaN where none was measured.
        best_ratio: Median of the error over that of the best approximation of the answer's rank; NaN for a truth of low
            rank.
        rank: Median of the rank of the answer.
    """

    method: str
    is_told_rank: bool
    runs: int
    right: int
    successes: int
    false_successes: int
    applications: float
    seconds: float
    memory: float
    best_ratio: float
    rank: float

    @classmethod
    def of_rows(cls, rows: Sequence[UserRow]) -> "MethodSummary":
        """Summarize the rows of one method in one cell, at least one."""
        return cls(
            rows[0].key.method,
            rows[0].is_told_rank,
            len(rows),
            sum(row.is_right for row in rows),
            sum(row.is_success for row in rows),
            sum(row.is_false_success for row in rows),
            median(row.applications for row in rows),
            median(row.seconds for row in rows),
            _median(row.memory for row in rows),
            _median(row.best_ratio for row in rows),
            median(row.rank for row in rows),
        )


@dataclass(frozen=True)
class UserComparison:
    """Comparison in one cell.

    Attributes:
        cell: The cell.
        recover: Runs of `recover()`.
        others: Runs of each method that is told the rank.
        peer: Fastest of these by median CPU seconds, among those that succeed in half of their runs; None if none does.
        seconds_ratio: CPU seconds of `recover()` over those of the peer: the median over the problems that both ran
            and both solved; NaN if there is none.
        memory_ratio: Median peak memory of `recover()` over that of the peer; NaN if there is no peer or memory.
    """

    cell: UserCell
    recover: MethodSummary
    others: tuple[MethodSummary, ...]
    peer: MethodSummary | None
    seconds_ratio: float
    memory_ratio: float

    @property
    def best_other(self) -> MethodSummary | None:
        """Method of the best median ratio to the best approximation, for a spectrum that decays."""
        ratios = [method for method in self.others if not math.isnan(method.best_ratio)]
        return min(ratios, key=lambda method: method.best_ratio, default=None)


def compare_user_cells(rows: Sequence[UserRow]) -> list[UserComparison]:
    """Compare in every cell in which `recover()` has run, in the order of the cells."""
    groups: dict[UserCell, dict[str, list[UserRow]]] = {}
    for row in rows:
        groups.setdefault(row.key.cell, {}).setdefault(row.key.method, []).append(row)
    return [_compared(cell, groups[cell]) for cell in sorted(groups) if RECOVER in groups[cell]]


def _compared(cell: UserCell, methods: dict[str, list[UserRow]]) -> UserComparison:
    summaries = {name: MethodSummary.of_rows(rows) for name, rows in methods.items()}
    own = summaries[RECOVER]
    others = tuple(summary for summary in summaries.values() if summary.is_told_rank)
    peers = [method for method in others if method.successes and method.successes >= _PEER_SHARE * method.runs]
    peer = min(peers, key=lambda method: method.seconds, default=None)
    if peer is None:
        return UserComparison(cell, own, others, None, math.nan, math.nan)
    seconds = _seconds_ratio(methods[RECOVER], methods[peer.method])
    memory = own.memory / peer.memory if peer.memory > 0 else math.nan
    return UserComparison(cell, own, others, peer, seconds, memory)


def _seconds_ratio(own: Sequence[UserRow], other: Sequence[UserRow]) -> float:
    """Return the median ratio of CPU seconds over the problems that both solved."""
    solved: dict[UserKey, UserRow] = {row.key: row for row in other if row.is_success}
    ratios = []
    for row in own:
        match = solved.get(row.key._replace(method=other[0].key.method))
        if row.is_success and match is not None:
            ratios.append(row.seconds / match.seconds)
    return median(ratios) if ratios else math.nan


def _median(values: Iterable[float | None]) -> float:
    numbers = [value for value in values if value is not None]
    return median(numbers) if numbers else math.nan
