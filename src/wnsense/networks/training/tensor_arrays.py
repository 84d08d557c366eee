"""Tensors of any dtype as NumPy arrays and back, to the last bit."""

import numpy as np
import torch
from torch import Tensor


def as_array(tensor: Tensor) -> np.ndarray:
    """Return a tensor as an array. A dtype that NumPy lacks, such as bfloat16, becomes bytes after its shape."""
    content = tensor.detach().cpu().contiguous()
    try:
        array: np.ndarray = content.numpy().copy()
    except TypeError:
        array = content.reshape(-1).view(torch.uint8).numpy().copy()
        shape = np.array(content.shape, dtype=np.int64).view(np.uint8)
        array = np.concatenate([np.array([content.dim()], dtype=np.uint8), shape, array])
    return array


def as_tensor(array: np.ndarray, dtype_name: str) -> Tensor:
    """Return the tensor of an array, the inverse of `as_array`.

    Args:
        array: Array.
        dtype_name: Name of torch's dtype, such as `bfloat16`.
    """
    dtype: torch.dtype = getattr(torch, dtype_name)
    # Copied, so that it lies in memory as torch's own tensors do: rounding may depend on it.
    tensor = torch.from_numpy(array.copy()).clone()
    if tensor.dtype == dtype:
        return tensor
    sides = int(array[0])
    shape = array[1 : 1 + 8 * sides].copy().view(np.int64)
    return tensor[1 + 8 * sides :].clone().view(dtype).reshape([int(side) for side in shape])
