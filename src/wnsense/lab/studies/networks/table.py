"""The tables of the studies of deep networks, part by part and seed by seed, and how their networks are drawn."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import t as student

from wnsense.checks import InputError
from wnsense.files.tables import Table
from wnsense.lab.studies.frame.part_tables import numbered_parts
from wnsense.networks.measuring.power_fit import Exponent, fit_powers
from wnsense.pages.style import METHODS, TEXT, Look, logarithmic

CONFIDENCE = 0.95
# z = s <W_i / ||W_i||, a>; the scalings by the names that tables have for them.
ONE, WIDTH = "1", "1/sqrt(m)"
# How 1 / min(w, w^2) goes with the rows' length w below 1 and above.
SHORT, LONG = -2.0, -1.0
# Ticks nearer to each other than this ratio would cover each other's words.
_APART = 1.3
# Above and below curves on a logarithmic axis.
_ROOM = 1.4
PUBLISHED_LINE = "#777777"
_WIDTH_COLOR = "#0072B2"


@dataclass(frozen=True)
class Seeds:
    """Parts that differ in nothing but their seed.

    Attributes:
        facts: Their specification but for the seed, as the table's head has it.
        parts: The arrays of each, by name (described where they are measured).
    """

    facts: Mapping[str, object]
    parts: Sequence[Mapping[str, np.ndarray]]

    def stack(self, name: str) -> Float[np.ndarray, "seeds ..."]:
        """An array of all seeds.

        Raises:
            InputError: When a part has none of that name.
        """
        for part in self.parts:
            if name not in part:
                raise InputError(f"needed a table with {name} for every part, got one without; run the study again")
        return np.stack([part[name] for part in self.parts])

    def first(self, name: str) -> Float[np.ndarray, " seeds"]:
        """The first entry for each seed: the only one, or that of the start."""
        return np.asarray(self.stack(name)[:, 0])

    def last(self, name: str) -> Float[np.ndarray, " seeds"]:
        """The last entry for each seed, that of the end."""
        return np.asarray(self.stack(name)[:, -1])

    def fact(self, name: str) -> object:
        """A part of the specification."""
        return self.facts[name]

    def number(self, name: str) -> float:
        """A number of it."""
        return float(str(self.facts[name]))

    def design(self, name: str) -> object:
        """A part of what the network is."""
        return cast("Mapping[str, object]", self.facts["design"])[name]

    @property
    def width(self) -> int:
        """The width m."""
        return int(str(self.design("width")))

    @property
    def depth(self) -> int:
        """The depth L."""
        return int(str(self.design("depth")))

    @property
    def is_normalized(self) -> bool:
        """Whether rows are divided by their lengths."""
        return self.design("normalized") is True

    @property
    def scaling(self) -> str:
        """The scaling s."""
        return str(self.design("scaling"))

    @property
    def activation(self) -> str:
        """The activation, by name."""
        return str(self.design("activation"))

    @property
    def row_norm(self) -> float:
        """Of rows at the uniform start."""
        return float(str(self.design("row_norm")))

    @property
    def images(self) -> str:
        """Which images."""
        return str(self._sampling["images"])

    @property
    def train_count(self) -> int:
        """How many are trained on."""
        return int(str(self._sampling["train"]))

    @property
    def steps_per_epoch(self) -> int:
        """Of SGD."""
        return math.ceil(self.train_count / self.number("batch"))

    @property
    def kind(self) -> str:
        """With or without normalization, and its scaling, as `look_of` has them."""
        return f"{'wn' if self.is_normalized else 'plain'} {self.scaling}"

    @property
    def _sampling(self) -> Mapping[str, object]:
        return cast("Mapping[str, object]", self.facts["sampling"])


def seeds_of(table: Table, kind: str, name: str) -> list[Seeds]:
    """The parts of one kind, seeds together, in the order in which they were run.

    Args:
        table: Of a study of deep networks.
        kind: As the table's head calls it.
        name: An array that each must have.

    Raises:
        InputError: When there is none, or one without that array.
    """
    found: dict[str, Seeds] = {}
    for facts, arrays in numbered_parts(table, "deep networks", kind, name):
        shared = {key: value for key, value in facts.items() if key != "seed"}
        key = json.dumps(shared, sort_keys=True)
        found[key] = Seeds(shared, [*(found[key].parts if key in found else ()), arrays])
    return list(found.values())


def look_of(kind: str) -> Look:
    """How a network is drawn, by `Seeds.kind`: as weight normalization and gradient descent are everywhere."""
    wn, plain = METHODS["wn"], METHODS["gd"]
    looks = {
        f"wn {ONE}": Look("with WN, s = 1", wn.color, "-", wn.marker),
        f"plain {ONE}": Look("without, s = 1", plain.color, "--", plain.marker),
        f"wn {WIDTH}": Look("with WN, s = 1/sqrt(m)", _WIDTH_COLOR, "-", "D"),
        f"plain {WIDTH}": Look("without, s = 1/sqrt(m)", "#000000", "--", "v"),
    }
    if kind not in looks:
        raise InputError(f"needed a network of kind {', '.join(looks)}, got {kind}; run the study again")
    return looks[kind]


def mean_interval(
    values: Float[np.ndarray, "seeds ..."],
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """Mean over seeds, and half of Student's 95% interval; NaN where a seed has none, infinite for one seed alone."""
    count = len(values)
    if count < 2:
        return values.mean(axis=0), np.full(values.shape[1:], np.inf)
    half = student.ppf((1 + CONFIDENCE) / 2, count - 1) * values.std(axis=0, ddof=1) / math.sqrt(count)
    return values.mean(axis=0), np.asarray(half)


