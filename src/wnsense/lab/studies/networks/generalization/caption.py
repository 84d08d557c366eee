"""Caption of the study of generalization."""

from collections.abc import Sequence

import numpy as np

from wnsense.lab.studies.frame.findings import Finding
from wnsense.lab.studies.networks.generalization.table import (
    Dimension,
    GapSweep,
    GapTable,
    end_complexity,
    gap,
    gap_bound,
    learned_share,
    start_complexity,
)
from wnsense.lab.studies.networks.network_axes import look_of
from wnsense.lab.studies.networks.network_phrases import power_words, span_words
from wnsense.lab.studies.networks.table import NetworkKind, mean_interval, power_over
from wnsense.networks.measuring.power_fit import Exponent
from wnsense.networks.network import Scaling

# Largest relative change of the mean gap over a sweep of widths that counts as no growth.
_SMALL = 0.25
# Factor of a layer below which a bound has no exponential: that of `sqrt(L)` is at most `sqrt(2)`.
_GENTLE = 1.5
# Largest power of the width of a bound that does not depend on it.
_NO_POWER = 0.01
# Least share of the loss that a network must remove for its gap to mean anything.
_LEARNED = 0.05
# The networks that theory treats.
_THEORY = NetworkKind(normalized=True, scaling=Scaling.WIDTH)


def findings(study: GapTable) -> list[Finding]:
    """Return if the gap grows with width or depth, and how the bounds compare."""
    sweeps = study.entries
    return [
        *(_gap(sweep) for sweep in sweeps),
        *(_complexity(sweep) for sweep in sweeps if sweep.variable is Dimension.WIDTH),
        _layer_factor([sweep for sweep in sweeps if sweep.variable is Dimension.DEPTH]),
        *(_gap_bound(sweep) for sweep in sweeps if sweep.kind == _THEORY and sweep.runs),
    ]


def trend(sweep: GapSweep) -> Exponent:
    """Return the change of the gap over the whole sweep relative to its mean, by a line over the logarithm."""
    x, y = np.log(sweep.places), sweep.stack(gap)
    slopes = np.polyfit(x, y, 1)[0] * (x[-1] - x[0]) / abs(y.mean())
    mean, half = mean_interval(slopes)
    return Exponent(float(mean), float(mean - half), float(mean + half))


def _gap(sweep: GapSweep) -> Finding:
    name = look_of(sweep.kind).label
    if len(sweep.runs) < 3:
        places = _list_words(sweep.diverged)
        return Finding(f"{name}, by {sweep.variable}: seeds diverged at {places}; no trend of the gap is left", None)
    gaps, share = sweep.stack(gap), sweep.stack(learned_share).mean(axis=1)
    means = ", ".join(f"{mean:.2g} at {place:g}" for place, mean in zip(sweep.places, gaps.mean(axis=1), strict=True))
    change = trend(sweep)
    text = (
        f"{name}, by {sweep.variable}: the gap is {means}; over the sweep it changes by {100 * change.value:.0f} "
        f"% ({100 * change.low:.0f} to {100 * change.high:.0f} %) of its mean"
    )
    if sweep.diverged:
        text += f"; a seed or more diverged at {_list_words(sweep.diverged)}"
    idle = sweep.places[share < _LEARNED]
    if len(idle):
        return Finding(f"{text}; at {_list_words(idle)} less than {100 * _LEARNED:g} % of the loss was learned", None)
    if sweep.variable is Dimension.DEPTH or not sweep.kind.normalized:
        return Finding(text, None)
    if change.low <= 0 and change.high > _SMALL:
        return Finding(f"{text}; it should not grow with the width, but seeds differ too much to decide", None)
    return Finding(f"{text}; it should not grow with the width", change.high <= _SMALL)


def _list_words(places: Sequence[float] | np.ndarray) -> str:
    return ", ".join(f"{place:g}" for place in places)


def _complexity(sweep: GapSweep) -> Finding:
    """Return the power of the width in the bound on the complexity, with the norms at the start and at the end."""
    start = power_over(sweep.begun, sweep.place, start_complexity)
    bounds = np.stack([start_complexity(run) for run in sweep.begun]).mean(axis=1)
    text = (
        f"{look_of(sweep.kind).label}: the bound on the Rademacher complexity at the start's norms goes from "
        f"{bounds[0]:.3g} to {bounds[-1]:.3g} for width {sweep.place(sweep.begun[0]):g} to "
        f"{sweep.place(sweep.begun[-1]):g}, as width^{power_words(start)}"
    )
    if len(sweep.runs) >= 3:
        end = power_over(sweep.runs, sweep.place, end_complexity)
        text += f"; at the norms that training leads to, ||v|| among them, as width^{power_words(end)}"
    return Finding(text, abs(start.value) <= _NO_POWER if sweep.kind == _THEORY else None)


def _layer_factor(sweeps: Sequence[GapSweep]) -> Finding:
    """Compare the factor of the bound on the complexity for a further layer, with WN and without."""
    factors = {}
    for sweep in sweeps:
        places = np.array([sweep.place(run) for run in sweep.begun])
        bounds = np.log(np.stack([start_complexity(run) for run in sweep.begun])).mean(axis=1)
        factors[sweep.kind] = float(np.exp(np.polyfit(places, bounds, 1)[0]))
    words = ", ".join(f"{factor:.3g} ({look_of(kind).label})" for kind, factor in factors.items())
    plain = [factor for kind, factor in factors.items() if not kind.normalized]
    own = factors.get(_THEORY)
    holds = None if own is None or not plain else own <= _GENTLE < min(plain)
    return Finding(
        f"at the start's norms a further layer multiplies the bound on the Rademacher complexity by {words}", holds
    )


def _gap_bound(sweep: GapSweep) -> Finding:
    """Compare the gap with its bound, of the class with the norms of the trained network."""
    bounds = np.stack([gap_bound(run) for run in sweep.runs])
    gaps = sweep.stack(gap)
    room = bounds / np.abs(gaps)
    text = (
        f"{look_of(sweep.kind).label}, by {sweep.variable}: the bound on the gap is {span_words(bounds)}, the gap "
        f"{span_words(gaps)}; the bound holds and is {span_words(room)} times as large"
        if (gaps <= bounds).all()
        else f"{look_of(sweep.kind).label}, by {sweep.variable}: the bound on the gap, {span_words(bounds)}, is broken"
    )
    return Finding(text, bool((gaps <= bounds).all()))
