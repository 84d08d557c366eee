"""Linear maps from what people have: tensors, arrays, sparse matrices and SciPy operators."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse import issparse, sparray, spmatrix
from scipy.sparse.linalg import LinearOperator
from torch import Tensor

from wnsense.checks import InputError, require, require_finite, require_size, size_text
from wnsense.sensing.linear_map import COMPLEX_ADVICE, DenseMap, LinearMap, SparseMap
from wnsense.sensing.scipy_map import ScipyMap
from wnsense.theory.arrays import real_array

VectorLike: TypeAlias = Tensor | np.ndarray | Sequence[float]


MatrixLike: TypeAlias = Tensor | np.ndarray | spmatrix | sparray | LinearOperator


def linear_map(A: LinearMap | MatrixLike) -> LinearMap:
    """Return a linear map from a matrix or an operator, as it is: nothing is normalized.

    Args:
        A: Map of size (M, N): a torch tensor, dense or in CSR or COO layout; a NumPy array; a SciPy sparse matrix or
            array; a SciPy `LinearOperator`; or a map, which is returned. Integers become double precision; float32 is
            kept.

    Raises:
        InputError: If it is something else, complex, masked, not of two dimensions or empty, holds NaN or infinity, or
            is far from 1 in size. Also if the operator's `rmatvec` is not the adjoint of its `matvec`.
    """
    if isinstance(A, LinearMap):
        return A
    if isinstance(A, Tensor):
        return _from_tensor(A)
    if issparse(A):
        return _from_scipy_sparse(A)
    if isinstance(A, LinearOperator):
        return ScipyMap(A)
    if isinstance(A, np.ndarray):
        came = "a masked array"
        require(not np.ma.is_masked(A), "a matrix whose entries are all known", came, "leave out rows, or fill it")
        require(A.dtype.kind in "biufc", "a matrix of numbers", f"an array of dtype {A.dtype}")
        # Half and extended precisions become double, since they have no linear algebra here.
        narrow = A.dtype.kind != "c" and A.dtype != np.float32
        plain = A.astype(np.float64 if narrow else A.dtype.newbyteorder("="))
        return _from_tensor(torch.from_numpy(np.ascontiguousarray(plain)))
    raise InputError(
        f"needed a matrix (torch, NumPy, SciPy sparse) or a SciPy LinearOperator, got {type(A).__name__}; "
        "numpy.asarray may make one of it"
    )


def vector_for(name: str, values: VectorLike, length: int, like: LinearMap) -> Float[Tensor, " n"]:
    """Return numbers as a finite vector of a map's dtype, on its device.

    Args:
        name: Name of the numbers.
        values: Tensor, or anything that NumPy can convert to an array.
        length: Length that is needed.
        like: Map.

    Raises:
        InputError: If they are no real numbers, have another length, or hold NaN or infinity.
    """
    vector = values.detach() if isinstance(values, Tensor) else torch.from_numpy(real_array(name, values, 1))
    require(not vector.is_complex(), f"real numbers in {name}", vector.dtype, COMPLEX_ADVICE)
    require_size(name, vector.shape, (length,))
    require_finite(name, vector)
    return vector.to(dtype=like.dtype, device=like.device)


def _from_tensor(A: Tensor) -> LinearMap:
    require(A.dim() == 2, "a matrix of two dimensions", f"{A.dim()} of size {size_text(A.shape)}")
    require(not A.is_complex(), "a real matrix", f"one of dtype {A.dtype}", COMPLEX_ADVICE)
    A = A.detach()
    A = A if A.is_floating_point() else A.double()
    if A.layout == torch.strided:
        return DenseMap(A)
    if A.layout == torch.sparse_csr:
        rows = torch.arange(A.shape[0], device=A.device).repeat_interleave(A.crow_indices().long().diff())
        return SparseMap(A.values(), rows, A.col_indices().long(), (A.shape[0], A.shape[1]))
    require(A.layout == torch.sparse_coo, "a dense, CSR or COO tensor", A.layout, "say .to_sparse_csr()")
    whole = A.coalesce()
    rows, columns = whole.indices()
    return SparseMap(whole.values(), rows, columns, (A.shape[0], A.shape[1]))


def _from_scipy_sparse(A: spmatrix | sparray) -> SparseMap:
    require(len(A.shape) == 2, "a sparse matrix of two dimensions", len(A.shape))
    require(A.dtype.kind != "c", "a real matrix", f"one of dtype {A.dtype}", COMPLEX_ADVICE)
    entries = A.tocoo()
    numbers = entries.data if entries.dtype == np.float32 else entries.data.astype(np.float64)
    rows, columns = (torch.from_numpy(index.astype(np.int64)) for index in entries.coords)
    return SparseMap(torch.from_numpy(numbers.copy()), rows, columns, (int(A.shape[0]), int(A.shape[1])))
