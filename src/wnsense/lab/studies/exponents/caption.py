"""What stands under the pictures of the exponents study, in numbers of its table."""

import numpy as np

from wnsense.files.tables import Table
from wnsense.lab.studies.exponents.table import MEASURED, ExponentTable, SweepTable
from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.theory.convergence import Quantity

_WORDS = {Quantity.BURN_IN: "burn-in", Quantity.CONTRACTION: "fall of the error a step"}
# The theorem's variables that can grow without end, and which way its bound is on the safe side.
_UNBOUNDED = ("kappa", "m")
_SIDE = {Quantity.BURN_IN: 1.0, Quantity.CONTRACTION: -1.0}
# A rate this close to eta / kappa^2 is that.
_EXACT = 1e-3


def findings(table: Table) -> list[Finding]:
    """What the table says to each part of the theorem.

    Raises:
        InputError: When it is no table of such a study.
    """
    study = ExponentTable.of(table)
    found = [_growth(sweep, quantity) for quantity in MEASURED for sweep in study.sweeps if sweep.varied in _UNBOUNDED]
    found += [_with_rank(sweep) for sweep in study.sweeps if sweep.varied == "r"]
    return [*found, _finished(study), _rate(study), _law(study)]


def paragraphs(table: Table) -> list[Paragraph]:
    """Power beside power, sweep by sweep.

    Raises:
        InputError: When it is no table of such a study.
    """
    study = ExponentTable.of(table)
    lists = [
        Paragraph(
            f"Powers of the {_WORDS[quantity]} (95% over seeds; the bound at the eta used; as stated):",
            tuple(_line(sweep, quantity) for sweep in study.sweeps),
        )
        for quantity in MEASURED
    ]
    return [*lists, Paragraph("How far the bound is from what is seen:", _distances(study))]


def _line(sweep: SweepTable, quantity: Quantity) -> str:
    found, bound, stated = (
        sweep.measured(quantity),
        sweep.bound_exponent(quantity),
        sweep.stated_exponent(quantity),
    )
    law = f", law of escape {sweep.law_exponent(quantity):.2f}" if quantity is Quantity.BURN_IN else ""
    as_stated = "" if np.isnan(stated) else f", as stated {stated:.2f}"
    verdict = "tight" if sweep.is_tight(quantity) else f"slack by {abs(bound - found.exponent):.2f} powers"
    return (
        f"{sweep.varied} from {sweep.values[0]:g} to {sweep.values[-1]:g}, {sweep.where}: {found.exponent:.2f} "
        f"[{found.low:.2f}, {found.high:.2f}]{law}, bound {bound:.2f}{as_stated}: {verdict}, "
        f"{sweep.slack(quantity):.1f} orders along the sweep (off a power law by {found.misfit:.2f} decades)"
    )


def _distances(study: ExponentTable) -> tuple[str, ...]:
    """With constants set to one, over all sweeps of a regime."""
    lines = []
    for follows, words in ((False, "eta held"), (True, "eta as the theorem asks, up to a constant")):
        sweeps = study.group(follows=follows, sampled=False)
        for quantity in MEASURED if sweeps else ():
            ratios = np.concatenate([np.log10(sweep.ratio(quantity)) for sweep in sweeps])
            lines.append(
                f"{_WORDS[quantity]}, population, {words}: with constant 1 the bound is worse than what is seen by "
                f"{_rounded(ratios.min())} to {_rounded(ratios.max())} orders of magnitude"
            )
    return tuple(lines)


def _rounded(orders: float) -> str:
    """To a tenth, and never -0.0."""
    return f"{round(orders, 1) + 0.0:.1f}"


def _growth(sweep: SweepTable, quantity: Quantity) -> Finding:
    """Whether the bound is one as what varies grows."""
    found, bound = sweep.measured(quantity), sweep.bound_exponent(quantity)
    best = found.low if quantity is Quantity.BURN_IN else found.high
    text = (
        f"{_WORDS[quantity]} against {sweep.varied}, {sweep.where}: power {found.exponent:.2f} "
        f"[{found.low:.2f}, {found.high:.2f}], bound {bound:.2f}"
    ).replace("-0.00", "0.00")
    # Rates in the population agree to rounding.
    return Finding(text, _SIDE[quantity] * (best - bound) <= _EXACT)


def _with_rank(sweep: SweepTable) -> Finding:
    """Whether surplus rank shortens the burn-in."""
    found = sweep.measured(Quantity.BURN_IN)
    medians = np.nanmedian(sweep.burn_in, axis=1)
    text = (
        f"a larger working rank shortens the burn-in, {sweep.where}: {medians[0]:,.0f} steps at r = "
        f"{sweep.values[0]:g}, {medians[-1]:,.0f} at r = {sweep.values[-1]:g} (power {found.exponent:.2f}, bound "
        f"{sweep.bound_exponent(Quantity.BURN_IN):.2f})"
    )
    return Finding(text, found.high < 0)


def _finished(study: ExponentTable) -> Finding:
    missing = sum(int(np.isnan(sweep.burn_in).sum()) for sweep in study.sweeps)
    total = sum(sweep.burn_in.size for sweep in study.sweeps)
    return Finding(f"the burn-in ended in {total - missing:,} of {total:,} runs", missing == 0)


def _rate(study: ExponentTable) -> Finding:
    """Whether the rate at a given eta is what the theorem's comes down to."""
    ratios = np.concatenate([(s.contraction / s.bound(Quantity.CONTRACTION)[:, None]).ravel() for s in study.sweeps])
    population = np.concatenate(
        [
            (s.contraction / s.bound(Quantity.CONTRACTION)[:, None]).ravel()
            for s in study.group(follows=False, sampled=False) + study.group(follows=True, sampled=False)
        ]
    )
    text = (
        f"the error falls by eta/kappa^2 a step, times {np.nanmin(population):.4f} to {np.nanmax(population):.4f} in "
        f"the population and {np.nanmin(ratios):.2f} to {np.nanmax(ratios):.2f} over all runs: in terms of eta the "
        "bound on the rate is attained, its slack in m, r and r_A is that of the eta it asks for"
    )
    return Finding(text, bool(np.nanmax(np.abs(population - 1)) <= _EXACT))


def _law(study: ExponentTable) -> Finding:
    law, burn_in = study.with_law()
    logs = np.log10(burn_in / law)
    text = (
        "the law of escape, from a start's angles alone: measured over foretold has median "
        f"{10 ** np.median(logs):.2f} and a standard deviation of {logs.std():.2f} decades over {len(logs):,} starts, "
        f"whose burn-ins span {np.log10(burn_in.max() / burn_in.min()):.1f} decades"
    )
    return Finding(text, None)
