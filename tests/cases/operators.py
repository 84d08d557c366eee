"""The shared lists: operators, retractions and solvers. What joins a list inherits every law that the tests state.

An operator joins `OPERATORS` by one line: a name, the flavors of unknown that it measures, and a function that makes
one together with the matrices M_i that it stands for, written out literally.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, aslinearoperator
from torch import Tensor

from cases.algebra import ALGEBRA
from cases.dense import DENSE
from cases.diffraction import DIFFRACTION
from cases.draws import generator, hermitian, normal, outer, random_point
from cases.entries import ENTRIES
from cases.flavors import ALL_FLAVORS, FOUR_KINDS, PSD, QUADRATIC, SYMMETRIC
from cases.orders import Made, OperatorCase, Order, unpacked_literally
from cases.pauli import PAULI
from cases.rank_one import RANK_ONE
from cases.transforms import TRANSFORMS
from wnsense.sensing.adapters import from_functions, from_numpy_functions, from_scipy
from wnsense.sensing.ensembles.dense import DenseSensing, GaussianSensing
from wnsense.sensing.ensembles.rank_one import PairedRankOneSensing, RankOneSensing
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator


def make_gaussian(order: Order) -> Made:
    size = order.shape[0] if order.flavor.kind.is_symmetric else order.shape
    operator = GaussianSensing.draw(order.count, size, **order.drawn())
    return operator, unpacked_literally(operator.rows, order.flavor, order.shape)


def make_from_matrices(order: Order) -> Made:
    # Not Hermitian on purpose: only the Hermitian part may count.
    M = normal(order.count, *order.shape, dtype=order.dtype, rng=order.rng)
    operator = DenseSensing.from_matrices(M, order.flavor.kind)
    return operator, hermitian(M) if order.flavor.kind.is_symmetric else M


def make_rank_one(order: Order) -> Made:
    operator = RankOneSensing.draw(order.count, order.shape[0], **order.drawn())
    return operator, outer(operator.vectors)


def make_literal_rank_one(order: Order) -> Made:
    a = order.vectors()
    return RankOneSensing.from_vectors(a, order.flavor.kind), outer(a)


def make_paired(order: Order) -> Made:
    operator = PairedRankOneSensing.draw(order.count, order.shape[0], **order.drawn())
    return operator, outer(operator.vectors) - outer(operator.vectors_minus)


def make_functions(order: Order) -> Made:
    M = order.matrices()
    operator = from_functions(
        lambda Z: torch.einsum("nij,ij->n", M.conj(), Z),
        lambda v: torch.einsum("n,nij->ij", v.to(M.dtype), M),
        n=order.count,
        size=order.shape,
        kind=order.flavor.kind,
        dtype=order.dtype,
    )
    return operator, M


def make_numpy_functions(order: Order) -> Made:
    M = order.matrices()
    N, y, R = M.numpy(), np.empty(order.count), np.empty(order.shape, dtype=M.numpy().dtype)

    # Both write into one array each, as careful code outside does.
    def forward(Z: np.ndarray) -> np.ndarray:
        y[:] = np.einsum("nij,ij->n", N.conj(), Z).real
        return y

    def adjoint(v: np.ndarray) -> np.ndarray:
        R[:] = np.einsum("n,nij->ij", v, N)
        return R

    return from_numpy_functions(forward, adjoint, n=order.count, size=order.shape, kind=order.flavor.kind), M


def make_scipy_full(order: Order) -> Made:
    M = order.matrices()
    rows = M.conj().resolve_conj().reshape(order.count, -1).numpy()
    return from_scipy(aslinearoperator(rows), order.shape, kind=order.flavor.kind), M


def make_scipy_packed(order: Order) -> Made:
    m = order.shape[0]
    rows = normal(order.count, m * (m + 1) // 2, rng=order.rng)
    N, y, z = rows.numpy(), np.empty(rows.shape[0]), np.empty(rows.shape[1])
    linear_operator = LinearOperator(
        N.shape, matvec=lambda x: np.dot(N, x, out=y), rmatvec=lambda v: np.dot(N.T, v, out=z), dtype=np.float64
    )
    operator = from_scipy(linear_operator, m, kind=order.flavor.kind)
    return operator, unpacked_literally(rows, order.flavor, order.shape)


OPERATORS = [
    OperatorCase("gaussian", ALL_FLAVORS, make_gaussian),
    OperatorCase("from-matrices", ALL_FLAVORS, make_from_matrices),
    OperatorCase("rank-one", QUADRATIC, make_rank_one),
    OperatorCase("literal-rank-one", QUADRATIC, make_literal_rank_one),
    OperatorCase("paired-rank-one", QUADRATIC, make_paired),
    OperatorCase("functions", ALL_FLAVORS, make_functions, holds_data=False),
    OperatorCase("numpy-functions", FOUR_KINDS, make_numpy_functions, (torch.float64,), holds_data=False),
    OperatorCase("scipy-full", FOUR_KINDS, make_scipy_full, (torch.float64,), holds_data=False),
    OperatorCase("scipy-packed", (PSD, SYMMETRIC), make_scipy_packed, (torch.float64,), holds_data=False),
    *ALGEBRA,
    *DENSE,
    *DIFFRACTION,
    *PAULI,
    *TRANSFORMS,
    *RANK_ONE,
    *ENTRIES,
]


@dataclass(frozen=True)
class Bench:
    """An operator on the bench: with its matrices, random arguments, and the rounding that its sums may show."""

    order: Order
    operator: Operator
    matrices: Tensor
    rng: torch.Generator = field(default_factory=lambda: generator(11))

    def point(self, rank: int = 2, batch: tuple[int, ...] = ()) -> LowRank:
        return random_point(
            self.order.flavor, self.order.shape, rank, batch=batch, dtype=self.order.real_dtype, rng=self.rng
        )

    def vector(self, batch: tuple[int, ...] = ()) -> Tensor:
        return normal(*batch, self.order.count, dtype=self.order.real_dtype, rng=self.rng)

    def factor(self, side: int, columns: int = 3, batch: tuple[int, ...] = ()) -> Tensor:
        return normal(*batch, self.order.shape[side], columns, dtype=self.order.dtype, rng=self.rng)

    def rounding(self, *factors: Tensor | float) -> float:
        """A bound on the rounding of a product of sums: machine epsilon x the numbers added up x the norms involved.

        Each sum runs over at most n, m1, m2 or m1 m2 terms; a few more for packing, and sqrt(2) and 2 for complex
        arithmetic.
        """
        m1, m2 = self.order.shape
        terms = self.order.count + m1 + m2 + m1 * m2 + 10
        size = math.prod(float(torch.linalg.vector_norm(f)) if isinstance(f, Tensor) else f for f in factors)
        return 3 * torch.finfo(self.order.real_dtype).eps * terms * size


def factor_norms(point: LowRank) -> float:
    """||X|| ||Theta|| ||Y||, what bounds the rounding of anything computed from the factors."""
    return math.prod(float(torch.linalg.vector_norm(f)) for f in (point.X, point.Theta, point.right))
