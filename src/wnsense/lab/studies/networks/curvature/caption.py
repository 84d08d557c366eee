"""Caption of the study of curvature."""

import math
from collections.abc import Sequence

import numpy as np

from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.lab.studies.networks.curvature.table import (
    DEPTHS,
    ROW_LENGTHS,
    CurvatureSweep,
    CurvatureTable,
    hessian_norms,
    sweeps_of,
)
from wnsense.lab.studies.networks.network_phrases import images_paragraph, power_words, span_words
from wnsense.lab.studies.networks.table import (
    LONG,
    SHORT,
    CurvatureRuns,
    NetworkKind,
    is_within_row_bound,
    power_over,
)
from wnsense.networks.network import Scaling
from wnsense.theory.networks import PUBLISHED_HESSIAN_EXPONENTS


def findings(study: CurvatureTable) -> list[Finding]:
    """Return the powers beside published ones, the factor of the last layers, and if the bounds hold."""
    sweeps = sweeps_of(study.entries)
    return [
        *(_power(sweep) for sweep in sweeps if sweep.kind.normalized and sweep.variable is not ROW_LENGTHS),
        *(_row_power(sweep) for sweep in sweeps if sweep.variable is ROW_LENGTHS),
        *(_last_layers(sweep) for sweep in sweeps if sweep.variable is DEPTHS),
        *(_power(sweep) for sweep in sweeps if not sweep.kind.normalized),
        _bounds(study.entries),
    ]


def paragraphs(study: CurvatureTable) -> list[Paragraph]:
    """Return the precision of the norms, and the paragraph on the images."""
    relative = max(float((run.stack("errors") / run.stack("norms")).max()) for run in study.entries)
    line = f"an eigenvalue lies within {100 * relative:.2g} % of every norm (Lanczos' residual, the largest of all)"
    return [Paragraph("Precision:", (line,)), images_paragraph(study)]


def _power(sweep: CurvatureSweep) -> Finding:
    """Compare a fitted power with the published one, that of an upper bound for weight-normalized networks."""
    published = PUBLISHED_HESSIAN_EXPONENTS[sweep.variable.name]
    power = power_over(sweep.runs, sweep.variable.value, hessian_norms)
    is_within = power.low <= published
    places = f"{sweep.variable.name} {sweep.places[0]:g} to {sweep.places[-1]:g}"
    text = (
        f"{sweep.look.label}: ||grad^2 f|| goes as {sweep.variable.name}^{power_words(power)} for {places}, "
        f"{'within' if is_within else 'above'} the published power of an upper bound, {published:g}"
    )
    if sweep.kind == NetworkKind(normalized=True, scaling=Scaling.ONE) and not is_within:
        return Finding(f"{text}, which theory has for s = 1/sqrt(m)", None)
    return Finding(text, is_within if sweep.kind.normalized else None)


def _row_power(sweep: CurvatureSweep) -> Finding:
    """Compare the powers for short and long rows with those of `1 / min(w, w^2)`: -2 below 1, and -1 above."""
    powers, holds = [], []
    for words, selected, published in (("up to 1", sweep.places <= 1, SHORT), ("from 1 on", sweep.places >= 1, LONG)):
        runs = [run for run, is_selected in zip(sweep.runs, selected, strict=True) if is_selected]
        if len(runs) < 3:
            continue
        power = power_over(runs, sweep.variable.value, hessian_norms)
        powers.append(f"{words} as length^{power_words(power)}, published {published:g}")
        holds.append(is_within_row_bound(power, published))
    text = f"{sweep.look.label}: ||grad^2 f|| goes for rows {'; '.join(powers)}"
    return Finding(text, all(holds) if holds else None)


def _last_layers(sweep: CurvatureSweep) -> Finding:
    """Compare the factor of the norm for a further layer, at the deep end, with that of `L^3`."""
    (a, b), (low, high) = sweep.places[-2:], sweep.norms.mean(axis=1)[-2:]
    factor = float((high / low) ** (1 / (b - a)))
    allowed = float((b / a) ** (PUBLISHED_HESSIAN_EXPONENTS["depth"] / (b - a)))
    text = (
        f"{sweep.look.label}: from {a:g} to {b:g} layers ||grad^2 f|| is multiplied by {factor:.3g} a layer, from "
        f"{float(low):.2g} to {float(high):.2g}; L^3 allows {allowed:.3g}"
    )
    return Finding(text, factor <= allowed if sweep.kind.normalized else None)


def _bounds(runs: Sequence[CurvatureRuns]) -> Finding:
    """Compare every norm with its bound."""
    bounded = [run for run in runs if np.isfinite(run.stack("hessian_bound")).all()]
    rooms = [(run, (run.stack("hessian_bound") / run.stack("norms")).ravel()) for run in bounded]
    room = np.concatenate([values for _, values in rooms])
    slopes = np.concatenate([(run.stack("slopes") <= run.stack("slope_bound")).ravel() for run in bounded])
    theory = NetworkKind(normalized=True, scaling=Scaling.WIDTH)
    own = np.concatenate([values for run, values in rooms if run.kind == theory] or [np.array([math.nan])])
    text = (
        f"the bounds derived for this library hold in {int((room >= 1).sum())} of {room.size} cases for ||grad^2 f|| "
        f"and in {int(slopes.sum())} of {slopes.size} for ||grad f||; for WN with s = 1/sqrt(m) the first is "
        f"{span_words(own)} times what is measured"
    )
    return Finding(text, bool((room >= 1).all() and slopes.all()))
