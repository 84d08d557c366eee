"""Findings of the study: which method is faster, and rates beside their predictions."""

import math
from collections.abc import Sequence

import numpy as np

from wnsense.lab.studies.diagonal.sparse_drawing import rate_words
from wnsense.lab.studies.diagonal.speed.table import BestSteps, MeasuredLayers, MeasuredRate, SpeedTable
from wnsense.lab.studies.diagonal.table import FOUND
from wnsense.lab.studies.frame.findings import Finding, Paragraph

# Rates that differ by less count as the same: the last decade of a residual still bends a little.
_SAME = 0.05
# Below this part of the other's steps a method is faster.
_FASTER = 0.9


def findings(study: SpeedTable) -> list[Finding]:
    """Return the findings on the faster method, and on predicted and measured rates."""
    content = study
    bests, flows, models = content.bests, content.flows, content.models
    depths = sorted({best.depth for best in bests})
    return [
        *(_faster(bests, depth) for depth in depths),
        *(_same_start(bests, depth) for depth in depths),
        _flow_rates(flows),
        _loss_bounds(flows),
        _model_rates(models),
        _model_bounds(models),
        _model_speed(models),
    ]


def _faster(bests: Sequence[BestSteps], depth: int) -> Finding:
    """Return the fewest steps over all starts from which the vector is found, with and without WN."""
    fewest: dict[bool, BestSteps] = {}
    for best in bests:
        if best.depth != depth or not math.isfinite(best.steps) or best.error > FOUND:
            continue
        normalized = best.ratio is not None
        if normalized not in fewest or best.steps < fewest[normalized].steps:
            fewest[normalized] = best
    words = {
        normalized: f"{best.steps:,.0f} ({rate_words(best.ratio)}, alpha = {best.scale:g}, error {best.error:.1g})"
        for normalized, best in fewest.items()
    }
    text = (
        f"L = {depth}: fewest steps to the residual with an error of at most {FOUND:g}: "
        f"{words.get(False, 'never without WN')}; {words.get(True, 'never with WN')}"
    )
    if not fewest:
        return Finding(text, None)
    plain, ours = (fewest[key].steps if key in fewest else math.inf for key in (False, True))
    return Finding(text, ours < _FASTER * plain)


def _same_start(bests: Sequence[BestSteps], depth: int) -> Finding:
    lines = []
    for scale in sorted({best.scale for best in bests if best.depth == depth}):
        here = {best.ratio: best for best in bests if (best.depth, best.scale) == (depth, scale)}
        words = [
            f"{'GD' if ratio is None else f'WN {ratio:g}'} {_steps_words(best)} ({best.error:.1g})"
            for ratio, best in here.items()
        ]
        lines.append(f"alpha = {scale:g}: {', '.join(words)}")
    return Finding(f"L = {depth}: steps to the residual (and error there), {'; '.join(lines)}", None)


def _steps_words(best: BestSteps) -> str:
    return f"{best.steps:,.0f}" if math.isfinite(best.steps) else f"> {best.budget:,}"


def _flow_rates(flows: Sequence[MeasuredRate]) -> Finding:
    """Return the comparison of rates with the least eigenvalue.

    A rate is larger if the slowest direction carries too little of the residual at the end of the run.
    """
    quotients = np.array([part.single("measured") / part.single("predicted") for part in flows])
    same = np.abs(quotients - 1) <= _SAME
    faster, slower = quotients > 1 + _SAME, quotients < 1 - _SAME
    text = (
        f"diagonal networks: the residual falls at the least eigenvalue of the linearized flow, within {_SAME:.0%}, in "
        f"{int(same.sum())} of {len(flows)} flows; faster in {int(faster.sum())} (by up to {quotients.max():.1e}: the "
        f"slowest direction is too small to be visible above a residual of {flows[0].part.residual:g}); slower "
        f"in {int(slower.sum())}"
    )
    return Finding(text, None)


def _loss_bounds(flows: Sequence[MeasuredRate]) -> Finding:
    compared = [part for part in flows if part.part.depth == 2]
    quotients = [float((part.arrays["loss"] / part.arrays["loss_bound"]).max()) for part in compared]
    text = (
        f"diagonal networks, L = 2: the loss is below its bound, of order 1/t, at all times of "
        f"{sum(quotient <= 1 for quotient in quotients)} of {len(compared)} flows, at most {max(quotients):.2g} of it"
    )
    return Finding(text, max(quotients) <= 1)


def _model_rates(models: Sequence[MeasuredLayers]) -> Finding:
    ratios = models[0].part.ratios
    words, holds = [], []
    for place, ratio in enumerate(ratios):
        quotients = np.array([part.arrays["measured"][place] / part.arrays["predicted"][place] for part in models])
        same = np.abs(quotients - 1) <= _SAME
        words.append(
            f"{rate_words(ratio)}: {int(same.sum())} of {len(models)} within {_SAME:.0%}, "
            f"{quotients.min():.3f} to {quotients.max():.3f} of it"
        )
        # The predicted rate is a lower bound: an error without its slowest direction falls faster.
        holds.append(bool((quotients >= 1 - _SAME).all()))
    return Finding(f"multi-layer linear models, exponential rate over its prediction: {'; '.join(words)}", all(holds))


def _model_bounds(models: Sequence[MeasuredLayers]) -> Finding:
    place = models[0].part.ratios.index(None)
    quotients, from_start = [], []
    for part in models:
        bound, measured = float(part.arrays["bound"][place]), float(part.arrays["measured"][place])
        if math.isfinite(bound):
            quotients.append(measured / bound)
            from_start.append(float(part.arrays["bound_start"][place]) / measured)
    drift = max(float(part.arrays["imbalance_drift"][place]) for part in models)
    text = (
        f"multi-layer linear models without WN: imbalances move by at most {drift:.1e} of a layer's squared norm; the "
        f"rate of two layers is {min(quotients):.2f} to {max(quotients):.2f} times the bound from imbalance and least "
        f"singular value (the start alone guarantees {min(from_start):.2f} to {max(from_start):.2f} of the rate)"
    )
    return Finding(text, min(quotients) >= 1 - _SAME)


def _model_speed(models: Sequence[MeasuredLayers]) -> Finding:
    ratios = models[0].part.ratios
    plain = ratios.index(None)
    words = []
    for place, ratio in enumerate(ratios):
        if place == plain:
            continue
        quotients = [part.arrays["measured"][place] / part.arrays["measured"][plain] for part in models]
        faster = sum(quotient > 1 for quotient in quotients)
        words.append(f"eta = {ratio:g}: {np.median(quotients):.2g} times (faster in {faster} of {len(models)})")
    text = f"multi-layer linear models, rate with WN over that without, in the flow's own time: {'; '.join(words)}"
    return Finding(text, None)


def paragraphs(_study: SpeedTable) -> list[Paragraph]:
    """Return the key to the pictures."""
    return [
        Paragraph(
            "In the pictures:",
            (
                "steps and errors: medians over problems, with the slower half; hollow: the error after the budget",
                "rates: predictions below a hundredth of the least measured rate are drawn at that value",
            ),
        )
    ]
