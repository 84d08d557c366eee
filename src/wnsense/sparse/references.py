"""What answers are held against: exact basis pursuit, the true support, and what a practitioner would pick."""

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

# HiGHS reports an infeasible program by this number.
_INFEASIBLE = 2


@dataclass(frozen=True)
class Reference:
    """What a public method found.

    Attributes:
        solution: z, (N,), float64.
        dual: nu of the linear program, (M,), with |A^T nu| <= 1 (A^T nu <= 1 where z >= 0) up to the solver's tolerance
            of 1e-7; None where the method has none.
        seconds: Wall clock, from the matrix as the method wants it to the answer.
        ending: What the method said of its ending, or what it chose.
    """

    solution: Float[Tensor, " n"]
    dual: Float[Tensor, " m"] | None
    seconds: float
    ending: str


def basis_pursuit(A: LinearMap | MatrixLike, y: VectorLike, *, nonnegative: bool = False) -> Reference:
    """The z of least ||z||_1 with A z = y (and z >= 0), as a linear program, by SciPy's HiGHS.

    z = p - q with p, q >= 0, and 1^T (p + q) is what is minimized. A sparse A is handed over as such; others are
    written out, M N numbers and twice that in the program.

    Raises:
        InputError: If sizes do not fit, no z (>= 0) has A z = y, or the solver gives up.
    """
    operator = linear_map(A)
    y = vector_for("y", y, operator.shape[0], operator)
    matrix = _written_out(operator)
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
        raise InputError(f"needed {needed}, HiGHS says: {' '.join(program.message.split())}")
    z = program.x if nonnegative else program.x[:N] - program.x[N:]
    return Reference(torch.from_numpy(z), torch.from_numpy(program.eqlin.marginals), seconds, str(program.message))


def oracle_least_squares(A: LinearMap | MatrixLike, y: VectorLike, support: Int[Tensor, " s"]) -> Float[Tensor, " n"]:
    """Least squares on the true support, which only an oracle knows: the least error that can be hoped for under noise.

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
    """Orthogonal matching pursuit by scikit-learn.

    Args:
        A: The map; it is written out.
        y: What was measured.
        sparsity: How many entries to choose, which nobody knows; None is scikit-learn's cross-validation.

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
    """The LASSO by scikit-learn: min ||A z - y||^2 / (2 M) + penalty ||z||_1.

    Args:
        A: The map; it is written out.
        y: What was measured.
        penalty: scikit-learn's alpha; None is chosen by its cross-validation in five parts.

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
    """What scikit-learn's linear models have, which come without types."""

    def fit(self, matrix: np.ndarray, y: np.ndarray, /) -> _Fitted: ...


def _fitted(model: _Estimator, operator: LinearMap, y: Tensor) -> Reference:
    matrix = operator.dense().double().cpu().numpy()
    begun = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = model.fit(matrix, y.double().cpu().numpy())
    seconds = time.perf_counter() - begun
    coefficients = np.asarray(fitted.coef_, dtype=np.float64).reshape(-1)
    return Reference(torch.from_numpy(coefficients), None, seconds, _told(caught) or "ended")


def _told(caught: Sequence[warnings.WarningMessage]) -> str:
    return "; ".join(sorted({" ".join(str(one.message).split())[:120] for one in caught}))


def _written_out(operator: LinearMap) -> csr_array | np.ndarray:
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
