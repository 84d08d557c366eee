"""The Stiefel manifold: the tangent projection and the laws that every retraction keeps."""

import pytest
import torch

from cases.draws import generator, normal
from cases.solvers import RETRACTIONS
from wnsense.linalg import haar_frame
from wnsense.manifolds.stiefel import (
    Retraction,
    cayley_retraction,
    distance_to_stiefel,
    polar_retraction,
    qr_retraction,
    tangent_projection,
)

EPS = torch.finfo(torch.float64).eps
SIZES = [(1, 1), (6, 1), (7, 3), (5, 5), (30, 8)]

sizes = pytest.mark.parametrize(("m", "r"), SIZES)
dtypes = pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=["real", "complex"])
retractions = pytest.mark.parametrize("retraction", RETRACTIONS)


def frame_and_tangent(m, r, dtype=torch.float64, batch=()):
    X = haar_frame(m, r, batch=batch, generator=generator(1), dtype=dtype)
    E = normal(*batch, m, r, dtype=dtype, rng=generator(2))
    return X, tangent_projection(X, E), E


def largest(A) -> float:
    return float(A.abs().max())


@sizes
@dtypes
def test_tangent_projection_is_an_orthogonal_projection(m, r, dtype):
    X, G, E = frame_and_tangent(m, r, dtype)
    bound = 20 * m * EPS * float(E.norm())
    # Tangent: X^H G is skew-Hermitian.
    A = X.mH @ G
    assert largest(A + A.mH) <= bound
    assert largest(tangent_projection(X, G) - G) <= bound
    # Orthogonal: what is taken away is perpendicular to every tangent vector.
    other = tangent_projection(X, normal(m, r, dtype=dtype, rng=generator(3)))
    assert abs(float(((E - G).conj() * other).sum().real)) <= bound * float(other.norm())


@sizes
@dtypes
def test_tangent_projection_is_line_1_of_algorithm_1(m, r, dtype):
    """G = (I - X X^H) E + X (X^H E - E^H X) / 2, with the m x m projector formed."""
    X, G, E = frame_and_tangent(m, r, dtype)
    literal = (torch.eye(m, dtype=dtype) - X @ X.mH) @ E + X @ (X.mH @ E - E.mH @ X) / 2
    assert largest(G - literal) <= 20 * m * EPS * float(E.norm())


@retractions
@sizes
@dtypes
@pytest.mark.parametrize("length", [1e-8, 0.3, 30.0])
def test_a_retraction_ends_on_the_manifold(retraction, m, r, dtype, length):
    X, G, _ = frame_and_tangent(m, r, dtype)
    Z = retraction(X, length * G)
    assert float(distance_to_stiefel(Z)) <= 20 * m * EPS * max(1.0, length * float(G.norm()))


@retractions
@sizes
@dtypes
def test_a_retraction_of_nothing_stays(retraction, m, r, dtype):
    X, _, _ = frame_and_tangent(m, r, dtype)
    assert largest(retraction(X, torch.zeros_like(X)) - X) <= 20 * m * EPS


def slope(error_at, small=1e-3, large=1e-2) -> float:
    """The order p of an error t^p, from two steps."""
    ratio = torch.log(torch.tensor(error_at(large) / error_at(small), dtype=torch.float64))
    return float(ratio / torch.log(torch.tensor(large / small, dtype=torch.float64)))


@retractions
@dtypes
@pytest.mark.parametrize(("m", "r"), [(7, 3), (5, 5)])
def test_a_retraction_leaves_in_the_direction_of_the_step(retraction, m, r, dtype):
    """R(tG) - X - tG is O(t^2), so that the derivative at 0 is G."""
    X, G, _ = frame_and_tangent(m, r, dtype)
    G = G / G.norm()
    assert slope(lambda t: float((retraction(X, t * G) - X - t * G).norm())) == pytest.approx(2, abs=0.05)


@sizes
@dtypes
def test_polar_retraction_is_line_2_of_algorithm_1(m, r, dtype):
    """(X - eta G)(I + eta^2 G^H G)^{-1/2}, the root taken by eigenvalues."""
    X, G, _ = frame_and_tangent(m, r, dtype)
    eta = 0.7
    values, vectors = torch.linalg.eigh(torch.eye(r, dtype=dtype) + eta**2 * G.mH @ G)
    literal = (X - eta * G) @ (vectors * values.rsqrt()) @ vectors.mH
    assert largest(polar_retraction(X, -eta * G) - literal) <= 20 * m * EPS * float(values.max())


@dtypes
def test_polar_retraction_is_the_nearest_frame(dtype):
    X, G, _ = frame_and_tangent(7, 3, dtype)
    Z = polar_retraction(X, G)
    distance = float((X + G - Z).norm())
    for seed in range(20):
        near = polar_retraction(Z, 1e-2 * normal(7, 3, dtype=dtype, rng=generator(seed)))
        assert float((X + G - near).norm()) >= distance


