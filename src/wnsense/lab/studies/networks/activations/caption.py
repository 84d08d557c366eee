"""Caption of the study of activations."""

from collections.abc import Sequence

import numpy as np

from wnsense.lab.studies.frame.findings import Finding
from wnsense.lab.studies.networks.activations.table import (
    LOOKS,
    ActivationTable,
    distances,
    largest_difference,
)
from wnsense.lab.studies.networks.network_phrases import span_words
from wnsense.lab.studies.networks.table import KinkRuns, TrainingRuns


def findings(study: ActivationTable) -> list[Finding]:
    """Return if bounds hold for smooth activations, and what a kink does to second differences."""
    runs, kinks = study.entries, study.kinks
    smooth = [kink for kink in kinks if np.isfinite(kink.stack("bound")).any()]
    return [
        *(_slopes(run) for run in runs),
        *(_smooth(kink) for kink in smooth),
        *(_kinked(kink, smooth) for kink in kinks if kink not in smooth),
        *(_convexity(run) for run in runs),
        _training(runs),
    ]


def _slopes(run: TrainingRuns) -> Finding:
    slopes, bounds = run.stack("output_slope"), run.stack("slope_bound")
    text = (
        f"{LOOKS[run.activation].label}: ||grad f|| is {span_words(slopes)} at the start and the end of training, and "
        f"within its bound, {span_words(bounds)}, in {int((slopes <= bounds).sum())} of {slopes.size} measurements"
    )
    return Finding(text, bool((slopes <= bounds).all()))


def _smooth(kink: KinkRuns) -> Finding:
    bound, differences = kink.stack("bound").max(axis=0), largest_difference(kink)
    bounded = np.isfinite(bound)
    inside = int((differences <= bound)[bounded].sum())
    text = (
        f"{LOOKS[kink.activation].label}: second differences are at most {float(differences[bounded].max()):.3g}, and "
        f"within the bound on ||grad^2 f|| on the way at {inside} of {int(bounded.sum())} distances"
    )
    return Finding(text, bool((differences <= bound)[bounded].all()))


def _kinked(kink: KinkRuns, smooth: Sequence[KinkRuns]) -> Finding:
    """Return second differences over a kink, which theory does not treat, beside those of a smooth activation."""
    differences, r = largest_difference(kink), distances(kink)
    peak = int(differences.argmax())
    text = (
        f"{LOOKS[kink.activation].label}, which theory for smooth activations does not treat: second differences "
        f"reach {float(differences[peak]):.3g} at r = {r[peak]:.2g}"
    )
    if smooth:
        beside = float(largest_difference(smooth[0]).max())
        bound = float(np.nanmax(smooth[0].stack("bound")[:, peak]))
        text += (
            f", {float(differences[peak]) / beside:.3g} times the largest of {LOOKS[smooth[0].activation].label} and "
            f"{float(differences[peak]) / bound:.3g} times its bound there"
        )
    gaps = kink.stack("gaps")
    text += f"; the nearest kinks are {float(gaps.min()):.1e} away; nearer kinks would give larger differences"
    return Finding(text, None)


def _convexity(run: TrainingRuns) -> Finding:
    formula = run.stack("convexity_estimate")
    least = np.minimum(run.stack("convexity_here"), run.stack("convexity_away"))
    measured = np.isfinite(formula) & np.isfinite(least)
    text = (
        f"{LOOKS[run.activation].label}: alpha by the formula is {span_words(formula)}, the least measured in the cone "
        f"{span_words(least)}, which is no less in {int((least >= formula)[measured].sum())} of "
        f"{int(measured.sum())} cases"
    )
    return Finding(text, None)


def _training(runs: Sequence[TrainingRuns]) -> Finding:
    ends = "; ".join(
        f"{LOOKS[run.activation].label} {run.first('train_loss').mean():.3g} -> {run.last('train_loss').mean():.3g}, "
        f"ratio {run.first('ratio').mean():.3g} -> {run.last('ratio').mean():.3g}"
        for run in runs
    )
    return Finding(f"training loss and gradient-to-loss ratio from start to end: {ends}", None)
