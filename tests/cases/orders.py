"""Entries of the list of operators, and the orders that they fill: a flavor, a count, a shape and a precision."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from cases.draws import generator, hermitian, normal
from cases.flavors import Flavor
from wnsense.sensing.operator import Operator

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


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
