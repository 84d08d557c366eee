"""Optimality gap of a vector: a lower bound on the least l1 norm by a dual vector, for an answer of any method.

For `min sum w_n |z_n|` subject to `A z = y`, every `nu` with `|A^T nu| <= w` entrywise gives `<y, nu> <= min` (weak
duality). For an answer `z` the gap `1 - <y, nu> / sum w |z|` is at least the relative excess of `z`; it is 0 only at a
minimum.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from wnsense.checks import require
from wnsense.sensing.linear_map import LinearMap
from wnsense.sensing.map_sources import MatrixLike, VectorLike, linear_map, vector_for
from wnsense.sparse.support import ScaledProblem, dual_on
from wnsense.values import by_value

# Most rounds in which violated constraints are made equalities; a vertex of the dual program seldom takes more.
_ROUNDS = 12
_SLACK = 1e-9
_EXPLAINED = 1e-4


@dataclass(frozen=True)
@by_value
class OptimalityGap:
    """Bound on the relative excess of an l1 norm over the least one.

    Attributes:
        gap: `1 - lower_bound / norm`, at least the relative excess of the vector where `A z = y`; at most 1.
        lower_bound: Lower bound on the (weighted) l1 norm of any solution of `A z = y`.
        norm: (Weighted) l1 norm of the vector.
        dual: Dual vector `nu`, (M,), with `|A^T nu| <= w` (`A^T nu <= w` where nonnegative).
        products: Products with `A` and `A^T`.
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
    """Return a lower bound on the l1 norm of solutions of `A z = y`, by products only, and the gap of a vector.

    The first dual vector is the `nu` of least norm with `A_S^T nu = w sign(z)` on the support `S`. It is feasible if
    `z` is a stable minimum. Columns that violate the constraint are added as equalities, in some rounds. All these
    vectors, `y` and the given dual vector are scaled to feasibility, and the best bound is returned.

    Args:
        A: Map.
        y: Measurements, (M,).
        z: Vector with `A z = y`, (N,). For a vector that explains `y` only nearly, give `A.times(z)` for y.
        weights: Weights `w`, (N,), positive; by default 1.
        dual: Further dual vector to try, (M,), of any length.
        nonnegative: True if solutions have `z >= 0`, for which `nu` needs only `A^T nu <= w`.

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
        # For y = 0 the bound is 0; for z = 0 the gap is 0.
        return OptimalityGap(0.0 if norm == 0 else 1.0, 0.0, norm, torch.zeros_like(y), 1)
    scaled = ScaledProblem(operator, y, torch.ones_like(y), 1 / w)
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
    """Check that `A z = y` up to the error of single precision or of a linear program; the gap is no more precise."""
    misfit, size = float((operator.times(z) - y).norm()), float(y.norm())
    came = f"a misfit of {misfit / size:.1e} of y" if size > 0 else "A z other than y = 0"
    require(misfit <= _EXPLAINED * size, "z with A z = y", came, "give A.times(z) for y to compare with the same A z")


@dataclass(frozen=True)
class _Best:
    dual: Tensor
    bound: float

    def better(self, y: Tensor, nu: Tensor, pulled: Tensor) -> "_Best":
        """Return the better of this vector and `nu`, divided by the largest entry of `A^T nu` to be feasible."""
        largest = float(pulled.abs().max())
        if not largest > 0:
            return self
        bound = float(y @ nu) / largest
        return _Best(nu / largest, bound) if bound > self.bound else self


def _pulled(scaled: ScaledProblem, nu: Tensor, *, nonnegative: bool) -> Tensor:
    pulled = scaled.A.transpose_times(nu) * scaled.scale
    return pulled.clamp(min=0) if nonnegative else pulled


def _with_violated(
    support: Int[Tensor, " k"], signs: Float[Tensor, " k"], pulled: Float[Tensor, " n"], M: int, *, nonnegative: bool
) -> tuple[Tensor, Tensor, bool]:
    """Return the support with the most violated columns added, as many as the equations stay solvable with."""
    excess = (pulled if nonnegative else pulled.abs()) - 1
    excess[support] = 0
    count = min(int((excess > _SLACK).sum()), max(0, M - 1 - len(support)))
    if count == 0:
        return support, signs, False
    worst = excess.topk(count).indices
    return torch.cat([support, worst]), torch.cat([signs, torch.sign(pulled[worst])]), True
