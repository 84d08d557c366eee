"""Caption of the study of exponents."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from wnsense.lab.studies.exponents.table import MEASURED, ExponentTable, SweepTable
from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.lab.studies.theorem_cases import Varied
from wnsense.theory.convergence import Quantity

_WORDS = {Quantity.BURN_IN: "burn-in", Quantity.CONTRACTION: "fall of the error a step"}
# Variables of the theorem that have no bound, and the sign of the difference to the exponent of a valid bound.
_UNBOUNDED = (Varied.CONDITION, Varied.SIZE)
_SIDE = {Quantity.BURN_IN: 1.0, Quantity.CONTRACTION: -1.0}
# Relative difference up to which a rate equals `eta / kappa^2`.
_EXACT = 1e-3


def findings(study: ExponentTable) -> list[Finding]:
    """Return a finding for each part of the theorem."""
    unbounded = [sweep for sweep in study.entries if sweep.facts.varied in _UNBOUNDED]
    return [
        *(_growth(sweep, quantity) for quantity in MEASURED for sweep in unbounded),
        *(_rank(sweep) for sweep in study.entries if sweep.facts.varied is Varied.RANK),
        _finished(study),
        _rate(study),
        _law(study),
    ]


def paragraphs(study: ExponentTable) -> list[Paragraph]:
    """Return the powers sweep by sweep, and the distance of the bound."""
    lists = [
        Paragraph(
            f"Powers of the {_WORDS[quantity]} (95% over seeds; the bound at the eta used; as stated):",
            tuple(_line(sweep, quantity) for sweep in study.entries),
        )
        for quantity in MEASURED
    ]
    return [*lists, Paragraph("Distance of the bound from the measurements:", _distances(study))]


def _line(sweep: SweepTable, quantity: Quantity) -> str:
    power = sweep.measured(quantity)
    bound, stated = sweep.bound_exponent(quantity), sweep.stated_exponent(quantity)
    law = f", law of escape {sweep.law_exponent(quantity):.2f}" if quantity is Quantity.BURN_IN else ""
    as_stated = "" if np.isnan(stated) else f", as stated {stated:.2f}"
    verdict = "tight" if sweep.is_tight(quantity) else f"slack by {abs(bound - power.exponent):.2f} powers"
    return (
        f"{sweep.facts.varied} from {sweep.values[0]:g} to {sweep.values[-1]:g}, {sweep.where}: {power.exponent:.2f} "
        f"[{power.low:.2f}, {power.high:.2f}]{law}, bound {bound:.2f}{as_stated}: {verdict}, "
        f"{sweep.slack(quantity):.1f} orders along the sweep (off a power law by {power.misfit:.2f} decades)"
    )


def _distances(study: ExponentTable) -> tuple[str, ...]:
    """Return the distance of the bound with constant 1, over all sweeps of a regime."""
    lines = []
    for follows, words in ((False, "eta held"), (True, "eta as the theorem asks, up to a constant")):
        sweeps = study.group(follows=follows, sampled=False)
        for quantity in MEASURED if sweeps else ():
            ratios = np.concatenate([np.log10(sweep.ratio(quantity)) for sweep in sweeps])
            lines.append(
                f"{_WORDS[quantity]}, population, {words}: with constant 1 the bound is worse than the measurement by "
                f"{_rounded(ratios.min())} to {_rounded(ratios.max())} orders of magnitude"
            )
    return tuple(lines)


def _rounded(orders: float) -> str:
    """Return a number to a tenth, and never -0.0."""
    return f"{round(orders, 1) + 0.0:.1f}"


def _growth(sweep: SweepTable, quantity: Quantity) -> Finding:
    """Return if the power of the bound holds as the variable grows."""
    power, bound = sweep.measured(quantity), sweep.bound_exponent(quantity)
    best = power.low if quantity is Quantity.BURN_IN else power.high
    text = (
        f"{_WORDS[quantity]} against {sweep.facts.varied}, {sweep.where}: power {power.exponent:.2f} "
        f"[{power.low:.2f}, {power.high:.2f}], bound {bound:.2f}"
    ).replace("-0.00", "0.00")
    # Rates in the population agree up to rounding.
    return Finding(text, _SIDE[quantity] * (best - bound) <= _EXACT)


def _rank(sweep: SweepTable) -> Finding:
    """Return if surplus rank shortens the burn-in."""
    power = sweep.measured(Quantity.BURN_IN)
    medians = np.nanmedian(sweep.burn_in, axis=1)
    text = (
        f"a larger working rank shortens the burn-in, {sweep.where}: {medians[0]:,.0f} steps at r = "
        f"{sweep.values[0]:g}, {medians[-1]:,.0f} at r = {sweep.values[-1]:g} (power {power.exponent:.2f}, bound "
        f"{sweep.bound_exponent(Quantity.BURN_IN):.2f})"
    )
    return Finding(text, power.high < 0)


def _finished(study: ExponentTable) -> Finding:
    missing = sum(int(np.isnan(sweep.burn_in).sum()) for sweep in study.entries)
    total = sum(sweep.burn_in.size for sweep in study.entries)
    return Finding(f"the burn-in ended in {total - missing:,} of {total:,} runs", missing == 0)


def _rate(study: ExponentTable) -> Finding:
    """Return if the rate at a given `eta` is that of the theorem, `eta / kappa^2`."""
    ratios = _rate_ratios(study.entries)
    population = _rate_ratios([sweep for sweep in study.entries if not sweep.facts.sampled])
    text = (
        f"the error falls by eta/kappa^2 a step, times {np.nanmin(population):.4f} to {np.nanmax(population):.4f} in "
        f"the population and {np.nanmin(ratios):.2f} to {np.nanmax(ratios):.2f} over all runs: at a given eta "
        "the bound on the rate is attained; its slack in m, r and r_A comes from the eta that the theorem asks for"
    )
    return Finding(text, bool(np.nanmax(np.abs(population - 1)) <= _EXACT))


def _rate_ratios(sweeps: Sequence[SweepTable]) -> Float[np.ndarray, " starts"]:
    """Return the measured rate over that of the theorem for each start."""
    ratios = [sweep.contraction / sweep.bound(Quantity.CONTRACTION)[:, None] for sweep in sweeps]
    return np.concatenate([values.ravel() for values in ratios])


def _law(study: ExponentTable) -> Finding:
    law, burn_in = study.with_law()
    logs = np.log10(burn_in / law)
    text = (
        "the law of escape, from a start's angles alone: measured over predicted burn-in has median "
        f"{10 ** np.median(logs):.2f} and a standard deviation of {logs.std():.2f} decades over {len(logs):,} starts, "
        f"whose burn-ins span {np.log10(burn_in.max() / burn_in.min()):.1f} decades"
    )
    return Finding(text, None)
