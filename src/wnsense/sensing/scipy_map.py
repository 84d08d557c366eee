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

# <A v, w> and <v, A^T w> of an operator in single precision differ by less, for any size; those of a wrong adjoint
# differ by about the lengths of A v and A^T w.
_ADJOINT = 1e-3


@dataclass(frozen=True)
class ScipyMap(LinearMap):
    """SciPy `LinearOperator`, in double precision on the CPU.

    Attributes:
        operator: Operator, which must have `rmatvec`, the adjoint, too.
    """

    operator: LinearOperator

    dtype = torch.float64
    device = torch.device("cpu")

    def __post_init__(self) -> None:
        """Test one product each way, so that a missing or wrong method is found here."""
        M, N = self.shape
        require_sides(M, N)
        # The dtype may be None until the operator has been applied.
        kind = np.dtype(self.operator.dtype).kind if self.operator.dtype is not None else "f"
        require(kind != "c", "a real operator", f"one of dtype {self.operator.dtype}", COMPLEX_ADVICE)
        generator = torch.Generator().manual_seed(0)
        v, w = (torch.randn(side, generator=generator, dtype=torch.float64) for side in (N, M))
        forward = _first_product("matvec", self._times, v)
        try:
            backward = _first_product("rmatvec", self._transpose_times, w)
        except (NotImplementedError, TypeError) as error:
            raise InputError(
                f"needed an operator with its adjoint, got one without ({str(error) or type(error).__name__}); "
                "give LinearOperator(..., rmatvec=...)"
            ) from error
        require(forward.shape == (M,), f"a matvec that gives vectors of length {M}", size_text(forward.shape))
        require(backward.shape == (N,), f"an adjoint that gives vectors of length {N}", size_text(backward.shape))
        require_unit(torch.cat([forward, backward]))
        one, other = float(forward @ w), float(v @ backward)
        allowed = _ADJOINT * float(forward.norm() + backward.norm())
        came = f"{one:.4g} and {other:.4g} for random ones"
        require(abs(one - other) <= allowed, "<A v, w> = <v, A^T w> for all v and w", came, "rmatvec is not A^T")

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
    """Return one product, or the products of a batch as the columns of one.

    The result is copied, since an operator may use its array again.
    """
    if x.dim() == 1:
        return _real(vector(x.numpy())).reshape(-1)
    columns = x.reshape(-1, x.shape[-1]).mT.numpy()
    return _real(block(columns)).mT.reshape(*x.shape[:-1], length)


def _real(product: np.ndarray) -> Tensor:
    require(not np.iscomplexobj(product), "an operator that gives real numbers", product.dtype, COMPLEX_ADVICE)
    return torch.from_numpy(np.array(product, dtype=np.float64))


def _first_product(name: str, product: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return a first product, with a clear error for a wrong length, of which SciPy reports only a failed reshape."""
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
