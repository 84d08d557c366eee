"""Arrays of a problem file as checked numbers, vectors and texts; each fault has a message of one line."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Inexact, Int
from torch import Tensor

from wnsense.checks import require, require_finite, size_text

# From here on a double does not hold every whole number.
_LARGEST_INTEGER = 2**53


@dataclass(frozen=True)
class FileArrays:
    """Arrays of one file, and the form in which they are read.

    Attributes:
        arrays: Arrays of the file under names of the format.
        dtype: torch.float64 or torch.float32; complex numbers have the same precision.
        device: Device of the tensors.
        first_index: Index of the first row or column: 1 in MATLAB's files, 0 in others.
    """

    arrays: Mapping[str, np.ndarray]
    dtype: torch.dtype
    device: torch.device
    first_index: int = 0

    def __contains__(self, name: str) -> bool:
        return name in self.arrays

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of an array in the file."""
        return self.arrays[name].shape

    def size(self, name: str) -> str:
        """Return the shape of an array, in words."""
        return f"size {size_text(self.shape(name))}"

    def precision(self, name: str) -> float:
        """Return the larger machine epsilon of the file's numbers and of `dtype`."""
        return max(float(np.finfo(self.arrays[name].dtype).eps), torch.finfo(self.dtype).eps)

    def is_complex(self, name: str) -> bool:
        """Return True if an array has a complex dtype."""
        return self.arrays[name].dtype.kind == "c"

    def tensor(self, name: str, *, is_complex: bool = False, advice: str = "") -> Inexact[Tensor, "..."]:
        """Return an array as a finite tensor of the same shape, without a copy where possible.

        Args:
            name: Name of the array.
            is_complex: True for a complex tensor, also from real numbers.
            advice: Advice for complex numbers that must be real.

        Raises:
            InputError: If the numbers are complex and must be real, are integers or no numbers, or an entry is NaN,
                infinite or too large for `dtype`.
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
        """Return an array of whole numbers of any type, doubles included, in its own shape.

        Raises:
            InputError: If they are no whole numbers, or too large.
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
        """Return indices that count from 0, from indices that count from `first_index`.

        Raises:
            InputError: As `integers` does.
        """
        return self.integers(name, meaning) - self.first_index

    def require_indices(self, name: str, indices: Int[Tensor, "..."], side: int) -> None:
        """Check that indices are in range; the message counts as the file does.

        Args:
            name: Name of the indices, for the message.
            indices: Indices from 0, at least one.
            side: Number of possible indices.

        Raises:
            InputError: If an index is out of range.
        """
        least, most = self.first_index, side - 1 + self.first_index
        low, high = int(indices.min()) + least, int(indices.max()) + least
        advice = f"indices count from {least} in this kind of file"
        require(low >= least and high <= most, f"{name} between {least} and {most}", f"{low} to {high}", advice)

    def flags(self, name: str, meaning: str) -> Bool[Tensor, " n"]:
        """Return a vector of true and false, or of 1 and 0.

        Raises:
            InputError: If it holds other values.
        """
        if self.arrays[name].dtype.kind == "b":
            return torch.from_numpy(self.arrays[name].reshape(-1).copy()).to(self.device)
        values = self.integers(name, meaning).reshape(-1)
        require(bool(((values == 0) | (values == 1)).all()), f"zeros and ones in {name}, {meaning}", "other numbers")
        return values == 1

    def vector(self, name: str, meaning: str, *, advice: str = "") -> Float[Tensor, " n"]:
        """Return a vector of real numbers, from (n,), n x 1 or 1 x n.

        Raises:
            InputError: If it is missing or is no vector, or as `tensor` does.
        """
        require(name in self, f"{name}, {meaning}", self.contents())
        lengths = [side for side in self.shape(name) if side != 1]
        require(len(lengths) <= 1, f"a vector in {name}, {meaning}", self.size(name))
        return self.tensor(name, advice=advice).reshape(-1)

    def number(self, name: str, meaning: str) -> float:
        """Return the only number of an array of any shape.

        Raises:
            InputError: If it is not one real number.
        """
        array = self.arrays[name]
        came = f"{array.dtype} of {self.size(name)}"
        require(array.size == 1 and array.dtype.kind in "fiu", f"one number in {name}, {meaning}", came)
        return float(array.reshape(-1)[0])

    def text(self, name: str, meaning: str) -> str:
        """Return the only text of an array.

        Raises:
            InputError: If it is not one text.
        """
        array = self.arrays[name]
        came = f"{array.dtype} of {self.size(name)}"
        require(array.size == 1 and array.dtype.kind == "U", f"one text in {name}, {meaning}", came)
        return str(array.reshape(-1)[0]).strip()

    def texts(self, name: str, meaning: str) -> list[str]:
        """Return texts: those of an array, the rows of a char matrix, or one text split at spaces and commas.

        Raises:
            InputError: If the array holds no texts.
        """
        array = self.arrays[name]
        came = f"{array.dtype} of {self.size(name)}"
        require(array.dtype.kind == "U" and array.size > 0, f"texts in {name}, {meaning}", came)
        if array.size == 1:
            return str(array.reshape(-1)[0]).replace(",", " ").split()
        return [str(text).strip() for text in array.reshape(-1)]

    def contents(self) -> str:
        """Return the names in the file, for a message about a missing one."""
        return f"a file with {', '.join(sorted(self.arrays))}" if self.arrays else "a file with no name of this format"


def numpy_array(tensor: Tensor) -> np.ndarray:
    """Return the numbers of a tensor on any device as a NumPy array."""
    array: np.ndarray = tensor.detach().resolve_conj().cpu().numpy()
    return array


def _inexact_array(name: str, array: np.ndarray) -> np.ndarray:
    """Return the array as floating-point numbers for torch: native byte order, writable, copied only if necessary."""
    kind = array.dtype.kind
    advice = f"save {name}.astype(float), in MATLAB double({name})"
    require(kind not in "iub", f"floating-point numbers in {name}", array.dtype, advice)
    require(kind in "fc", f"floating-point numbers in {name}", array.dtype)
    # torch has no long double and no other byte order.
    if kind == "c":
        native: type = {8: np.complex64}.get(array.dtype.itemsize, np.complex128)
    else:
        native = {2: np.float16, 4: np.float32}.get(array.dtype.itemsize, np.float64)
    return np.require(array, dtype=native, requirements="W")
