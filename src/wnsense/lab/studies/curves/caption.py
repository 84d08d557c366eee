"""Caption of a study of curves: findings for each claim of the paper, each curve in numbers, and the step sizes."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np

from wnsense.checks import InputError
from wnsense.lab.studies.curves.table import CurveTable, MeasuredCurve, largest_ratio, noise_exponent
from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.lab.studies.study_methods import PAPER_METHODS
from wnsense.pages.style import METHODS

# Curves whose medians differ by no more than this factor coincide.
_COINCIDE = 1.1
# A floor within this factor of the oracle's is as good; with r > r_A there are more directions that fit noise.
_NEAR_ORACLE = 2.0
# The squared error grows as the square of the noise, within this difference in the exponent.
_EXPONENT_SLACK = 0.2
# Convergence is very fast if rounding is reached within this number of steps.
_VERY_FAST = 100
# Squared error at which the costs of all methods are compared; it is above single precision.
_COMPARED = 1e-8
# Z is outside of the cone by more than rounding if an eigenvalue is below minus this.
_OUTSIDE = 1e-10


def findings(study: CurveTable) -> list[Finding]:
    """Return the findings for each part of the claim."""
    if study.head.name not in _FINDINGS:
        raise InputError(f"needed the table of a study, one of {', '.join(_FINDINGS)}, got {study.head.name}")
    return _FINDINGS[study.head.name](study)


def paragraphs(study: CurveTable) -> list[Paragraph]:
    """Return a list of the curves, and a list of the step sizes that were tried."""
    curves = Paragraph(
        "Curve by curve (squared error, median over seeds, for ||A||_2 = 1):",
        tuple(_curve_line(curve) for curve in study.entries),
    )
    return [curves, Paragraph("Step sizes:", tuple(_grid_lines(study)))]


def _curve_line(curve: MeasuredCurve) -> str:
    low, high = (band[-1] for band in curve.band())
    count = curve.error.shape[1]
    diverged = int((~np.isfinite(curve.error[-1])).sum())
    spent = f"{int(curve.step[-1]):,} steps, {int(curve.spent):,} applications"
    name = f"{METHODS[curve.head.method].label}, {curve.label}"
    setting = f"{name} ({curve.head.step_sizes}; {count} seed{'s' if count > 1 else ''})"
    parts = [f"{setting}: {curve.final:.1e} ({low:.1e} to {high:.1e}) after {spent}"]
    if diverged:
        parts.append(f"{diverged} diverged")
    parts += [_burn_in(curve), _tail_text(curve)] if curve.head.noise == 0 else [_floor(curve)]
    return "; ".join(parts)


def _burn_in(curve: MeasuredCurve) -> str:
    step = curve.burn_in
    return "never below 1/(2 kappa^2)" if step is None else f"below 1/(2 kappa^2) from step {step:,}"


def _floor(curve: MeasuredCurve) -> str:
    return f"{_over_oracle(curve):.2f} times the oracle's"


def _over_oracle(curve: MeasuredCurve) -> float:
    return curve.final / float(np.median(curve.oracle))


def _tail_text(curve: MeasuredCurve) -> str:
    tail = curve.tail()
    if tail is None:
        return "too few steps above rounding for a rate"
    where = f"steps {tail.begin:,} to {tail.end:,}"
    if tail.decades_per_step <= 0:
        return f"no fall over {where}"
    line = f"a factor of ten every {1 / tail.decades_per_step:,.3g} steps (off by {tail.line_spread:.2g} decades)"
    power = f"t^-{tail.exponent:.2f} (off by {tail.power_spread:.2g})"
    return f"over {where} {line}, or {power}: {'linear' if tail.is_linear else 'a power law'} fits better"


def _grid_lines(study: CurveTable) -> list[str]:
    """Return a line for each choice of step sizes, with the labels of all curves that share it."""
    labels: dict[tuple[str, str], list[str]] = {}
    for curve in study.entries:
        if curve.head.grid_errors:
            labels.setdefault((METHODS[curve.head.method].label, _trials(curve)), []).append(curve.label)
    return [f"step sizes of {method}, {'; '.join(shared)} {trials}" for (method, trials), shared in labels.items()]


def _trials(curve: MeasuredCurve) -> str:
    head = curve.head
    where = f"median squared error after {head.tuning_steps:,} steps at m = {head.tuning_size}"
    text = f"({where}) {_tried(head.grid, head.grid_errors)}"
    if not head.confirmed_errors:
        return text
    alike = "as" if head.confirmed == head.step_sizes else "other than"
    return f"{text}; at m = {head.size} from one start {_tried(head.grid, head.confirmed_errors)}: {alike} there"


def _tried(grid: Sequence[str], errors: Sequence[float | None]) -> str:
    return ", ".join(
        f"{sizes}: {'diverged' if error is None else f'{error:.1e}'}" for sizes, error in zip(grid, errors, strict=True)
    )


def _pairs(study: CurveTable) -> list[tuple[MeasuredCurve, MeasuredCurve]]:
    """Return the curves of WN and GD in the same setting."""
    others = {curve.label: curve for curve in study.of_method("gd")}
    return [(curve, others[curve.label]) for curve in study.of_method("wn") if curve.label in others]


def _linear(curves: Sequence[MeasuredCurve], *, is_linear: bool) -> Finding:
    """Return a finding on the ends of a method's curves; it holds if all are linear, or all are sublinear."""
    tails = [(curve, curve.tail()) for curve in curves]
    # A curve that reaches rounding too fast for a fit is not sublinear.
    kinds = [tail.is_linear if tail is not None else curve.final < curve.rounding for curve, tail in tails]
    rates = "; ".join(
        f"{curve.label}: "
        + (
            "at rounding at once"
            if tail is None
            else f"ten times less every {1 / tail.decades_per_step:,.3g} steps"
            if tail.is_linear
            else f"t^-{tail.exponent:.2f}"
        )
        for curve, tail in tails
    )
    words = "linear" if is_linear else "sublinear"
    agreeing = sum(kind == is_linear for kind in kinds)
    text = f"{METHODS[curves[0].head.method].label} ends {words} in {agreeing} of {len(curves)} settings ({rates})"
    return Finding(text, agreeing == len(curves))


