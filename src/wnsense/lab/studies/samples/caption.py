"""Caption of the study of sample sizes."""

import math

import numpy as np

from wnsense.lab.analysis.scaling import fit_power_law, log_slope
from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.lab.studies.samples.specification import Recoverer
from wnsense.lab.studies.samples.table import NAMES, CountSweep, SampleTable, SeenIsometry
from wnsense.lab.studies.theorem_cases import Varied
from wnsense.theory.convergence import rip_level


def findings(study: SampleTable) -> list[Finding]:
    """Return the findings on the bound, on its powers, and on the isometry constant."""
    return [
        _bound(study),
        *(_power(sweep, name) for sweep in study.entries for name in sweep.counts),
        *(_isometry(seen) for seen in study.isometries),
    ]


def paragraphs(study: SampleTable) -> list[Paragraph]:
    """Return the counts case by case."""
    lines = [line for sweep in study.entries for line in _lines(sweep)]
    return [Paragraph("Smallest n, median over seeds (over the degrees of freedom):", tuple(lines))]


def _lines(sweep: CountSweep) -> list[str]:
    lines = []
    for name, counts in sweep.counts.items():
        medians = np.nanmedian(counts, axis=1)
        words = ", ".join(
            f"{value:g}: {median:,.0f} ({median / limit:.2f})"
            for value, median, limit in zip(sweep.values, medians, sweep.limits, strict=True)
        )
        lines.append(f"{NAMES[name]}, {sweep.facts.varied} {words}")
    return lines


def _bound(study: SampleTable) -> Finding:
    """Return if the number of measurements of the bound was enough, and the excess in orders of magnitude."""
    counts = [(sweep.bounds, sweep.counts[Recoverer.WN]) for sweep in study.entries if Recoverer.WN in sweep.counts]
    orders = [np.log10(bounds[:, None] / smallest) for bounds, smallest in counts]
    enough = all(bool(np.isfinite(smallest).all()) for _, smallest in counts)
    logs = np.concatenate([values.ravel() for values in orders])
    text = (
        f"with constant 1 the bound asks for {np.nanmin(logs):.1f} to {np.nanmax(logs):.1f} orders of magnitude more "
        "measurements than Algorithm 1 was seen to need"
    )
    return Finding(text, enough and bool((logs >= 0).all()))


def _power(sweep: CountSweep, name: Recoverer) -> Finding:
    law = fit_power_law(sweep.values, sweep.counts[name])
    limit, bound = log_slope(sweep.values, sweep.limits), log_slope(sweep.values, sweep.bounds)
    varied = sweep.facts.varied
    text = (
        f"{NAMES[name]} against {varied} from {sweep.values[0]:g} to {sweep.values[-1]:g}: n goes with the "
        f"power {law.exponent:.2f} [{law.low:.2f}, {law.high:.2f}], the degrees of freedom with {limit:.2f}, the "
        f"bound with {bound:.2f}"
    )
    # In r, a sufficient count may fall faster than the necessary one, which is far below it: no contradiction.
    return Finding(text, law.low <= bound if varied in {Varied.CONDITION, Varied.SIZE} else None)


def _isometry(seen: SeenIsometry) -> Finding:
    setting = seen.facts.setting
    needed = rip_level(setting, constant=1.0)
    orders = math.log10(seen.delta / needed)
    text = (
        f"n = {seen.facts.count:,}, m = {setting.size:g}, r = {setting.rank:g}, kappa = {setting.condition:g}: delta "
        f"of rank {seen.facts.tried_rank} is at least {seen.delta:.2g}; the theorem with constant 1 asks for "
        f"{needed:.1e}, {orders:.1f} orders less"
    )
    return Finding(text, None)
