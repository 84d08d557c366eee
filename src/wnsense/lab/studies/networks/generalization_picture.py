"""The generalization gap in pictures and words: against width and depth, beside Rademacher bounds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wnsense.files.tables import Table
from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.lab.studies.frame.part_tables import titled
from wnsense.lab.studies.networks.table import (
    WIDTH,
    Seeds,
    data_lines,
    legend_of,
    log_places,
    look_of,
    mean_interval,
    points,
    power_over,
    power_words,
    seeds_of,
    span_words,
)
from wnsense.networks.measuring.power_fit import Exponent
from wnsense.pages.style import dress, new_figure
from wnsense.theory.networks import generalization_bound

# Over the whole sweep, so much of the mean gap may be the width's.
_SMALL = 0.25
# Of sqrt(L) a layer is sqrt(2) at most: by less than this a bound without an exponential is multiplied.
_GENTLE = 1.5
# A bound that knows no width has this power of it at most.
_NO_POWER = 0.01
# With so little of its loss gone, a network has learned nothing, and has no gap to speak of.
_LEARNED = 0.05


@dataclass(frozen=True)
class Sweep:
    """Trained networks of one kind that differ in width or in depth.

    Attributes:
        variable: Which of them.
        kind: With or without normalization, and its scaling.
        begun: All of them, by the variable, ascending.
        runs: Those of which no seed diverged.
    """

    variable: str
    kind: str
    begun: Sequence[Seeds]
    runs: Sequence[Seeds]

    def place(self, run: Seeds) -> float:
        """The variable's value."""
        return run.width if self.variable == "width" else run.depth

    @property
    def diverged(self) -> list[float]:
        """Values of the variable at which a seed diverged."""
        return [self.place(run) for run in self.begun if run not in self.runs]

    @property
    def places(self) -> Float[np.ndarray, " places"]:
        """Its values where no seed diverged."""
        return np.array([self.place(run) for run in self.runs], dtype=float)

    def stack(self, values: Callable[[Seeds], np.ndarray]) -> Float[np.ndarray, "places seeds"]:
        """A quantity of each seed."""
        return np.stack([values(run) for run in self.runs])


def gap(run: Seeds) -> Float[np.ndarray, " seeds"]:
    """Test loss less training loss at the end."""
    return np.asarray(run.last("test_loss") - run.last("train_loss"))


def learned(run: Seeds) -> Float[np.ndarray, " seeds"]:
    """What part of its loss at the start a network has lost."""
    return np.asarray(1 - run.last("train_loss") / run.first("train_loss"))


def start_complexity(run: Seeds) -> Float[np.ndarray, " seeds"]:
    """The bound on the Rademacher complexity, of the class that the norms at the start make."""
    return run.first("rademacher")


def complexity(run: Seeds) -> Float[np.ndarray, " seeds"]:
    """The same of the norms that the trained network has."""
    return run.last("rademacher")


def sweeps_of(table: Table) -> list[Sweep]:
    """Widths at the most common depth, depths at the most common width, for each kind.

    Raises:
        InputError: When it is no table of such a study.
    """
    runs = seeds_of(table, "TrainingPart", "rademacher")
    found = []
    for variable, other in (("width", "depth"), ("depth", "width")):
        for kind in dict.fromkeys(run.kind for run in runs):
            groups: dict[object, list[Seeds]] = {}
            for run in runs:
                if run.kind == kind:
                    groups.setdefault(run.design(other), []).append(run)
            found += [_sweep(variable, kind, of) for of in groups.values() if len(of) >= 3]
    return found


def _sweep(variable: str, kind: str, runs: Sequence[Seeds]) -> Sweep:
    ordered = sorted(runs, key=lambda run: (run.width, run.depth))
    return Sweep(variable, kind, ordered, [run for run in ordered if np.isfinite(gap(run)).all()])