def power_over(sweep: Sequence[Seeds], x: Callable[[Seeds], float], values: Callable[[Seeds], np.ndarray]) -> Exponent:
    """The power of one variable in a measured quantity, with Student's 95% interval over seeds.

    Args:
        sweep: Networks that differ in the variable.
        x: The variable.
        values: The quantity, one number a seed.

    Raises:
        InputError: When there are fewer than three networks or two seeds, or a number is not positive.
    """
    places = np.array([x(of) for of in sweep])
    y = np.stack([values(of) for of in sweep])
    return fit_powers({"x": places}, y, confidence=CONFIDENCE).exponents["x"]


def within_row_bound(power: Exponent, published: float) -> bool:
    """Whether a power of the rows' length stays below a bound that goes with the published one.

    Short rows come ever nearer to 0, where a power must not be more negative than the bound's; long ones grow, where it
    must not be less so. An interval that reaches the published power is within it.

    Args:
        power: Measured.
        published: `SHORT` or `LONG`.
    """
    return power.high >= published if published == SHORT else power.low <= published


def power_words(of: Exponent) -> str:
    """An exponent with its interval."""
    return f"{of.value:.2f} ({of.low:.2f} to {of.high:.2f})"


def span_words(values: np.ndarray) -> str:
    """The least and the largest of some numbers."""
    low, high = (f"{float(end):.3g}" for end in (np.nanmin(values), np.nanmax(values)))
    return low if low == high else f"{low} to {high}"


def band(axes: Axes, x: np.ndarray, values: Float[np.ndarray, "seeds points"], look: Look, label: str) -> None:
    """A curve of means over seeds, shaded from the least to the largest of them."""
    low, high = values.min(axis=0), values.max(axis=0)
    axes.fill_between(x, low, high, color=look.color, alpha=0.2, linewidth=0)
    axes.plot(x, values.mean(axis=0), color=look.color, linestyle=look.line, linewidth=1.7, label=label)


def points(
    axes: Axes,
    x: np.ndarray,
    values: Float[np.ndarray, "points seeds"],
    look: Look,
    label: str,
    *,
    logarithmic: bool = True,
) -> None:
    """Means over seeds at some places with Student's 95% intervals; of logarithms on a logarithmic axis."""
    mean, half = mean_interval(np.log(values.T) if logarithmic else values.T)
    low, high = (np.nan_to_num(end, posinf=0.0, neginf=0.0) for end in (mean - half, mean + half))
    known = np.isfinite(half)
    ends = np.where(known, low, mean), mean, np.where(known, high, mean)
    below, at, above = (np.exp(end) if logarithmic else end for end in ends)
    axes.errorbar(
        x,
        at,
        yerr=np.stack([at - below, above - at]),
        color=look.color,
        linestyle=look.line,
        marker=look.marker,
        markersize=5,
        linewidth=1.6,
        capsize=3,
        label=label,
    )
    if logarithmic:
        axes.set_yscale("log")


def log_places(axes: Axes, places: Sequence[float]) -> None:
    """A logarithmic x axis with a tick at each place, told where it is not too near to the one before."""
    axes.set_xscale("log")
    labels, last = [], 0.0
    for place in places:
        labels.append(f"{place:.3g}" if place < 1 and place >= _APART * last else f"{place:g}" if place >= 1 else "")
        last = place if labels[-1] else last
    axes.set_xticks(list(places), labels)
    axes.minorticks_off()


def log_values(axes: Axes) -> None:
    """A logarithmic y axis around the curves that are there, with enough ticks."""
    values = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in axes.lines])
    known = values[np.isfinite(values) & (values > 0)]
    if known.size:
        logarithmic(axes, float(known.min()) / _ROOM, float(known.max()) * _ROOM)


def published_line(
    axes: Axes, x: np.ndarray, values: Float[np.ndarray, " points"], law: Float[np.ndarray, " points"]
) -> None:
    """A published power as an upper bound, with the least constant with which it is one for some values.

    Args:
        axes: Where to draw.
        x: The places.
        values: What is bounded.
        law: The power, up to a constant.
    """
    label = "published power, least constant that bounds"
    axes.plot(x, law * float((values / law).max()), color=PUBLISHED_LINE, linestyle=":", linewidth=2.0, label=label)


def legend_of(figure: Figure, panels: Sequence[Axes], columns: int) -> None:
    """One legend below of what any panel shows, each name once."""
    handles: dict[str, Artist] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        list(handles.values()),
        list(handles),
        fontsize=TEXT - 1,
        frameon=False,
        loc="outside lower center",
        ncols=columns,
    )


def data_lines(table: Table) -> tuple[str, ...]:
    """What a table's head says of its images, a line for each set."""
    told = table.header.get("data")
    lines = []
    for entry in cast("list[Mapping[str, object]]", told if isinstance(told, list) else []):
        files = cast("list[Mapping[str, object]]", entry["files"])
        named = "; ".join(f"{of['name']}, {of['bytes']:,} bytes, sha256 {str(of['sha256'])[:16]}" for of in files)
        counts = f"{entry['images']}: {entry['train']:,} to train on and {entry['test']:,} to test on at most"
        lines.append(f"{counts} ({named})" if named else counts)
    return tuple(lines)
