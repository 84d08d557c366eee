"""Tables of studies that are made of numbered parts, read part by part; and the title over their pictures."""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
from matplotlib.figure import Figure

from wnsense.checks import InputError, require
from wnsense.files.tables import Table
from wnsense.pages.style import INK, TEXT

Facts = Mapping[str, object]
Arrays = Mapping[str, np.ndarray]


def numbered_parts(table: Table, words: str, kind: str, name: str) -> Sequence[tuple[Facts, Arrays]]:
    """The parts of one kind, in order: what each was, as the table's head has it, and its arrays by name.

    Args:
        table: With `parts` in its head, and the arrays of the k-th under `k_` and their names.
        words: What it is a study of.
        kind: As the table's head calls it.
        name: An array that each must have.

    Raises:
        InputError: When there is none, or one without that array.
    """
    told = table.header.get("parts")
    require(isinstance(told, list), f"the table of a study of {words}", "one without parts", "run it again")
    found = []
    for place, facts in enumerate(cast("list[Facts]", told)):
        if facts.get("kind") != kind:
            continue
        prefix = f"{place}_"
        arrays = {key.removeprefix(prefix): array for key, array in table.arrays.items() if key.startswith(prefix)}
        if name not in arrays:
            raise InputError(f"needed a table with {prefix}{name}, got one without; run the study again")
        found.append((facts, arrays))
    require(bool(found), f"a table with parts of kind {kind}", "none", "run the study again")
    return found


def titled(figure: Figure, table: Table, words: str) -> None:
    """The figure's own title, and the scale where it is not the paper's."""
    scale = table.header["scale"]
    told = words if scale == "paper" else f"{words} ({scale} scale)"
    figure.suptitle(told, fontsize=TEXT + 2, color=INK, x=0.01, ha="left")
