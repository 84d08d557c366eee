"""Tables of studies that were tampered with, and what is then said of them."""

from collections.abc import Callable

import numpy as np

from wnsense.files.tables import Table
from wnsense.lab.studies.frame.findings import Finding

Change = Callable[[dict[str, object], dict[str, np.ndarray]], None]


def doctored(table: Table, kind: str, change: Change) -> Table:
    """A table in which the parts of a kind were changed."""
    arrays = {name: array.copy() for name, array in table.arrays.items()}
    for place, facts in enumerate(table.header["parts"]):
        if facts["kind"] == kind:
            prefix = f"{place}_"
            own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
            change(facts, own)
            arrays |= {f"{prefix}{name}": array for name, array in own.items()}
    return Table(table.header, arrays)


def told(found: list[Finding], *words: str) -> Finding:
    """The one finding with these words."""
    [finding] = [of for of in found if all(word in of.text for word in words)]
    return finding
