"""Conversion of a user's vectors and matrices to arrays of doubles."""

import numpy as np
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require, size_text

_DIMENSIONS = {1: "a vector", 2: "a matrix"}


def real_array(name: str, values: object, dimensions: int) -> Float[np.ndarray, "..."]:
    """Return the numbers as a finite array of doubles.

    Args:
        name: Name of the values, for messages.
        values: A torch tensor, or anything that NumPy can convert to an array.
        dimensions: Number of dimensions, 1 or 2.

    Raises:
        InputError: If the values are no numbers, complex, masked, empty, NaN, infinite or of other dimensions.
    """
    source = values.detach().cpu() if isinstance(values, Tensor) else values
    needed = f"{_DIMENSIONS[dimensions]} of real numbers for {name}"
    try:
        array = np.asarray(source)
    except (TypeError, ValueError, RuntimeError):
        # Rows of different lengths, or a tensor that is not dense.
        array = np.asarray(None)
    came = type(values).__name__ if array.dtype.kind == "O" else f"numbers of {array.dtype}"
    advice = "write it out as an array" if array.dtype.kind == "O" else ""
    require(array.dtype.kind in "biuf", needed, came, advice)
    require(not np.ma.is_masked(values), needed, "a masked array", "fill it, or leave entries out")
    came = f"size {size_text(array.shape)}" if array.ndim else "a single number"
    require(array.ndim == dimensions and array.size > 0, needed, came)
    array = array.astype(np.float64)
    require(bool(np.isfinite(array).all()), f"finite numbers in {name}", "NaN or infinity")
    return array


def positive_array(name: str, values: object) -> Float[np.ndarray, " n"]:
    """Return a vector of positive numbers as an array of doubles.

    Raises:
        InputError: If an entry is not positive, or for the reasons of `real_array`.
    """
    array = real_array(name, values, 1)
    require(bool((array > 0).all()), f"positive entries in {name}", float(array.min()))
    return array
