"""Trajectories of the flow in pictures and words: coordinates, radius and magnification, what is conserved."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wnsense.files.tables import Table
from wnsense.lab.studies.diagonal.table import (
    Measured,
    grid,
    outer_labels,
    parts_of,
    rate_look,
    rate_words,
)
from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.lab.studies.frame.part_tables import titled
from wnsense.pages.style import FAINT, INK, TEXT, dress, legend_below

# What is conserved is, to this; and predictions are met to that, where the flow has come so near to its limit.
_CONSERVED = 1e-8
_MET = 1e-6
_NEAR = 1e-10
# What a run wins or loses beside plain flow, at least: below it two excesses are the same number.
_SAME = 1e-3
_COLORS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7")
_FIRST_TIME = 1e-2


def pictures(table: Table) -> Mapping[str, Figure]:
    """Coordinates; radius and magnification; invariants.

    Raises:
        InputError: When it is no table of such a study.
    """
    runs = _runs(table)
    return {"": _coordinates(table, runs), "-radius": _radii(table, runs), "-invariants": _invariants(table, runs)}


def _runs(table: Table) -> list[Measured]:
    return parts_of(table, "TrajectoryPart", "drift")


def _depths(runs: Sequence[Measured]) -> list[int]:
    return sorted({run.depth for run in runs})


def _ratios(runs: Sequence[Measured]) -> list[float | None]:
    """Plain first, then from large to small, as the table has them."""
    return list(dict.fromkeys(run.ratio for run in runs))


def _coordinates(table: Table, runs: Sequence[Measured]) -> Figure:
    """Each panel a run: true nonzeros in colours, all other coordinates grey."""
    depths, ratios = _depths(runs), _ratios(runs)
    figure, panels = grid(len(depths), len(ratios), 2.2, 2.1)
    for run in runs:
        axes: Axes = panels[depths.index(run.depth), ratios.index(run.ratio)]
        time, z, truth = np.maximum(run.arrays["time"], _FIRST_TIME), run.arrays["z"], run.arrays["truth"]
        nonzero = np.flatnonzero(truth)
        axes.plot(time, np.delete(z, nonzero, axis=1), color=FAINT, linewidth=0.7)
        for place, entry in enumerate(nonzero):
            color = _COLORS[place % len(_COLORS)]
            axes.plot(time, z[:, entry], color=color, linewidth=1.8)
            axes.axhline(truth[entry], color=color, linestyle=":", linewidth=1.2)
        axes.set_xscale("log")
        axes.set_xticks([1e-2, 1e2, 1e6])
        look = rate_look(run.ratio, ratios)
        title = f"L = {run.depth}, {look.label.removeprefix('WN, ')}"
        dress(axes, x="time", y="coordinate of z")
        axes.set_title(title, fontsize=TEXT - 0.5, color=INK, loc="left")
    outer_labels(panels)
    titled(
        figure, table, "Coordinates along the flow: true nonzeros in colour, their true values dotted, all others grey"
    )
    return figure


def _radii(table: Table, runs: Sequence[Measured]) -> Figure:
    depths, ratios = _depths(runs), _ratios(runs)
    figure, panels = grid(2, len(depths), 3.2, 2.6)
    for run in runs:
        look, column = rate_look(run.ratio, ratios), depths.index(run.depth)
        time = np.maximum(run.arrays["time"], _FIRST_TIME)
        upper, lower = panels[:, column]
        upper.plot(time, run.arrays["radius"], color=look.color, linestyle=look.line, linewidth=1.8, label=look.label)
        if run.ratio is not None:
            lower.plot(time, np.exp(run.arrays["log_rho"]), color=look.color, linewidth=1.8)
            for value in run.arrays["predicted"]:
                lower.axhline(np.exp(value), color=look.color, linestyle=":", linewidth=1.2)
        upper.set_xscale("log")
        lower.set_yscale("log")
        lower.axhline(1.0, color=INK, linewidth=0.8)
        dress(upper, title=f"L = {run.depth}", y="radius r = ||x||")
        dress(lower, x="time", y="magnification rho")
    outer_labels(panels)
    titled(figure, table, "Radius and magnification along the flow; dotted: rho foretold without running it")
    legend_below(figure, panels[0, 0], 5)
    return figure


def _invariants(table: Table, runs: Sequence[Measured]) -> Figure:
    depths, ratios = _depths(runs), _ratios(runs)
    figure, panels = grid(2, len(depths), 3.2, 2.6)
    for run in runs:
        look, column = rate_look(run.ratio, ratios), depths.index(run.depth)
        time, change = run.arrays["time"][1:], run.arrays["change"][1:]
        upper, lower = panels[:, column]
        kernel = run.arrays["drift"][1:] * change / change.max()
        upper.plot(time, kernel, color=look.color, linestyle=look.line, linewidth=1.5, label=look.label)
        norm = np.maximum(run.arrays["norm_drift"][1:], np.finfo(float).eps / 2)
        lower.plot(time, norm, color=look.color, linestyle=look.line, linewidth=1.5)
        for axes in (upper, lower):
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_ylim(1e-17, 1e-6)
            axes.axhline(_CONSERVED, color=INK, linestyle=":", linewidth=1.2)
            axes.set_xlim(_FIRST_TIME, 2 * time[-1])
        dress(upper, title=f"L = {run.depth}", y="kernel's part of the change of h")
        dress(lower, x="time", y="| ||u|| - 1 |")
    outer_labels(panels)
    titled(figure, table, f"What the flow conserves, over the largest change along the run; dotted: {_CONSERVED:g}")
    legend_below(figure, panels[0, 0], 5)
    return figure


def findings(table: Table) -> list[Finding]:
    """What is conserved, whether limits are as foretold, and what rho does.

    Raises:
        InputError: When it is no table of such a study.
    """
    runs = _runs(table)
    return [
        _kernel(runs),
        _norms(runs),
        _limits(runs),
        _late(runs),
        *(_magnified(runs, L) for L in _depths(runs)),
        _overshoots(runs),
    ]


def _second_half(run: Measured) -> float:
    """The largest kernel part over the change at the same time; before, the change may be rounding itself."""
    drift = run.arrays["drift"]
    return float(drift[len(drift) // 2 :].max())


def _kernel(runs: Sequence[Measured]) -> Finding:
    drifts = [_second_half(run) for run in runs]
    worst = runs[int(np.argmax(drifts))]
    last = max(float(run.arrays["time"][-1]) for run in runs)
    sizes = [float(run.arrays["change"].max()) / run.single("size") for run in runs]
    text = (
        f"up to t = {last:.0e} the part of the invariants' change that lies in the kernel of A is at most "
        f"{max(drifts):.1e} of it (L = {worst.depth}, {rate_words(worst.ratio)}), over {len(runs)} runs; the changes "
        f"themselves are {min(sizes):.2g} times ||h(0)|| and more"
    )
    return Finding(text, max(drifts) <= _CONSERVED)


def _norms(runs: Sequence[Measured]) -> Finding:
    drifts = [float(run.arrays["norm_drift"].max()) for run in runs]
    worst = runs[int(np.argmax(drifts))]
    text = f"||u|| = 1 holds to {max(drifts):.1e} (L = {worst.depth}, {rate_words(worst.ratio)})"
    return Finding(text, max(drifts) <= _CONSERVED)


def _is_near(run: Measured) -> bool:
    return float(run.arrays["residual"][-1]) <= _NEAR


def _limits(runs: Sequence[Measured]) -> Finding:
    near = [run for run in runs if _is_near(run)]
    errors = [run.single("predicted_error") for run in near]
    gaps = [float(np.abs(run.arrays["predicted"] - run.arrays["log_rho"][-1]).min()) for run in near]
    if not near:
        return Finding(f"no run has a residual of {_NEAR:g} or less at its end", None)
    text = (
        f"the limit foretold without running the flow is reached to {max(errors):.1e}, and log rho to {max(gaps):.1e}, "
        f"in the {len(near)} of {len(runs)} runs whose residual is at most {_NEAR:g} at the end"
    )
    return Finding(text, max(errors) <= _MET and max(gaps) <= _MET)


def _late(runs: Sequence[Measured]) -> Finding:
    late = [run for run in runs if not _is_near(run)]
    told = "; ".join(
        f"L = {run.depth}, {rate_words(run.ratio)}: residual {run.arrays['residual'][-1]:.1e}, "
        f"{run.single('predicted_error'):.1e} from the limit"
        for run in late
    )
    return Finding(f"not at their limit by the end: {told or 'none'}", None)


def _excess(run: Measured) -> float:
    return float(run.arrays["norm"][-1]) / run.single("least") - 1


def _magnified(runs: Sequence[Measured], depth: int) -> Finding:
    """A rho above 1 brings the l1 norm closer to the least than plain flow has it; rho < 1 takes it away."""
    of = [run for run in runs if run.depth == depth]
    plain = next((run for run in of if run.ratio is None), None)
    if plain is None:
        return Finding(f"L = {depth}: no plain flow to compare with", None)
    told, holds = [f"{_excess(plain):.2g} without WN"], []
    for run in of:
        if run.ratio is None:
            continue
        rho = float(np.exp(run.arrays["log_rho"][-1]))
        told.append(f"{_excess(run):.2g} at eta = {run.ratio:g} (rho = {rho:.3g})")
        better = _excess(run) < (1 - _SAME) * _excess(plain)
        worse = _excess(run) > (1 + _SAME) * _excess(plain)
        holds.append(better if rho > 1 else worse)
    return Finding(f"L = {depth}: the l1 norm exceeds the least by {', '.join(told)}", all(holds))


def _overshoots(runs: Sequence[Measured]) -> Finding:
    peaks = [float(run.arrays["radius"].max() / run.arrays["radius"][-1]) for run in runs]
    over = [peak for peak in peaks if peak > 1 + _SAME]
    worst = runs[int(np.argmax(peaks))]
    text = (
        f"the radius ends below where it has been in {len(over)} of {len(runs)} runs, at most by a factor of "
        f"{max(peaks):.3g} (L = {worst.depth}, {rate_words(worst.ratio)})"
    )
    return Finding(text, None)


def paragraphs(table: Table) -> list[Paragraph]:
    """How to read the pictures.

    Raises:
        InputError: When it is no table of such a study.
    """
    runs = _runs(table)
    starts = ", ".join(f"L = {run.depth}: {run.arrays['radius'][0]:.2g}" for run in runs if run.ratio is None)
    return [
        Paragraph(
            "In the pictures:",
            (
                "h: log u + r^2 / (2 eta) for L = 2, (u e^{r^2 / (2 eta)})^{-(L-2)} beyond; log x, x^{-(L-2)} if plain",
                f"r_0 = alpha sqrt(2 N) ({starts})",
                "rho(t) = (r_0 / r) exp((r^2 - r_0^2) / (2 eta)) of the radius reached by then",
            ),
        )
    ]
