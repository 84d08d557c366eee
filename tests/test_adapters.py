"""Operators from outside, beyond the laws that they share with all others: what users' functions may do."""

import re

import numpy as np
import pytest
import torch
from scipy.sparse import random as random_sparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from orders import HERMITIAN, PSD, SYMMETRIC, generator, hermitian, normal, random_point
from wnsense.checks import InputError
from wnsense.linalg import svec
from wnsense.sensing.adapters import FunctionSensing, from_functions, from_numpy_functions, from_scipy

N, M = 6, 4
MATRICES = normal(N, M, M).numpy()


def forward(Z):
    return np.einsum("nij,ij->n", MATRICES, Z)


def adjoint(v):
    return np.einsum("n,nij->ij", v, MATRICES)


def test_the_symmetric_part_of_an_adjoint_is_taken():
    operator = from_numpy_functions(forward, adjoint, n=N, size=M)
    R = operator.adjoint(torch.eye(N, dtype=torch.float64))
    assert torch.equal(R, hermitian(torch.from_numpy(MATRICES)))


@pytest.mark.parametrize(
    "odd",
    [
        lambda a: np.broadcast_to(a, a.shape),  # cannot be written to
        lambda a: a[::-1].copy()[::-1],  # runs backwards through memory
        lambda a: a.tolist(),
        lambda a: a + 0j,  # complex with zero imaginary part
    ],
    ids=["read-only", "reversed", "list", "complex"],
)
def test_whatever_numpy_calls_an_array_may_be_returned(odd):
    plain = from_numpy_functions(forward, adjoint, n=N, size=M)
    operator = from_numpy_functions(lambda Z: odd(forward(Z)), lambda v: odd(adjoint(v)), n=N, size=M)
    point, v = random_point(PSD, (M, M), 2, batch=(2,)), normal(2, N)
    assert torch.equal(operator.measure(point), plain.measure(point))
    assert torch.equal(operator.adjoint(v), plain.adjoint(v))


def test_single_precision_functions_serve_a_double_precision_operator():
    operator = from_numpy_functions(
        lambda Z: forward(Z).astype(np.float32), lambda v: adjoint(v).astype(np.float32), n=N, size=M
    )
    assert operator.measure(random_point(PSD, (M, M), 2)).dtype == torch.float64
    assert operator.adjoint(normal(N)).dtype == torch.float64


def test_one_output_array_used_again_and_again_gives_a_right_batch():
    y, R = np.empty(N), np.empty((M, M))

    def forward_into(Z):
        return np.copyto(y, forward(Z)) or y

    def adjoint_into(v):
        return np.copyto(R, adjoint(v)) or R

    operator = from_numpy_functions(forward_into, adjoint_into, n=N, size=M)
    points, v = random_point(PSD, (M, M), 2, batch=(3,)), normal(3, N)
    plain = from_numpy_functions(forward, adjoint, n=N, size=M)
    assert torch.equal(operator.measure(points), plain.measure(points))
    assert torch.equal(operator.adjoint(v), plain.adjoint(v))


def test_measurements_of_hermitian_matrices_are_their_real_parts():
    A = normal(N, M, M, dtype=torch.complex128)
    operator = from_functions(
        lambda Z: (A.conj() * Z).sum((-2, -1)), lambda v: (v[:, None, None] * A).sum(0), n=N, size=M, kind="hermitian"
    )
    point = random_point(HERMITIAN, (M, M), 2)
    y = operator.measure(point)
    assert y.dtype == torch.float64
    expected = (hermitian(A).conj() * point.dense()).sum((-2, -1)).real
    assert torch.allclose(y, expected, rtol=1e-12, atol=1e-12 * float(expected.norm()))


def test_a_sparse_matrix_is_an_operator():
    """SciPy's sparse matrices and LinearOperators alike, with rows laid out as svec."""
    rows = random_sparse(20, 10, density=0.4, format="csr", rng=np.random.default_rng(0))
    operator = from_scipy(aslinearoperator(rows), 4, kind="symmetric")
    point = random_point(SYMMETRIC, (4, 4), 2)
    expected = rows @ svec(point.dense()).numpy()
    assert operator.measure(point).numpy() == pytest.approx(expected, rel=1e-13, abs=1e-13)
    assert str(operator) == "FunctionSensing: 20 measurements of a symmetric 4 x 4 matrix"


def test_nothing_is_declared_of_functions():
    operator = from_functions(torch.sum, torch.sum, n=1, size=2)
    assert isinstance(operator, FunctionSensing)
    assert operator.second_moment is None


def refusal(needed, came):
    return f"needed {re.escape(needed)}.*, got {re.escape(came)}"


def test_a_forward_function_of_another_length_is_refused():
    operator = from_numpy_functions(forward, adjoint, n=N + 1, size=M)
    with pytest.raises(InputError, match=refusal("what the forward function returns of size 7", "6; say n=")):
        operator.measure(random_point(PSD, (M, M), 2))


def test_a_column_from_the_forward_function_is_refused():
    operator = from_numpy_functions(lambda Z: forward(Z)[:, None], adjoint, n=N, size=M)
    with pytest.raises(InputError, match=refusal("what the forward function returns of size 6", "6 x 1")):
        operator.measure(random_point(PSD, (M, M), 2))


def test_an_adjoint_function_of_another_shape_is_refused():
    operator = from_numpy_functions(forward, lambda v: adjoint(v).ravel(), n=N, size=M)
    with pytest.raises(InputError, match=refusal("what the adjoint function returns of size 4 x 4", "16")):
        operator.adjoint(normal(N))


@pytest.mark.parametrize(
    ("make", "needed", "came"),
    [
        (lambda: from_functions(forward, adjoint, n=0, size=3), "at least one measurement", "0"),
        (lambda: from_functions(forward, adjoint, n=5, size=0), "sides of at least 1", "(0, 0)"),
        (lambda: from_functions(forward, adjoint, n=5, size=(3, 4)), "a square shape for kind psd", "3 x 4"),
        (
            lambda: from_functions(forward, adjoint, n=5, size=3, dtype=torch.complex128),
            "a real dtype for kind psd",
            "torch.complex128",
        ),
        (
            lambda: from_functions(forward, adjoint, n=5, size=3, kind="hermitian", dtype=torch.float64),
            "a complex dtype for kind hermitian",
            "torch.float64",
        ),
        (lambda: from_scipy(columns(7), 3), "9 columns (the matrix row by row) or 6 (svec)", "7"),
        (lambda: from_scipy(columns(6), 3, kind="hermitian"), "9 columns (the matrix row by row)", "6"),
        (lambda: from_scipy(columns(9), (3, 2), kind="rectangular"), "6 columns (the matrix row by row)", "9"),
    ],
)
def test_what_no_operator_can_be_made_of_is_refused(make, needed, came):
    with pytest.raises(InputError, match=refusal(needed, came)):
        make()


def columns(count: int) -> LinearOperator:
    return aslinearoperator(normal(5, count, rng=generator()).numpy())
