"""Operators from outside, beyond the laws that they share with all others: what users' functions may do."""

import re

import numpy as np
import pytest
import torch
from scipy.sparse import random as random_sparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from cases.draws import generator, hermitian, normal, random_point
from cases.flavors import COMPLEX_RECTANGULAR, HERMITIAN, PSD, RECTANGULAR, SYMMETRIC
from wnsense.checks import InputError
from wnsense.linalg import svec
from wnsense.sensing.adapters import FunctionSensing, from_functions, from_numpy_functions, from_pylops, from_scipy

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


class FakePyLops:
    """A matrix with the attributes of a PyLops operator."""

    def __init__(self, A, dims=None):
        self.A, self.shape, self.dtype = A, A.shape, A.dtype
        if dims is not None:
            self.dims = tuple(np.int64(side) for side in dims)

    def matvec(self, x):
        assert x.shape == (self.shape[1],)
        return self.A @ x

    def rmatvec(self, y):
        assert y.shape == (self.shape[0],)
        return self.A.conj().T @ y


def assert_measures_with(operator, A, flavor):
    """Real and, of a complex A, imaginary parts of A vec Z, and the adjoint of that."""
    point, shape = random_point(flavor, operator.shape, 2), operator.shape
    z = A @ point.dense().numpy().reshape(-1)
    expected = torch.from_numpy(np.concatenate([z.real, z.imag]) if np.iscomplexobj(A) else z)
    # Sums of at most 20 products, with roundings of their own in factors of norms up to 10.
    bound = 1e-13 * float(np.linalg.norm(A)) * float(point.dense().norm())
    assert (operator.measure(point) - expected).abs().max() <= bound
    v = normal(operator.count)
    R = operator.adjoint(v)
    assert R.shape == shape
    inner = (R.conj() * point.dense()).sum().real
    assert abs(float(operator.measure(point) @ v - inner)) <= bound * float(v.norm())


@pytest.mark.parametrize("flavor", [RECTANGULAR, COMPLEX_RECTANGULAR], ids=str)
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=["real", "complex"])
def test_an_operator_like_those_of_pylops_measures_the_matrix_row_by_row(flavor, dtype):
    A = normal(7, 20, dtype=dtype).numpy()
    operator = from_pylops(FakePyLops(A, dims=(4, 5)), dtype=flavor.dtype())
    assert (operator.count, operator.shape) == (14 if dtype.is_complex else 7, (4, 5))
    if dtype.is_complex or flavor is RECTANGULAR:
        assert_measures_with(operator, A, flavor)
    assert from_pylops(FakePyLops(A), (5, 4)).dtype == dtype


def test_a_real_operator_measures_the_real_part_of_a_complex_matrix():
    A = normal(7, 20).numpy()
    operator = from_pylops(FakePyLops(A), (4, 5), dtype=torch.complex128)
    point = random_point(COMPLEX_RECTANGULAR, (4, 5), 2)
    expected = A @ point.dense().real.numpy().reshape(-1)
    assert operator.measure(point).numpy() == pytest.approx(expected, abs=1e-13 * float(point.dense().norm()))


@pytest.mark.parametrize(
    ("name", "flavor"),
    [("restriction", RECTANGULAR), ("fourier", RECTANGULAR), ("fourier", COMPLEX_RECTANGULAR), ("matrix", RECTANGULAR)],
)
@pytest.mark.filterwarnings("default")
def test_pylops_operators_are_measured_with_as_they_are(name, flavor):
    pylops = pytest.importorskip("pylops", reason="pylops is an optional extra")
    if name == "restriction":
        op = pylops.Restriction((4, 5), [0, 3], axis=1)
        A = np.kron(np.eye(4), np.eye(5)[[0, 3]])
    elif name == "fourier":
        op = pylops.signalprocessing.FFT2D(dims=(4, 5), norm="ortho")
        A = np.kron(np.fft.fft(np.eye(4), norm="ortho"), np.fft.fft(np.eye(5), norm="ortho"))
    else:
        A = normal(6, 20).numpy()
        op = pylops.MatrixMult(A, otherdims=None)
    operator = from_pylops(op, None if name != "matrix" else (4, 5), dtype=flavor.dtype())
    assert_measures_with(operator, A, flavor)


@pytest.mark.filterwarnings("default")
def test_pylops_operators_that_are_linear_over_the_reals_alone_are_taken():
    pylops = pytest.importorskip("pylops", reason="pylops is an optional extra")
    operator = from_pylops(pylops.Real((4, 5)))
    point, v = random_point(COMPLEX_RECTANGULAR, (4, 5), 2), normal(40)
    Z, y = point.dense(), operator.measure(point)
    assert (y[:20] - Z.real.flatten()).abs().max() <= 1e-14 * float(Z.norm())
    assert not y[20:].any()
    inner = (operator.adjoint(v).conj() * Z).sum().real
    assert abs(float(y @ v - inner)) <= 1e-14 * float(Z.norm() * v.norm())


@pytest.mark.parametrize(
    ("make", "needed", "came"),
    [
        (lambda A: from_pylops(FakePyLops(A)), "a shape (m1, m2) of the unknown", "an operator on dims (); say shape="),
        (lambda A: from_pylops(FakePyLops(A, (20,))), "a shape (m1, m2) of the unknown", "an operator on dims (20,)"),
        (lambda A: from_pylops(FakePyLops(A), (4, 4)), "16 columns (the matrix row by row)", "20"),
        (lambda A: from_pylops(FakePyLops(A), (4, 0)), "sides of at least 1", "(4, 0)"),
        (lambda A: from_pylops(FakePyLops(A), (4, 5), dtype=torch.float32), "an unknown of torch.float64", "float32"),
    ],
)
def test_pylops_operators_of_other_sizes_are_refused(make, needed, came, as_users_run):
    with pytest.raises(InputError, match=f"needed {re.escape(needed)}.*, got .*{re.escape(came)}"):
        make(normal(7, 20).numpy())


def columns(count: int) -> LinearOperator:
    return aslinearoperator(normal(5, count, rng=generator()).numpy())
