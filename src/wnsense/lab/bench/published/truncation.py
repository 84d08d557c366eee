"""Best approximation of lower rank, of a matrix held by its factors."""

import numpy as np


def truncated(left: np.ndarray, right: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Return balanced factors of the best approximation of `left right^T` of a given rank."""
    (Q, R), (P, T) = np.linalg.qr(left), np.linalg.qr(right)
    U, s, Vh = np.linalg.svd(R @ T.T)
    roots = np.sqrt(s[:rank])
    return Q @ (U[:, :rank] * roots), P @ (Vh[:rank].T * roots)


def truncated_symmetric(left: np.ndarray, right: np.ndarray, rank: int) -> tuple[np.ndarray, None]:
    """Return `L` of the best positive semidefinite `L L^T` of a given rank, for a symmetric `left right^T`."""
    Q, R = np.linalg.qr(left)
    core = R @ (right.T @ Q)
    s, U = np.linalg.eigh((core + core.T) / 2)
    return Q @ (U[:, ::-1][:, :rank] * np.sqrt(np.maximum(s[::-1][:rank], 0))), None
