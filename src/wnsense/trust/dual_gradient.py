"""Gradient `G = M*(v)` of a convex fit by its products, with certified bounds on its extreme eigenvalues."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh, svds
from torch import Tensor

from wnsense.linalg import symmetric_part
from wnsense.sensing.operator import Operator

# Up to this side the whole gradient is formed: Lanczos would need more vectors than the space has dimensions.
_DENSE = 32
# The residual of the Ritz vector is added to the bound: a loose tolerance makes the bound weaker, not wrong.
_TOLERANCE = 1e-6
_NORM_TOLERANCE = 1e-2


@dataclass
class DualGradient:
    """Gradient `G = M*(v)` by its products with vectors.

    Attributes:
        operator: Operator `M`.
        v: Dual vector `v`, (n,).
        applications: Applications of `M*` so far, one for each product.
    """

    operator: Operator
    v: Tensor
    applications: int = 0

    def times(self, x: np.ndarray) -> np.ndarray:
        """Return `G x`: 1 application."""
        self.applications += 1
        return self._array(self.operator.adjoint_times(self.v, self._column(x)))

    def transpose_times(self, x: np.ndarray) -> np.ndarray:
        """Return `G^H x`: 1 application."""
        self.applications += 1
        return self._array(self.operator.adjoint_transpose_times(self.v, self._column(x)))

    def least_eigenvalue(self, seed: int) -> float:
        """Return a lower bound on the least eigenvalue of a symmetric `G`; -inf if Lanczos does not converge."""
        m = self.operator.shape[0]
        if m <= _DENSE:
            return float(torch.linalg.eigvalsh(symmetric_part(self._dense()))[0])
        start = self._start(m, seed)
        try:
            norm = float(abs(eigsh(self._linear(self.times), k=1, which="LM", v0=start, tol=_NORM_TOLERANCE)[0][0]))

            def flipped(x: np.ndarray) -> np.ndarray:
                image: np.ndarray = norm * x - self.times(x)
                return image

            # ARPACK's tolerance is relative to the eigenvalue. The least one of G is near 0 for a good answer, hence
            # the multiple of the identity.
            _, vectors = eigsh(self._linear(flipped), k=1, which="LA", v0=start, tol=self._tolerance())
        except ArpackNoConvergence:
            return -np.inf
        x = vectors[:, 0] / np.linalg.norm(vectors[:, 0])
        image = self.times(x)
        value = float(np.vdot(x, image).real)
        return value - float(np.linalg.norm(image - value * x))

    def norm(self, seed: int) -> float:
        """Return an upper bound on `||G||_2`; inf if Lanczos does not converge."""
        if min(self.operator.shape) <= _DENSE:
            return float(torch.linalg.matrix_norm(self._dense(), 2))
        try:
            if self.operator.kind.is_symmetric:
                start = self._start(self.operator.shape[0], seed)
                _, vectors = eigsh(self._linear(self.times), k=1, which="LM", v0=start, tol=self._tolerance())
                x = vectors[:, 0] / np.linalg.norm(vectors[:, 0])
                image = self.times(x)
                value = float(np.vdot(x, image).real)
                return abs(value) + float(np.linalg.norm(image - value * x))
            start = self._start(min(self.operator.shape), seed)
            U, _, _ = svds(self._linear(self.times, self.transpose_times), k=1, v0=start, tol=self._tolerance())
        except ArpackNoConvergence:
            return np.inf
        u = U[:, 0] / np.linalg.norm(U[:, 0])
        back = self.transpose_times(u)
        value = float(np.linalg.norm(back))
        # Residual of (u, back / value) as an eigenvector of the dilation [0 G; G^H 0], whose eigenvalues are the
        # singular values.
        return value + float(np.linalg.norm(self.times(back / value) - value * u)) if value > 0 else 0.0

    def _tolerance(self) -> float:
        """Return a tolerance that products in the operator's precision can reach."""
        return max(_TOLERANCE, 10 * torch.finfo(self.operator.dtype).eps)

    def _linear(
        self,
        times: Callable[[np.ndarray], np.ndarray],
        transpose_times: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> LinearOperator:
        wide = np.complex128 if self.operator.is_complex else np.float64
        return LinearOperator(self.operator.shape, matvec=times, rmatvec=transpose_times, dtype=wide)

    def _dense(self) -> Tensor:
        self.applications += 1
        G = self.operator.adjoint(self.v)
        return G.to(torch.complex128 if self.operator.is_complex else torch.float64)

    def _start(self, length: int, seed: int) -> np.ndarray:
        start: np.ndarray = np.random.default_rng(seed).standard_normal(length)
        return start.astype(np.complex128) if self.operator.is_complex else start

    def _column(self, x: np.ndarray) -> Tensor:
        return torch.as_tensor(x.reshape(-1, 1), device=self.operator.device).to(self.operator.dtype)

    def _array(self, column: Tensor) -> np.ndarray:
        wide = torch.complex128 if self.operator.is_complex else torch.float64
        array: np.ndarray = column.squeeze(-1).to(wide).cpu().numpy()
        return array