def pictures(table: Table) -> Mapping[str, Figure]:
    """Gaps and bounds; losses and accuracies.

    Raises:
        InputError: When it is no table of such a study.
    """
    sweeps = sweeps_of(table)
    gaps = _panels(
        table,
        sweeps,
        ((gap, "gap: test less train loss", False), (start_complexity, "bound on Rademacher complexity", True)),
        "Gap of the mean squared loss at the end of training, and the bound that is to explain it",
    )
    losses = _panels(
        table,
        sweeps,
        (
            (lambda run: run.last("train_loss"), "training loss at the end", False),
            (lambda run: run.last("test_accuracy"), "test accuracy, part of 1", False),
        ),
        "What was learned",
    )
    return {"": gaps, "-learned": losses}


def _panels(
    table: Table,
    sweeps: Sequence[Sweep],
    rows: Sequence[tuple[Callable[[Seeds], np.ndarray], str, bool]],
    title: str,
) -> Figure:
    variables = list(dict.fromkeys(of.variable for of in sweeps))
    figure = new_figure(4.5 * len(variables), 2.9 * len(rows) + 1.1)
    grid = figure.subplots(len(rows), len(variables), squeeze=False, sharey="row")
    for row, (values, words, logarithmic) in enumerate(rows):
        for column, variable in enumerate(variables):
            axes: Axes = grid[row][column]
            own = [of for of in sweeps if of.variable == variable]
            for of in own:
                look = look_of(of.kind)
                # The bound at the start is there also for what diverged afterwards.
                runs = of.begun if values is start_complexity else of.runs
                places = np.array([of.place(run) for run in runs])
                if len(runs):
                    stacked = np.stack([values(run) for run in runs])
                    points(axes, places, stacked, look, look.label, logarithmic=logarithmic)
            fixed = "depth" if variable == "width" else "width"
            head = f"{fixed} {own[0].begun[0].design(fixed)}" if row == 0 else ""
            name = "width m" if variable == "width" else "depth L, hidden layers"
            dress(axes, title=head, x=name if row == len(rows) - 1 else "", y=words if column == 0 else "")
            log_places(axes, sorted({of.place(run) for of in own for run in of.begun}))
    titled(figure, table, title)
    legend_of(figure, list(grid.flat), 2)
    return figure


def findings(table: Table) -> list[Finding]:
    """Whether the gap knows the width or the depth, and what the bounds say of it.

    Raises:
        InputError: When it is no table of such a study.
    """
    sweeps = sweeps_of(table)
    found = [_gap(of) for of in sweeps]
    found += [_bound(of) for of in sweeps if of.variable == "width"]
    found += [_by_layer([of for of in sweeps if of.variable == "depth"])]
    return [*found, *(_covered(of) for of in sweeps if of.kind == f"wn {WIDTH}" and of.runs)]


def trend(sweep: Sweep) -> Exponent:
    """By what part of its mean the gap changes over the whole sweep, by a line over the variable's logarithm."""
    x, y = np.log(sweep.places), sweep.stack(gap)
    slopes = np.polyfit(x, y, 1)[0] * (x[-1] - x[0]) / abs(y.mean())
    mean, half = mean_interval(slopes)
    return Exponent(float(mean), float(mean - half), float(mean + half))


def _gap(sweep: Sweep) -> Finding:
    if len(sweep.runs) < 3:
        where = ", ".join(f"{place:g}" for place in sweep.diverged)
        name = look_of(sweep.kind).label
        return Finding(f"{name}, by {sweep.variable}: seeds diverged at {where}; no trend of the gap is left", None)
    look, gaps, part = look_of(sweep.kind), sweep.stack(gap), sweep.stack(learned).mean(axis=1)
    told = ", ".join(f"{mean:.2g} at {place:g}" for place, mean in zip(sweep.places, gaps.mean(axis=1), strict=True))
    change = trend(sweep)
    text = (
        f"{look.label}, by {sweep.variable}: the gap is {told}; over the sweep it changes by {100 * change.value:.0f} "
        f"% ({100 * change.low:.0f} to {100 * change.high:.0f} %) of its mean"
    )
    if sweep.diverged:
        text += f"; a seed or more diverged at {', '.join(f'{place:g}' for place in sweep.diverged)}"
    idle = sweep.places[part < _LEARNED]
    if len(idle):
        where = ", ".join(f"{place:g}" for place in idle)
        return Finding(f"{text}; at {where} less than {100 * _LEARNED:g} % of the loss was learned", None)
    if sweep.variable == "depth" or not sweep.kind.startswith("wn"):
        return Finding(text, None)
    if change.low <= 0 and change.high > _SMALL:
        return Finding(f"{text}; it is not to grow with the width, and seeds differ too much to tell", None)
    return Finding(f"{text}; it is not to grow with the width", change.high <= _SMALL)


