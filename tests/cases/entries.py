"""Entries, sub-blocks and sparse rows for the shared list, with their matrices written out entry by entry."""

import math

import numpy as np
import torch
from scipy.sparse import csc_matrix, csr_array
from torch import Tensor

from cases.draws import hermitian
from cases.flavors import ALL_FLAVORS, PSD, SYMMETRIC
from cases.orders import Made, OperatorCase, Order, unpacked_literally
from wnsense.sensing.ensembles.entries import EntrySensing
from wnsense.sensing.ensembles.sparse_rows import SparseSensing
from wnsense.sensing.ensembles.sub_blocks import SubBlockSensing

# No more than a 4 x 6 matrix, a 6 x 6 triangle (21) or a single number has coordinates.
WITHOUT_REPLACEMENT = ((1, (1, 1), torch.float64), (20, (6, 7), torch.float64), (9, (4, 6), torch.float32))


def drawn_size(order: Order) -> int | tuple[int, int]:
    return order.shape[0] if order.flavor.kind.is_symmetric else order.shape


def entry_matrices(order: Order, rows, columns, weights, imaginary=None) -> Tensor:
    """w E_ij, times i for an imaginary part; its Hermitian part for the symmetric kinds."""
    M = torch.zeros((len(rows), *order.shape), dtype=order.dtype)
    for k in range(len(rows)):
        unit = 1j if imaginary is not None and imaginary[k] else 1
        M[k, rows[k], columns[k]] = weights[k] * unit
    return hermitian(M) if order.flavor.kind.is_symmetric else M


def stacked_entry_matrices(operator: EntrySensing) -> Tensor:
    """The same for many entries, without a loop over them."""
    units = operator.weights.to(operator.dtype)
    if operator.imaginary is not None:
        units = torch.where(operator.imaginary, 1j * units, units)
    M = torch.zeros((operator.count, *operator.shape), dtype=operator.dtype)
    M[torch.arange(operator.count), operator.rows, operator.columns] = units
    return hermitian(M) if operator.kind.is_symmetric else M


def make_entries(order: Order) -> Made:
    operator = EntrySensing.draw(order.count, drawn_size(order), replacement=True, **order.drawn())
    return operator, stacked_entry_matrices(operator)


def make_distinct_entries(order: Order) -> Made:
    operator = EntrySensing.draw(order.count, drawn_size(order), **order.drawn())
    return operator, stacked_entry_matrices(operator)


def make_literal_entries(order: Order) -> Made:
    """In any order and repeated, weighted, real and imaginary parts mixed; int32 as other programs write them."""
    n, (m1, m2) = order.count, order.shape
    rows = torch.randint(m1, (n,), generator=order.rng, dtype=torch.int32)
    columns = torch.randint(m2, (n,), generator=order.rng, dtype=torch.int32)
    weights = torch.randn(n, generator=order.rng, dtype=order.real_dtype)
    imaginary = torch.rand(n, generator=order.rng) < 0.5 if order.flavor.is_complex else None
    kind, parts = order.flavor.kind, {"weights": weights, "imaginary": imaginary}
    operator = EntrySensing.from_places(rows, columns, order.shape, kind, order.dtype, **parts)
    return operator, entry_matrices(order, rows.tolist(), columns.tolist(), weights, imaginary)


def make_plain_entries(order: Order) -> Made:
    """Without weights, and of complex unknowns the real parts."""
    n, (m1, m2) = order.count, order.shape
    rows, columns = (torch.randint(m, (n,), generator=order.rng) for m in (m1, m2))
    operator = EntrySensing.from_places(rows, columns, order.shape, order.flavor.kind, order.dtype)
    return operator, entry_matrices(order, rows, columns, [1.0] * n)


def block_matrices(order: Order, sets, weight: float) -> Tensor:
    places = [
        (i, j, part)
        for row_set, column_set in sets
        for i in row_set
        for j in column_set
        for part in range(2 if order.flavor.is_complex else 1)
    ]
    rows, columns, parts = zip(*places, strict=True)
    return entry_matrices(order, rows, columns, [weight] * len(rows), parts)


def make_sub_blocks(order: Order) -> Made:
    """As many 2 x 3 blocks as the count holds, then smaller ones; indices may repeat within a set."""
    m1, m2 = order.shape
    left = order.count // (2 if order.flavor.is_complex else 1)
    sets = []
    while left:
        p = 2 if left >= 4 and m1 > 1 else 1
        q = min(left // p, 3)
        sets.append((torch.randint(m1, (p,), generator=order.rng), torch.randint(m2, (q,), generator=order.rng)))
        left -= p * q
    operator = SubBlockSensing.from_sets(sets, drawn_size(order), kind=order.flavor.kind, dtype=order.dtype)
    return operator, block_matrices(order, [(one.tolist(), other.tolist()) for one, other in sets], 1.0)


def make_drawn_sub_blocks(order: Order) -> Made:
    (m1, m2), parts = order.shape, 2 if order.flavor.is_complex else 1
    p, q = min(2, m1), min(3, m2)
    blocks = order.count // (p * q * parts)
    operator = SubBlockSensing.draw(blocks, (p, q), drawn_size(order), **order.drawn())
    row_sets = operator.row_indices.reshape(blocks, p).tolist()
    column_sets = operator.column_indices.reshape(blocks, q).tolist()
    return operator, block_matrices(
        order, list(zip(row_sets, column_sets, strict=True)), math.sqrt(m1 * m2 / (blocks * p * q))
    )


def sparse_rows(order: Order, width: int) -> np.ndarray:
    """Rows of which one is zero, where there are several."""
    dense = torch.randn(order.count, width, generator=order.rng, dtype=order.dtype)
    dense[torch.rand(order.count, width, generator=order.rng) < 0.7] = 0
    dense[0, 0] = 1
    if order.count > 1:
        dense[-1] = 0
    return dense.numpy()


def make_sparse_full(order: Order) -> Made:
    dense = sparse_rows(order, order.shape[0] * order.shape[1])
    operator = SparseSensing.from_matrix(csr_array(dense), drawn_size(order), kind=order.flavor.kind)
    M = torch.from_numpy(dense).conj().reshape(order.count, *order.shape).resolve_conj()
    return operator, hermitian(M) if order.flavor.kind.is_symmetric else M


def make_sparse_packed(order: Order) -> Made:
    m = order.shape[0]
    dense = sparse_rows(order, m * (m + 1) // 2)
    operator = SparseSensing.from_matrix(csc_matrix(dense), m, kind=order.flavor.kind)
    return operator, unpacked_literally(torch.from_numpy(dense), order.flavor, order.shape)


EVEN = ((12, (1, 1), torch.float64), (48, (6, 7), torch.float64), (24, (4, 6), torch.float32))

ENTRIES = [
    OperatorCase("entries", ALL_FLAVORS, make_entries),
    OperatorCase(
        "distinct-entries", ALL_FLAVORS, make_distinct_entries, independent=False, settings=WITHOUT_REPLACEMENT
    ),
    OperatorCase("literal-entries", ALL_FLAVORS, make_literal_entries),
    OperatorCase("plain-entries", ALL_FLAVORS, make_plain_entries),
    OperatorCase("sub-blocks", ALL_FLAVORS, make_sub_blocks, settings=EVEN, independent=False),
    OperatorCase("drawn-sub-blocks", ALL_FLAVORS, make_drawn_sub_blocks, settings=EVEN, independent=False),
    OperatorCase("sparse-full", ALL_FLAVORS, make_sparse_full),
    OperatorCase("sparse-packed", (PSD, SYMMETRIC), make_sparse_packed),
]
