"""Least-squares cost of a problem for optimizers of NumPy arrays; every application is counted."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator, RowDual

Sides = tuple[Tensor, Tensor | None]


class CountedLeastSquares:
    """Cost `f(Z) = ||gain M(Z) - y / ||y||||^2 / 2` with a cache of residual and gradient at the last point.

    Optimizers request the cost, the gradient and many Hessian-vector products at one point. The cache identifies a
    point by the identity of one of its arrays; optimizers never write to these arrays.

    Attributes:
        applications: Number of applications so far: one for `M` on a point, one for `M*` on both sides of a point.
    """

    def __init__(self, operator: Operator, measurements: Tensor) -> None:
        """Set up the cost for `Z` in the user's units; `rescale` changes the units."""
        self.operator = operator
        self.applications = 0
        self._length = float(torch.linalg.vector_norm(measurements))
        self.measurements = measurements / self._length
        self._gain = 1 / self._length
        self._array: np.ndarray | None = None
        self._residual: Tensor | None = None
        self._gradient: Sides | None = None

    def rescale(self, size: float) -> None:
        """Change the units of `Z`: later points are multiples of `size`."""
        self._gain = size / self._length

    def tensor(self, array: np.ndarray) -> Tensor:
        """Return an array of the optimizer as a tensor with dtype and device of the operator."""
        return torch.as_tensor(array, dtype=self.operator.dtype, device=self.operator.device)

    def measure(self, point: LowRank) -> Tensor:
        """Return `gain M(Z)`."""
        self.applications += 1
        return self._gain * self.operator.measure(point)

    def adjoint(self, v: Tensor, V: Tensor, U: Tensor | None = None) -> Sides:
        """Return `gain M*(v) V` and `gain M*(v)^H U`."""
        self.applications += 1
        right = None if U is None else self._gain * self.operator.adjoint_transpose_times(v, U)
        return self._gain * self.operator.adjoint_times(v, V), right

    def normal(self, point: LowRank, width: int) -> Sides:
        """Return `gain^2 M*M(Z)` times the first `width` columns of the factors of `Z`, on both sides."""
        self.applications += 2
        weight = torch.full_like(self.measurements, self._gain**2)
        pulled = self.operator.pull_back(point, RowDual(weight), width=width)
        return pulled.left, pulled.right

    def residual(self, array: np.ndarray, point: Callable[[], LowRank]) -> Tensor:
        """Return the residual `gain M(Z) - y / ||y||` at the point of an array."""
        if self._residual is None or array is not self._array:
            self._array, self._gradient = array, None
            self._residual = self.measure(point()) - self.measurements
        return self._residual

    def gradient(self, array: np.ndarray, point: Callable[[], LowRank]) -> Sides:
        """Return `G = gain M*(residual)` at the point of an array, times the factors of that point, on both sides."""
        residual = self.residual(array, point)
        if self._gradient is None:
            Z = point()
            self._gradient = self.adjoint(residual, Z.right, None if Z.Y is None else Z.X)
        return self._gradient