def _bound(sweep: Sweep) -> Finding:
    """How the bound on the complexity goes with the width, in the ball of the start and by the norms of the end."""
    start = power_over(sweep.begun, sweep.place, start_complexity)
    bounds = np.stack([start_complexity(run) for run in sweep.begun]).mean(axis=1)
    text = (
        f"{look_of(sweep.kind).label}: the bound on the Rademacher complexity at the start's norms goes from "
        f"{bounds[0]:.3g} to {bounds[-1]:.3g} for width {sweep.place(sweep.begun[0]):g} to "
        f"{sweep.place(sweep.begun[-1]):g}, as width^{power_words(start)}"
    )
    if len(sweep.runs) >= 3:
        end = power_over(sweep.runs, sweep.place, complexity)
        text += f"; at the norms that training leads to, ||v|| among them, as width^{power_words(end)}"
    return Finding(text, abs(start.value) <= _NO_POWER if sweep.kind == f"wn {WIDTH}" else None)


def _by_layer(sweeps: Sequence[Sweep]) -> Finding:
    """By what a further layer multiplies the bound on the complexity, with WN and without."""
    factors = {}
    for sweep in sweeps:
        places = np.array([sweep.place(run) for run in sweep.begun])
        bounds = np.log(np.stack([start_complexity(run) for run in sweep.begun])).mean(axis=1)
        factors[sweep.kind] = float(np.exp(np.polyfit(places, bounds, 1)[0]))
    told = ", ".join(f"{factor:.3g} ({look_of(kind).label})" for kind, factor in factors.items())
    plain = [factor for kind, factor in factors.items() if kind.startswith("plain")]
    ours = factors.get(f"wn {WIDTH}")
    holds = None if ours is None or not plain else ours <= _GENTLE < min(plain)
    return Finding(
        f"at the start's norms a further layer multiplies the bound on the Rademacher complexity by {told}", holds
    )


def _covered(sweep: Sweep) -> Finding:
    """The bound on the gap, of the class that the trained network's own norms make, beside the gap."""
    bounds = np.stack([_gap_bound(run) for run in sweep.runs])
    gaps = sweep.stack(gap)
    room = bounds / np.abs(gaps)
    text = (
        f"{look_of(sweep.kind).label}, by {sweep.variable}: the bound on the gap is {span_words(bounds)}, the gap "
        f"{span_words(gaps)}; the bound holds and is {span_words(room)} times as large"
        if (gaps <= bounds).all()
        else f"{look_of(sweep.kind).label}, by {sweep.variable}: the bound on the gap, {span_words(bounds)}, is broken"
    )
    return Finding(text, bool((gaps <= bounds).all()))


def _gap_bound(run: Seeds) -> Float[np.ndarray, " seeds"]:
    """For each output alike, and so for their mean: the loss of one is at most (|f| + 1)^2."""
    n = run.train_count
    largest = run.last("largest_output") + 1
    return np.array(
        [
            generalization_bound(complexity, samples=n, loss_lipschitz=2 * most, loss_range=most**2)
            for complexity, most in zip(run.last("rademacher"), largest, strict=True)
        ]
    )


def paragraphs(table: Table) -> list[Paragraph]:
    """The images.

    Raises:
        InputError: When it is no table of such a study.
    """
    return [Paragraph("Images:", data_lines(table))]