def _ahead(study: CurveTable) -> Finding:
    """Return a finding that compares WN with GD at the last step, which the paper treats, and at equal cost."""
    parts, holds, dearer = [], True, []
    for wn, gd in _pairs(study):
        budget = min(wn.spent, gd.spent)
        wn_then, gd_then = (float(curve.median[curve.applications <= budget][-1]) for curve in (wn, gd))
        behind = wn.step[wn.median >= gd.median]
        since = (
            "not below at the end" if wn.final >= gd.final else f"below it after step {int(behind.max(initial=0)):,}"
        )
        parts.append(
            f"{wn.label}: {wn.final:.1e} against {gd.final:.1e} ({since}), and {wn_then:.1e} against {gd_then:.1e} at "
            f"{budget:,.0f} applications"
        )
        holds &= wn.final < gd.final
        dearer += [wn.label] if wn_then >= gd_then else []
    cost = f"GD is ahead at equal cost for {', '.join(dearer)}" if dearer else "WN is ahead at equal cost too"
    return Finding(f"WN against GD at the last step: {'; '.join(parts)}; {cost}", holds)


def _costs(study: CurveTable) -> list[Finding]:
    """Return the cost of each method to a common squared error, if methods beside the paper's two were run."""
    if len(study.methods) == len(PAPER_METHODS):
        return []
    settings = []
    for label in study.labels:
        costs = [(curve.head.method, curve.cost_of(_COMPARED)) for curve in study.entries if curve.label == label]
        parts = [f"{METHODS[method].label} {'not' if cost is None else f'{cost:,.0f}'}" for method, cost in costs]
        settings.append(f"{label}: {', '.join(parts)}")
    return [Finding(f"applications to a squared error of {_COMPARED:.0e}: {'; '.join(settings)}", None)]


def _cone(study: CurveTable) -> Finding:
    """Return the least eigenvalue of Z: it may be negative, because Theta is only symmetric."""
    ends = "; ".join(
        f"{curve.label}: {float(np.nanmin(curve.least)):.1e}, at the end {float(np.median(curve.least[-1])):.1e}"
        for curve in study.of_method("wn")
    )
    return Finding(f"least eigenvalue of WN's Z along the way, for ||A||_2 = 1: {ends}", None)


def _figure_2a(study: CurveTable) -> list[Finding]:
    return [
        _linear(study.of_method("wn"), is_linear=True),
        _linear(study.of_method("gd"), is_linear=False),
        _ahead(study),
        *_costs(study),
        _cone(study),
    ]


def _figure_2b(study: CurveTable) -> list[Finding]:
    wn = sorted(study.of_method("wn"), key=lambda curve: curve.head.width)
    gd = sorted(study.of_method("gd"), key=lambda curve: curve.head.width)
    burn_ins = ", ".join(
        f"{curve.label}: {'not reached' if curve.burn_in is None else f'{curve.burn_in:,}'}" for curve in wn
    )
    steps = [float("inf") if curve.burn_in is None else float(curve.burn_in) for curve in wn]
    rates = [tail.decades_per_step if (tail := curve.tail()) is not None else 0.0 for curve in wn]
    per_100 = ", ".join(f"{curve.label}: {rate * 100:.2g}" for curve, rate in zip(wn, rates, strict=True))
    return [
        Finding(f"WN's error is below 1/(2 kappa^2) from step {burn_ins}", _is_falling(steps)),
        Finding(f"WN's decades per 100 steps at the end, {per_100}", _is_falling([-rate for rate in rates])),
        Finding(f"WN's last error, {_finals(wn, ': ')}", _is_falling([curve.final for curve in wn])),
        Finding(f"GD's last error, {_finals(gd, ': ')}", _is_falling([-curve.final for curve in gd])),
        _ahead(study),
        *_costs(study),
        _cone(study),
    ]


