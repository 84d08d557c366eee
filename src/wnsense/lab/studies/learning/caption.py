"""Caption of figure 1: a finding for each part of the claim, for each kind of measurements."""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from wnsense.lab.analysis.course import monotonicity
from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.lab.studies.learning.specification import Sensed
from wnsense.lab.studies.learning.table import LearningRun, LearningTable
from wnsense.theory.convergence_forms import Decay

# A curve is flat if it falls by less than this power of the step; the whole course falls as t^-2 and faster.
_FLAT = 0.5
# "By orders" means at least this many decades.
_ORDERS = 1.0
# A saddle is reached if the run comes nearer to it than this share of the next eigenvalue.
_REACHED = 0.1
# Tolerance of the trace in Lemma 4.1.
_SLACK = 0.1
# The law of escapes is right if it agrees within this factor.
_LAW_FACTOR = 1.5
# The law holds for small steps: above this `eta sigma^2` it counts fractions of steps.
_SLOW = 0.15

_IN_X, _IN_THETA, _IN_THETA_AT_POINT = 0, 1, 2


def findings(study: LearningTable) -> list[Finding]:
    """Return a finding for each part of the claim, and findings beside it."""
    return [finding(run) for run in study.entries for finding in _FINDINGS] + _comparisons(study)


def paragraphs(study: LearningTable) -> list[Paragraph]:
    """Return for each kind of measurements the stays of each start at the saddles."""
    return [
        Paragraph(
            f"{run.label}, when each saddle is reached and left (in brackets: by the law), and the last squared error:",
            tuple(_start_line(run, start) for start in range(len(run.seeds))),
        )
        for run in study.entries
    ]


def _start_line(run: LearningRun, start: int) -> str:
    firsts, escapes = run.arrays["stay_first"][start], run.arrays["escape"][start]
    laws = run.predicted_escapes()[start]
    parts = [f"l = {level}: {_span(firsts[level], escapes[level])} [{laws[level]:,.0f}]" for level in range(run.levels)]
    last = f"{run.arrays['squared_error'][-1, start]:.1e} after {int(run.step[-1]):,} steps"
    return f"seed {run.seeds[start]}: {'; '.join(parts)}; {last}"


def _span(first: float, escape: float) -> str:
    if math.isnan(first):
        return "no stay"
    return f"{first:,.0f} to {'the end' if math.isnan(escape) else f'{escape:,.0f}'}"


def _visited(run: LearningRun) -> list[list[int]]:
    """Return the saddles of each start, in the order in which they were reached."""
    firsts = run.arrays["stay_first"]
    return [[int(level) for level in np.argsort(row) if not math.isnan(row[level])] for row in firsts]


def _order(run: LearningRun) -> Finding:
    visited = _visited(run)
    saddles = ", ".join(map(str, visited[0]))
    in_order = [all(a < b for a, b in pairwise(levels)) for levels in visited]
    text = (
        f"{run.label}: the first start visits the saddles l = {saddles}, in this order; the order is rising in "
        f"{sum(in_order)} of {len(visited)} starts"
    )
    return Finding(text, all(in_order))


def _every_saddle(run: LearningRun) -> Finding:
    visited = _visited(run)
    missed = {
        run.seeds[start]: [level for level in range(run.levels) if level not in levels]
        for start, levels in enumerate(visited)
    }
    whole = sum(not levels for levels in missed.values())
    text = f"{run.label}: {whole} of {len(visited)} starts stay at all {run.levels} saddles"
    omissions = [
        f"seed {seed} has no stay at l = {', '.join(map(str, levels))}" for seed, levels in missed.items() if levels
    ]
    if omissions:
        starts = run.arrays["start_alignment"]
        rows = [run.seeds.index(seed) for seed, levels in missed.items() for _ in levels]
        columns = [level for levels in missed.values() for level in levels]
        lost = starts[rows, columns]
        text += (
            f" ({'; '.join(omissions)}: the eigenvector to be learned there has an alignment s_0 of "
            f"{' and '.join(f'{s_0:.2f}' for s_0 in lost)} at the start, and a saddle is left at about s = 1/2)"
        )
    return Finding(text, whole == len(visited))


