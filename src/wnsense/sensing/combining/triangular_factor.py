"""Triangular factor of the weighted rows of an operator, computed from blocks of rows."""

import math
from collections.abc import Callable
from enum import StrEnum

import torch
from jaxtyping import Float
from torch import Tensor

from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator

# Numbers in a block of rows, in double precision: 32 MiB. A block has at least as many rows as R.
_BLOCK_NUMBERS = 2**22
# Loss of precision by the squared condition number up to which the Gram matrix is used.
_PRECISION_LOSS = 100
# Power iterations for the largest and the least singular value of R.
_CONDITION_STEPS = 12

Block = Callable[[int, int], Tensor]
Factor = tuple[Tensor, Tensor, float, float]


class Factorization(StrEnum):
    """Method by which a problem was compressed."""

    NONE = "none"
    CHOLESKY = "Cholesky"
    QR = "QR"


def triangular_factor(block: Block, operator: Operator, root: Tensor, y: Tensor) -> tuple[Factor, Factorization]:
    """Return `R`, `b`, leftover and condition of the least-squares problem `||A z - y||`, and the method.

    The Gram matrix is factorized by Cholesky unless too much precision would be lost; then it is the QR of the rows.

    Args:
        block: Function of start and stop that returns `[sqrt(w) A, sqrt(w) y]` of these rows, in double precision.
        operator: Operator of the rows.
        root: Roots of the weights, (n,).
        y: Measurements times the roots, (n,), in double precision.
    """
    by_gram = _by_cholesky(block, operator, root, y)
    if by_gram is not None:
        return by_gram, Factorization.CHOLESKY
    return _by_qr(block, operator), Factorization.QR


def _by_cholesky(block: Block, operator: Operator, root: Tensor, y: Tensor) -> Factor | None:
    """Return R, b, leftover and condition from the Gram matrix, or None if too much precision would be lost."""
    D = operator.dimension
    gram = torch.zeros((D, D + 1), dtype=torch.float64, device=operator.device)
    for start, stop in _blocks(operator):
        rows = block(start, stop)
        gram.addmm_(rows[:, :D].mT, rows)
    R, failed = torch.linalg.cholesky_ex(gram[:, :D], upper=True)
    condition = math.inf if int(failed) else _condition(R)
    precision = torch.finfo(operator.real_dtype).eps
    if not condition**2 * torch.finfo(torch.float64).eps <= _PRECISION_LOSS * precision:
        return None
    b = torch.linalg.solve_triangular(R.mT, gram[:, D:], upper=False)
    # ||y||^2 - ||b||^2 cancels if y fits; the residual of the minimizer over all matrices does not.
    z = torch.linalg.solve_triangular(R, b, upper=True).squeeze(1)
    fitted = operator.measure(_whole_matrix(operator, z))
    leftover = float(torch.linalg.vector_norm(root * fitted - y)) ** 2
    return R, b.squeeze(1), leftover, condition


def _by_qr(block: Block, operator: Operator) -> Factor:
    """Return R, b, leftover and condition from the QR of `[A, y]`.

    Its last diagonal entry is the root of the leftover.
    """
    D = operator.dimension
    folded = torch.zeros((0, D + 1), dtype=torch.float64, device=operator.device)
    for start, stop in _blocks(operator):
        folded = torch.linalg.qr(torch.cat([folded, block(start, stop)]), mode="r").R
    sign = torch.where(folded.diagonal() < 0, -1.0, 1.0)
    folded = folded * sign.to(folded).unsqueeze(1)
    R, b = folded[:D, :D], folded[:D, D]
    return R, b, float(folded[D, D]) ** 2, _condition(R)


def _blocks(operator: Operator) -> list[tuple[int, int]]:
    step = max(operator.dimension, _BLOCK_NUMBERS // operator.dimension)
    return [(start, min(start + step, operator.count)) for start in range(0, operator.count, step)]


def _condition(R: Float[Tensor, "d d"]) -> float:
    """Return `||R|| ||R^-1||` by power iterations with `R^T R` and its inverse; infinite if `R` is singular."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randn((len(R), 1), generator=generator, dtype=R.dtype).to(R.device)
    if not bool((R.diagonal() != 0).all()):
        return math.inf
    x = z = start / torch.linalg.vector_norm(start)
    largest = inverse = torch.ones((), dtype=R.dtype, device=R.device)
    for _ in range(_CONDITION_STEPS):
        x = R.mT @ (R @ x)
        largest = torch.linalg.vector_norm(x)
        x = x / largest
        z = torch.linalg.solve_triangular(R, torch.linalg.solve_triangular(R.mT, z, upper=False), upper=True)
        inverse = torch.linalg.vector_norm(z)
        z = z / inverse
    condition = float(largest.sqrt() * inverse.sqrt())
    singular = not condition <= 1 / (len(R) * torch.finfo(R.dtype).eps)
    return math.inf if singular else condition


def _whole_matrix(operator: Operator, z: Tensor) -> LowRank:
    """Return the matrix that packs to z, by factors of its own size."""
    Z = operator.space.unpack(z).to(operator.dtype)
    if operator.kind.is_symmetric:
        return LowRank(torch.eye(len(Z), dtype=Z.dtype, device=Z.device), Z)
    return LowRank(Z, *(torch.eye(Z.shape[1], dtype=Z.dtype, device=Z.device) for _ in range(2)))
