"""Operators made of operators, each with the matrices that its definition gives."""

import torch

from cases.draws import normal, outer
from cases.flavors import ALL_FLAVORS, FOUR_KINDS, QUADRATIC
from cases.orders import Made, OperatorCase, Order, unpacked_literally
from wnsense.sensing.adapters import from_functions
from wnsense.sensing.combining.algebra import operator_sum, stacked
from wnsense.sensing.combining.centring import centred
from wnsense.sensing.combining.composition import FactorMap, composed
from wnsense.sensing.combining.measurement_maps import row_weighted, scaled
from wnsense.sensing.combining.restriction import RestrictedSensing
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.ensembles.rank_one import RankOneSensing
from wnsense.sensing.ensembles.unpacked import UnpackedSensing
from wnsense.sensing.operator import Operator


def gaussian(order: Order, count: int | None = None, shape: tuple[int, int] | None = None) -> Made:
    shape = shape or order.shape
    size = shape[0] if order.flavor.kind.is_symmetric else shape
    operator = GaussianSensing.draw(count or order.count, size, **order.drawn())
    return operator, unpacked_literally(operator.rows, order.flavor, shape)


def rank_one(order: Order, size: int | None = None) -> Made:
    operator = RankOneSensing.draw(order.count, size or order.shape[0], **order.drawn())
    return operator, outer(operator.vectors)


def functions(order: Order, count: int) -> Made:
    """An operator whose data cannot be taken apart."""
    M = normal(count, *order.shape, dtype=order.dtype, rng=order.rng)
    M = M + M.mH if order.flavor.kind.is_symmetric else M

    def forward(Z: torch.Tensor) -> torch.Tensor:
        return torch.einsum("nij,ij->n", M.conj(), Z)

    def adjoint(v: torch.Tensor) -> torch.Tensor:
        return torch.einsum("n,nij->ij", v.to(M.dtype), M)

    kind = order.flavor.kind
    return from_functions(forward, adjoint, n=count, size=order.shape, kind=kind, dtype=order.dtype), M


def make_sum(order: Order) -> Made:
    first, M = gaussian(order)
    second, N = functions(order, order.count)
    return operator_sum(first, second), M + N


def make_rank_one_sum(order: Order) -> Made:
    first, M = rank_one(order)
    second, N = gaussian(order)
    return operator_sum(first, second), M + N


def make_scaled(order: Order) -> Made:
    operator, M = gaussian(order)
    return scaled(operator, -2.5), -2.5 * M


def make_scaled_rank_one(order: Order) -> Made:
    operator, M = rank_one(order)
    return scaled(operator, 0.3), 0.3 * M


def make_stacked(order: Order) -> Made:
    few = order.count // 3
    parts = [gaussian(order, few), functions(order, 1), gaussian(order, order.count - few - 1)]
    return stacked([operator for operator, _ in parts]), torch.cat([M for _, M in parts])


def make_weighted(order: Order) -> Made:
    operator, M = gaussian(order)
    weights = normal(order.count, dtype=order.real_dtype, rng=order.rng)
    weights[::4] = 0
    return row_weighted(operator, weights), weights[:, None, None] * M


def make_restricted(order: Order) -> Made:
    operator, M = functions(order, 2 * order.count)
    rows = torch.randperm(2 * order.count, generator=order.rng)[: order.count]
    return RestrictedSensing(operator, rows), M[rows]


def make_composed(order: Order) -> Made:
    """The measured matrix is larger than the unknown on the left, smaller on the right."""
    m1, m2 = order.shape
    if order.flavor.kind.is_symmetric:
        operator, M = gaussian(order, shape=(m1 + 2, m1 + 2))
        L = normal(m1 + 2, m1, dtype=order.dtype, rng=order.rng)
        return composed(operator, L), L.mH @ M @ L
    operator, M = gaussian(order, shape=(m1 + 2, m2 - m2 // 2))
    L = normal(m1 + 2, m1, dtype=order.dtype, rng=order.rng)
    R = normal(m2 - m2 // 2, m2, dtype=order.dtype, rng=order.rng)
    return composed(operator, L, R), L.mH @ M @ R


def make_composed_by_functions(order: Order) -> Made:
    """Sums of the first entries on the left; nothing on the right of rectangular unknowns."""
    m = order.shape[0]
    sums = FactorMap(lambda V: V.cumsum(-2), lambda U: U.flip(-2).cumsum(-2).flip(-2), (m, m))
    L = torch.ones(m, m, dtype=order.dtype).tril()
    made: tuple[Operator, torch.Tensor] = rank_one(order) if order.flavor.kind.is_symmetric else gaussian(order)
    operator, M = made
    return composed(operator, sums), L.mT @ M @ L if order.flavor.kind.is_symmetric else L.mT @ M


def make_centred(order: Order) -> Made:
    operator, M = rank_one(order)
    t = torch.einsum("nii->n", M).real
    projection = torch.eye(order.count, dtype=order.real_dtype) - torch.outer(t, t) / t.square().sum()
    return centred(operator), torch.einsum("kn,nij->kij", projection.to(M.dtype), M)


def make_unpacked(order: Order) -> Made:
    M = order.matrices()
    return UnpackedSensing.from_matrices(M, order.flavor.kind), M


# A 1 x 1 matrix is its trace: nothing of it is left.
_CENTRED_SETTINGS = ((9, (2, 2), torch.float64), (50, (6, 6), torch.float64), (23, (4, 4), torch.float32))

# They hold their data in other operators: what they make of another device is tested in test_algebra.
ALGEBRA = [
    OperatorCase("sum", FOUR_KINDS, make_sum, holds_data=False),
    OperatorCase("rank-one-sum", QUADRATIC, make_rank_one_sum, holds_data=False),
    OperatorCase("scaled", ALL_FLAVORS, make_scaled, holds_data=False),
    OperatorCase("scaled-rank-one", QUADRATIC, make_scaled_rank_one, holds_data=False),
    OperatorCase("stacked", ALL_FLAVORS, make_stacked, holds_data=False, independent=False),
    OperatorCase("row-weighted", ALL_FLAVORS, make_weighted, holds_data=False),
    OperatorCase("restricted", ALL_FLAVORS, make_restricted, holds_data=False),
    OperatorCase("composed", ALL_FLAVORS, make_composed, holds_data=False),
    OperatorCase("composed-functions", ALL_FLAVORS, make_composed_by_functions, holds_data=False),
    OperatorCase("centred", QUADRATIC, make_centred, holds_data=False, settings=_CENTRED_SETTINGS, independent=False),
    OperatorCase("unpacked", ALL_FLAVORS, make_unpacked),
]
