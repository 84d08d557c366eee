"""Recovery where an unknown part of the measurements is grossly wrong."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from wnsense.checks import require
from wnsense.recovery.arguments import limits_from, problem_from_arguments
from wnsense.recovery.evidence.hold_out import held_out_count, held_out_evidence
from wnsense.recovery.evidence.thresholds import THRESHOLDS
from wnsense.recovery.recover import recover
from wnsense.recovery.result import Recovery
from wnsense.running.progress import watched
from wnsense.running.status import Status
from wnsense.running.stop import Callback
from wnsense.sensing import row_reductions
from wnsense.sensing.given_numbers import NumbersLike
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import Problem
from wnsense.solvers.objective import SensingObjective
from wnsense.values import by_value

_ROUNDS = 12
# A residual beyond this many standard deviations, estimated from the median, marks an outlier. It happens for one in
# 16,000 good normal measurements.
_DEVIATIONS = 4.0
_DEVIATION_OF_MEDIAN = 1.4826
# An exact fit leaves rounding errors, which are never outliers.
_ROUNDING = 1e-8
# Least share of agreeing measurements: more than half wrong ones cannot be identified.
_LEAST_AGREEING = 0.5


@dataclass(frozen=True)
@by_value
class RobustRecovery:
    """Recovery from the measurements that agree with each other.

    A part of the measurements, the test rows, is used in no round.

    Attributes:
        recovery: Recovery from the agreeing measurements. Its status is NO_LOW_RANK_FIT if the matrix does not predict
            the test rows.
        outliers: Mask of the measurements that do not agree with the matrix, (n,), test rows included.
        rounds: Number of rounds.
        applications: Applications of all rounds.
        agreeing: Share of the test rows that agree with the matrix.
        score: Rank correlation of prediction and test rows, in standard deviations from none.
    """

    recovery: Recovery
    outliers: Bool[Tensor, " n"]
    rounds: int
    applications: int
    agreeing: float
    score: float

    def __str__(self) -> str:
        """Return the summary of the recovery, with the number of outliers and the cost of all rounds."""
        count, rounds = row_reductions.count(self.outliers), "1 round" if self.rounds == 1 else f"{self.rounds} rounds"
        return (
            f"{self.recovery}\n  {count} of {len(self.outliers)} measurements do not agree with the matrix; "
            f"{rounds}, {self.applications} applications in all"
        )


def recover_robustly(
    operator: Operator | Problem,
    measurements: NumbersLike | None = None,
    *,
    max_rank: int | None = None,
    weights: NumbersLike | None = None,
    tolerance: float = 1e-10,
    seed: int = 0,
    truth: LowRank | NumbersLike | None = None,
    max_applications: int | None = None,
    max_seconds: float | None = None,
    callback: Callback | None = None,
    progress: bool = False,
) -> RobustRecovery:
    """Recover a low-rank matrix from measurements of which some are grossly wrong.

    The loss is least trimmed squares (Rousseeuw, 1984), minimized by concentration steps (Rousseeuw and Van Driessen,
    1999; for matrices of low rank: She and Chen, arXiv 1509.03938). Each round recovers the matrix from the accepted
    measurements. It then accepts those whose residual is within 4 standard deviations, estimated from the median. The
    rounds end when the accepted set no longer changes. Each round is a whole `recover()`, so that the rank can grow
    with the set. Tested with 5% and 10% of errors ten times the size of the measurements, at 4 and 6 times the degrees
    of freedom.

    A tenth of the measurements is used in no round and tests the final matrix.

    Args:
        operator: Operator `M`, or a whole problem, whose noise level is not used.
        measurements: Measurements `y`, (n,); None with a whole problem.
        max_rank: Largest rank to return.
        weights: Weights of the measurements, (n,), at least 0: the inverse variances of good ones. Rows of weight 0 are
            neither used nor tested. By default those of the problem, like truth.
        tolerance: See `recover`.
        seed: Seed of the test rows, the hold-out and the starts.
        truth: True matrix, where it is known; used for the trace and the report only.
        max_applications: Budget in applications for all rounds together.
        max_seconds: Budget in seconds for all rounds together.
        callback: Function called with the progress of every round; if it returns True, the recovery stops.
        progress: See `recover`.

    Raises:
        InputError: If sizes do not agree or numbers are out of range, or fewer than 30 measurements are given.
    """
    given = problem_from_arguments(operator, measurements, truth=truth, noise_level=None, weights=weights)
    problem = given.problem
    limits = limits_from(
        problem.operator,
        max_rank=max_rank,
        tolerance=tolerance,
        seed=seed,
        max_applications=max_applications,
        max_seconds=max_seconds,
    )
    seed = limits.seed
    y = problem.measurements
    weight = torch.ones_like(y) if problem.weights is None else problem.weights
    usable, root = weight > 0, weight.sqrt()
    test, copies = _test_rows(problem.operator, usable, seed)
    tested = test | copies
    part = usable & ~tested
    accepted = part
    spent, rounds, seconds = 0, 0, 0.0
    with watched(callback, progress=progress, budget=None) as watching:
        while True:
            recovery = recover(
                problem.operator,
                y,
                max_rank=max_rank,
                weights=weight * accepted,
                tolerance=tolerance,
                seed=seed,
                truth=problem.truth,
                max_applications=None if max_applications is None else max(max_applications - spent, 1),
                max_seconds=None if max_seconds is None else max(max_seconds - seconds, 1e-3),
                callback=watching,
            )
            spent, rounds, seconds = spent + recovery.applications + 1, rounds + 1, seconds + recovery.seconds
            residual = root * (problem.operator.measure(recovery.matrix) - y).abs()
            agreeing = (residual <= _limit(residual[part], (root * y)[part])) | ~usable
            ended_early = not _has_verdict(recovery.status)
            if ended_early or rounds == _ROUNDS or row_reductions.has_all((agreeing & part) == accepted):
                break
            accepted = agreeing & part
    share = row_reductions.mean(agreeing[tested].double())
    tests_once = Problem(problem.operator, y, weights=weight * ~copies)
    score, cost = _test_score(tests_once, ~test, recovery.matrix, seed)
    if recovery.status.is_success and (share < _LEAST_AGREEING or score <= THRESHOLDS.significance):
        warning = (
            f"{share:.0%} of the measurements that were used in no round agree with the matrix, too few to confirm it"
        )
        recovery = replace(recovery, status=Status.NO_LOW_RANK_FIT, warnings=(*recovery.warnings, warning))
    recovery = replace(recovery, warnings=(*given.warnings, *recovery.warnings))
    return RobustRecovery(recovery, ~agreeing, rounds, spent + cost, share, score)


def _test_rows(operator: Operator, usable: Bool[Tensor, " n"], seed: int) -> tuple[Tensor, Tensor]:
    """Return the masks of the test rows and of their copies, which would predict them if they were fitted.

    Raises:
        InputError: If fewer than 30 different rows are usable.
    """
    groups = operator.row_groups()
    distinct = usable if groups is None else usable & groups.is_leading
    count = row_reductions.count(distinct)
    require(count >= 30, "at least 30 measurements to tell wrong ones from right ones", count, "use recover")
    # Another seed than that of the recoveries, so that the test rows are not the rows that they hold out.
    test = row_reductions.drawn(distinct, held_out_count(count, None), seed + 1)
    proportional = test if groups is None else groups.with_copies(test)
    return test, usable & proportional & ~test


def _limit(residual: Float[Tensor, " k"], y: Float[Tensor, " k"]) -> float:
    spread = _DEVIATIONS * _DEVIATION_OF_MEDIAN * row_reductions.median(residual)
    return max(spread, _ROUNDING * row_reductions.median(y.abs()))


def _has_verdict(status: Status) -> bool:
    return status.is_success or status in {Status.TOO_FEW_MEASUREMENTS, Status.NO_LOW_RANK_FIT}


def _test_score(problem: Problem, used: Bool[Tensor, " n"], matrix: LowRank, seed: int) -> tuple[float, int]:
    """Return the score of a matrix on the rows that were not used, and its cost in applications."""
    objective = SensingObjective(problem, used.to(problem.measurements.dtype), seed)
    at = objective.evaluate(objective.from_user(matrix))
    return held_out_evidence(objective, at).score, objective.calibration.applications + 2