def _plateaus(run: LearningRun) -> Finding:
    stays = run.stays()
    slopes = ", ".join(f"l = {stay.index}: t^{stay.slope:.2f}" for stay in stays)
    near = ", ".join(f"{stay.closest:.2f}" for stay in stays)
    ratio = [stay.level / float((run.eigenvalues[stay.index :] ** 2).sum()) for stay in stays]
    text = (
        f"{run.label}: over its stays the squared error goes as {slopes}, at {min(ratio):.2f} to {max(ratio):.2f} "
        f"times that of A_l; the least distance ||X Theta X^T - A_l||_F is {near} times sigma_(l+1)"
    )
    if stays and min(stay.closest for stay in stays) > _REACHED:
        text += ": the run passes by the saddles at a distance"
    return Finding(text, all(abs(stay.slope) <= _FLAT for stay in stays))


def _gradients(run: LearningRun) -> Finding:
    drops, beside = run.drops(_IN_X), run.drops(_IN_THETA)
    decades = ", ".join(f"l = {level}: {drop:.1f}" for level, drop in drops.items())
    other = ", ".join(f"{drop:.1f}" for drop in beside.values())
    text = (
        f"{run.label}: decades by which the gradient in X falls from its largest since the last saddle to its least at "
        f"this one, {decades} (l = 0 is where it begins); that in Theta, {other}"
    )
    return Finding(text, all(drop >= _ORDERS for level, drop in drops.items() if level > 0))


def _monotone(run: LearningRun) -> Finding:
    falls = run.arrays["trace_fall"]
    steps, traces = run.step, run.arrays["alignment_trace"]
    here = monotonicity(steps, traces)
    text = f"{run.label}: Tr(Phi Phi^T) goes from {traces[0]:.2f} to {traces[-1]:.4g}"
    if falls.max() == 0:
        text += ", and falls between no two recorded steps of any start"
    else:
        text += (
            f", and falls in {int((falls > 0).sum())} of {len(falls)} starts, by at most {falls.max():.1e} from one "
            f"recorded step to the next (in the first start's rows here {here.count} times, {here.total:.1e} in all)"
        )
    return Finding(text, bool(falls.max() == 0))


def _lemma(run: LearningRun) -> Finding:
    stays = run.stays()
    surpluses = ", ".join(f"l = {stay.index}: {stay.surplus:.2f}" for stay in stays)
    used = run.arrays["used_alignment"]
    apart = [
        float(np.abs(used[(run.step >= stay.first) & (run.step <= stay.last), stay.index] - stay.index).min())
        for stay in stays
    ]
    random = run.setting.width * run.setting.rank / run.setting.size
    meeting = sum(abs(stay.surplus) <= _SLACK for stay in stays)
    text = (
        f"{run.label}: Lemma 4.1's second condition, Tr(X^T U U^T X) = l, is met within {_SLACK:g} at {meeting} of "
        f"{len(stays)} visited saddles; the trace exceeds l by {surpluses} where the matrix is closest to A_l (a "
        f"random frame has r r_A / m = {random:.2g} in all). Over the l directions in use it comes to within "
        f"{max(apart):.1e} of l at all"
    )
    return Finding(text, meeting == len(stays))


def _rate(run: LearningRun) -> Finding:
    fit = run.final_rate()
    if fit is None:
        return Finding(f"{run.label}: too few steps after the last saddle for a rate", holds=None)
    line = fit.linear
    text = (
        f"{run.label}: over steps {fit.window.first:,.0f} to {fit.window.last:,.0f} log of the squared error falls by "
        f"{-line.slope:#.4g} a step (95%: {-line.high:#.4g} to {-line.low:#.4g}), the law's 2 eta sigma_(r_A)^2 being "
        f"{-run.expected_slope:#.4g}; {'linear' if fit.better is Decay.LINEAR else 'a power law'} fits better "
        f"(off by {line.scatter:.1e} against {fit.power.scatter:.1e}); the last squared error is {run.error[-1]:.1e}"
    )
    return Finding(text, fit.better is Decay.LINEAR)