@dtypes
@pytest.mark.parametrize(("m", "r"), [(7, 3), (6, 1)])
def test_polar_and_qr_span_the_same_subspace(m, r, dtype):
    X, G, _ = frame_and_tangent(m, r, dtype)
    polar, qr = polar_retraction(X, G), qr_retraction(X, G)
    assert largest(polar @ polar.mH - qr @ qr.mH) <= 20 * m * EPS * float((X + G).norm())


@dtypes
def test_polar_and_qr_differ_at_second_order_by_a_known_rotation(dtype):
    """R(tG) = X + tG - t^2 X C + O(t^3): C = G^H G / 2 for polar; upper triangular with C + C^H = G^H G for QR."""
    X, G, _ = frame_and_tangent(7, 3, dtype)
    G = G / G.norm()
    N = G.mH @ G
    upper = torch.triu(N, 1) + torch.diag(N.diagonal()) / 2

    def error(t):
        return float((qr_retraction(X, t * G) - polar_retraction(X, t * G) - t**2 * X @ (N / 2 - upper)).norm())

    assert slope(error) == pytest.approx(3, abs=0.1)


@dtypes
def test_cayley_is_the_transform_of_the_whole_skew_matrix(dtype):
    """(I - W/2)^{-1} (I + W/2) X with the m x m matrix W = P G X^H - X G^H P."""
    X, G, _ = frame_and_tangent(7, 3, dtype)
    identity = torch.eye(7, dtype=dtype)
    P = identity - X @ X.mH / 2
    W = P @ G @ X.mH - X @ G.mH @ P
    literal = torch.linalg.solve(identity - W / 2, (identity + W / 2) @ X)
    assert largest(cayley_retraction(X, G) - literal) <= 200 * EPS * float(G.norm())


@dtypes
def test_cayley_and_polar_differ_at_second_order_by_a_known_vector(dtype):
    """By t^2 (I - X X^H) G X^H G / 2, hence not at all when G is perpendicular to X."""
    X, G, E = frame_and_tangent(7, 3, dtype)
    G = G / G.norm()
    leading = (G - X @ (X.mH @ G)) @ (X.mH @ G) / 2

    def error(t):
        return float((cayley_retraction(X, t * G) - polar_retraction(X, t * G) - t**2 * leading).norm())

    assert slope(error) == pytest.approx(3, abs=0.1)

    H = E - X @ (X.mH @ E)
    H = H / H.norm()
    assert slope(lambda t: float((cayley_retraction(X, t * H) - polar_retraction(X, t * H)).norm())) > 2.95


@retractions
def test_a_batch_is_a_loop(retraction):
    X, G, _ = frame_and_tangent(7, 3, batch=(2, 2))
    together = retraction(X, G)
    for i in range(2):
        for j in range(2):
            assert largest(together[i, j] - retraction(X[i, j], G[i, j])) <= 1e-13
            assert largest(tangent_projection(X, G)[i, j] - tangent_projection(X[i, j], G[i, j])) <= 1e-14


@retractions
@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64], ids=["real", "complex"])
def test_single_precision_is_kept(retraction, dtype):
    X = haar_frame(7, 3, generator=generator(), dtype=dtype)
    Z = retraction(X, tangent_projection(X, normal(7, 3, dtype=dtype)))
    assert Z.dtype == dtype
    assert float(distance_to_stiefel(Z)) <= 100 * torch.finfo(dtype).eps


@pytest.mark.usefixtures("as_users_run")
@retractions
@dtypes
@pytest.mark.fast(dtype=["torch.complex128"])
def test_a_long_run_stays_orthonormal(retraction, dtype):
    """10^4 steps of a random walk: nothing adds up, the last frame is as good as the first."""
    X = haar_frame(8, 3, generator=generator(), dtype=dtype)
    for E in normal(10_000, 8, 3, dtype=dtype, rng=generator(1)) * 0.1:
        X = retraction(X, tangent_projection(X, E))
    # One step costs up to about 2 m EPS; without a correction 10^4 of them would show 7 m EPS and growing.
    assert float(distance_to_stiefel(X)) <= 3 * 8 * EPS


def test_distance_to_stiefel_is_that_of_the_gram_matrix():
    X = haar_frame(6, 2, generator=generator())
    assert float(distance_to_stiefel(X)) <= 20 * EPS
    # X^T X = diag(4, 1): off the manifold by 3.
    assert float(distance_to_stiefel(X * torch.tensor([2.0, 1.0], dtype=torch.float64))) == pytest.approx(3, rel=1e-14)


def test_retractions_are_named_by_words():
    assert [str(r) for r in Retraction] == ["polar", "qr", "cayley"]
    assert Retraction("cayley") is Retraction.CAYLEY
