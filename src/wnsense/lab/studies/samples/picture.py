"""The samples study in a picture and in words: the smallest counts of measurements beside bound and limit."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wnsense.checks import InputError, require
from wnsense.files.tables import Table
from wnsense.lab.analysis.scaling import fit_power_law
from wnsense.lab.studies.exponents.table import slope
from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.pages.style import FAINT, INK, METHODS, TEXT, dress, legend, legend_below, logarithmic, new_figure
from wnsense.theory.convergence import TheoremSetting, gaussian_samples, rip_level

_LIMIT = "#000000"
_NAMES = {"wn": "WN, Algorithm 1", "recover": "recover()"}


@dataclass(frozen=True)
class CountSweep:
    """A sweep.

    Attributes:
        varied: What varies.
        values: What varies, (cases,).
        settings: m, r, r_A and kappa, case by case.
        limits: The information limit, (cases,).
        counts: The smallest count of each seed by what recovers, (cases, seeds); NaN where none of those tried does.
    """

    varied: str
    values: Float[np.ndarray, " cases"]
    settings: tuple[TheoremSetting, ...]
    limits: Float[np.ndarray, " cases"]
    counts: Mapping[str, Float[np.ndarray, "cases seeds"]]

    @property
    def bounds(self) -> Float[np.ndarray, " cases"]:
        """The theorem's n with constant 1."""
        return np.array([gaussian_samples(setting, constant=1.0) for setting in self.settings])


@dataclass(frozen=True)
class Isometry:
    """What was seen of the restricted isometry.

    Attributes:
        setting: m, r, r_A and kappa.
        count: n.
        tried: Up to which rank.
        delta: The lower bound that was found.
    """

    setting: TheoremSetting
    count: int
    tried: int
    delta: float


@dataclass(frozen=True)
class SampleTable:
    """The study's table.

    Attributes:
        header: Its head.
        sweeps: In order.
        isometries: In order.
    """

    header: Mapping[str, object]
    sweeps: tuple[CountSweep, ...]
    isometries: tuple[Isometry, ...]

    @classmethod
    def of(cls, table: Table) -> "SampleTable":
        """Read a table.

        Raises:
            InputError: When it is none of such a study.
        """
        told = table.header.get("sweeps")
        require(isinstance(told, list) and told, "the table of a study of samples", "one without sweeps")
        try:
            sweeps = [_sweep(k, of, table.arrays) for k, of in enumerate(cast("list[Mapping[str, object]]", told))]
            known = cast("list[Mapping[str, int]]", table.header["isometries"])
            deltas = table.arrays["isometry"].tolist()
        except KeyError as error:
            raise InputError(f"needed the table of a study of samples, got one without {error}") from error
        isometries = tuple(
            Isometry(_setting(of), of["count"], of["tried_rank"], delta)
            for of, delta in zip(known, deltas, strict=True)
        )
        return cls(table.header, tuple(sweeps), isometries)


def pictures(table: Table) -> Mapping[str, Figure]:
    """Counts along the sweeps, and what was seen of the isometry.

    Raises:
        InputError: When it is no table of such a study.
    """
    study = SampleTable.of(table)
    figure = new_figure(3.0 * (len(study.sweeps) + 1) + 0.6, 4.3)
    panels = figure.subplots(1, len(study.sweeps) + 1)
    for place, (axes, sweep) in enumerate(zip(panels, study.sweeps, strict=False)):
        _draw_sweep(axes, sweep)
        logarithmic(axes, *_range(study.sweeps))
        dress(axes, title=f"against {sweep.varied}", x=sweep.varied, y="" if place else "smallest n that recovers")
    _draw_isometry(panels[-1], study.isometries)
    scale = "" if study.header["scale"] == "paper" else f" ({study.header['scale']} scale)"
    figure.suptitle(f"{study.header['title']}{scale}", fontsize=TEXT + 3, color=INK, x=0.01, ha="left")
    legend_below(figure, panels[0], 4)
    return {"": figure}


def _draw_sweep(axes: Axes, sweep: CountSweep) -> None:
    for name, counts in sweep.counts.items():
        look, known = METHODS[name], np.isfinite(counts)
        x = np.broadcast_to(sweep.values[:, None], counts.shape)
        axes.plot(
            x[known], counts[known], marker=look.marker, markersize=4, linestyle="none", color=look.color, alpha=0.5
        )
        median = np.nanmedian(counts, axis=1)
        axes.plot(sweep.values, median, color=look.color, linestyle=look.line, label=_NAMES[name], zorder=3)
    axes.plot(sweep.values, sweep.limits, color=_LIMIT, linestyle=":", marker=".", label="degrees of freedom")
    first = next(iter(sweep.counts.values()))
    bound = sweep.bounds * float(np.nanmedian(first[0])) / sweep.bounds[0]
    axes.plot(sweep.values, bound, color=FAINT, linestyle="--", label="theorem, set to the first point")
    axes.set_xscale("log")
    axes.set_xticks(sweep.values, [f"{value:g}" for value in sweep.values])
    axes.minorticks_off()


