"""How far a vector is from the least l1 norm: a dual vector that bounds it from below, whoever found the vector.

For min sum w_n |z_n| subject to A z = y, every nu with |A^T nu| <= w entrywise gives <y, nu> <= the minimum (weak
duality). With an answer z the gap 1 - <y, nu> / sum w |z| is at least the relative excess of z, 0 only at a minimum.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from wnsense.checks import require
from wnsense.sensing.linear_map import LinearMap
from wnsense.sensing.map_sources import MatrixLike, VectorLike, linear_map, vector_for
from wnsense.sparse.support import Scaled, dual_on

# Rounds of asking violated columns to be met with equality; a vertex of the dual program seldom takes more.
_ROUNDS = 12
_SLACK = 1e-9
_EXPLAINED = 1e-4


@dataclass(frozen=True)
class OptimalityGap:
    """A bound on how much smaller an l1 norm could be.

    Attributes:
        gap: 1 - lower_bound / norm, at least the relative excess of the vector where A z = y; at most 1.
        lower_bound: On the least (weighted) l1 norm of any solution of A z = y.
        norm: That of the vector.
        dual: nu, (M,), with |A^T nu| <= w (A^T nu <= w where nonnegative).
        products: With A and A^T.
    """

    gap: float
    lower_bound: float
    norm: float
    dual: Float[Tensor, " m"]
    products: int


def optimality_gap(
    A: LinearMap | MatrixLike,
    y: VectorLike,
    z: VectorLike,
    *,
    weights: VectorLike | None = None,
    dual: VectorLike | None = None,
    nonnegative: bool = False,
) -> OptimalityGap:
    """Bound the least l1 norm of solutions of A z = y from below, with products only, and compare a vector with it.

    nu is the one of least norm with A_S^T nu = w sign(z) on the support S, which is feasible where z is a minimum that
    stays one nearby; columns that it violates are asked for equality too, in some rounds. All of them, y and the given
    dual vector are scaled to feasibility, and the best bound counts.

    Args:
        A: The map.
        y: What was measured.
        z: The vector that is judged, A z = y; one that explains y only nearly is judged with `A.times(z)` for y.
        weights: w, positive; 1 unless given.
        dual: A dual vector to try as well, of any length.
        nonnegative: Whether solutions are z >= 0, which leaves nu only A^T nu <= w to keep.

    Raises:
        InputError: If sizes do not fit, an entry is NaN or infinite, a weight is not positive, or A z is not y.
    """
    operator = linear_map(A)
    M, N = operator.shape
    y, z = vector_for("y", y, M, operator), vector_for("z", z, N, operator)
    dual = None if dual is None else vector_for("dual", dual, M, operator)
    w = torch.ones_like(z) if weights is None else vector_for("weights", weights, N, operator)
    require((w > 0).all(), "positive weights", "zero or less")
    require(not nonnegative or (z >= 0).all(), "z >= 0 with nonnegative=True", "negative entries")
    _require_explained(operator, y, z)
    norm = float((w * z.abs()).sum())
    if norm == 0 or not bool((y != 0).any()):
        # The only bound that there is for y = 0, and none is needed for z = 0.
        return OptimalityGap(0.0 if norm == 0 else 1.0, 0.0, norm, torch.zeros_like(y), 1)
    scaled = Scaled(operator, y, torch.ones_like(y), 1 / w)
    best = _Best(torch.zeros_like(y), 0.0)
    products = 1
    for trial in (y, dual):
        if trial is not None and bool((trial != 0).any()):
            best = best.better(y, trial, _pulled(scaled, trial, nonnegative=nonnegative))
            products += 1
    support = torch.nonzero(z).flatten()
    signs = torch.sign(z[support])
    for _ in range(_ROUNDS):
        if len(support) >= M or best.bound >= norm * (1 - _SLACK):
            break
        nu, used = dual_on(scaled, support, signs)
        pulled = operator.transpose_times(nu) / w
        best = best.better(y, nu, pulled.clamp(min=0) if nonnegative else pulled)
        products += used + 1
        support, signs, changed = _with_violated(support, signs, pulled, M, nonnegative=nonnegative)
        if not changed:
            break
    return OptimalityGap(min(1.0, 1 - best.bound / norm), best.bound, norm, best.dual, products)


def _require_explained(operator: LinearMap, y: Tensor, z: Tensor) -> None:
    """A z = y up to what single precision or a solver of linear programs leaves of it; the gap is no more exact."""
    missed, size = float((operator.times(z) - y).norm()), float(y.norm())
    came = f"a misfit of {missed / size:.1e} of y" if size > 0 else "A z other than y = 0"
    require(missed <= _EXPLAINED * size, "z with A z = y", came, "give A.times(z) for y to compare with the same A z")


@dataclass(frozen=True)
class _Best:
    dual: Tensor
    bound: float

    def better(self, y: Tensor, nu: Tensor, pulled: Tensor) -> "_Best":
        """The better of this and nu, divided by the largest entry of A^T nu so that it is feasible."""
        largest = float(pulled.abs().max())
        if not largest > 0:
            return self
        bound = float(y @ nu) / largest
        return _Best(nu / largest, bound) if bound > self.bound else self


def _pulled(scaled: Scaled, nu: Tensor, *, nonnegative: bool) -> Tensor:
    pulled = scaled.A.transpose_times(nu) * scaled.scale
    return pulled.clamp(min=0) if nonnegative else pulled


def _with_violated(
    support: Int[Tensor, " k"], signs: Float[Tensor, " k"], pulled: Float[Tensor, " n"], M: int, *, nonnegative: bool
) -> tuple[Tensor, Tensor, bool]:
    """The support with the columns that break |A^T nu| <= 1 most, as many as leave the equations solvable."""
    excess = (pulled if nonnegative else pulled.abs()) - 1
    excess[support] = 0
    count = min(int((excess > _SLACK).sum()), max(0, M - 1 - len(support)))
    if count == 0:
        return support, signs, False
    worst = excess.topk(count).indices
    return torch.cat([support, worst]), torch.cat([signs, torch.sign(pulled[worst])]), True
