"""Hessians in pictures and words: against width, depth and the length of rows, beside published powers and bounds."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wnsense.files.tables import Table
from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.lab.studies.frame.part_tables import titled
from wnsense.lab.studies.networks.table import (
    LONG,
    ONE,
    SHORT,
    WIDTH,
    Seeds,
    data_lines,
    legend_of,
    log_places,
    log_values,
    look_of,
    points,
    power_over,
    power_words,
    published_line,
    seeds_of,
    span_words,
    within_row_bound,
)
from wnsense.pages.style import Look, dress, new_figure
from wnsense.theory.networks import PUBLISHED_HESSIAN_EXPONENTS

_LONG_ROWS = Look("with WN, s = 1, rows of length 2", "#CC79A7", "-", "P")
_LONG_PLAIN = Look("without, s = 1, rows of length 2", "#56B4E9", "--", "X")


@dataclass(frozen=True)
class Variable:
    """What a sweep varies.

    Attributes:
        name: As published exponents call it.
        words: Of the axis.
        of: Its value for a network.
    """

    name: str
    words: str
    of: Callable[[Seeds], float]


VARIABLES = (
    Variable("width", "width m", lambda run: run.width),
    Variable("depth", "depth L, hidden layers", lambda run: run.depth),
    Variable("minimum_row_norm", "rows' length at the start", lambda run: run.row_norm),
)


@dataclass(frozen=True)
class Sweep:
    """Networks that differ in one variable, the others those of the study's centre.

    Attributes:
        variable: Which.
        kind: With or without normalization, and its scaling.
        row_norm: Of all of them, but where it varies.
        runs: By the variable, ascending.
    """

    variable: Variable
    kind: str
    row_norm: float
    runs: Sequence[Seeds]

    @property
    def places(self) -> Float[np.ndarray, " places"]:
        """The variable's values."""
        return np.array([self.variable.of(run) for run in self.runs])

    @property
    def look(self) -> Look:
        """How it is drawn."""
        if self.variable.name == "depth" and self.row_norm > 1:
            return _LONG_ROWS if self.kind.startswith("wn") else _LONG_PLAIN
        return look_of(self.kind)

    @property
    def norms(self) -> Float[np.ndarray, "places seeds"]:
        """||grad^2 f||_2, the mean over images."""
        return np.stack([hessian_norms(run) for run in self.runs])


def hessian_norms(run: Seeds) -> Float[np.ndarray, " seeds"]:
    """||grad^2 f||_2 for each seed, the mean over images."""
    return np.asarray(run.stack("norms").mean(axis=1))


def sweeps_of(table: Table) -> list[Sweep]:
    """The sweeps of a table: all networks of a kind that agree in all but one variable, three at least.

    Raises:
        InputError: When it is no table of such a study.
    """
    runs = seeds_of(table, "CurvaturePart", "norms")
    found = []
    for variable in VARIABLES:
        others = [other for other in VARIABLES if other is not variable]
        groups: dict[tuple[object, ...], list[Seeds]] = {}
        for run in runs:
            groups.setdefault((run.kind, *(other.of(run) for other in others)), []).append(run)
        for of in groups.values():
            if len(of) >= 3:
                ordered = sorted(of, key=variable.of)
                found.append(Sweep(variable, ordered[0].kind, ordered[0].row_norm, ordered))
    return found


def pictures(table: Table) -> Mapping[str, Figure]:
    """Outputs' Hessians, and the loss', against each variable.

    Raises:
        InputError: When it is no table of such a study.
    """
    sweeps = sweeps_of(table)
    outputs = _panels(table, sweeps, hessian_norms, "||grad$^2$ f||$_2$", "Hessian of an output f at the start")
    losses = _panels(
        table,
        [replace(of, runs=[run for run in of.runs if np.isfinite(run.first("loss_curvature")).all()]) for of in sweeps],
        lambda run: run.first("loss_curvature"),
        "||grad$^2$ L||$_2$",
        "Hessian of the mean squared loss at the start",
        published=False,
    )
    return {"": outputs, "-loss": losses}


def _panels(
    table: Table,
    sweeps: Sequence[Sweep],
    values: Callable[[Seeds], np.ndarray],
    words: str,
    title: str,
    *,
    published: bool = True,
) -> Figure:
    variables = [variable for variable in VARIABLES if any(of.variable is variable for of in sweeps)]
    scalings = [scaling for scaling in (ONE, WIDTH) if any(of.kind.endswith(f" {scaling}") for of in sweeps)]
    figure = new_figure(3.3 * len(variables) + 0.4, 3.3 * len(scalings) + 1.2)
    grid = figure.subplots(len(scalings), len(variables), squeeze=False)
    for row, scaling in enumerate(scalings):
        for column, variable in enumerate(variables):
            axes: Axes = grid[row][column]
            own = [of for of in sweeps if of.variable is variable and of.kind.endswith(f" {scaling}")]
            for of in own:
                points(axes, of.places, np.stack([values(run) for run in of.runs]), of.look, of.look.label)
            if published and own:
                _draw_published(axes, own[0], values)
            dress(
                axes,
                title=f"s = {scaling}" if column == 0 else "",
                x=variable.words if row == len(scalings) - 1 else "",
                y=words if column == 0 else "",
            )
            if own:
                log_values(axes)
                log_places(axes, sorted({place for of in own for place in of.places}))
    titled(figure, table, title)
    legend_of(figure, list(grid.flat), 3)
    return figure


