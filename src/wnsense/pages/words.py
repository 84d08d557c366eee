"""Numbers and names as text for readers."""

import math
from collections.abc import Mapping

NONE = "\N{EN DASH}"
TIMES = "\N{MULTIPLICATION SIGN}"


def number(value: object, *, digits: int = 3) -> str:
    """Return a number to a few digits, a count with commas, or a dash for a missing value."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or (isinstance(value, float) and math.isnan(value))
    ):
        return NONE
    if isinstance(value, int):
        return f"{value:,}"
    if value != 0 and not 1e-3 <= abs(value) < 1e4:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{digits}g}"


def percent(value: object) -> str:
    """Return a share of one as a percentage."""
    return f"{100 * value:.3g} %" if isinstance(value, int | float) else NONE


def words(name: object) -> str:
    """Return an identifier as words."""
    return str(name).replace("_", " ")


def seconds(value: object) -> str:
    """Return a duration in seconds as text."""
    if not isinstance(value, int | float):
        return NONE
    return f"{value:.2f} s" if value < 100 else f"{value:.0f} s"


def size(value: object) -> str:
    """Return a matrix size as text, from one side or both."""
    if isinstance(value, list | tuple):
        return f" {TIMES} ".join(number(side) for side in value)
    return f"{number(value)} {TIMES} {number(value)}"


def versions(value: object) -> str:
    """Return names with their versions as text."""
    return ", ".join(f"{name} {text}" for name, text in value.items()) if isinstance(value, Mapping) else NONE
