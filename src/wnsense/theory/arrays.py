"""What users hand in as vectors and matrices, made arrays of doubles once."""

import numpy as np
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require, size_text

_DIMENSIONS = {1: "a vector", 2: "a matrix"}


def real_array(name: str, values: object, dimensions: int) -> Float[np.ndarray, "..."]:
    """The numbers as a finite array of doubles: whatever NumPy can make an array of, and torch tensors.

    Args:
        name: What they are.
        values: A NumPy array, a list, a tensor.
        dimensions: 1 or 2.

    Raises:
        InputError: When they are no numbers, complex, masked, of other dimensions, none at all, NaN or infinite.
    """
    given = values.detach().cpu() if isinstance(values, Tensor) else values
    needed = f"{_DIMENSIONS[dimensions]} of real numbers for {name}"
    try:
        array = np.asarray(given)
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
    """A vector of positive numbers.

    Raises:
        InputError: When one is not, or what `real_array` raises.
    """
    array = real_array(name, values, 1)
    require(bool((array > 0).all()), f"positive entries in {name}", float(array.min()))
    return array
