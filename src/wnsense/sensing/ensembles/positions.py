"""Places of a matrix: its entries there from factors, and sparse matrices with entries only there."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from typing import cast

import numpy as np
import torch
from jaxtyping import Inexact, Int, Shaped
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from wnsense.checks import require, require_size
from wnsense.sensing.given_numbers import index_tensor
from wnsense.sensing.low_rank import LowRank
from wnsense.values import by_value

# Numbers in a block of gathered rows of factors. On a CPU a block stays in a core's cache until it is summed. Measured
# for n from 3,000 to 4 10^6 and 6 to 30 columns: sizes from 2^15 to 2^17 take the same time, and 2^18 up to 5 times
# that, when each block is taken from the system anew.
_BLOCK_NUMBERS = {"cpu": 2**16}
_BLOCK_NUMBERS_ELSEWHERE = 2**26

# Places from which on a compiled pass pays for its loading. It takes a third to a quarter of the time of torch's.
_COMPILED_PLACES = 2**16

# Devices on which PyTorch multiplies compressed sparse rows, four times as fast as gathering and adding, and in a fixed
# order.
_COMPRESSED_ON = {"cpu", "cuda"}


@dataclass(frozen=True)
@by_value
class Positions:
    """Places `(i_k, j_k)` of a matrix; a place may occur several times, each on its own.

    A product with a sparse matrix of these places needs them sorted by rows, or by columns. Either order is computed at
    its first use and kept: one or two numbers a place.

    Attributes:
        rows: Row indices `i_k`, (n,).
        columns: Column indices `j_k`, (n,).
        shape: Sides `(m1, m2)` of the matrix.
    """

    rows: Int[Tensor, " n"]
    columns: Int[Tensor, " n"]
    shape: tuple[int, int]

    def entries(self, point: LowRank) -> Inexact[Tensor, "*batch n"]:
        """Return `Z[i_k, j_k]`, from rows of the factors."""
        left = (point.X @ point.Theta).contiguous()
        right = point.right.conj().resolve_conj().contiguous()
        is_plain = left.device.type == "cpu" and left.dim() == 2 and not left.is_complex()
        if is_plain and len(self.rows) >= _COMPILED_PLACES and (products := _compiled_products()) is not None:
            parts = (part.numpy() for part in (self.rows, self.columns, left, right))
            return torch.from_numpy(products(*parts, torch.get_num_threads()))
        out = left.new_empty((*point.batch, len(self.rows)))
        numbers = max(1, math.prod(point.batch) * right.shape[-1])
        step = max(1, _BLOCK_NUMBERS.get(left.device.type, _BLOCK_NUMBERS_ELSEWHERE) // numbers)
        for start in range(0, len(self.rows), step):
            block = slice(start, start + step)
            product = left.index_select(-2, self.rows[block]).mul_(right.index_select(-2, self.columns[block]))
            out[..., block] = product.sum(-1)
        return out

    def times(
        self, c: Inexact[Tensor, "*batch n"], V: Inexact[Tensor, "*batch2 m2 k"]
    ) -> Inexact[Tensor, "*batch2 m1 k"]:
        """Return `S V` for the sparse matrix `S = sum_k c_k e_{i_k} e_{j_k}^T`; one `S` may serve a batch of `V`."""
        if V.device.type not in _COMPRESSED_ON:
            out = V.new_zeros((*V.shape[:-2], self.shape[0], V.shape[-1]))
            return out.index_add_(-2, self.rows, c.unsqueeze(-1) * V.index_select(-2, self.columns))
        return self._by_rows.times(c, V)

    def transpose_times(
        self, c: Inexact[Tensor, "*batch n"], U: Inexact[Tensor, "*batch2 m1 k"]
    ) -> Inexact[Tensor, "*batch2 m2 k"]:
        """Return `S^H U` for the `S` of `times`."""
        return self._transpose.times(c.conj().resolve_conj(), U)

    def dense(self, c: Inexact[Tensor, "*batch n"]) -> Inexact[Tensor, "*batch m1 m2"]:
        """Return `S` as a full matrix."""
        out = c.new_zeros((*c.shape[:-1], self.shape[0] * self.shape[1]))
        return torch.unflatten(out.index_add_(-1, self.rows * self.shape[1] + self.columns, c), -1, self.shape)

    @cached_property
    def _transpose(self) -> "Positions":
        return Positions(self.columns, self.rows, (self.shape[1], self.shape[0]))

    @cached_property
    def _by_rows(self) -> "_CompressedRows":
        ascending = bool((self.rows[1:] >= self.rows[:-1]).all())
        order = None if ascending else self.rows.argsort(stable=True)
        offsets = self.rows.new_zeros(self.shape[0] + 1)
        torch.cumsum(torch.bincount(self.rows, minlength=self.shape[0]), 0, out=offsets[1:])
        return _CompressedRows(order, offsets, self.columns if order is None else self.columns[order], self.shape)


@dataclass(frozen=True)
class _CompressedRows:
    """Places sorted by rows.

    Attributes:
        order: Place at each position of the sorted order, (n,); None if it is the given order.
        offsets: First position of each row, and the end, (m1 + 1,).
        columns: Column indices `j_k` in the sorted order, (n,).
        shape: Sides `(m1, m2)`.
    """

    order: Tensor | None
    offsets: Tensor
    columns: Tensor
    shape: tuple[int, int]

    def times(self, c: Tensor, V: Tensor) -> Tensor:
        c = c if self.order is None else c.index_select(-1, self.order)
        if V.dim() == 2:
            return self._product(c, V)
        if c.dim() == 1:
            columns = self._product(c, V.movedim(-2, 0).flatten(1))
            return torch.unflatten(columns, -1, (*V.shape[:-2], V.shape[-1])).movedim(0, -2)
        flat = zip(c.flatten(0, -2), V.flatten(0, -3), strict=True)
        return torch.unflatten(torch.stack([self._product(*one) for one in flat]), 0, V.shape[:-2])

    def _product(self, c: Tensor, V: Tensor) -> Tensor:
        _accept_beta()
        S = torch.sparse_csr_tensor(self.offsets, self.columns, c.contiguous(), self.shape, check_invariants=False)
        return S @ V.contiguous()


@cache
def _compiled_products() -> Callable[..., np.ndarray] | None:
    """Return the compiled pass, or None without Numba."""
    if find_spec("numba") is None:
        return None
    from wnsense.sensing.ensembles.entry_kernels import sampled_products

    return cast("Callable[..., np.ndarray]", sampled_products)


@cache
def _accept_beta() -> None:
    """Let PyTorch give its warning that compressed sparse rows are in beta here, once, and suppress it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zero, one = torch.zeros(1, dtype=torch.int64), torch.ones(1)
        torch.sparse_csr_tensor(torch.cat([zero, zero + 1]), zero, one, (1, 1), check_invariants=False)


def check_indices(name: str, indices: Shaped[Tensor, "..."], side: int) -> None:
    """Check indices into a side of a matrix.

    Raises:
        InputError: If they are not integers in one dimension, or one lies outside.
    """
    index_tensor(name, indices)
    require_size(f"{name}, an array of one dimension,", indices.shape, (indices.numel(),))
    if indices.device.type != "meta" and indices.numel():
        low, high = int(indices.min()), int(indices.max())
        require(low >= 0 and high < side, f"{name} between 0 and {side - 1}", f"{low} to {high}", "count them from 0")


def connected_parts(rows: Int[Tensor, " p"], columns: Int[Tensor, " p"], side: int) -> int:
    """Return the number of components of the graph on a matrix's rows whose edges are these places."""
    i, j = (positions.cpu().numpy() for positions in (rows, columns))
    graph = coo_array((np.ones(len(i), dtype=np.int8), (i, j)), shape=(side, side))
    return int(connected_components(graph, directed=False, return_labels=False))