def _draw_published(axes: Axes, sweep: Sweep, values: Callable[[Seeds], np.ndarray]) -> None:
    """The published power of a variable, for the first sweep."""
    x = sweep.places
    if sweep.variable.name == "minimum_row_norm":
        law = 1 / np.minimum(x, x**2)
    else:
        law = x ** PUBLISHED_HESSIAN_EXPONENTS[sweep.variable.name]
    published_line(axes, x, np.array([values(run).mean() for run in sweep.runs]), law)


def findings(table: Table) -> list[Finding]:
    """Powers beside published ones, what the last layers multiply by, and whether the bound holds.

    Raises:
        InputError: When it is no table of such a study.
    """
    sweeps = sweeps_of(table)
    found = [_power(of) for of in sweeps if of.kind.startswith("wn") and of.variable.name != "minimum_row_norm"]
    found += [_row_power(of) for of in sweeps if of.variable.name == "minimum_row_norm"]
    found += [_last_layers(of) for of in sweeps if of.variable.name == "depth"]
    found += [_power(of) for of in sweeps if of.kind.startswith("plain")]
    return [*found, _bounded(seeds_of(table, "CurvaturePart", "norms"))]


def _power(sweep: Sweep) -> Finding:
    """A fitted power; with WN the published one must not be exceeded, being that of an upper bound."""
    published = PUBLISHED_HESSIAN_EXPONENTS[sweep.variable.name]
    power = power_over(sweep.runs, sweep.variable.of, hessian_norms)
    is_within = power.low <= published
    text = (
        f"{sweep.look.label}: ||grad^2 f|| goes as {sweep.variable.name}^{power_words(power)} for {_range(sweep)}, "
        f"{'within' if is_within else 'above'} the published power of an upper bound, {published:g}"
    )
    if sweep.kind == f"wn {ONE}" and not is_within:
        return Finding(f"{text}, which theory has for s = 1/sqrt(m)", None)
    return Finding(text, is_within if sweep.kind.startswith("wn") else None)


def _row_power(sweep: Sweep) -> Finding:
    """Short and long rows apart: 1 / min(w, w^2) goes with w^-2 below 1, and with w^-1 above."""
    told, holds = [], []
    for words, chosen, published in (("up to 1", sweep.places <= 1, SHORT), ("from 1 on", sweep.places >= 1, LONG)):
        runs = [run for run, is_chosen in zip(sweep.runs, chosen, strict=True) if is_chosen]
        if len(runs) < 3:
            continue
        power = power_over(runs, sweep.variable.of, hessian_norms)
        told.append(f"{words} as length^{power_words(power)}, published {published:g}")
        holds.append(within_row_bound(power, published))
    text = f"{sweep.look.label}: ||grad^2 f|| goes for rows {'; '.join(told)}"
    return Finding(text, all(holds) if holds else None)


def _last_layers(sweep: Sweep) -> Finding:
    """By what the norm is multiplied for each further layer at the deep end, beside what L^3 allows there."""
    (a, b), (low, high) = sweep.places[-2:], sweep.norms.mean(axis=1)[-2:]
    factor = float((high / low) ** (1 / (b - a)))
    allowed = float((b / a) ** (PUBLISHED_HESSIAN_EXPONENTS["depth"] / (b - a)))
    text = (
        f"{sweep.look.label}: from {a:g} to {b:g} layers ||grad^2 f|| is multiplied by {factor:.3g} a layer, from "
        f"{float(low):.2g} to {float(high):.2g}; L^3 allows {allowed:.3g}"
    )
    return Finding(text, factor <= allowed if sweep.kind.startswith("wn") else None)


def _bounded(runs: Sequence[Seeds]) -> Finding:
    """Every norm beside its bound."""
    known = [run for run in runs if np.isfinite(run.stack("hessian_bound")).all()]
    room = np.concatenate([(run.stack("hessian_bound") / run.stack("norms")).ravel() for run in known])
    slopes = np.concatenate([(run.stack("slopes") <= run.stack("slope_bound")).ravel() for run in known])
    own = np.concatenate(
        [
            (run.stack("hessian_bound") / run.stack("norms")).ravel()
            for run in known
            if run.is_normalized and run.scaling == WIDTH
        ]
        or [np.array([math.nan])]
    )
    text = (
        f"the bounds derived for this library hold in {int((room >= 1).sum())} of {room.size} cases for ||grad^2 f|| "
        f"and in {int(slopes.sum())} of {slopes.size} for ||grad f||; for WN with s = 1/sqrt(m) the first is "
        f"{span_words(own)} times what is measured"
    )
    return Finding(text, bool((room >= 1).all() and slopes.all()))


def _range(sweep: Sweep) -> str:
    return f"{sweep.variable.name} {sweep.places[0]:g} to {sweep.places[-1]:g}"


def paragraphs(table: Table) -> list[Paragraph]:
    """How precise the norms are, and the images.

    Raises:
        InputError: When it is no table of such a study.
    """
    runs = seeds_of(table, "CurvaturePart", "norms")
    relative = max(float((run.stack("errors") / run.stack("norms")).max()) for run in runs)
    line = f"an eigenvalue lies within {100 * relative:.2g} % of every norm (Lanczos' residual, the largest of all)"
    return [Paragraph("Precision:", (line,)), Paragraph("Images:", data_lines(table))]