def _range(sweeps: Sequence[CountSweep]) -> tuple[float, float]:
    """The same for all panels. The bound leaves the picture; the counts stay legible."""
    low = min(float(sweep.limits.min()) for sweep in sweeps)
    high = max(float(np.nanmax(counts)) for sweep in sweeps for counts in sweep.counts.values())
    return low / 1.5, high * 2


def _draw_isometry(axes: Axes, isometries: Sequence[Isometry]) -> None:
    look = METHODS["wn"]
    base = isometries[0].setting
    same = [of for of in isometries if of.setting == base]
    others = [of for of in isometries if of.setting != base]
    needed = {of.setting: rip_level(of.setting, constant=1.0) for of in isometries}
    axes.plot(
        [of.count for of in same], [of.delta for of in same], color=look.color, marker="o", label="seen, at least"
    )
    axes.axhline(needed[base], color=_LIMIT, linestyle="--", label="needed, constant 1")
    for of in others:
        axes.plot(
            [of.count], [of.delta], color="#0072B2", marker="D", linestyle="none", label="seen, figure 2a's setting"
        )
        axes.axhline(needed[of.setting], color="#0072B2", linestyle="--", label="needed there")
    axes.set_xscale("log")
    axes.set_yscale("log")
    # Room for the legend under everything.
    low, high = axes.get_ylim()
    axes.set_ylim(low / 1e6, high)
    dress(axes, title="restricted isometry constant", x="n", y="delta")
    legend(axes)


def findings(table: Table) -> list[Finding]:
    """What the table says to the theorem.

    Raises:
        InputError: When it is no table of such a study.
    """
    study = SampleTable.of(table)
    found = [_sufficient(study), *(_slope(sweep, name) for sweep in study.sweeps for name in sweep.counts)]
    return [*found, *(_isometry(of) for of in study.isometries)]


def paragraphs(table: Table) -> list[Paragraph]:
    """Case by case.

    Raises:
        InputError: When it is no table of such a study.
    """
    study = SampleTable.of(table)
    lines = [line for sweep in study.sweeps for line in _lines(sweep)]
    return [Paragraph("Smallest n, median over seeds (over the degrees of freedom):", tuple(lines))]


def _lines(sweep: CountSweep) -> list[str]:
    lines = []
    for name, counts in sweep.counts.items():
        medians = np.nanmedian(counts, axis=1)
        told = ", ".join(
            f"{value:g}: {median:,.0f} ({median / limit:.2f})"
            for value, median, limit in zip(sweep.values, medians, sweep.limits, strict=True)
        )
        lines.append(f"{_NAMES[name]}, {sweep.varied} {told}")
    return lines


def _sufficient(study: SampleTable) -> Finding:
    """Whether the bound's n was enough, and by how much it was too many."""
    orders, enough = [], True
    for sweep in study.sweeps:
        counts = sweep.counts.get("wn")
        if counts is None:
            continue
        ratios = np.log10(sweep.bounds[:, None] / counts)
        orders.append(ratios)
        enough = enough and bool(np.isfinite(counts).all() and (ratios >= 0).all())
    logs = np.concatenate([of.ravel() for of in orders])
    text = (
        f"with constant 1 the bound asks for {np.nanmin(logs):.1f} to {np.nanmax(logs):.1f} orders of magnitude more "
        "measurements than Algorithm 1 was seen to need"
    )
    return Finding(text, enough)


def _slope(sweep: CountSweep, name: str) -> Finding:
    found = fit_power_law(sweep.values, sweep.counts[name])
    limit, bound = slope(sweep.values, sweep.limits), slope(sweep.values, sweep.bounds)
    text = (
        f"{_NAMES[name]} against {sweep.varied} from {sweep.values[0]:g} to {sweep.values[-1]:g}: n goes with the "
        f"power {found.exponent:.2f} [{found.low:.2f}, {found.high:.2f}], the degrees of freedom with {limit:.2f}, the "
        f"bound with {bound:.2f}"
    )
    # A sufficient count may fall faster in r than the necessary one, from far above: nothing is contradicted then.
    return Finding(text, found.low <= bound if sweep.varied in {"kappa", "m"} else None)


def _isometry(of: Isometry) -> Finding:
    needed = rip_level(of.setting, constant=1.0)
    orders = math.log10(of.delta / needed)
    at = of.setting
    text = (
        f"n = {of.count:,}, m = {at.size:g}, r = {at.rank:g}, kappa = {at.condition:g}: delta of rank {of.tried} is at "
        f"least {of.delta:.2g}; the theorem with constant 1 asks for {needed:.1e}, {orders:.1f} orders less"
    )
    return Finding(text, None)


def _sweep(place: int, facts: Mapping[str, object], arrays: Mapping[str, np.ndarray]) -> CountSweep:
    recoverers = cast("list[str]", facts["recoverers"])
    return CountSweep(
        str(facts["varied"]),
        np.array(facts["values"], dtype=float),
        tuple(_setting(case) for case in cast("list[Mapping[str, float]]", facts["cases"])),
        np.array(facts["limits"], dtype=float),
        {name: arrays[f"{place}_{name}"] for name in recoverers},
    )


def _setting(of: Mapping[str, float]) -> TheoremSetting:
    return TheoremSetting(of["size"], of["rank"], of["true_rank"], of["condition"])
