"""Preconditioner of equations on a tangent space: a block for each row of a factor, where rows measure entries.

Row `i` of `L` in `L Y^H + X R^H` meets only the measured entries of row `i` of the matrix. The normal operator has
there the block `G_i = sum_j E_ij y_j y_j^T`, `E` the squared gains of the entries. Rows with few entries have blocks of
small eigenvalues, which determine the condition number; the inverse blocks take these away. This is alternating least
squares, row by row, as a preconditioner: block Jacobi.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Inexact
from torch import Tensor

from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import MeasuresEntries
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.tangent import Tangent
from wnsense.values import by_value

# Share of the mean gain that is added to each block. Rows with fewer entries than the rank have singular blocks, by
# which rounding errors are divided.
_RIDGE = 1e-6


@dataclass(frozen=True)
@by_value
class RowBlocks:
    """Inverse blocks of `(T D M)* (T D M) + Lambda` at a point, one for all rows where none are known.

    Attributes:
        point: Point of the blocks, with orthonormal factors.
        core: Factors of the entries of `S`, (r, r).
        left: Inverse blocks of the rows of `L`, (m1, r, r) or (1, r, r).
        right: Inverse blocks of the rows of `R`, (m2, r, r) or (1, r, r); None for symmetric kinds.
    """

    point: LowRank
    core: Float[Tensor, "r r"]
    left: Inexact[Tensor, "_ r r"]
    right: Inexact[Tensor, "_ r r"] | None

    def applied(self, vector: Tangent) -> Tangent:
        """Return the preconditioned vector, `A D A* vector` for blocks `D` and the map `A` of `(L, R)` to `S, P, Q`."""
        return self._between(vector, self.point, None, None)

    def applied_at(self, vector: Tangent, point: LowRank) -> Tangent:
        """Return the preconditioned vector at a point near that of the blocks, whose frames are rotated."""
        return self._between(vector, point, self.point.X.mH @ point.X, self.point.right.mH @ point.right)

    def _between(self, vector: Tangent, point: LowRank, left_turn: Tensor | None, right_turn: Tensor | None) -> Tangent:
        X, Y, S = point.X, point.Y, vector.S * self.core
        L = _solved(self.left, X @ S + vector.P, right_turn)
        left = X.mH @ L
        if vector.Q is None or self.right is None or Y is None:
            return Tangent((left + left.mH) * self.core, L - X @ left, None)
        R = _solved(self.right, Y @ S.mH + vector.Q, left_turn)
        right = Y.mH @ R
        return Tangent((left + right.mH) * self.core, L - X @ left, R - Y @ right)


def has_row_blocks(objective: SensingObjective, point: LowRank) -> bool:
    """Return True if each row measures one real entry, so that blocks are known, and the point is no batch."""
    return isinstance(objective.problem.operator, MeasuresEntries) and not point.X.is_complex() and point.X.dim() == 2


def blocks_cost(objective: SensingObjective, point: LowRank) -> int:
    """Return the cost of the blocks in applications: they multiply `r` times as many columns as one of these."""
    return point.width if has_row_blocks(objective, point) else 0


def row_blocks(
    objective: SensingObjective,
    point: LowRank,
    gain: float,
    core: Float[Tensor, "r r"],
    sides: Float[Tensor, " r"],
    *,
    ridge: float = _RIDGE,
) -> RowBlocks:
    """Return the blocks of `gain (T D M)* (T D M) + Lambda` at a point with orthonormal factors.

    `S` has a part in `L` and one in `R`. Its entries are scaled so that the preconditioner is `1 / (gain + Lambda)` if
    the normal operator is a multiple of the identity.

    Args:
        objective: Objective `|| T D (M(Z) - y) ||`.
        point: Point of the tangent space.
        gain: Factor of the normal operator, by which its mean eigenvalue is 1.
        core: Penalties `Lambda` of the entries of `S`.
        sides: Penalties `Lambda` of the columns of `P` and `Q`.
        ridge: Share of the mean gain that is added to each block.
    """
    one = 1 / (sides + gain)
    scale = (1 / (core + gain) / (one[:, None] + one[None, :])).sqrt()
    operator = objective.problem.operator
    if not isinstance(operator, MeasuresEntries) or not has_row_blocks(objective, point):
        same = torch.diag(one).to(point.dtype).unsqueeze(0)
        return RowBlocks(point, scale, same, None if point.Y is None else same)
    d = gain * objective.calibration.row_scale.square()
    added = torch.diag(sides + ridge)
    left = torch.linalg.inv(_folded(operator.squares_times(d, _outer(point.right))) + added)
    if point.Y is None:
        return RowBlocks(point, scale, left, None)
    right = torch.linalg.inv(_folded(operator.squares_transpose_times(d, _outer(point.X))) + added)
    return RowBlocks(point, scale, left, right)


def _outer(V: Tensor) -> Tensor:
    """Return `v_j v_j^T` of each row, flat, (m, r^2)."""
    return (V.unsqueeze(-1) * V.unsqueeze(-2)).flatten(-2)


def _folded(blocks: Tensor) -> Tensor:
    """Return flat blocks as matrices, (m, r, r)."""
    side = round(blocks.shape[-1] ** 0.5)
    return torch.unflatten(blocks, -1, (side, side))


def _solved(inverse: Tensor, rows: Tensor, turn: Tensor | None) -> Tensor:
    """Return each row times its inverse block; `turn` leads from the frame of the blocks to that of the rows."""
    if turn is not None:
        return _solved(inverse, rows @ turn.mH, None) @ turn
    if len(inverse) == 1:
        return rows @ inverse[0].mT
    return (inverse @ rows.unsqueeze(-1)).squeeze(-1)
