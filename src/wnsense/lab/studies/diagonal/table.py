"""The tables of the studies of diagonal networks as parts, and how their rates and depths are drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wnsense.files.tables import Table
from wnsense.lab.studies.frame.part_tables import numbered_parts
from wnsense.pages.style import METHODS, Look, new_figure

# A relative error at which a vector counts as found.
FOUND = 0.02
# Weight normalization at ratios from large to small: one order of colours, from light to dark.
_RATIO_COLORS = ("#56B4E9", "#009E73", "#0072B2", "#5b2a86", "#000000")
_RATIO_LINES = (":", "--", "-", (0, (5, 1)), (0, (1, 1)))
_RATIO_MARKERS = ("v", "s", "o", "D", "P")
# So that titles and legends have room.
_NARROWEST = 7.5
DEPTH_MARKERS = {2: "o", 3: "s", 4: "^"}


@dataclass(frozen=True)
class Measured:
    """A part of a study: what it was and what it gave (described where it is measured).

    Attributes:
        facts: Its specification, as the table's head has it.
        arrays: Its arrays, by name.
    """

    facts: Mapping[str, object]
    arrays: Mapping[str, np.ndarray]

    def number(self, name: str) -> float:
        """A number of its specification."""
        return float(str(self.facts[name]))

    def numbers(self, name: str) -> np.ndarray:
        """Numbers of its specification."""
        return np.array(self.facts[name], dtype=float)

    def drawing(self, name: str) -> float:
        """A number of its problem."""
        return float(cast("Mapping[str, float]", self.facts["drawing"])[name])

    @property
    def depth(self) -> int:
        """The depth L."""
        return int(self.number("depth"))

    @property
    def ratios(self) -> list[float | None]:
        """Its rates; None without weight normalization."""
        return list(cast("Sequence[float | None]", self.facts["ratios"]))

    @property
    def ratio(self) -> float | None:
        """Its one rate."""
        ratio = self.facts["ratio"]
        return None if ratio is None else float(str(ratio))

    def single(self, name: str) -> float:
        """An array of one number."""
        return float(self.arrays[name][0])


def parts_of(table: Table, kind: str, name: str) -> list[Measured]:
    """The parts of one kind, in order.

    Args:
        table: Of a study of diagonal networks.
        kind: As the table's head calls it.
        name: An array that each must have.

    Raises:
        InputError: When there is none, or one without that array.
    """
    return [Measured(facts, arrays) for facts, arrays in numbered_parts(table, "diagonal networks", kind, name)]


def rate_look(ratio: float | None, ratios: Sequence[float | None]) -> Look:
    """How a rate is drawn: plain as gradient descent is everywhere, others by their place from large to small."""
    if ratio is None:
        look = METHODS["gd"]
        return Look("without WN", look.color, look.line, look.marker)
    order = sorted((of for of in ratios if of is not None), reverse=True)
    place = order.index(ratio) % len(_RATIO_COLORS)
    return Look(f"WN, eta = {ratio:g}", _RATIO_COLORS[place], "-", _RATIO_MARKERS[place])


def rate_words(ratio: float | None) -> str:
    """A rate in a sentence."""
    return "without WN" if ratio is None else f"WN at eta = {ratio:g}"


def grid(rows: int, columns: int, width: float, height: float) -> tuple[Figure, np.ndarray]:
    """A figure with a panel for each of rows and columns, a size in inches each."""
    figure = new_figure(max(_NARROWEST, 0.6 + width * columns), 1.1 + height * rows)
    panels: np.ndarray = figure.subplots(rows, columns, squeeze=False, sharex="col", sharey="row")
    return figure, panels


def outer_labels(panels: np.ndarray) -> None:
    """Axis names at the outer panels only, where all share them."""
    for axes in panels.ravel():
        first: Axes = axes
        first.label_outer()
