"""Products with vectors as the rows of a matrix `A`, from which all rank-one measurements are made."""

import torch
from torch import Tensor


def project(A: Tensor, X: Tensor) -> Tensor:
    """Return the conjugates of `a_i^H X`, (..., n, r), without a conjugated copy of `A`."""
    X = X.conj()
    if X.dim() == 2:
        return A @ X
    return _apart(A @ _side_by_side(X), X)


def combine(A: Tensor, v: Tensor, W: Tensor) -> Tensor:
    """Return `sum_i v_i a_i w_i^H` for the rows `a_i` of `A` and `w_i` of `W`, (..., m, r).

    The rows of the product are multiplied with `A` from the left: with BLAS that is up to twice as fast as `A^T W`.
    """
    W = v.unsqueeze(-1) * W.conj()
    if W.dim() == 2:
        return (W.mT @ A).mT
    return _apart((_side_by_side(W).mT @ A).mT, W)


def _side_by_side(X: Tensor) -> Tensor:
    """Return a batch of matrices as columns of one: from (..., m, r) to (m, ... r)."""
    return X.movedim(-2, 0).flatten(1)


def _apart(columns: Tensor, like: Tensor) -> Tensor:
    """Return the batch of matrices that `_side_by_side` joined, from (n, ... r) to (..., n, r)."""
    return torch.unflatten(columns, -1, (*like.shape[:-2], like.shape[-1])).movedim(0, -2)


def quadratic_form(W: Tensor, Theta: Tensor) -> Tensor:
    """Return `w_i^H Theta w_i` for the rows `w_i^T` of `W` and Hermitian `Theta`; real."""
    return bilinear_form(W, Theta, W)


def bilinear_form(L: Tensor, Theta: Tensor, R: Tensor) -> Tensor:
    """Return `Re l_i^H Theta r_i`, where `L` and `R` hold the conjugates of `a^H X` and `b^H Y`."""
    return ((L @ Theta.conj()) * R.conj()).sum(-1).real


def weighted_gram(A: Tensor, v: Tensor) -> Tensor:
    """Return `sum_i v_i a_i a_i^H`, a full matrix."""
    return A.mT @ (v.unsqueeze(-1) * A.conj())


def squared_lengths(A: Tensor) -> Tensor:
    """Return the squared norm of each row."""
    return A.abs().square().sum(-1)
