"""Rank-one measurements beyond a^H Z a, and sums of them, for the shared list, with the matrices written out."""

import torch

from cases.draws import normal
from cases.flavors import COMPLEX_RECTANGULAR, QUADRATIC, RECTANGULAR
from cases.orders import Made, OperatorCase, Order
from wnsense.sensing.ensembles.block_rank import BlockRankSensing
from wnsense.sensing.ensembles.rank_one import RectangularRankOneSensing


def block_matrices(blocks: torch.Tensor) -> torch.Tensor:
    """A_i A_i^H, each on its own."""
    return torch.stack([A @ A.conj().T for A in blocks])


def make_block_rank(order: Order) -> Made:
    operator = BlockRankSensing.draw(order.count, order.shape[0], 3, **order.drawn())
    return operator, torch.einsum("nik,njk->nij", operator.blocks, operator.blocks.conj())


def make_literal_block_rank(order: Order) -> Made:
    A = normal(order.count, order.shape[0], 2, dtype=order.dtype, rng=order.rng)
    return BlockRankSensing.from_blocks(A, order.flavor.kind), block_matrices(A)


def make_rectangular(order: Order) -> Made:
    operator = RectangularRankOneSensing.draw(order.count, order.shape, **order.drawn())
    return operator, torch.einsum("ni,nj->nij", operator.left, operator.right.conj())


def make_literal_rectangular(order: Order) -> Made:
    a = normal(order.count, order.shape[0], dtype=order.dtype, rng=order.rng)
    b = normal(order.count, order.shape[1], dtype=order.dtype, rng=order.rng)
    operator = RectangularRankOneSensing.from_vectors(a, b)
    return operator, torch.stack([torch.outer(x, y.conj()) for x, y in zip(a, b, strict=True)])


BOTH_RECTANGULAR = (RECTANGULAR, COMPLEX_RECTANGULAR)

RANK_ONE = [
    OperatorCase("block-rank", QUADRATIC, make_block_rank),
    OperatorCase("literal-block-rank", QUADRATIC, make_literal_block_rank),
    OperatorCase("rectangular-rank-one", BOTH_RECTANGULAR, make_rectangular),
    OperatorCase("literal-rectangular-rank-one", BOTH_RECTANGULAR, make_literal_rectangular),
]
