"""Picture of the study of sample sizes: smallest counts beside bound and limit, and the isometry constant."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wnsense.lab.studies.samples.table import NAMES, CountSweep, SampleTable, SeenIsometry
from wnsense.pages.style import FAINT, INK, METHODS, TEXT, dress, legend, legend_below, logarithmic, new_figure
from wnsense.theory.convergence import rip_level

_LIMIT = "#000000"
_OTHER = "#0072B2"


def pictures(study: SampleTable) -> Mapping[str, Figure]:
    """Draw the counts along the sweeps, and the lower bounds of the isometry constant."""
    figure = new_figure(3.0 * (len(study.entries) + 1) + 0.6, 4.3)
    panels = figure.subplots(1, len(study.entries) + 1)
    for place, (axes, sweep) in enumerate(zip(panels, study.entries, strict=False)):
        _draw_sweep(axes, sweep)
        logarithmic(axes, *_range(study.entries))
        varied = sweep.facts.varied
        dress(axes, title=f"against {varied}", x=varied, y="" if place else "smallest n that recovers")
    _draw_isometry(panels[-1], study.isometries)
    figure.suptitle(study.head.scaled_title, fontsize=TEXT + 3, color=INK, x=0.01, ha="left")
    legend_below(figure, panels[0], 4)
    return {"": figure}


def _draw_sweep(axes: Axes, sweep: CountSweep) -> None:
    values = sweep.values
    for name, counts in sweep.counts.items():
        look, finite = METHODS[name], np.isfinite(counts)
        x = np.broadcast_to(values[:, None], counts.shape)
        axes.plot(
            x[finite], counts[finite], marker=look.marker, markersize=4, linestyle="none", color=look.color, alpha=0.5
        )
        median = np.nanmedian(counts, axis=1)
        axes.plot(values, median, color=look.color, linestyle=look.line, label=NAMES[name], zorder=3)
    axes.plot(values, sweep.limits, color=_LIMIT, linestyle=":", marker=".", label="degrees of freedom")
    first = next(iter(sweep.counts.values()))
    bound = sweep.bounds * float(np.nanmedian(first[0])) / sweep.bounds[0]
    axes.plot(values, bound, color=FAINT, linestyle="--", label="theorem, set to the first point")
    axes.set_xscale("log")
    axes.set_xticks(values, [f"{value:g}" for value in values])
    axes.minorticks_off()


def _range(sweeps: Sequence[CountSweep]) -> tuple[float, float]:
    """Return one range for all panels; the bound may leave it, so that the counts stay legible."""
    low = min(float(sweep.limits.min()) for sweep in sweeps)
    high = max(float(np.nanmax(counts)) for sweep in sweeps for counts in sweep.counts.values())
    return low / 1.5, high * 2


def _draw_isometry(axes: Axes, isometries: Sequence[SeenIsometry]) -> None:
    look = METHODS["wn"]
    base = isometries[0].facts.setting
    same = [seen for seen in isometries if seen.facts.setting == base]
    others = [seen for seen in isometries if seen.facts.setting != base]
    counts, deltas = [seen.facts.count for seen in same], [seen.delta for seen in same]
    axes.plot(counts, deltas, color=look.color, marker="o", label="seen, at least")
    axes.axhline(rip_level(base, constant=1.0), color=_LIMIT, linestyle="--", label="needed, constant 1")
    for seen in others:
        label = "seen, figure 2a's setting"
        axes.plot([seen.facts.count], [seen.delta], color=_OTHER, marker="D", linestyle="none", label=label)
        needed = rip_level(seen.facts.setting, constant=1.0)
        axes.axhline(needed, color=_OTHER, linestyle="--", label="needed there")
    axes.set_xscale("log")
    axes.set_yscale("log")
    # Room for the legend below everything.
    low, high = axes.get_ylim()
    axes.set_ylim(low / 1e6, high)
    dress(axes, title="restricted isometry constant", x="n", y="delta")
    legend(axes)
