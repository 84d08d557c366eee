"""Entries of transformed matrices for the shared list, with transforms written out as matrices."""

import math

import torch
from torch import Tensor

from cases.flavors import ALL_FLAVORS
from cases.orders import Made, OperatorCase, Order
from wnsense.sensing.ensembles.transforms import DCTSensing, HadamardSensing, TransformedEntrySensing

SMALL_SETTINGS = ((1, (1, 1), torch.float64), (13, (5, 7), torch.float64), (9, (4, 6), torch.float32))
POWER_OF_TWO_SETTINGS = ((1, (1, 1), torch.float64), (20, (8, 4), torch.float64), (9, (4, 16), torch.float32))


def cosine_matrix(m: int) -> Tensor:
    T = torch.empty((m, m), dtype=torch.float64)
    for k in range(m):
        for j in range(m):
            T[k, j] = math.sqrt((1 if k == 0 else 2) / m) * math.cos(math.pi * (j + 0.5) * k / m)
    return T


def hadamard_matrix(m: int) -> Tensor:
    H = torch.empty((m, m), dtype=torch.float64)
    for k in range(m):
        for j in range(m):
            H[k, j] = (-1) ** (k & j).bit_count() / math.sqrt(m)
    return H


def entry_matrices(
    operator: TransformedEntrySensing, left: Tensor, right: Tensor, imaginary: Tensor | None = None
) -> Tensor:
    """w Re (a^T Z conj b) = Re <w conj(a) b^T, Z> for rows a, b of the two transforms, signs included.

    Its imaginary part is that of the matrix times i; of what kind Z is, so the matrix may be taken to be.
    """
    M = torch.zeros((operator.count, *operator.shape), dtype=torch.complex128)
    for k in range(operator.count):
        a, b = left[operator.rows[k]].to(M.dtype), right[operator.columns[k]].to(M.dtype)
        M[k] = float(operator.weights[k]) * torch.outer(a.conj(), b)
        if imaginary is not None and imaginary[k]:
            M[k] *= 1j
    M = (M + M.mH) / 2 if operator.kind.is_symmetric else M
    return M.to(operator.dtype) if operator.is_complex else M.real.to(operator.dtype)


def made_of(operator: TransformedEntrySensing, matrix: object) -> Made:
    m1, m2 = operator.shape
    left = matrix(m1) * operator.signs.double()
    signs_right = operator.signs if operator.kind.is_symmetric else operator.signs_right
    return operator, entry_matrices(operator, left, matrix(m2) * signs_right.double(), operator.imaginary)


def drawn_size(order: Order) -> int | tuple[int, int]:
    return order.shape[0] if order.flavor.kind.is_symmetric else order.shape


def make_cosine(order: Order) -> Made:
    return made_of(DCTSensing.draw(order.count, drawn_size(order), **order.drawn()), cosine_matrix)


def make_hadamard(order: Order) -> Made:
    return made_of(HadamardSensing.draw(order.count, drawn_size(order), **order.drawn()), hadamard_matrix)


TRANSFORMS = [
    OperatorCase("dct", ALL_FLAVORS, make_cosine, independent=False, settings=SMALL_SETTINGS),
    OperatorCase("hadamard", ALL_FLAVORS, make_hadamard, independent=False, settings=POWER_OF_TWO_SETTINGS),
]
