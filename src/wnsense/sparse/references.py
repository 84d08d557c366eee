"""Reference methods: exact basis pursuit, least squares on the true support, and scikit-learn's methods."""

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import linprog
from scipy.sparse import csr_array, hstack
from torch import Tensor

from wnsense.checks import InputError, require
from wnsense.sensing.linear_map import LinearMap, SparseMap
from wnsense.sensing.map_sources import MatrixLike, VectorLike, linear_map, vector_for
from wnsense.values import by_value

# Status by which HiGHS reports an infeasible program.
_INFEASIBLE = 2


@dataclass(frozen=True)
@by_value
class Reference:
    """Result of a public method.

    Attributes:
        solution: Solution `z`, (N,), float64.
        dual: Dual vector `nu` of the linear program, (M,), with `|A^T nu| <= 1` (`A^T nu <= 1` where `z >= 0`) up to
            the solver's tolerance of 1e-7; None if the method has none.
        seconds: Wall-clock seconds, from the matrix in the method's own form to the answer.
        ending: Message of the method on its ending.
    """

    solution: Float[Tensor, " n"]
    dual: Float[Tensor, " m"] | None
    seconds: float
    ending: str


def basis_pursuit(A: LinearMap | MatrixLike, y: VectorLike, *, nonnegative: bool = False) -> Reference:
    """Return the `z` of least `||z||_1` with `A z = y` (and `z >= 0`), as a linear program, by SciPy's HiGHS.

    The program minimizes `1^T (p + q)` for `z = p - q` with `p, q >= 0`. A sparse `A` stays sparse; others are formed
    as a dense matrix of `M N` numbers, and twice that in the program.

    Raises:
        InputError: If sizes do not fit, no z (>= 0) has A z = y, or the solver gives up.
    """
    operator = linear_map(A)
    y = vector_for("y", y, operator.shape[0], operator)
    matrix = _matrix_of(operator)
    N = operator.shape[1]
    begun = time.perf_counter()
    if nonnegative:
        columns = matrix
    else:
        columns = hstack([matrix, -matrix]) if isinstance(matrix, csr_array) else np.hstack([matrix, -matrix])
    program = linprog(np.ones(columns.shape[1]), A_eq=columns, b_eq=y.double().cpu().numpy(), method="highs")
    seconds = time.perf_counter() - begun
    if program.status != 0:
        which = "z >= 0" if nonnegative else "z"
        needed = f"measurements that some {which} explains" if program.status == _INFEASIBLE else "a program that ends"
        raise InputError(f"needed {needed}, HiGHS reports: {' '.join(program.message.split())}")
    z = program.x if nonnegative else program.x[:N] - program.x[N:]
    return Reference(torch.from_numpy(z), torch.from_numpy(program.eqlin.marginals), seconds, str(program.message))


def oracle_least_squares(A: LinearMap | MatrixLike, y: VectorLike, support: Int[Tensor, " s"]) -> Float[Tensor, " n"]:
    """Return least squares on the true support, the least error possible under noise.

    Raises:
        InputError: If sizes do not fit, or an index of the support does not exist.
    """
    operator = linear_map(A)
    M, N = operator.shape
    y = vector_for("y", y, M, operator)
    inside = not len(support) or (int(support.min()) >= 0 and int(support.max()) < N)
    require(inside, f"a support of indices from 0 to {N - 1}", "others")
    units = torch.zeros((len(support), N), dtype=operator.dtype, device=operator.device)
    units[torch.arange(len(support)), support] = 1
    columns = operator.times(units).mT
    z = y.new_zeros(N)
    z[support] = (
        torch.linalg.lstsq(columns, y.to(operator.dtype).unsqueeze(-1), driver="gelsd").solution.squeeze(-1).to(y)
    )
    return z


def orthogonal_matching_pursuit(A: LinearMap | MatrixLike, y: VectorLike, *, sparsity: int | None = None) -> Reference:
    """Return the result of orthogonal matching pursuit by scikit-learn.

    Args:
        A: Map, which is formed as a dense matrix.
        y: Measurements, (M,).
        sparsity: Number of entries; None for scikit-learn's cross-validation.

    Raises:
        InputError: If sizes do not fit or scikit-learn is not installed.
    """
    models = _scikit_learn("orthogonal matching pursuit")
    operator = linear_map(A)
    M, N = operator.shape
    y = vector_for("y", y, M, operator)
    require(sparsity is None or 1 <= sparsity <= min(M, N), f"a sparsity between 1 and {min(M, N)}", sparsity)
    if sparsity is None:
        model = models.OrthogonalMatchingPursuitCV(fit_intercept=False, cv=5, max_iter=max(1, min(N, M // 2)))
    else:
        model = models.OrthogonalMatchingPursuit(n_nonzero_coefs=sparsity, fit_intercept=False)
    return _fitted(model, operator, y)


def lasso(A: LinearMap | MatrixLike, y: VectorLike, *, penalty: float | None = None) -> Reference:
    """Return the LASSO by scikit-learn: `min ||A z - y||^2 / (2 M) + penalty ||z||_1`.

    Args:
        A: Map, which is formed as a dense matrix.
        y: Measurements, (M,).
        penalty: scikit-learn's alpha; None for its cross-validation in five parts.

    Raises:
        InputError: If sizes do not fit or scikit-learn is not installed.
    """
    models = _scikit_learn("the LASSO")
    operator = linear_map(A)
    y = vector_for("y", y, operator.shape[0], operator)
    require(penalty is None or penalty > 0, "a positive penalty", penalty)
    if penalty is None:
        model = models.LassoCV(fit_intercept=False, cv=5)
    else:
        model = models.Lasso(alpha=penalty, fit_intercept=False)
    return _fitted(model, operator, y)


@runtime_checkable
class _Fitted(Protocol):
    coef_: np.ndarray


@runtime_checkable
class _Estimator(Protocol):
    """Linear model of scikit-learn, which has no types of its own."""

    def fit(self, matrix: np.ndarray, y: np.ndarray, /) -> _Fitted: ...


def _fitted(model: _Estimator, operator: LinearMap, y: Tensor) -> Reference:
    matrix = operator.dense().double().cpu().numpy()
    begun = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = model.fit(matrix, y.double().cpu().numpy())
    seconds = time.perf_counter() - begun
    coefficients = np.asarray(fitted.coef_, dtype=np.float64).reshape(-1)
    return Reference(torch.from_numpy(coefficients), None, seconds, _messages(caught) or "ended")


def _messages(caught: Sequence[warnings.WarningMessage]) -> str:
    return "; ".join(sorted({" ".join(str(one.message).split())[:120] for one in caught}))


def _matrix_of(operator: LinearMap) -> csr_array | np.ndarray:
    if isinstance(operator, SparseMap):
        entries = (
            operator.values.double().cpu().numpy(),
            (operator.rows.cpu().numpy(), operator.columns.cpu().numpy()),
        )
        return csr_array(entries, shape=operator.shape)
    matrix: np.ndarray = operator.dense().double().cpu().numpy()
    return matrix


def _scikit_learn(purpose: str) -> ModuleType:
    try:
        return import_module("sklearn.linear_model")
    except ImportError as error:
        raise InputError(
            f"needed the package scikit-learn for {purpose}, got none; pip install 'wnsense[peers]'"
        ) from error
