"""Arithmetic of bounds, which may be infinite, and checks of the numbers that go into them."""

import math
from numbers import Integral

import numpy as np

from wnsense.checks import require

_LARGEST_COUNT = 2**53


def bound_product(a: float, b: float) -> float:
    """Return the product of two bounds, with `0 * inf = 0`."""
    return 0.0 if a == 0 or b == 0 else a * b


def without_nan(bounds: np.ndarray) -> np.ndarray:
    """Return the bounds with infinity for NaN, which arises from infinity times a number that underflowed to 0."""
    return np.where(np.isnan(bounds), math.inf, bounds)


def default_scale(width: int, scale: float | None) -> float:
    """Return the scale `s`, `1 / sqrt(m)` if None.

    Raises:
        InputError: If the width is no count, or the scale not positive.
    """
    require_count("width", width)
    if scale is None:
        return 1 / math.sqrt(width)
    require_positive("scale", scale)
    return scale


def require_count(name: str, value: int) -> None:
    """Raise `InputError` unless the value is a whole number that floats can count to."""
    # Beyond 2^53 floats leave out whole numbers.
    whole = isinstance(value, Integral)
    require(whole and 1 <= value <= _LARGEST_COUNT, f"a {name} that is whole and from 1 to 2^53", value)


def require_positive(name: str, value: float) -> None:
    """Raise `InputError` unless the value is positive and finite."""
    require(math.isfinite(value) and value > 0, f"a positive {name}", value)


def require_finite_size(name: str, value: float) -> None:
    """Raise `InputError` unless the value is finite and at least 0."""
    require(math.isfinite(value) and value >= 0, f"{name} that is finite and at least 0", value)


def require_bound(name: str, value: float) -> None:
    """Raise `InputError` unless the value is at least 0; infinity is a bound."""
    require(value >= 0, f"{name} of at least 0", value)
