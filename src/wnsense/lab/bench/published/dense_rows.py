"""Real symmetric matrices `A_k` as dense rows, and the products that methods need: `y_k = <A_k, Z>`, Z symmetric."""

from dataclasses import dataclass

import numpy as np

from wnsense.checks import require, require_rank, require_size, size_text


@dataclass(frozen=True)
class DenseRows:
    """Measurements `y_k = <A_k, Z>` of a positive semidefinite matrix `Z = L L^T`.

    Attributes:
        matrices: Symmetric matrices `A_k`, (n, m, m).
        values: Measurements `y`, (n,).
    """

    matrices: np.ndarray
    values: np.ndarray

    def __post_init__(self) -> None:
        """Check the sizes.

        Raises:
            InputError: If they do not fit, a number is not finite, or a matrix is not symmetric.
        """
        A = self.matrices
        require(A.ndim == 3 and A.shape[1] == A.shape[2] and A.size > 0, "matrices (n, m, m)", size_text(A.shape))
        require_size("the measurements", self.values.shape, (len(A),))
        finite = np.isfinite(A).all() and np.isfinite(self.values).all() and self.values.any()
        require(bool(finite), "finite matrices and measurements that are not all 0", "others")
        difference = float(np.abs(A - A.swapaxes(1, 2)).max())
        require(difference <= 1e-12 * float(np.abs(A).max()), "symmetric matrices", f"a difference of {difference:.1e}")

    @property
    def size(self) -> float:
        """Norm of the measurements, `||y||`."""
        return float(np.linalg.norm(self.values))

    @property
    def is_symmetric(self) -> bool:
        """True: both factors are one."""
        return True

    def require_determined(self, rank: int) -> None:
        """Raise `InputError` if the rank is impossible or too large for the number of measurements."""
        n, m = self.matrices.shape[:2]
        require_rank("the rank", rank, m)
        dof = rank * (2 * m - rank + 1) // 2
        require(n >= dof, f"at least {dof} measurements for rank {rank}", n, "give a smaller rank")

    def measure(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Return `<A_k, left right^T>`."""
        image: np.ndarray = self.matrices.reshape(len(self.values), -1) @ (left @ right.T).ravel()
        return image

    def leading(self, rank: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """Return the eigenpairs of largest positive eigenvalue of `M*(y)`, as triples, and their cost in products."""
        m = self.matrices.shape[1]
        projected = (self.values @ self.matrices.reshape(len(self.values), -1)).reshape(m, m)
        s, U = np.linalg.eigh(projected)
        U, s = U[:, ::-1][:, :rank], s[::-1][:rank]
        return U, s, U, 1

    def jacobian(self, left: np.ndarray, right: np.ndarray) -> "DenseJacobian":
        """Return the derivative of `measure(L, L)`; `right` is `left` again."""
        return DenseJacobian((self.matrices @ (left + right)).reshape(len(self.values), -1))


@dataclass(frozen=True)
class DenseJacobian:
    """Derivative `dL -> <A_k, dL L^T + L dL^T>` on the rows of `dL` as one vector.

    Attributes:
        J: The derivative, (n, m r).
    """

    J: np.ndarray

    def times(self, x: np.ndarray) -> np.ndarray:
        """Return the derivative in a direction."""
        image: np.ndarray = self.J @ x
        return image

    def transpose_times(self, v: np.ndarray) -> np.ndarray:
        """Return the transpose times a vector."""
        image: np.ndarray = v @ self.J
        return image
