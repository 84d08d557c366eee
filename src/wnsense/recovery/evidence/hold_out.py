"""Telling recovery from fitting: measurements that no solver saw, and what it takes to predict them."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.solvers.objective import Evaluation, SensingObjective

# Rows held out when nobody says how many: a tenth, but enough for a test to be able to speak, and no more than
# it needs.
_FRACTION = 0.1
_ENOUGH = 30
_LARGEST_SHARE = 0.2
_PLENTY = 4000
# From so many rows on the mean of squares is as good as normal, whatever their tails.
_MANY = 1000


@dataclass(frozen=True)
class Evidence:
    """What held-out measurements say of a matrix.

    Attributes:
        explained: The explained part of their variance, 1 for a perfect prediction, at most 0 for none. What a
            multiple of the identity and a constant explain is not counted.
        score: Spearman's rank correlation of prediction and measurement times sqrt(count - 1): standard normal when
            they have nothing to do with each other, whatever their distributions.
    """

    explained: float
    score: float


def held_out_count(count: int, fraction: float | None) -> int:
    """How many of n measurements to hold out; 0 for a fraction of 0. The default leaves at least one to fit."""
    if fraction is not None:
        return 0 if fraction == 0 else max(1, round(fraction * count))
    return min(max(math.ceil(_FRACTION * count), min(_ENOUGH, int(_LARGEST_SHARE * count))), _PLENTY, count - 1)


def fitted_mask(usable: Float[Tensor, " n"], held_out: int, seed: int) -> Float[Tensor, " n"]:
    """1 for rows to fit and 0 for rows held out, drawn from the seed among the rows whose weight is positive."""
    rows = torch.nonzero(usable > 0).flatten().cpu()
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    mask = torch.ones_like(usable)
    mask[rows[order[:held_out]].to(usable.device)] = 0
    return mask


def held_out_evidence(objective: SensingObjective, at: Evaluation) -> Evidence:
    """What the rows held out say of a point.

    Raises:
        ValueError: If no rows are held out.
    """
    if objective.fitted is None:
        raise ValueError("no rows are held out")
    held = _held(objective)
    # Rows of no weight are neither: what they hold may be anything.
    fitted = (objective.fitted > 0) & (objective.calibration.row_scale > 0)
    target = objective.target
    regressors = [torch.ones_like(target)]
    if objective.calibration.traces is not None:
        regressors.append(objective.calibration.traces)
    baseline_of = torch.stack(regressors, dim=-1)
    coefficients = torch.linalg.lstsq(baseline_of[fitted], target[fitted].unsqueeze(-1), driver="gelsd").solution
    baseline = (baseline_of[held] @ coefficients).squeeze(-1)

    measured = target[held] - baseline
    missed = at.residual[held]
    explained = 1 - float(missed.square().sum() / measured.square().sum())
    return Evidence(explained, _spearman(measured, measured + missed) * math.sqrt(max(len(measured) - 1, 0)))


def improvement_score(objective: SensingObjective, before: Evaluation, after: Evaluation) -> float:
    """How surely `after` predicts the held-out rows better than `before`.

    The mean paired difference of squared misses over its standard error; infinite when there is no spread. Of absolute
    misses where the rows are few: a few of them measure much, as quadratic measurements have it, and one large miss
    could hide that nearly all others shrink.
    """
    held = _held(objective)
    misses = [at.residual[held].abs() for at in (before, after)]
    if len(misses[0]) >= _MANY:
        misses = [miss.square() for miss in misses]
    difference = misses[0] - misses[1]
    mean = float(difference.mean())
    error = float(difference.std(unbiased=True)) / math.sqrt(len(difference)) if len(difference) > 1 else 0.0
    if error == 0:
        return math.copysign(math.inf, mean) if mean != 0 else 0.0
    return mean / error


def _held(objective: SensingObjective) -> Tensor:
    if objective.fitted is None:
        raise ValueError("no rows are held out")
    return objective.fitted == 0


def _spearman(a: Tensor, b: Tensor) -> float:
    # scipy.stats takes half a second to import.
    from scipy.stats import rankdata

    ranks = torch.stack([torch.from_numpy(rankdata(v.cpu().numpy())) for v in (a, b)])
    ranks = ranks - ranks.mean(-1, keepdim=True)
    norms = torch.linalg.vector_norm(ranks, dim=-1).prod()
    return float(ranks.prod(0).sum() / norms) if norms > 0 else 0.0
