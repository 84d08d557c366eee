"""Caption of the study of learning rates."""

from collections.abc import Sequence

import numpy as np

from wnsense.lab.studies.frame.findings import Finding
from wnsense.lab.studies.networks.network_axes import look_of
from wnsense.lab.studies.networks.network_phrases import span_words
from wnsense.lab.studies.networks.rates.table import (
    PUBLISHED_RATE,
    LearningRateTable,
    absolute_rate,
    final_loss,
    runs_by_kind,
)
from wnsense.lab.studies.networks.table import NetworkKind, TrainingRuns

# Losses up to this multiple of the best one count as near it.
_NEAR = 2.0
# Relative rise of a loss in single precision that counts as rounding.
_ROUNDING = 1e-5


def findings(study: LearningRateTable) -> list[Finding]:
    """Return if steps below `2 / beta` descend as stated, and how wide the range of good rates is."""
    return [
        finding
        for kind, runs in runs_by_kind(study.entries).items()
        for finding in (_descent(kind, runs), _contraction(kind, runs), _range(kind, runs), _published(kind, runs))
    ]


def _descent(kind: NetworkKind, runs: Sequence[TrainingRuns]) -> Finding:
    below = [run for run in runs if run.part.learning_rate < 2]
    falls = np.concatenate([_falls(run) for run in below])
    safe = [run.part.learning_rate for run in runs if _falls(run).all()]
    up_to = f", in every one at rates up to {max(safe):g} / beta" if safe else ""
    above = [run for run in runs if run.part.learning_rate > 2]
    fine = [run.part.learning_rate for run in above if (final_loss(run) < run.first("train_loss")).all()]
    beyond = f"; beyond it the loss is lower at the end than at the start up to {max(fine):g} / beta" if fine else ""
    text = (
        f"{look_of(kind).label}: at rates below 2 / beta, beta measured at the start, the loss falls in "
        f"{int(falls.sum())} of {falls.size} steps{up_to}{beyond}"
    )
    return Finding(text, bool(falls.all()))


def _falls(run: TrainingRuns) -> np.ndarray:
    """Return for each step if the loss falls, up to rounding."""
    losses = run.stack("train_loss")
    return np.asarray(losses[:, 1:] <= (1 + _ROUNDING) * losses[:, :-1])


def _contraction(kind: NetworkKind, runs: Sequence[TrainingRuns]) -> Finding:
    """Compare each step with smoothness: `L+ <= L (1 - omega (2 - omega) / (2 beta) ||grad L||^2 / L)`."""
    kept, total, curvatures = 0, 0, []
    for run in runs:
        omega = run.part.learning_rate
        beta = run.first("loss_curvature")
        curvatures.append(run.stack("loss_curvature"))
        if omega >= 2:
            continue
        losses, ratios = run.stack("train_loss"), run.stack("ratio")[:, :-1]
        promised = losses[:, :-1] * (1 - omega * (2 - omega) / (2 * beta[:, None]) * ratios)
        kept += int((losses[:, 1:] <= promised + _ROUNDING * losses[:, :-1]).sum())
        total += promised.size
    ends = np.concatenate(curvatures)
    growth = ends[:, 1] / ends[:, 0]
    text = (
        f"{look_of(kind).label}: a step lowers the loss at least as much as the gradient-to-loss ratio and beta of the "
        f"start promise in {kept} of {total} steps; beta at the end is {span_words(growth)} times that of the start"
    )
    return Finding(text, kept == total)


def _range(kind: NetworkKind, runs: Sequence[TrainingRuns]) -> Finding:
    ends = np.array([np.median(final_loss(run)) for run in runs])
    rates = np.array([absolute_rate(run) for run in runs])
    near = rates[ends <= _NEAR * ends.min()]
    best = int(ends.argmin())
    diverged = sum(int(run.first("diverged").sum()) for run in runs)
    text = (
        f"{look_of(kind).label}: the least loss at the end is {ends[best]:.3g}, at "
        f"{runs[best].part.learning_rate:g} / beta (rate {rates[best]:.2g}); within twice that for rates "
        f"{near.min():.2g} to {near.max():.2g}, a factor of {near.max() / near.min():.3g}; {diverged} runs diverged"
    )
    return Finding(text, None)


def _published(kind: NetworkKind, runs: Sequence[TrainingRuns]) -> Finding:
    betas = np.concatenate([run.first("loss_curvature") for run in runs])
    share = span_words(PUBLISHED_RATE * betas)
    return Finding(f"{look_of(kind).label}: the published rate, {PUBLISHED_RATE:g}, is {share} / beta here", None)
