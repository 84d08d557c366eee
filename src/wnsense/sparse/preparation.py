"""Preparation of `A` and `y`: a checked vector, double precision, and columns of comparable lengths."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import InputError, require, require_finite, size_text
from wnsense.sensing.linear_map import DenseMap, LinearMap, PartialCosineMap, SparseMap

# Ratio of the longest to the shortest column up to which columns are not rescaled, nor the l1 norm with them.
_SPREAD = 4.0
# Lengths that are estimated from this many random products scatter; they need a larger ratio.
_PROBES = 16
_PROBED_SPREAD = 16.0


@dataclass(frozen=True)
class ColumnUnits:
    """Factors of the columns.

    Attributes:
        scale: Factor of each column, (N,).
        rescaled: True if each column has a factor of its own, False if all have the same.
        products: Products with `A` that the lengths took.
    """

    scale: Float[Tensor, " n"]
    rescaled: bool
    products: int


def column_units(operator: LinearMap) -> ColumnUnits:
    """Return the inverse lengths of the columns where lengths differ much, else one factor for mean length 1.

    Raises:
        InputError: If a length is not finite or all columns are zero.
    """
    squares, spread, products = _squared_lengths(operator)
    require_finite("the lengths of the columns", squares)
    positive = squares[squares > 0]
    if not len(positive):
        raise InputError("needed a matrix that measures something, got one of zeros only; check how it was made")
    if float(positive.max() / positive.min()) > spread**2:
        lengths = torch.where(squares > 0, squares, positive.max()).sqrt()
        return ColumnUnits(1 / lengths, rescaled=True, products=products)
    scale = torch.full_like(squares, 1 / float(positive.mean().sqrt()))
    return ColumnUnits(scale, rescaled=False, products=products)


def _squared_lengths(operator: LinearMap) -> tuple[Tensor, float, int]:
    """Return the squared lengths of the columns, the ratio from which they differ, and the products used."""
    M, N = operator.shape
    if isinstance(operator, DenseMap):
        return operator.matrix.square().sum(0), _SPREAD, 0
    squares = torch.zeros(N, dtype=operator.dtype, device=operator.device)
    if isinstance(operator, SparseMap):
        return squares.index_add_(0, operator.columns, operator.values.square()), _SPREAD, 0
    # E (A^T v)_n^2 = ||a_n||^2 for random signs v.
    generator = torch.Generator().manual_seed(0)
    for _ in range(_PROBES):
        signs = torch.randint(2, (M,), generator=generator).to(operator.device, operator.dtype) * 2 - 1
        squares += operator.transpose_times(signs).square() / _PROBES
    return squares, _PROBED_SPREAD, _PROBES


def measurement_vector(y: Tensor | np.ndarray | Sequence[float], operator: LinearMap) -> Float[Tensor, " m"]:
    """Return the measurements as a finite vector with one entry for each row of the map.

    Raises:
        InputError: If they have another size, are complex, masked, not finite, or out of range.
    """
    if isinstance(y, Tensor):
        values = y.detach()
    else:
        require(not np.ma.is_masked(y), "measurements without gaps", "a masked array", "leave their rows of A out")
        array = np.asarray(y)
        require(array.dtype.kind in "biufc", "numbers in y", f"an array of dtype {array.dtype}")
        wide = array if array.dtype.kind == "c" else array.astype(np.float64)
        values = torch.from_numpy(np.ascontiguousarray(wide))
    require(not values.is_complex(), "real numbers in y", values.dtype, "stack real and imaginary parts as rows")
    M = operator.shape[0]
    fits = values.numel() == M and max(values.shape, default=0) == M
    advice = f"A is {size_text(operator.shape)}, one measurement for each row"
    require(fits, f"y of {M} numbers", f"size {size_text(values.shape)}", advice)
    values = values.reshape(-1).to(dtype=torch.float64, device=operator.device)
    require_finite("y", values)
    largest = float(values.abs().max())
    is_in_range = largest == 0 or 1e-150 < largest < 1e150
    require(is_in_range, "y between 1e-150 and 1e150 in size", f"{largest:.3g}", "change its unit")
    return values


def in_double(operator: LinearMap) -> LinearMap:
    """Return the map in double precision if its storage is known; other maps stay as they are."""
    if operator.dtype == torch.float64:
        return operator
    if isinstance(operator, DenseMap):
        return DenseMap(operator.matrix.double())
    if isinstance(operator, SparseMap):
        return SparseMap(operator.values.double(), operator.rows, operator.columns, operator.shape)
    if isinstance(operator, PartialCosineMap):
        return replace(operator, dtype=torch.float64)
    return operator
