"""Linear maps of vectors: each beside its own dense matrix, and what is refused."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from cases.draws import generator, normal
from wnsense.checks import InputError
from wnsense.sensing.map_sources import vector_for
from wnsense.sparse import gaussian_map, linear_map, partial_cosine_map, sparse_map

EPS = torch.finfo(torch.float64).eps
MATRIX = normal(7, 12).numpy()
MAPS = {
    "dense": (lambda: linear_map(torch.from_numpy(MATRIX)), MATRIX),
    "numpy": (lambda: linear_map(MATRIX), MATRIX),
    "numpy by columns": (lambda: linear_map(np.asfortranarray(MATRIX)), MATRIX),
    "integers": (lambda: linear_map(np.arange(84).reshape(7, 12)), np.arange(84.0).reshape(7, 12)),
    "tall": (lambda: linear_map(MATRIX.T.copy()), MATRIX.T),
    "csr": (lambda: linear_map(sp.csr_array(MATRIX * (MATRIX > 0))), MATRIX * (MATRIX > 0)),
    "coo matrix": (lambda: linear_map(sp.coo_matrix(MATRIX)), MATRIX),
    "places that come twice": (lambda: linear_map(sp.coo_array(([1.0, 2.0], ([0, 0], [1, 1])), (2, 3))), None),
    "an empty row": (lambda: linear_map(sp.csr_array(([1.0], ([0], [2])), (3, 4))), None),
    "torch coo": (lambda: linear_map(torch.from_numpy(MATRIX).to_sparse_coo()), MATRIX),
    "scipy operator": (lambda: linear_map(aslinearoperator(MATRIX)), MATRIX),
    "gaussian": (lambda: gaussian_map(7, 12, generator()), None),
    "cosine": (lambda: partial_cosine_map(7, 12, generator()), None),
    "cosine, odd, all rows": (lambda: partial_cosine_map(13, 13, generator()), None),
    "sparse": (lambda: sparse_map(7, 12, generator(), per_column=3), None),
    "sparse, full columns": (lambda: sparse_map(5, 12, generator(), per_column=5), None),
}


@pytest.mark.parametrize("name", MAPS)
def test_a_map_is_its_matrix(name):
    make, matrix = MAPS[name]
    A = make()
    dense = A.dense()
    assert dense.shape == A.shape
    if matrix is not None:
        np.testing.assert_array_equal(dense.numpy(), matrix)
    M, N = A.shape
    for batch in ((), (3,), (2, 3)):
        x, v = normal(*batch, N), normal(*batch, M)
        room = 20 * N * EPS * float(dense.abs().max())
        torch.testing.assert_close(A.times(x), x @ dense.mT, rtol=0, atol=room)
        torch.testing.assert_close(A.transpose_times(v), v @ dense, rtol=0, atol=room)
        assert A.times(x).shape == (*batch, M)
        assert A.transpose_times(v).dtype == A.dtype


def test_places_that_come_twice_add_up():
    assert MAPS["places that come twice"][0]().dense().tolist() == [[0, 3, 0], [0, 0, 0]]


@pytest.mark.parametrize("make", [gaussian_map, partial_cosine_map, sparse_map])
def test_draws_follow_the_seed_and_the_dtype(make):
    one, same, other = (make(9, 20, generator(seed)).dense() for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert make(9, 20, generator(), dtype=torch.float32).times(torch.ones(20)).dtype == torch.float32


def test_the_laws_of_the_draws():
    """Columns of norm about 1: E = 1 for the first two, exactly for the third; A A^T = (N / M) I for the cosine."""
    M, N = 200, 400
    norms = gaussian_map(M, N, generator()).dense().square().sum(0)
    # The mean of 400 chi^2_200 / 200: a standard deviation of sqrt(2 / 80000) = 0.005.
    assert abs(float(norms.mean()) - 1) < 0.025
    cosine = partial_cosine_map(M, N, generator()).dense()
    torch.testing.assert_close(cosine @ cosine.mT, N / M * torch.eye(M, dtype=torch.float64), rtol=0, atol=1e-13)
    signs = sparse_map(M, N, generator(), per_column=8)
    dense = signs.dense()
    assert int((dense != 0).sum()) == 8 * N
    torch.testing.assert_close(dense.square().sum(0), torch.ones(N, dtype=torch.float64))
    # Every row is drawn as often as any other: 16 nonzeros each on average, of a standard deviation below 4.
    assert int((dense != 0).sum(1).max()) < 16 + 6 * 4


def test_single_precision_stays():
    assert linear_map(np.eye(2, dtype=np.float32)).dtype == torch.float32
    assert linear_map(sp.eye_array(3, dtype=np.float32, format="csr")).dtype == torch.float32


NAN = np.array([[1.0, np.nan]])
REFUSED = {
    "NaN": (NAN, r"needed finite numbers in the matrix, got NaN or infinity in 1 of 2 entries"),
    "NaN in a sparse one": (sp.csr_array(NAN), r"needed finite numbers in the nonzeros"),
    "a vector": (np.ones(3), r"needed a matrix of two dimensions, got 1 of size 3"),
    "complex": (np.eye(2) * 1j, r"needed a real matrix, got one of dtype .*; stack real and imaginary parts"),
    "complex sparse": (sp.csr_array(np.eye(2) * 1j), r"needed a real matrix"),
    "complex operator": (aslinearoperator(np.eye(2) * 1j), r"needed a real operator"),
    "words": (np.array([["a"]]), r"needed a matrix of numbers"),
    "no rows": (np.zeros((0, 3)), r"needed at least one measurement and one unknown, got 0 x 3"),
    "a list": ([[1.0]], r"needed a matrix .* or a SciPy LinearOperator, got list"),
    "half precision": (torch.eye(2, dtype=torch.float16), r"needed numbers of torch.float64 or torch.float32"),
    "no adjoint": (
        LinearOperator((2, 3), matvec=lambda x: x[:2], dtype=np.float64),
        r"needed an operator with its adjoint, got one without",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.usefixtures("as_users_run")
def test_what_is_no_map_is_refused(name):
    given, message = REFUSED[name]
    with pytest.raises(InputError, match=message):
        linear_map(given)


@pytest.mark.parametrize("values", [torch.ones(3, dtype=torch.complex128), np.ones(3) * 1j], ids=["torch", "numpy"])
def test_complex_vectors_are_refused(values):
    with pytest.raises(InputError, match=r"needed .*real numbers (in|for) y, got .*complex128"):
        vector_for("y", values, 3, gaussian_map(3, 5, generator()))


def test_vectors_that_do_not_fit_are_refused():
    A = gaussian_map(3, 5, generator())
    with pytest.raises(InputError, match=r"needed a vector of length 5, got 4; the map is 3 x 5"):
        A.times(torch.ones(4, dtype=torch.float64))
    with pytest.raises(InputError, match=r"needed a vector of measurements of torch.float64, got torch.float32"):
        A.transpose_times(torch.ones(3))
    for make, sizes in ((partial_cosine_map, (6, 5)), (gaussian_map, (0, 5))):
        with pytest.raises(InputError):
            make(*sizes)
    with pytest.raises(InputError, match=r"needed between 1 and 3 nonzeros in a column, got 4"):
        sparse_map(3, 5, per_column=4)
