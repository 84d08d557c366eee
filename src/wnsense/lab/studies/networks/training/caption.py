"""Caption of the study of training."""

from collections.abc import Sequence

import numpy as np

from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.lab.studies.networks.network_axes import look_of
from wnsense.lab.studies.networks.network_phrases import images_paragraph, power_words, span_words
from wnsense.lab.studies.networks.table import TrainingRuns, power_over
from wnsense.lab.studies.networks.training.table import TrainingTable, gain_term, image_names, loss_term
from wnsense.networks.network import Scaling

# Rounding of a constant length in single precision.
_ROUNDING = 1e-5


def findings(study: TrainingTable) -> list[Finding]:
    """Return if the loss falls, if rows grow, and if `alpha` is as the theorem needs it."""
    runs = study.entries
    groups = []
    for name in image_names(runs):
        own = [run for run in runs if run.part.sampling.images == name]
        normalized = [run for run in own if run.kind.normalized]
        groups += [_loss(name, normalized), _rows(name, normalized), _ratio(name, own)]
        groups += [_sign(name, normalized), _width(name, normalized), _probes(name, normalized)]
    return groups


def paragraphs(study: TrainingTable) -> list[Paragraph]:
    """Return the test accuracies and the paragraph on the images."""
    lines = tuple(
        f"{run.part.sampling.images}, {look_of(run.kind).label}, m = {run.width}: "
        f"{100 * run.last('test_accuracy').mean():.1f} %"
        for run in study.entries
    )
    return [Paragraph("Test accuracy at the end, mean over seeds:", lines), images_paragraph(study)]


def _loss(name: str, runs: Sequence[TrainingRuns]) -> Finding:
    losses = np.concatenate([run.stack("train_loss") for run in runs])
    rises = int((np.diff(losses, axis=1) > 0).sum())
    text = (
        f"{name}, with WN: the loss falls from {span_words(losses[:, 0])} to {span_words(losses[:, -1])}; it rises in "
        f"{rises} of {losses[:, 1:].size} epochs"
    )
    return Finding(text, bool(np.isfinite(losses).all()) and rises == 0)


def _rows(name: str, runs: Sequence[TrainingRuns]) -> Finding:
    shortest = np.concatenate([run.stack("shortest") for run in runs])
    fall = float((1 - shortest[:, 1:] / shortest[:, :-1]).max())
    growth = shortest[:, -1] / shortest[:, 0]
    text = (
        f"{name}: under WN the shortest row never falls (at most {max(fall, 0.0):.1e} of it in an epoch, which is "
        f"rounding up to {_ROUNDING:g}); over the training it grows by {span_words(100 * (growth - 1))} %"
    )
    return Finding(text, fall <= _ROUNDING)


def _ratio(name: str, runs: Sequence[TrainingRuns]) -> Finding:
    ends = "; ".join(
        f"{look_of(run.kind).label}, m = {run.width}: {run.first('ratio').mean():.3g} -> {run.last('ratio').mean():.3g}"
        for run in runs
    )
    return Finding(f"{name}: ||grad L||^2 / L from start to end, {ends}", None)


def _sign(name: str, runs: Sequence[TrainingRuns]) -> Finding:
    alphas = np.concatenate([run.stack("convexity_estimate").ravel() for run in runs])
    short = np.concatenate([loss_term(run) / gain_term(run) for run in runs])
    text = (
        f"{name}, with WN: alpha by the formula, with measured numbers for its bounds, is above 0 in "
        f"{int((alphas > 0).sum())} of {alphas.size} measurements; at the end the term that lowers it is "
        f"{span_words(short)} times the term that raises it"
    )
    return Finding(text, bool((alphas > 0).all()))


def _width(name: str, runs: Sequence[TrainingRuns]) -> Finding:
    sweep = [run for run in runs if run.kind.scaling is Scaling.ONE]
    if len({run.width for run in sweep}) < 3:
        return Finding(f"{name}: too few widths for the effect of the width on alpha", None)
    power = power_over(sweep, lambda run: run.width, lambda run: gain_term(run) / loss_term(run))
    text = (
        f"{name}: the term that raises alpha over the term that lowers it goes as width^{power_words(power)}; it "
        "should grow"
    )
    return Finding(text, power.low > 0)


def _probes(name: str, runs: Sequence[TrainingRuns]) -> Finding:
    formula = np.concatenate([run.stack("convexity_estimate") for run in runs])
    least = np.concatenate([np.minimum(run.stack("convexity_here"), run.stack("convexity_away")) for run in runs])
    measured = np.isfinite(least) & np.isfinite(formula)
    below = int((formula[measured] <= least[measured]).sum())
    text = (
        f"{name}, with WN: restricted strong convexity holds with the formula's alpha along every direction "
        f"of the cone that was probed in {below} of {int(measured.sum())} measurements, "
        f"and a negative alpha is a weak condition; the least alpha found is "
        f"{span_words(least)}"
    )
    return Finding(text, below == int(measured.sum()))
