"""The arrays of a problem file, taken out as checked numbers, vectors and text, each fault told in its own line."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.checks import require, require_finite, size_text


@dataclass(frozen=True)
class FileArrays:
    """The arrays of one file, and the form in which they are wanted.

    Attributes:
        arrays: What the file holds under names that the format knows.
        dtype: torch.float64 or torch.float32.
        device: Where the tensors shall lie.
    """

    arrays: Mapping[str, np.ndarray]
    dtype: torch.dtype
    device: torch.device

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

    def tensor(self, name: str) -> Float[Tensor, "..."]:
        """An array as a finite real tensor of its own shape, sharing the array's memory where it can.

        Raises:
            InputError: When it is complex, integer or no number at all, or an entry is NaN, infinite or beyond dtype.
        """
        values = torch.from_numpy(_real_array(name, self.arrays[name]))
        require_finite(name, values)
        converted = values.to(dtype=self.dtype, device=self.device)
        if torch.finfo(self.dtype).max < torch.finfo(values.dtype).max:
            require(torch.isfinite(converted).all(), f"numbers in {name} that {self.dtype} can hold", "larger ones")
        return converted

    def vector(self, name: str, meaning: str) -> Float[Tensor, " n"]:
        """A vector, (n,), n x 1 or 1 x n.

        Raises:
            InputError: When it is missing, or has entries in two directions, or what `tensor` raises.
        """
        require(name in self, f"{name}, {meaning}", self.found())
        lengths = [side for side in self.shape(name) if side != 1]
        require(len(lengths) <= 1, f"a vector in {name}, {meaning}", self.size(name))
        return self.tensor(name).reshape(-1)

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

    def found(self) -> str:
        """What the file holds, for a message about what it does not hold."""
        return f"a file with {', '.join(sorted(self.arrays))}" if self.arrays else "a file with no name of this format"


def _real_array(name: str, array: np.ndarray) -> np.ndarray:
    """The array as floating-point numbers that torch can share: native byte order, writable; copied only if need be."""
    kind = array.dtype.kind
    require(kind != "c", f"real numbers in {name}", array.dtype, "complex problems have no file format yet, use Python")
    advice = f"save {name}.astype(float), in MATLAB double({name})"
    require(kind not in "iub", f"floating-point numbers in {name}", array.dtype, advice)
    require(kind == "f", f"floating-point numbers in {name}", array.dtype)
    # torch has no long double, and nothing in the other byte order.
    native = {2: np.float16, 4: np.float32}.get(array.dtype.itemsize, np.float64)
    return np.require(array, dtype=native, requirements="W")
