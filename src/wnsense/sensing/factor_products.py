"""Products of a matrix held by its factors with tensors and NumPy arrays."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from wnsense.checks import require, size_text

A = TypeVar("A", Tensor, np.ndarray)


@dataclass(frozen=True)
class Factors:
    """Factors of a matrix `X Theta Y^H`.

    Attributes:
        X: Left factor, (..., m1, r).
        Theta: Core, (..., r, q).
        Y: Right factor, (..., m2, q).
    """

    X: Tensor
    Theta: Tensor
    Y: Tensor

    def times(self, V: A) -> A:
        """Return `Z V`, a tensor or an array as `V` is; `V` has `m2` rows, or is a vector of `m2` numbers.

        Raises:
            InputError: If `V` has another number of rows.
        """
        if isinstance(V, np.ndarray):
            return self.times(_tensor(V, self.X.device)).numpy(force=True)
        rows = self.Y.shape[-2]
        side = V.shape[-2:][0] if V.ndim else 0
        require(side == rows, f"{rows} rows on the right", size_text(V.shape))
        dtype = torch.promote_types(V.dtype, self.X.dtype)
        X, Theta, Y, V = (factor.to(dtype) for factor in (self.X, self.Theta, self.Y, V))
        product: Tensor = X @ (Theta @ (Y.mH @ (V if V.ndim > 1 else V.unsqueeze(-1))))
        return product if V.ndim > 1 else product.squeeze(-1)

    def left_times(self, V: A) -> A:
        """Return `V Z`, a tensor or an array as `V` is; `V` has `m1` columns, or is a vector of `m1` numbers.

        Raises:
            InputError: If `V` has another number of columns.
        """
        if isinstance(V, np.ndarray):
            return self.left_times(_tensor(V, self.X.device)).numpy(force=True)
        columns = self.X.shape[-2]
        require(V.ndim and V.shape[-1] == columns, f"{columns} columns on the left", size_text(V.shape))
        transpose = Factors(self.Y.conj(), self.Theta.mT, self.X.conj())
        return transpose.times(V.mT).mT if V.ndim > 1 else transpose.times(V)


def _tensor(V: np.ndarray, device: torch.device) -> Tensor:
    """Return an array of any byte order and strides as a tensor on a device."""
    return torch.from_numpy(np.array(V, dtype=V.dtype.newbyteorder("="))).to(device)
