"""Indices of a matrix of two sides, read by NumPy's rules."""

from types import EllipsisType

import numpy as np
import torch
from torch import Tensor

from wnsense.checks import size_text


def matrix_indices(index: object, shape: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor, bool]:
    """Return the rows and the columns that an index selects, and True if they are taken in pairs.

    Two integers or index arrays are broadcast to pairs. A slice takes all its places for each of the other side.

    Args:
        index: Integer, slice, array or list of integers or of booleans, ellipsis, or a pair of these; or a mask of the
            whole matrix.
        shape: Sides of the matrix.
        device: Device of the results.

    Raises:
        IndexError: If an index lies outside the matrix, or is no index of a matrix.
    """
    parts = index if isinstance(index, tuple) else (index,)
    if len(parts) == 1 and (mask := _mask(parts[0], shape)) is not None:
        parts = tuple(np.nonzero(mask))
    if sum(part is ... for part in parts) == 1:
        place = next(i for i, part in enumerate(parts) if part is ...)
        parts = (*parts[:place], *(slice(None),) * (3 - len(parts)), *parts[place + 1 :])
    if len(parts) > 2:
        raise IndexError(f"needed an index of rows and one of columns, got {len(parts)}; use to_numpy() for others")
    rows, columns = (*parts, slice(None), slice(None))[:2]
    are_pairs = not (isinstance(rows, slice) or isinstance(columns, slice))
    left, right = _places(rows, shape[0], "row"), _places(columns, shape[1], "column")
    if are_pairs:
        try:
            left, right = np.broadcast_arrays(left, right)
        except ValueError as error:
            sizes = f"{size_text(left.shape)} and {size_text(right.shape)}"
            raise IndexError(f"needed rows and columns of one size for pairs, got {sizes}") from error
    return torch.tensor(left, device=device), torch.tensor(right, device=device), are_pairs


def _mask(part: object, shape: tuple[int, int]) -> np.ndarray | None:
    """Return an index that is a mask of the whole matrix as an array, None for any other."""
    if isinstance(part, int | slice | EllipsisType):
        return None
    array = _array(part)
    return array if array.dtype == bool and array.shape == shape else None


def _places(index: object, side: int, name: str) -> np.ndarray:
    """Return the places that an index of one side selects, counted from 0."""
    if isinstance(index, slice):
        return np.array(range(side)[index], dtype=np.int64)
    array = _array(index)
    if array.dtype == bool:
        if array.shape != (side,):
            raise IndexError(f"needed a mask of {side} {name}s, got one of size {size_text(array.shape)}")
        array = np.flatnonzero(array)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise IndexError(f"needed whole numbers, slices or masks as {name}s, got {array.dtype}")
    outside = (array < -side) | (array >= side)
    if outside.any():
        raise IndexError(f"needed {name}s between {-side} and {side - 1}, got {array[outside].flat[0]}")
    return np.asarray(array.astype(np.int64) % side)


def _array(index: object) -> np.ndarray:
    return index.numpy(force=True) if isinstance(index, Tensor) else np.asarray(index)