def _law(run: LearningRun) -> Finding:
    seen, laws = run.arrays["escape"], run.predicted_escapes()
    left = ~np.isnan(seen)
    steps = ", ".join(
        f"l = {level}: {seen[0, level]:,.0f} against {laws[0, level]:,.0f}"
        for level in range(run.levels)
        if left[0, level]
    )
    slow = left & (run.setting.step_size * run.eigenvalues**2 <= _SLOW)[None]
    ratios = seen[slow] / laws[slow]
    text = (
        f"{run.label}: the first start leaves at step {steps} by the law s' = 2 eta sigma^2 s^2 (1 - s) from the "
        "start's s_0 (about 1 / (2 eta sigma^2 s_0) steps: the saddles are degenerate, and left in a power of s_0, not "
        "its logarithm); "
    )
    if ratios.size:
        good = int(((ratios <= _LAW_FACTOR) & (ratios >= 1 / _LAW_FACTOR)).sum())
        text += (
            f"over all starts and eta sigma^2 <= {_SLOW:g} the ratio is {ratios.min():.2f} to {ratios.max():.2f}, "
            f"within a factor of {_LAW_FACTOR:g} in {good} of {ratios.size} escapes"
        )
    else:
        text += f"no saddle with eta sigma^2 <= {_SLOW:g} was left"
    return Finding(text, None)


def _exact_magnitudes(run: LearningRun) -> Finding:
    later = run.arrays["gradient_norms"][run.step >= 1, _IN_THETA_AT_POINT]
    surplus = np.abs(run.arrays["magnitudes"][run.step >= 1, run.levels :])
    text = (
        f"{run.label}: from step 1 on the gradient in Theta at (X_t, Theta_t) is at most {later.max():.1e}, and the "
        f"r - r_A surplus magnitudes of Theta are at most {surplus.max(initial=0.0):.1e}"
    )
    if run.setting.sensed is Sensed.IDENTITY:
        text += ": mu = 2 makes Theta = X^T A X, of rank r_A"
    return Finding(text, None)


_FINDINGS: tuple[Callable[[LearningRun], Finding], ...] = (
    _order,
    _every_saddle,
    _plateaus,
    _gradients,
    _monotone,
    _lemma,
    _rate,
    _law,
    _exact_magnitudes,
)


def _comparisons(study: LearningTable) -> list[Finding]:
    """Return findings that compare the other kinds of measurements with the first, start by start."""
    return [_comparison(run, study.entries[0]) for run in study.entries[1:]]


def _comparison(run: LearningRun, first: LearningRun) -> Finding:
    shared = min(len(first.seeds), len(run.seeds))
    ratios = run.arrays["escape"][:shared] / first.arrays["escape"][:shared]
    ratios = ratios[~np.isnan(ratios)]
    text = f"{run.label} against {first.label}, the same starts: "
    if ratios.size:
        text += f"{ratios.size} escapes both, at {ratios.min():.2f} to {ratios.max():.2f} times the step"
    else:
        text += "no escape of both"
    rate, first_rate = run.final_rate(), first.final_rate()
    if rate is not None and first_rate is not None:
        text += f"; the final rate is {rate.linear.slope / first_rate.linear.slope:.3f} times the other's"
    surplus = [float(np.abs(one.arrays["magnitudes"][-1, one.levels :]).max(initial=0.0)) for one in (run, first)]
    return Finding(f"{text}; surplus magnitudes at the last step {surplus[0]:.1e} against {surplus[1]:.1e}", None)
