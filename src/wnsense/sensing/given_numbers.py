"""Numbers as users have them, as tensors: arrays of any layout and byte order, series, lists, tensors of any device."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from wnsense.checks import InputError, require, value_text


@runtime_checkable
class SupportsArray(Protocol):
    """Object that gives itself as a NumPy array, as a series or a frame does."""

    def __array__(self) -> np.ndarray:
        """Return the numbers as an array."""
        ...


@runtime_checkable
class SupportsNumpy(Protocol):
    """Object that gives its numbers by `to_numpy`, without the array protocol."""

    def to_numpy(self) -> np.ndarray:
        """Return the numbers as an array."""
        ...


NumbersLike: TypeAlias = Tensor | np.ndarray | SupportsArray | SupportsNumpy | Sequence[Any]
"""Numbers of any dimension: a tensor, a NumPy array, what gives itself as one, or nested lists."""

# Dtypes that torch takes as they are, in the byte order of the machine.
_PLAIN = {np.dtype(kind) for kind in (np.float64, np.float32, np.complex128, np.complex64, np.int64)}
_LARGEST_INT64 = 2**63 - 1
# Kinds of NumPy's dtypes that are not numbers, in words.
_NO_NUMBERS = {"U": "text", "S": "bytes", "M": "dates", "m": "durations", "V": "records", "O": "objects"}


def tensor_from(name: str, values: NumbersLike) -> Shaped[Tensor, "..."]:
    """Return numbers as a plain tensor: dense, without a gradient, of a dtype that torch has.

    The dtype of the numbers is kept if torch computes in it. Extended precision becomes double, unsigned integers
    become int64. The memory is shared where that is possible.

    Args:
        name: Name of the numbers, for messages.
        values: Numbers.

    Raises:
        InputError: If they are no numbers, or some are masked.
    """
    if isinstance(values, Tensor):
        return _plain(values)
    is_masked = isinstance(values, np.ma.MaskedArray) and bool(np.ma.is_masked(values))
    require(not is_masked, f"numbers without a mask in {name}", "a masked array", "fill it, or leave rows out")
    if isinstance(values, (list, tuple)) and values and all(isinstance(one, Tensor) for one in values):
        # NumPy would convert each of them by itself, and none that requires a gradient.
        sizes = {one.shape for one in values}
        require(len(sizes) == 1, f"tensors of one size in {name}", f"{len(sizes)} sizes")
        return torch.stack([_plain(one) for one in values])
    return torch.from_numpy(_torch_layout(_numbers(name, values)))


def real_tensor(name: str, values: NumbersLike) -> Shaped[Tensor, "..."]:
    """Return numbers like `tensor_from`, integers in double precision.

    Raises:
        InputError: If they are complex, no numbers, or some are masked.
    """
    tensor = tensor_from(name, values)
    if tensor.is_complex():
        is_real = tensor.device.type != "meta" and not bool(tensor.imag.any())
        came = "complex numbers whose imaginary parts are all 0" if is_real else "complex numbers"
        advice = "give the real parts" if is_real else "give real and imaginary parts as rows of their own"
        raise InputError(f"needed real numbers in {name}, got {came}; {advice}")
    return tensor if tensor.is_floating_point() else tensor.double()


def floating_tensor(name: str, values: NumbersLike) -> Shaped[Tensor, "..."]:
    """Return real or complex numbers like `tensor_from`, integers in double precision."""
    tensor = tensor_from(name, values)
    return tensor if tensor.is_floating_point() or tensor.is_complex() else tensor.double()


def index_tensor(name: str, values: NumbersLike) -> Int64[Tensor, "..."]:
    """Return integers of any width as int64.

    Raises:
        InputError: If they are no integers.
    """
    tensor = tensor_from(name, values)
    is_integer = not (tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool)
    # An empty list has the dtype of floats.
    require(is_integer or not tensor.numel(), f"integers as {name}", tensor.dtype, "indices count from 0")
    return tensor.long()


def known_vector(
    name: str, values: NumbersLike, dtype: torch.dtype, device: torch.device
) -> tuple[Float[Tensor, "..."], Bool[Tensor, "..."] | None]:
    """Return real numbers as a vector, 0 where they are masked, and the mask of the others; None if none is masked.

    A column, (n, 1), is a vector too.

    Args:
        name: Name of the numbers, for messages.
        values: Numbers, perhaps a masked array.
        dtype: Real dtype of the vector.
        device: Device of the vector.

    Raises:
        InputError: If they are no real numbers, or too large for the dtype.
    """
    present = None
    if isinstance(values, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(values)
        present = torch.from_numpy(~mask).to(device) if mask.any() else None
        values = values.filled(0)
    given = real_tensor(name, values)
    if given.dim() == 2 and given.shape[1] == 1:
        given, present = given.squeeze(1), None if present is None else present.reshape(-1)
    vector = given.to(device=device, dtype=dtype)
    if dtype.itemsize < given.dtype.itemsize:
        fits = bool((torch.isfinite(vector) | ~torch.isfinite(given.to(device))).all())
        largest = float(given.abs().max()) if given.numel() else 0.0
        require(fits, f"{name} within the range of {dtype}", f"one of {largest:.3g}", "change their unit")
    return vector, present


def _plain(tensor: Tensor) -> Tensor:
    """Return a tensor without its gradient, dense, and with conjugation and negation carried out."""
    if tensor.layout == torch.strided and not (tensor.requires_grad or tensor.is_conj() or tensor.is_neg()):
        return tensor if type(tensor) is Tensor else tensor.detach()
    dense = tensor.detach() if tensor.layout == torch.strided else tensor.detach().to_dense()
    return dense.resolve_conj().resolve_neg()


def _numbers(name: str, values: object) -> np.ndarray:
    """Return the numbers as an array of a numeric dtype."""
    # Arrays come first: functions of the user return one in each application, and protocols are slow to check.
    is_array = isinstance(values, np.ndarray)
    if not is_array and isinstance(values, SupportsNumpy) and not isinstance(values, SupportsArray):
        values = values.to_numpy()
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        words = " ".join(str(error).split())
        raise InputError(
            f"needed numbers in {name}, got {value_text(values)} that NumPy cannot convert ({words}); "
            "give an array or a flat list"
        ) from error
    if array.dtype.kind == "O" and array.ndim:
        array = _numbers_of_objects(name, array)
    if array.dtype.kind not in "biufc":
        came = _NO_NUMBERS[array.dtype.kind] if array.ndim else value_text(values)
        advice = "convert them with numpy.asarray(values, dtype=float)" if array.ndim else "give an array or a list"
        raise InputError(f"needed numbers in {name}, got {came}; {advice}")
    return array


def _numbers_of_objects(name: str, array: np.ndarray) -> np.ndarray:
    """Return an array of Python numbers as doubles, or complex doubles."""
    for place, one in enumerate(array.flat):
        if isinstance(one, (str, bytes)) or (not hasattr(type(one), "__float__") and not isinstance(one, complex)):
            index = ", ".join(str(i) for i in np.unravel_index(place, array.shape))
            raise InputError(
                f"needed numbers in {name}, got {value_text(one)} at index ({index}); remove or replace those entries"
            )
    is_complex = any(isinstance(one, (complex, np.complexfloating)) for one in array.flat)
    try:
        return array.astype(np.complex128 if is_complex else np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"needed numbers in {name}, got objects that are none ({error}); remove those") from error


def _torch_layout(array: np.ndarray) -> np.ndarray:
    """Return an array that torch can take: of a dtype, byte order and strides that it has, and not read-only."""
    if array.dtype in _PLAIN and array.flags.carray:
        return array
    kind, size = array.dtype.kind, array.dtype.itemsize
    dtype = array.dtype.newbyteorder("=")
    if kind == "f" and size > 8:
        dtype = np.dtype(np.float64)
    elif kind == "c" and size > 16:
        dtype = np.dtype(np.complex128)
    elif kind == "u":
        is_wide = size == 8 and array.max(initial=0) > _LARGEST_INT64
        dtype = np.dtype(np.float64 if is_wide else np.int64)
    if dtype != array.dtype:
        # Numbers beyond the range of doubles become infinite, which the checks of the numbers report.
        with np.errstate(over="ignore"):
            return array.astype(dtype)
    plain = array.flags.writeable and all(step >= 0 and step % size == 0 for step in array.strides)
    return array if plain else array.copy()
