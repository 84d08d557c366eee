"""Packed ensembles for the shared list: each way in which rows can be kept."""

import math
import tempfile
from pathlib import Path

import torch

from cases.flavors import ALL_FLAVORS
from cases.orders import Made, OperatorCase, Order, unpacked_literally
from wnsense.sensing.ensembles.dense import DenseSensing, GaussianSensing, store_rows
from wnsense.sensing.ensembles.rademacher import RademacherSensing
from wnsense.sensing.ensembles.seeded import Law, SeededSensing


def side(order: Order) -> int | tuple[int, int]:
    return order.shape[0] if order.flavor.kind.is_symmetric else order.shape


def make_stored_single(order: Order) -> Made:
    operator = GaussianSensing.draw(order.count, side(order), **order.drawn(), storage=torch.float32)
    rows = operator.rows.to(order.real_dtype) * operator.scale
    return operator, unpacked_literally(rows, order.flavor, order.shape)


def make_stored_half(order: Order) -> Made:
    operator = GaussianSensing.draw(order.count, side(order), **order.drawn(), storage=torch.bfloat16)
    rows = operator.rows.to(order.real_dtype) * operator.scale
    return operator, unpacked_literally(rows, order.flavor, order.shape)


def make_mapped(order: Order) -> Made:
    drawn = GaussianSensing.draw(order.count, side(order), **order.drawn())
    # What is mapped stays so when the name is gone.
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "rows.npy"
        store_rows(drawn, path)
        operator = DenseSensing.from_npy(path, side(order), kind=order.flavor.kind)
    return operator, unpacked_literally(drawn.rows, order.flavor, order.shape)


def make_rademacher(order: Order) -> Made:
    operator = RademacherSensing.draw(order.count, side(order), **order.drawn())
    length = operator.dimension
    rows = torch.empty(order.count, length, dtype=order.real_dtype)
    for i in range(min(order.count, 60)):
        for j in range(length):
            rows[i, j] = -1 if int(operator.bits[i, j // 8]) & (1 << (j % 8)) else 1
    if order.count > 60:
        rows = operator.packed_rows(0, order.count)
    return operator, unpacked_literally(rows / math.sqrt(order.count), order.flavor, order.shape)


def make_seeded(law: Law):
    def make(order: Order) -> Made:
        # The order's generator chooses the seed, so that orders alike are alike and others are not.
        seed = int(torch.randint(2**62, (1,), generator=order.rng))
        operator = SeededSensing.draw(
            order.count, side(order), law=law, kind=order.flavor.kind, seed=seed, dtype=order.dtype
        )
        # What the rows hold is tested on its own; here they are taken one by one, last first, where they are few.
        step = 1 if order.count <= 60 else order.count
        starts = reversed(range(0, order.count, step))
        rows = torch.cat([operator.packed_rows(i, i + step).flip(0) for i in starts]).flip(0)
        return operator, unpacked_literally(rows / math.sqrt(order.count), order.flavor, order.shape)

    return make


DENSE = [
    OperatorCase("single-stored", ALL_FLAVORS, make_stored_single, holds_data=True),
    OperatorCase("bfloat16-stored", ALL_FLAVORS, make_stored_half, holds_data=True),
    OperatorCase("mapped", ALL_FLAVORS, make_mapped),
    OperatorCase("rademacher", ALL_FLAVORS, make_rademacher),
    OperatorCase("seeded-gaussian", ALL_FLAVORS, make_seeded(Law.GAUSSIAN)),
    OperatorCase("seeded-rademacher", ALL_FLAVORS, make_seeded(Law.RADEMACHER)),
]
