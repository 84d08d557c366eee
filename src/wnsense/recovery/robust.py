"""Recovery where some measurements are grossly wrong and nobody knows which."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from wnsense.checks import require, require_finite, require_size
from wnsense.recovery.evidence.hold_out import fitted_mask, held_out_count, held_out_evidence
from wnsense.recovery.evidence.verdict import SIGNIFICANT_SCORE
from wnsense.recovery.recover import recover
from wnsense.recovery.result import Recovery
from wnsense.running.status import Status
from wnsense.running.stop import Callback
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import Problem
from wnsense.solvers.objective import SensingObjective

_ROUNDS = 12
# A residual beyond so many standard deviations, these from the median of all, is an error: of good normal ones one in
# 16,000.
_DEVIATIONS = 4.0
_DEVIATION_OF_MEDIAN = 1.4826
# An exact fit leaves rounding, of which there are no outliers.
_ROUNDING = 1e-8
# No more than half of the measurements can be told to be wrong.
_LEAST_AGREEING = 0.5


@dataclass(frozen=True)
class RobustRecovery:
    """A recovery without the measurements that do not belong to it.

    Attributes:
        recovery: Of the measurements kept. Its status is that of the recovery, held to the measurements that took no
            part in anything: NO_LOW_RANK_FIT where these are not predicted.
        outliers: Which measurements do not agree with the matrix, (n,), those that took no part included.
        rounds: How often measurements were chosen.
        applications: Of all rounds.
        agreeing: The share of the measurements that took no part which agree with the matrix.
        score: How surely the matrix predicts them, in standard deviations of a rank correlation.
    """

    recovery: Recovery
    outliers: Bool[Tensor, " n"]
    rounds: int
    applications: int
    agreeing: float
    score: float


def recover_robustly(
    operator: Operator,
    measurements: Tensor | np.ndarray,
    *,
    max_rank: int | None = None,
    weights: Tensor | np.ndarray | None = None,
    tolerance: float = 1e-10,
    seed: int = 0,
    truth: LowRank | None = None,
    max_applications: int | None = None,
    max_seconds: float | None = None,
    callback: Callback | None = None,
) -> RobustRecovery:
    """Recover a low-rank matrix from measurements of which some are grossly wrong.

    The loss is least trimmed squares (Rousseeuw, 1984), approached by concentration steps (Rousseeuw and Van Driessen,
    1999; for matrices of low rank: She and Chen, arXiv 1509.03938): recover from the measurements that are believed,
    believe those whose residual is within 4 standard deviations as the median of all tells them, and again until
    nothing changes. Each round is a whole `recover()`, so that the rank may grow with what is believed. Seen: 5% and
    10% of errors ten times the size of the measurements, at 4 and 6 times the degrees of freedom.

    A tenth of the measurements takes no part in any round, and judges at the end.

    Args:
        operator: What measured.
        measurements: y, (n,).
        max_rank: A bound on the rank returned.
        weights: How much each measurement counts, (n,), at least 0: the inverse variance of good ones. Rows of weight 0
            take no part and are not judged.
        tolerance: See `recover`.
        seed: What the judges, the hold-out and the starts are drawn from.
        truth: The matrix that was measured, where it is known; never used.
        max_applications: A budget for all rounds together.
        max_seconds: The same in seconds.
        callback: Told of the progress of every round; returning True stops.

    Raises:
        InputError: If sizes do not agree or numbers are out of range, or fewer than 30 measurements are given.
    """
    y = torch.as_tensor(measurements).to(device=operator.device, dtype=operator.real_dtype)
    require_size("measurements", y.shape, (operator.count,))
    require_finite("the measurements", y)
    weight = torch.ones_like(y) if weights is None else torch.as_tensor(weights).to(y)
    require_size("weights", weight.shape, y.shape)
    require(bool((weight >= 0).all()), "weights of at least 0", float(weight.min()))
    usable, root = weight > 0, weight.sqrt()
    count = int(usable.sum())
    require(count >= 30, "at least 30 measurements to tell wrong ones from right ones", count, "use recover")
    # Not the rows that the recoveries hold out, which a seed of their own draws.
    judging = usable & (fitted_mask(weight, held_out_count(count, None), seed + 1) == 0)
    part = usable & ~judging
    believed = part
    spent, rounds, seconds = 0, 0, 0.0
    while True:
        recovery = recover(
            operator,
            y,
            max_rank=max_rank,
            weights=weight * believed,
            tolerance=tolerance,
            seed=seed,
            truth=truth,
            max_applications=None if max_applications is None else max(max_applications - spent, 1),
            max_seconds=None if max_seconds is None else max(max_seconds - seconds, 1e-3),
            callback=callback,
        )
        spent, rounds, seconds = spent + recovery.applications + 1, rounds + 1, seconds + recovery.seconds
        residual = root * (operator.measure(recovery.matrix) - y).abs()
        agreeing = (residual <= _limit(residual[part], (root * y)[part])) | ~usable
        ended_early = not _has_verdict(recovery.status)
        if ended_early or rounds == _ROUNDS or torch.equal(agreeing & part, believed):
            break
        believed = agreeing & part
    share = float(agreeing[judging].double().mean())
    score, cost = _judged(Problem(operator, y, weights=weight), ~judging, recovery.matrix, seed)
    if recovery.status.is_success and (share < _LEAST_AGREEING or score <= SIGNIFICANT_SCORE):
        told = f"of the measurements that took no part {share:.0%} agree with the matrix"
        recovery = replace(recovery, status=Status.NO_LOW_RANK_FIT, warnings=(*recovery.warnings, told))
    return RobustRecovery(recovery, ~agreeing, rounds, spent + cost, share, score)


def _limit(residual: Float[Tensor, " k"], y: Float[Tensor, " k"]) -> float:
    spread = _DEVIATIONS * _DEVIATION_OF_MEDIAN * float(residual.median())
    return max(spread, _ROUNDING * float(y.abs().median()))


def _has_verdict(status: Status) -> bool:
    return status.is_success or status in {Status.TOO_FEW_MEASUREMENTS, Status.NO_LOW_RANK_FIT}


def _judged(problem: Problem, taking_part: Bool[Tensor, " n"], matrix: LowRank, seed: int) -> tuple[float, int]:
    """How surely a matrix predicts the rows that took no part, and the cost of asking."""
    objective = SensingObjective(problem, taking_part.to(problem.measurements.dtype), seed)
    at = objective.evaluate(objective.from_user(matrix))
    return held_out_evidence(objective, at).score, objective.calibration.applications + 2
