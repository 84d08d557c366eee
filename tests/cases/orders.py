"""What the shared lists are made of: flavors of unknown, orders for operators, and what random numbers they get."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@dataclass(frozen=True)
class Flavor:
    """A kind of unknown, real or complex."""

    kind: Kind
    is_complex: bool = False

    def __str__(self) -> str:
        return f"complex-{self.kind}" if self.is_complex else str(self.kind)

    def dtype(self, real: torch.dtype = torch.float64) -> torch.dtype:
        return real.to_complex() if self.is_complex else real


PSD = Flavor(Kind.PSD)
SYMMETRIC = Flavor(Kind.SYMMETRIC)
HERMITIAN = Flavor(Kind.HERMITIAN, is_complex=True)
RECTANGULAR = Flavor(Kind.RECTANGULAR)
COMPLEX_RECTANGULAR = Flavor(Kind.RECTANGULAR, is_complex=True)

QUADRATIC = (PSD, SYMMETRIC, HERMITIAN)
FOUR_KINDS = (*QUADRATIC, RECTANGULAR)
ALL_FLAVORS = (*FOUR_KINDS, COMPLEX_RECTANGULAR)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, dtype: torch.dtype = torch.float64, rng: torch.Generator | None = None) -> Tensor:
    return torch.randn(shape, dtype=dtype, generator=rng or generator())


def hermitian(A: Tensor) -> Tensor:
    return (A + A.mH) / 2


def random_point(
    flavor: Flavor,
    shape: tuple[int, int],
    rank: int,
    *,
    batch: tuple[int, ...] = (),
    dtype: torch.dtype = torch.float64,
    rng: torch.Generator | None = None,
) -> LowRank:
    """Factors of independent normal entries, not orthonormal."""
    rng = rng or generator()
    dtype = flavor.dtype(dtype)
    X = normal(*batch, shape[0], rank, dtype=dtype, rng=rng)
    Theta = normal(*batch, rank, rank, dtype=dtype, rng=rng)
    if flavor.kind.is_symmetric:
        return LowRank(X, hermitian(Theta))
    return LowRank(X, Theta, normal(*batch, shape[1], rank, dtype=dtype, rng=rng))


# ---------------------------------------------------------------------------------------------------- operators


@dataclass(frozen=True)
class Order:
    """What an operator shall be made for."""

    flavor: Flavor
    count: int
    shape: tuple[int, int]
    real_dtype: torch.dtype = torch.float64

    @property
    def dtype(self) -> torch.dtype:
        return self.flavor.dtype(self.real_dtype)

    @cached_property
    def rng(self) -> torch.Generator:
        return generator(7)

    def matrices(self) -> Tensor:
        """Random M_i; Hermitian where the kind is."""
        M = normal(self.count, *self.shape, dtype=self.dtype, rng=self.rng)
        return hermitian(M) if self.flavor.kind.is_symmetric else M

    def vectors(self) -> Tensor:
        return normal(self.count, self.shape[0], dtype=self.dtype, rng=self.rng)

    def drawn(self) -> dict:
        return {"kind": self.flavor.kind, "generator": self.rng, "dtype": self.dtype}


Made = tuple[Operator, Tensor]

SETTINGS = (
    (9, (1, 1), torch.float64),
    (50, (6, 7), torch.float64),
    (23, (4, 6), torch.float32),
)


@dataclass(frozen=True)
class OperatorCase:
    """One entry of the list.

    Attributes:
        name: For the test's id.
        flavors: The unknowns it measures.
        make: From an order to the operator and its matrices, (n, m1, m2).
        real_dtypes: The precisions it comes in.
        holds_data: Whether it holds its data itself, rather than asking functions of a user.
        independent: Whether any number of rows can be drawn, each on its own.
        settings: The counts and shapes it is tried in; symmetric kinds use the first side alone.
    """

    name: str
    flavors: tuple[Flavor, ...]
    make: Callable[[Order], Made]
    real_dtypes: tuple[torch.dtype, ...] = (torch.float64, torch.float32)
    holds_data: bool = True
    independent: bool = True
    settings: tuple[tuple[int, tuple[int, int], torch.dtype], ...] = SETTINGS


def unpacked_literally(rows: Tensor, flavor: Flavor, shape: tuple[int, int]) -> Tensor:
    """The matrices of packed rows, entry by entry in the documented order."""
    out = torch.zeros((len(rows), *shape), dtype=flavor.dtype(rows.dtype))
    m1, m2 = shape
    if not flavor.kind.is_symmetric:
        for k in range(m1 * m2):
            entry = torch.complex(rows[:, 2 * k], rows[:, 2 * k + 1]) if flavor.is_complex else rows[:, k]
            out[:, k // m2, k % m2] = entry
        return out
    upper = [(i, j) for i in range(m1) for j in range(i, m1)]
    for k, (i, j) in enumerate(upper):
        entry = rows[:, k] if i == j else rows[:, k] / math.sqrt(2)
        out[:, i, j] += entry
        if i != j:
            out[:, j, i] += entry
    if flavor.is_complex:
        strict = [(i, j) for i, j in upper if i != j]
        for k, (i, j) in enumerate(strict, start=len(upper)):
            out[:, i, j] += 1j * rows[:, k] / math.sqrt(2)
            out[:, j, i] -= 1j * rows[:, k] / math.sqrt(2)
    return out


def outer(a: Tensor) -> Tensor:
    return torch.einsum("ni,nj->nij", a, a.conj())
