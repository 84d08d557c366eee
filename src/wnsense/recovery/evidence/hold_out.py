"""Evidence of held-out measurements: which rows are held out, and how well a matrix predicts them."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from scipy.special import ndtri, stdtr
from torch import Tensor

from wnsense.sensing import row_reductions
from wnsense.sensing.ensembles.entries import EntrySensing
from wnsense.sensing.operator import Operator
from wnsense.solvers.objective import Evaluation, SensingObjective

# Number of held-out rows by default: a tenth of all, within two limits. The least number is enough for a significant
# test, but at most a fifth of all. The largest number is as many as the test needs.
_FRACTION = 0.1
_ENOUGH = 30
_LARGEST_SHARE = 0.2
_PLENTY = 4000
# Rows of which a rank correlation has a distribution at all.
_LEAST_ROWS = 3
# Lines with fewer sampled entries than this share of the median are sparse. With the median as the limit, spectra
# that decay lost 5%.
_SPARSE = 0.5
# From this many rows on, the mean of squares is nearly normal, whatever the tails of the rows.
_MANY = 1000


@dataclass(frozen=True)
class Evidence:
    """Prediction of held-out measurements by a matrix.

    Attributes:
        explained: Explained share of their variance, 1 for a perfect prediction, at most 0 for none. The part that a
            multiple of the identity and a constant explain is not counted.
        score: Spearman's rank correlation of prediction and measurement, as deviations of a normal number that are as
            improbable if the two are independent, whatever their distributions.
    """

    explained: float
    score: float


@dataclass(frozen=True)
class Prediction:
    """Held-out measurements and their prediction, less the part that a multiple of the identity and a constant explain.

    Attributes:
        measured: Measurements, (k,).
        misfit: Prediction less measurements, (k,).
    """

    measured: Float[Tensor, " k"]
    misfit: Float[Tensor, " k"]

    @classmethod
    def joined(cls, predictions: Sequence["Prediction"]) -> "Prediction":
        """Return the predictions of several groups of rows as one."""
        return cls(torch.cat([one.measured for one in predictions]), torch.cat([one.misfit for one in predictions]))

    def evidence(self) -> Evidence:
        """Return the evidence of these rows."""
        unexplained = float(row_reductions.squared_norm(self.misfit) / row_reductions.squared_norm(self.measured))
        correlation = row_reductions.rank_correlation(self.measured, self.measured + self.misfit)
        return Evidence(1 - unexplained, correlation_score(correlation, self.measured.shape[0]))


def held_out_count(count: int, fraction: float | None) -> int:
    """Return the number of measurements to hold out; 0 for a fraction of 0. The default leaves at least one to fit."""
    if fraction is not None:
        return 0 if fraction == 0 else max(1, round(fraction * count))
    return min(max(math.ceil(_FRACTION * count), min(_ENOUGH, int(_LARGEST_SHARE * count))), _PLENTY, count - 1)


def fitted_mask(
    usable: Float[Tensor, " n"], held_out: int, seed: int, operator: Operator | None = None
) -> Float[Tensor, " n"]:
    """Return 1 for rows to fit and 0 for held-out rows, drawn from the seed among rows of positive weight.

    Args:
        usable: Weights of the rows, (n,).
        held_out: Number of rows to hold out.
        seed: Seed.
        operator: Operator of the rows. Of sampled entries, those of lines with few entries are not held out: the other
            rows might not determine them, and they would test nothing.
    """
    candidates = usable > 0
    if isinstance(operator, EntrySensing):
        counts = _line_counts(operator, candidates)
        frequent = candidates & (counts >= _SPARSE * row_reductions.median(counts[candidates]))
        candidates = frequent if row_reductions.count(frequent) >= held_out else candidates
    return torch.ones_like(usable).masked_fill(row_reductions.drawn(candidates, held_out, seed), 0)


def _line_counts(operator: EntrySensing, usable: Bool[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Return the number of usable entries of the row or the column of each entry, the smaller of the two."""
    m1, m2 = operator.shape
    ones = usable.to(operator.real_dtype)
    rows = row_reductions.group_sums(ones, operator.rows, m1)
    columns = row_reductions.group_sums(ones, operator.columns, m2)
    if operator.kind.is_symmetric:
        # A line is a row and the column of its number.
        rows = columns = rows + columns
    return torch.minimum(rows[operator.rows], columns[operator.columns])


def held_out_prediction(objective: SensingObjective, at: Evaluation) -> Prediction:
    """Return the prediction of the held-out rows by a point.

    Raises:
        ValueError: If no rows are held out.
    """
    if objective.fitted is None:
        raise ValueError("no rows are held out")
    held = _held(objective)
    # Rows of weight 0 are neither fitted nor held out; their values are arbitrary.
    fitted = (objective.fitted > 0) & (objective.calibration.row_scale > 0)
    target = objective.target
    regressors = [torch.ones_like(target)]
    if objective.calibration.traces is not None:
        regressors.append(objective.calibration.traces)
    regression = torch.stack(regressors, dim=-1)
    baseline = regression[held] @ row_reductions.least_squares(regression[fitted], target[fitted])
    return Prediction(target[held] - baseline, at.residual[held])


def held_out_evidence(objective: SensingObjective, at: Evaluation) -> Evidence:
    """Return the evidence of the held-out rows on a point.

    Raises:
        ValueError: If no rows are held out.
    """
    return held_out_prediction(objective, at).evidence()


def correlation_score(correlation: float, count: int) -> float:
    """Return the deviations of a normal number that are as improbable as a rank correlation of independent rows.

    The probability is that of Student's t (Kendall and Stuart, The Advanced Theory of Statistics, 31.19), and at least
    that of one order among all: 9 rows in the right order are 4.5 deviations.

    Args:
        correlation: Spearman's rank correlation.
        count: Number of rows.
    """
    if count < _LEAST_ROWS:
        return 0.0
    rest = 1 - correlation**2
    t = math.inf if rest <= 0 else abs(correlation) * math.sqrt((count - 2) / rest)
    probability = max(float(stdtr(count - 2, -t)), math.exp(-math.lgamma(count + 1)), sys.float_info.min)
    return math.copysign(-float(ndtri(probability)), correlation)


def improvement_score(objective: SensingObjective, before: Evaluation, after: Evaluation) -> float:
    """Return the score by which `after` predicts the held-out rows better than `before`.

    It is the mean paired difference of squared residuals over its standard error, infinite if there is no spread. With
    few rows the absolute residuals are compared instead: quadratic measurements differ much in size, and one large
    residual could outweigh the decrease of nearly all others.
    """
    held = _held(objective)
    residuals = [at.residual[held].abs() for at in (before, after)]
    count = row_reductions.count(held)
    if count >= _MANY:
        residuals = [residual.square() for residual in residuals]
    difference = residuals[0] - residuals[1]
    mean = row_reductions.mean(difference)
    error = row_reductions.deviation(difference) / math.sqrt(count) if count > 1 else 0.0
    if error == 0:
        return math.copysign(math.inf, mean) if mean != 0 else 0.0
    return mean / error


def _held(objective: SensingObjective) -> Tensor:
    if objective.fitted is None:
        raise ValueError("no rows are held out")
    return objective.fitted == 0
