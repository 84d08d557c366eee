"""What stands under a picture of the paper: its sentence, our choices, and what is seen, in numbers of the table."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np

from wnsense.files.tables import Table
from wnsense.lab.studies.curves.table import PaperCurve, PaperTable, largest_ratio, noise_exponent
from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.pages.style import METHODS

# Curves whose medians differ by no more than this factor are said to coincide.
_COINCIDE = 1.1
# A floor within this factor of the oracle's is as good as that; r > r_A directions have more noise to fit.
_NEAR_ORACLE = 2.0
# Errors go as the noise, squared errors as its square, within this difference in the exponent.
_EXPONENT_SLACK = 0.2
# Very fast: at rounding within so many steps.
_VERY_FAST = 100
# The squared error to which all methods are compared, above single precision.
_REACHED = 1e-8
_OF_THE_PAPER = {"wn", "gd"}
# Eigenvalues below this are outside of the cone by more than rounding.
_OUTSIDE = 1e-10


def findings(table: Table) -> list[Finding]:
    """What the table says to each part of the paper's sentence.

    Raises:
        InputError: When it is no table of a study.
    """
    study = PaperTable.of(table)
    return _FINDINGS[study.text("name")](study)


def paragraphs(table: Table) -> list[Paragraph]:
    """Curve by curve, and how step sizes were chosen.

    Raises:
        InputError: When it is no table of such a study.
    """
    study = PaperTable.of(table)
    curves = Paragraph(
        "Curve by curve (squared error, median over seeds, for ||A||_2 = 1):",
        tuple(_curve_line(curve) for curve in study.curves),
    )
    return [curves, Paragraph("Step sizes:", tuple(_grid_lines(study)))]


def _name(curve: PaperCurve) -> str:
    return f"{METHODS[curve.method].label}, {curve.label}"


def _curve_line(curve: PaperCurve) -> str:
    low, high = (band[-1] for band in curve.band())
    count = curve.error.shape[1]
    diverged = int((~np.isfinite(curve.error[-1])).sum())
    spent = f"{int(curve.step[-1]):,} steps, {int(np.nanmax(curve.applications)):,} applications"
    setting = f"{_name(curve)} ({curve.facts['step_sizes']}; {count} seed{'s' if count > 1 else ''})"
    parts = [f"{setting}: {curve.final:.1e} ({low:.1e} to {high:.1e}) after {spent}"]
    if diverged:
        parts.append(f"{diverged} diverged")
    parts.append(_burn_in(curve) if curve.number("noise") == 0 else _floor(curve))
    if curve.number("noise") == 0:
        parts.append(_tail_text(curve))
    return "; ".join(parts)


def _burn_in(curve: PaperCurve) -> str:
    step = curve.burn_in
    return "never below 1/(2 kappa^2)" if step is None else f"below 1/(2 kappa^2) from step {step:,}"


def _floor(curve: PaperCurve) -> str:
    return f"{curve.final / float(np.median(curve.oracle)):.2f} times the oracle's"


def _tail_text(curve: PaperCurve) -> str:
    tail = curve.tail()
    if tail is None:
        return "too few steps above rounding for a rate"
    where = f"steps {tail.begin:,} to {tail.end:,}"
    if tail.decades_per_step <= 0:
        return f"no fall over {where}"
    line = f"a factor of ten every {1 / tail.decades_per_step:,.3g} steps (off by {tail.line_spread:.2g} decades)"
    power = f"t^-{tail.exponent:.2f} (off by {tail.power_spread:.2g})"
    return f"over {where} {line}, or {power}: {'linear' if tail.is_linear else 'a power law'} fits better"


def _grid_lines(study: PaperTable) -> list[str]:
    """What each grid gave; curves that share a choice share a line."""
    lines: dict[str, list[str]] = {}
    for curve in study.curves:
        grid, errors = curve.facts["grid"], curve.facts["grid_errors"]
        if not (isinstance(grid, list) and isinstance(errors, list) and errors):
            continue
        tried = _tried(grid, errors)
        at = f"median squared error after {curve.number('tuning_steps'):,.0f} steps at m = {curve.facts['tuning_size']}"
        text = f"({at}) {tried}"
        again = curve.facts["confirmed_errors"]
        if isinstance(again, list) and again:
            alike = "as" if curve.facts["confirmed"] == curve.facts["step_sizes"] else "other than"
            text += f"; at m = {curve.facts['size']} from one start {_tried(grid, again)}: {alike} there"
        lines.setdefault(f"{METHODS[curve.method].label}|{text}", []).append(curve.label)
    return [
        f"step sizes of {key.split('|')[0]}, {'; '.join(labels)} {key.split('|', 1)[1]}"
        for key, labels in lines.items()
    ]


def _tried(grid: Sequence[object], errors: Sequence[object]) -> str:
    return ", ".join(
        f"{sizes}: {'diverged' if error is None else f'{float(str(error)):.1e}'}"
        for sizes, error in zip(grid, errors, strict=True)
    )


def _same_setting(study: PaperTable) -> list[tuple[PaperCurve, PaperCurve]]:
    """WN beside GD, label by label."""
    others = {curve.label: curve for curve in study.of_method("gd")}
    return [(curve, others[curve.label]) for curve in study.of_method("wn") if curve.label in others]


def _linear(curves: Sequence[PaperCurve], *, is_linear: bool) -> Finding:
    """Whether all curves of a method end linearly, or none does."""
    tails = [(curve, curve.tail()) for curve in curves]
    # Who has gone to rounding too fast for a fit has not been sublinear.
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
    text = f"{METHODS[curves[0].method].label} ends {words} in {agreeing} of {len(curves)} settings ({rates})"
    return Finding(text, agreeing == len(curves))


def _ahead(study: PaperTable) -> Finding:
    """Who is ahead at the last step, from when on, and at equal applications; the paper speaks of steps."""
    parts, holds, dearer = [], True, []
    for wn, gd in _same_setting(study):
        budget = min(float(np.nanmax(wn.applications)), float(np.nanmax(gd.applications)))
        wn_then, gd_then = (float(of.median[of.applications <= budget][-1]) for of in (wn, gd))
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


def _beside(study: PaperTable) -> list[Finding]:
    """What each method needs to a squared error that all but the slowest reach; the paper compares two of them."""
    methods = list(dict.fromkeys(curve.method for curve in study.curves))
    if len(methods) == len(_OF_THE_PAPER):
        return []
    told = []
    for label in study.labels:
        costs = [(curve.method, curve.cost_of(_REACHED)) for curve in study.curves if curve.label == label]
        parts = [f"{METHODS[of].label} {'not' if cost is None else f'{cost:,.0f}'}" for of, cost in costs]
        told.append(f"{label}: {', '.join(parts)}")
    return [Finding(f"applications to a squared error of {_REACHED:.0e}: {'; '.join(told)}", None)]


def _cone(study: PaperTable) -> list[Finding]:
    """Whether Z leaves the PSD cone, since Theta is only symmetric."""
    told = [
        f"{curve.label}: {float(np.nanmin(curve.least)):.1e}, at the end {float(np.median(curve.least[-1])):.1e}"
        for curve in study.of_method("wn")
    ]
    return [Finding(f"least eigenvalue of WN's Z along the way, for ||A||_2 = 1: {'; '.join(told)}", None)]


def _figure_2a(study: PaperTable) -> list[Finding]:
    return [
        _linear(study.of_method("wn"), is_linear=True),
        _linear(study.of_method("gd"), is_linear=False),
        _ahead(study),
        *_beside(study),
        *_cone(study),
    ]


def _figure_2b(study: PaperTable) -> list[Finding]:
    wn = sorted(study.of_method("wn"), key=lambda curve: curve.number("width"))
    gd = sorted(study.of_method("gd"), key=lambda curve: curve.number("width"))
    burn_ins = [curve.burn_in for curve in wn]
    told = ", ".join(
        f"{of.label}: {'not reached' if at is None else f'{at:,}'}" for of, at in zip(wn, burn_ins, strict=True)
    )
    steps = [float("inf") if at is None else float(at) for at in burn_ins]
    found = [Finding(f"WN's error is below 1/(2 kappa^2) from step {told}", _is_falling(steps))]
    rates = [tail.decades_per_step if (tail := curve.tail()) is not None else 0.0 for curve in wn]
    told = ", ".join(f"{of.label}: {rate * 100:.2g}" for of, rate in zip(wn, rates, strict=True))
    found.append(Finding(f"WN's decades per 100 steps at the end, {told}", _is_falling([-rate for rate in rates])))
    told = ", ".join(f"{of.label}: {of.final:.1e}" for of in wn)
    found.append(Finding(f"WN's last error, {told}", _is_falling([of.final for of in wn])))
    told = ", ".join(f"{of.label}: {of.final:.1e}" for of in gd)
    found.append(Finding(f"GD's last error, {told}", _is_falling([-of.final for of in gd])))
    return [*found, _ahead(study), *_beside(study), *_cone(study)]


def _is_falling(values: Sequence[float]) -> bool:
    return all(later < earlier for earlier, later in pairwise(values))


def _figure_2c(study: PaperTable) -> list[Finding]:
    found = []
    for wn, gd in _same_setting(study):
        m, n = wn.number("size"), wn.number("measurements")
        ratio = 2 * n / (m * (m + 1))
        there = wn.first_below(wn.rounding)
        reached = "not at rounding by its last step" if there is None else f"at rounding from step {there:,}"
        # Of a Gaussian M on all of S^m, by Marchenko and Pastur.
        smallest, largest = ((1 + sign * ratio**-0.5) ** 2 for sign in (-1, 1))
        text = (
            f"{wn.label}, n = {ratio:.3g} m(m+1)/2: WN is {reached} ({wn.final:.1e} with {wn.facts['step_sizes']}), "
            f"GD at {gd.final:.1e}; M*M has eigenvalues of about {smallest:.2g} to {largest:.2g} on all symmetric "
            f"matrices, so that mu = 2 is {'beyond' if largest > 2 else 'within'} the limit lambda_max < 2"
        )
        found.append(Finding(text, there is not None and there <= _VERY_FAST))
    return found


def _figure_3a(study: PaperTable) -> list[Finding]:
    ratio = largest_ratio(study.curves)
    finals = ", ".join(f"{curve.label} {curve.final:.1e}" for curve in study.curves)
    text = f"above rounding the medians differ by a factor of at most {ratio:.3f}; last errors: {finals}"
    return [Finding(text, ratio <= _COINCIDE), _linear(study.curves, is_linear=True)]


def _figure_3b(study: PaperTable) -> list[Finding]:
    noisy = sorted((curve for curve in study.curves if curve.number("noise") > 0), key=lambda of: of.number("noise"))
    p = noise_exponent(noisy)
    floors = ", ".join(f"{curve.label}: {curve.final:.1e}" for curve in noisy)
    grows = _is_falling([-curve.final for curve in noisy]) and abs(p - 2) <= _EXPONENT_SLACK
    times = [curve.final / float(np.median(curve.oracle)) for curve in noisy]
    told = ", ".join(f"{curve.label}: {of:.2f}" for curve, of in zip(noisy, times, strict=True))
    clean = [curve for curve in study.curves if curve.number("noise") == 0]
    return [
        Finding(f"the last error grows as noise^{p:.2f} ({floors})", grows),
        Finding(f"over the error of least squares of rank r_A from the truth, {told}", max(times) <= _NEAR_ORACLE),
        *([_linear(clean, is_linear=True)] if clean else []),
    ]


def _cone_study(study: PaperTable) -> list[Finding]:
    """Whether the relaxation of Theta to symmetry loses anything."""
    by_label = {curve.label.removeprefix("Theta "): curve for curve in study.curves}
    relaxed, kept, diagonal = (by_label[name] for name in ("symmetric", "psd", "diagonal"))
    there = {curve.label: curve.first_below(curve.rounding) for curve in study.curves}
    told = ", ".join(
        f"{label}: {'not at rounding, ' + format(curve.final, '.1e') if step is None else f'at rounding from {step:,}'}"
        for (label, step), curve in zip(there.items(), study.curves, strict=True)
    )
    outside: np.ndarray = relaxed.least < -_OUTSIDE
    last = int(relaxed.step[outside.any(axis=1)].max(initial=0))
    left = (
        f"with Theta symmetric Z leaves the cone in {int(outside.any(axis=0).sum())} of {outside.shape[1]} runs, by at "
        f"most {-float(np.nanmin(relaxed.least)):.2g}, and is back to within {_OUTSIDE:g} after step {last:,}"
    )
    steps = [np.inf if there[of.label] is None else float(there[of.label] or 0) for of in (relaxed, kept)]
    slower = f"relaxed over kept: {steps[0] / steps[1]:.3f} times the steps" if np.isfinite(steps).all() else "no ratio"
    return [
        Finding(f"steps: {told}; {slower}", bool(np.isfinite(steps[0]) and steps[0] <= _COINCIDE * steps[1])),
        Finding(left, None),
        _linear([diagonal], is_linear=True) if diagonal.tail() is not None else Finding("diagonal: no rate", None),
    ]


_FINDINGS: Mapping[str, Callable[[PaperTable], list[Finding]]] = {
    "figure-2a": _figure_2a,
    "figure-2b": _figure_2b,
    "figure-2c": _figure_2c,
    "figure-3a": _figure_3a,
    "figure-3b": _figure_3b,
    "beyond-cone": _cone_study,
}