def _finals(curves: Sequence[MeasuredCurve], colon: str) -> str:
    return ", ".join(f"{curve.label}{colon}{curve.final:.1e}" for curve in curves)


def _is_falling(values: Sequence[float]) -> bool:
    return all(later < earlier for earlier, later in pairwise(values))


def _figure_2c(study: CurveTable) -> list[Finding]:
    return [_speed(wn, gd) for wn, gd in _pairs(study)]


def _speed(wn: MeasuredCurve, gd: MeasuredCurve) -> Finding:
    m, n = wn.head.size, wn.head.measurements
    ratio = 2 * n / (m * (m + 1))
    step = wn.first_below(wn.rounding)
    reached = "not at rounding by its last step" if step is None else f"at rounding from step {step:,}"
    # Eigenvalues of M*M for Gaussian M on all of S^m, by Marchenko and Pastur.
    smallest, largest = ((1 + sign * ratio**-0.5) ** 2 for sign in (-1, 1))
    text = (
        f"{wn.label}, n = {ratio:.3g} m(m+1)/2: WN is {reached} ({wn.final:.1e} with {wn.head.step_sizes}), "
        f"GD at {gd.final:.1e}; M*M has eigenvalues of about {smallest:.2g} to {largest:.2g} on all symmetric "
        f"matrices, so that mu = 2 is {'beyond' if largest > 2 else 'within'} the limit lambda_max < 2"
    )
    return Finding(text, step is not None and step <= _VERY_FAST)


def _figure_3a(study: CurveTable) -> list[Finding]:
    ratio = largest_ratio(study.entries)
    text = f"above rounding the medians differ by a factor of at most {ratio:.3f}"
    return [
        Finding(f"{text}; last errors: {_finals(study.entries, ' ')}", ratio <= _COINCIDE),
        _linear(study.entries, is_linear=True),
    ]


def _figure_3b(study: CurveTable) -> list[Finding]:
    noisy = study.noisy
    p = noise_exponent(noisy)
    grows = _is_falling([-curve.final for curve in noisy]) and abs(p - 2) <= _EXPONENT_SLACK
    ratios = ", ".join(f"{curve.label}: {_over_oracle(curve):.2f}" for curve in noisy)
    near = max(_over_oracle(curve) for curve in noisy) <= _NEAR_ORACLE
    clean = [curve for curve in study.entries if curve.head.noise == 0]
    return [
        Finding(f"the last error grows as noise^{p:.2f} ({_finals(noisy, ': ')})", grows),
        Finding(f"over the error of least squares of rank r_A from the truth, {ratios}", near),
        *([_linear(clean, is_linear=True)] if clean else []),
    ]


def _cone_study(study: CurveTable) -> list[Finding]:
    """Return findings on the relaxation of Theta's positive semidefinite constraint to symmetry."""
    by_label = {curve.label.removeprefix("Theta "): curve for curve in study.entries}
    relaxed, constrained, diagonal = (by_label[name] for name in ("symmetric", "psd", "diagonal"))
    reached = ", ".join(f"{curve.label}: {_rounding_text(curve)}" for curve in study.entries)
    steps = [_steps_to_rounding(curve) for curve in (relaxed, constrained)]
    slower = f"relaxed over kept: {steps[0] / steps[1]:.3f} times the steps" if np.isfinite(steps).all() else "no ratio"
    return [
        Finding(f"steps: {reached}; {slower}", bool(np.isfinite(steps[0]) and steps[0] <= _COINCIDE * steps[1])),
        _outside_of_cone(relaxed),
        _linear([diagonal], is_linear=True) if diagonal.tail() is not None else Finding("diagonal: no rate", None),
    ]


def _rounding_text(curve: MeasuredCurve) -> str:
    step = curve.first_below(curve.rounding)
    return f"not at rounding, {curve.final:.1e}" if step is None else f"at rounding from {step:,}"


def _steps_to_rounding(curve: MeasuredCurve) -> float:
    step = curve.first_below(curve.rounding)
    return np.inf if step is None else float(step)


def _outside_of_cone(relaxed: MeasuredCurve) -> Finding:
    outside: np.ndarray = relaxed.least < -_OUTSIDE
    last = int(relaxed.step[outside.any(axis=1)].max(initial=0))
    text = (
        f"with Theta symmetric Z leaves the cone in {int(outside.any(axis=0).sum())} of {outside.shape[1]} runs, by at "
        f"most {-float(np.nanmin(relaxed.least)):.2g}, and is back to within {_OUTSIDE:g} after step {last:,}"
    )
    return Finding(text, None)


_FINDINGS: Mapping[str, Callable[[CurveTable], list[Finding]]] = {
    "figure-2a": _figure_2a,
    "figure-2b": _figure_2b,
    "figure-2c": _figure_2c,
    "figure-3a": _figure_3a,
    "figure-3b": _figure_3b,
    "beyond-cone": _cone_study,
}
