"""A linear map of vectors that SciPy applies."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator
from torch import Tensor

from wnsense.checks import InputError, require, require_finite, size_text
from wnsense.sensing.linear_map import (
    COMPLEX_ADVICE,
    LinearMap,
    require_sides,
    require_unit,
)

# <A v, w> and <v, A^T w> of an operator that calculates in single precision differ by less, whatever its size; those of
# a wrong adjoint by about the lengths of A v and A^T w themselves.
_ADJOINT = 1e-3


@dataclass(frozen=True)
class ScipyMap(LinearMap):
    """A SciPy `LinearOperator`, in double precision on the CPU.

    Attributes:
        operator: What multiplies; it must have `rmatvec`, the adjoint, too.
        shape: (M, N).
        dtype: float64.
        device: The CPU.
    """

    operator: LinearOperator

    dtype = torch.float64
    device = torch.device("cpu")

    def __post_init__(self) -> None:
        """Ask for one product each way, so that what is missing or wrong is told here."""
        M, N = self.shape
        require_sides(M, N)
        # An operator may not know its dtype until it has been applied.
        kind = np.dtype(self.operator.dtype).kind if self.operator.dtype is not None else "f"
        require(kind != "c", "a real operator", f"one of dtype {self.operator.dtype}", COMPLEX_ADVICE)
        generator = torch.Generator().manual_seed(0)
        v, w = (torch.randn(side, generator=generator, dtype=torch.float64) for side in (N, M))
        there = _asked("matvec", self._times, v)
        try:
            back = _asked("rmatvec", self._transpose_times, w)
        except (NotImplementedError, TypeError) as error:
            raise InputError(
                f"needed an operator with its adjoint, got one without ({str(error) or type(error).__name__}); "
                "give LinearOperator(..., rmatvec=...)"
            ) from error
        require(there.shape == (M,), f"a matvec that gives vectors of length {M}", size_text(there.shape))
        require(back.shape == (N,), f"an adjoint that gives vectors of length {N}", size_text(back.shape))
        require_unit(torch.cat([there, back]))
        forth, also = float(there @ w), float(v @ back)
        allowed = _ADJOINT * float(there.norm() + back.norm())
        came = f"{forth:.4g} and {also:.4g} for random ones"
        require(abs(forth - also) <= allowed, "<A v, w> = <v, A^T w> for all v and w", came, "rmatvec is not A^T")

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Sides `(M, N)`."""
        M, N = (int(side) for side in self.operator.shape)
        return M, N

    def _times(self, x: Tensor) -> Tensor:
        return _through_scipy(self.operator.matvec, self.operator.matmat, x, self.shape[0])

    def _transpose_times(self, v: Tensor) -> Tensor:
        return _through_scipy(self.operator.rmatvec, self.operator.rmatmat, v, self.shape[1])


def _through_scipy(
    vector: Callable[[np.ndarray], np.ndarray], block: Callable[[np.ndarray], np.ndarray], x: Tensor, length: int
) -> Tensor:
    """One product, or the products of a batch as the columns of one; copied, since an operator may reuse its array."""
    if x.dim() == 1:
        return _real(vector(x.numpy())).reshape(-1)
    columns = x.reshape(-1, x.shape[-1]).mT.numpy()
    return _real(block(columns)).mT.reshape(*x.shape[:-1], length)


def _real(product: np.ndarray) -> Tensor:
    require(not np.iscomplexobj(product), "an operator that gives real numbers", product.dtype, COMPLEX_ADVICE)
    return torch.from_numpy(np.array(product, dtype=np.float64))


def _asked(name: str, product: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A product that nobody has seen yet; SciPy says of a wrong length only that something cannot be reshaped."""
    try:
        out = product(x)
    except InputError:
        raise
    except ValueError as error:
        words = " ".join(str(error).split())
        raise InputError(
            f"needed {name} to give a vector of the operator's size, got an error for one of length {len(x)}: {words}"
        ) from error
    require_finite(f"what {name} gives", out)
    return out
