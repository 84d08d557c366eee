"""The arrays of a problem file, taken out as checked numbers, vectors and text, each fault told in its own line."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Inexact, Int
from torch import Tensor

from wnsense.checks import require, require_finite, size_text

# Beyond this a double is no longer sure of its last digit.
_LARGEST_INTEGER = 2**53


@dataclass(frozen=True)
class FileArrays:
    """The arrays of one file, and the form in which they are wanted.

    Attributes:
        arrays: What the file holds under names that the format knows.
        dtype: torch.float64 or torch.float32; complex numbers are of the same precision.
        device: Where the tensors shall lie.
        first_index: What the first row or column is called: 1 in MATLAB's files, 0 in others.
    """

    arrays: Mapping[str, np.ndarray]
    dtype: torch.dtype
    device: torch.device
    first_index: int = 0

    def __contains__(self, name: str) -> bool:
        return name in self.arrays

    def shape(self, name: str) -> tuple[int, ...]:
        """The size of an array as it is in the file."""
        return self.arrays[name].shape

    def size(self, name: str) -> str:
        """The same in words."""
        return f"size {size_text(self.shape(name))}"

    def precision(self, name: str) -> float:
        """The machine epsilon of the numbers once they are read: that of the file or of dtype, whichever is coarser."""
        return max(float(np.finfo(self.arrays[name].dtype).eps), torch.finfo(self.dtype).eps)

    def is_complex(self, name: str) -> bool:
        """Whether an array is of complex numbers, whatever they are."""
        return self.arrays[name].dtype.kind == "c"

    def tensor(self, name: str, *, is_complex: bool = False, advice: str = "") -> Inexact[Tensor, "..."]:
        """An array as a finite tensor of its own shape, sharing the array's memory where it can.

        Args:
            name: Which.
            is_complex: Whether complex numbers are wanted; real ones are taken as such then.
            advice: What to do about complex numbers that are not wanted.

        Raises:
            InputError: When it is complex and should not be, integer or no number at all, or an entry is NaN,
                infinite or beyond dtype.
        """
        array = self.arrays[name]
        require(is_complex or not self.is_complex(name), f"real numbers in {name}", array.dtype, advice)
        values = torch.from_numpy(_inexact_array(name, array))
        require_finite(name, values)
        wanted = self.dtype.to_complex() if values.is_complex() else self.dtype
        converted = values.to(dtype=wanted, device=self.device)
        if torch.finfo(self.dtype).max < torch.finfo(values.dtype).max:
            require(torch.isfinite(converted).all(), f"numbers in {name} that {wanted} can hold", "larger ones")
        return converted.to(wanted.to_complex()) if is_complex else converted

    def integers(self, name: str, meaning: str) -> Int[Tensor, "..."]:
        """An array of whole numbers of any type, as MATLAB's doubles are, in its own shape.

        Raises:
            InputError: When they are no whole numbers, or too large.
        """
        array = self.arrays[name]
        came = f"{array.dtype} of {self.size(name)}"
        require(array.dtype.kind in "fiu", f"whole numbers in {name}, {meaning}", came)
        # NaN is no whole number either.
        whole = array.dtype.kind in "iu" or bool((array == np.trunc(array)).all())
        require(whole, f"whole numbers in {name}, {meaning}", "fractions, NaN or infinity")
        require(not array.size or abs(array).max() < _LARGEST_INTEGER, f"numbers in {name} below 2^53", "larger ones")
        return torch.from_numpy(array.astype(np.int64)).to(self.device)

    def indices(self, name: str, meaning: str) -> Int[Tensor, "..."]:
        """Whole numbers that count from `first_index` in the file, counted from 0.

        Raises:
            InputError: What `integers` raises.
        """
        return self.integers(name, meaning) - self.first_index

    def require_indices(self, what: str, indices: Int[Tensor, "..."], side: int) -> None:
        """Raise `InputError` when indices, counted from 0 here, reach outside; told as the file counts them.

        Args:
            what: What they are of.
            indices: At least one.
            side: How many there are to choose from.

        Raises:
            InputError: When one is none of those.
        """
        least, most = self.first_index, side - 1 + self.first_index
        low, high = int(indices.min()) + least, int(indices.max()) + least
        advice = f"indices count from {least} in this kind of file"
        require(low >= least and high <= most, f"{what} between {least} and {most}", f"{low} to {high}", advice)

    def flags(self, name: str, meaning: str) -> Bool[Tensor, " n"]:
        """A vector of true and false, or of 1 and 0.

        Raises:
            InputError: When it holds anything else.
        """
        if self.arrays[name].dtype.kind == "b":
            return torch.from_numpy(self.arrays[name].reshape(-1).copy()).to(self.device)
        values = self.integers(name, meaning).reshape(-1)
        require(bool(((values == 0) | (values == 1)).all()), f"zeros and ones in {name}, {meaning}", "other numbers")
        return values == 1

    def vector(self, name: str, meaning: str, *, advice: str = "") -> Float[Tensor, " n"]:
        """A vector, (n,), n x 1 or 1 x n, of real numbers.

        Raises:
            InputError: When it is missing, or has entries in two directions, or what `tensor` raises.
        """
        require(name in self, f"{name}, {meaning}", self.found())
        lengths = [side for side in self.shape(name) if side != 1]
        require(len(lengths) <= 1, f"a vector in {name}, {meaning}", self.size(name))
        return self.tensor(name, advice=advice).reshape(-1)

    def number(self, name: str, meaning: str) -> float:
        """One real number, in an array of any shape that has one entry.

        Raises:
            InputError: When it is something else.
        """
        array = self.arrays[name]
        came = f"{array.dtype} of {self.size(name)}"
        require(array.size == 1 and array.dtype.kind in "fiu", f"one number in {name}, {meaning}", came)
        return float(array.reshape(-1)[0])

    def text(self, name: str, meaning: str) -> str:
        """One text.

        Raises:
            InputError: When it is something else.
        """
        array = self.arrays[name]
        came = f"{array.dtype} of {self.size(name)}"
        require(array.size == 1 and array.dtype.kind == "U", f"one text in {name}, {meaning}", came)
        return str(array.reshape(-1)[0]).strip()

    def texts(self, name: str, meaning: str) -> list[str]:
        """Texts: an array of them, the rows of MATLAB's char matrix, or one with spaces or commas between.

        Raises:
            InputError: When it is something else.
        """
        array = self.arrays[name]
        came = f"{array.dtype} of {self.size(name)}"
        require(array.dtype.kind == "U" and array.size > 0, f"texts in {name}, {meaning}", came)
        if array.size == 1:
            return str(array.reshape(-1)[0]).replace(",", " ").split()
        return [str(text).strip() for text in array.reshape(-1)]

    def found(self) -> str:
        """What the file holds, for a message about what it does not hold."""
        return f"a file with {', '.join(sorted(self.arrays))}" if self.arrays else "a file with no name of this format"


def numpy_array(tensor: Tensor) -> np.ndarray:
    """The numbers of a tensor, wherever it lies, as a file holds them."""
    array: np.ndarray = tensor.detach().resolve_conj().cpu().numpy()
    return array


def _inexact_array(name: str, array: np.ndarray) -> np.ndarray:
    """The array as floating-point numbers that torch can share: native byte order, writable; copied only if need be."""
    kind = array.dtype.kind
    advice = f"save {name}.astype(float), in MATLAB double({name})"
    require(kind not in "iub", f"floating-point numbers in {name}", array.dtype, advice)
    require(kind in "fc", f"floating-point numbers in {name}", array.dtype)
    # torch has no long double, and nothing in the other byte order.
    if kind == "c":
        native: type = {8: np.complex64}.get(array.dtype.itemsize, np.complex128)
    else:
        native = {2: np.float16, 4: np.float32}.get(array.dtype.itemsize, np.float64)
    return np.require(array, dtype=native, requirements="W")
