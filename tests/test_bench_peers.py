"""Own implementations of published methods: each recovers, each step is its source's formula, bad input is refused."""

import math
import time

import numpy as np
import pytest
import torch

from wnsense.checks import InputError
from wnsense.lab.bench.entry_masks import repaired_mask, uniform_mask
from wnsense.lab.bench.published import (
    R2RILS,
    DenseRows,
    GaussNewtonRecovery,
    Limits,
    LMaFit,
    MatrixIRLS,
    ReweightedAmplitudeFlow,
    SampledEntries,
    TruncatedAmplitudeFlow,
    Variant,
)
from wnsense.lab.bench.published.amplitudes import Amplitudes
from wnsense.lab.bench.published.krylov import leading_triples, minimum_norm_solution
from wnsense.lab.bench.published.matrix_irls import WeightedTangentSpace
from wnsense.lab.bench.published.truncation import truncated, truncated_symmetric

EPSILON = np.finfo(float).eps
GNMR = {variant.name.lower(): GaussNewtonRecovery(variant) for variant in Variant}


def frames(shape, rank, condition, rng):
    left, right = (np.linalg.qr(rng.standard_normal((side, rank)))[0] for side in shape)
    return left * np.geomspace(1, 1 / condition, rank), right


def sampled(shape, rank, oversampling, condition=1.0, seed=0):
    """Entries of a matrix, and the matrix."""
    rng = np.random.default_rng(seed)
    left, right = frames(shape, rank, condition, rng)
    Z = left @ right.T
    count = round(oversampling * rank * (sum(shape) - rank))
    rows, columns = repaired_mask(count, shape, rank, rng)
    return SampledEntries.from_entries(rows, columns, Z[rows, columns], shape), Z


def gaussian(size, rank, oversampling, seed=0):
    """Dense Gaussian rows of a positive semidefinite matrix, and the matrix."""
    rng = np.random.default_rng(seed)
    X = np.linalg.qr(rng.standard_normal((size, rank)))[0]
    Z = X @ X.T
    A = rng.standard_normal((round(oversampling * rank * (2 * size - rank + 1) / 2), size, size))
    A += A.swapaxes(1, 2)
    return DenseRows(A, np.einsum("kij,ij->k", A, Z)), Z


def intensities(size, oversampling, *, is_complex=False, seed=0):
    """Gaussian vectors, the intensities of a vector, and the vector."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((round(oversampling * size), size))
    z = rng.standard_normal(size)
    if is_complex:
        A, z = A + 1j * rng.standard_normal(A.shape), z + 1j * rng.standard_normal(size)
    return A, np.abs(A.conj() @ z) ** 2, z


def relative_error(result, Z):
    right = result.left if result.right is None else result.right
    return np.linalg.norm(result.left @ right.conj().T - Z) / np.linalg.norm(Z)


def assert_exact(result, Z, rank, limit=1e-8):
    assert relative_error(result, Z) < limit
    assert result.converged
    assert result.residual <= 1e-12
    assert result.given_rank == rank
    assert result.applications > 2 * result.inner_iterations + result.outer_iterations > 0
    # The tensors are the same matrix.
    assert float(torch.linalg.norm(result.matrix.dense() - torch.from_numpy(Z))) < limit * np.linalg.norm(Z)


COMPLETIONS = {
    "matrix-irls": MatrixIRLS().complete,
    "r2rils": R2RILS().complete,
    "lmafit": LMaFit().complete,
} | {f"gnmr-{name}": method.recover for name, method in GNMR.items()}


@pytest.mark.parametrize("method", COMPLETIONS)
def test_an_easy_matrix_is_completed(method):
    data, Z = sampled((60, 50), 2, 4.0)
    assert_exact(COMPLETIONS[method](data, 2), Z, 2)


@pytest.mark.parametrize("method", COMPLETIONS)
def test_units_and_order_of_entries_do_not_matter(method):
    data, Z = sampled((30, 25), 1, 4.0)
    order = np.random.default_rng(1).permutation(data.count)
    scaled = SampledEntries.from_entries(data.rows[order], data.columns[order], 1e6 * data.values[order], data.shape)
    assert_exact(COMPLETIONS[method](scaled, 1), 1e6 * Z, 1)


@pytest.mark.parametrize("seed", range(2))
def test_matrix_irls_completes_an_ill_conditioned_matrix_near_the_limit(seed):
    data, Z = sampled((100, 80), 3, 2.0, condition=1e3, seed=seed)
    assert_exact(MatrixIRLS().complete(data, 3), Z, 3)


@pytest.mark.parametrize("method", ["setting", "updating"])
def test_gauss_newton_completes_near_the_limit(method):
    data, Z = sampled((60, 50), 2, 2.0, seed=1)
    assert_exact(GNMR[method].recover(data, 2), Z, 2)


@pytest.mark.parametrize("method", ["setting", "updating"])
def test_gauss_newton_takes_dense_rows(method):
    data, Z = gaussian(20, 2, 2.0)
    result = GNMR[method].recover(data, 2)
    assert_exact(result, Z, 2)
    assert result.right is None


@pytest.mark.parametrize("is_complex", [False, True], ids=["real", "complex"])
@pytest.mark.parametrize("method", [ReweightedAmplitudeFlow(), TruncatedAmplitudeFlow()], ids=["raf", "taf"])
def test_a_vector_is_recovered_from_intensities_in_any_unit(method, is_complex):
    A, y, z = intensities(40, 6.0, is_complex=is_complex)
    assert_exact(method.recover(1e3 * A, 1e6 * y), np.outer(z, z.conj()), 1)


def test_reweighted_flow_recovers_with_few_intensities():
    A, y, z = intensities(100, 3.0)
    assert_exact(ReweightedAmplitudeFlow().recover(A, y), np.outer(z, z), 1)


def test_an_intensity_of_zero_is_allowed():
    A, _, z = intensities(20, 6.0)
    A[0] -= (A[0] @ z) / (z @ z) * z
    y = np.square(A @ z)
    y[0] = 0.0
    assert_exact(ReweightedAmplitudeFlow().recover(A, y), np.outer(z, z), 1)


def test_a_symmetric_matrix_is_completed_from_one_entry_of_each_pair():
    rng = np.random.default_rng(0)
    X = np.linalg.qr(rng.standard_normal((40, 2)))[0]
    rows, columns = repaired_mask(round(4 * 2 * 79 / 2), (40, 40), 2, rng, symmetric=True)
    Z = X @ X.T
    data = SampledEntries.mirrored(rows, columns, Z[rows, columns], 40)
    assert data.count == 2 * len(rows) - (rows == columns).sum()
    assert_exact(MatrixIRLS().complete(data, 2), Z, 2)


# Formulas of the operators, against dense computation.


@pytest.mark.parametrize("oversampling", [1.0, 5.0], ids=["gathered", "blocks"])
def test_entries_and_their_derivative_are_those_of_the_dense_matrix(oversampling):
    shape, rank, rng = (600, 300), 2, np.random.default_rng(0)
    data, _ = sampled(shape, rank, oversampling)
    left, right, dL, dR = (rng.standard_normal((side, rank)) for side in (*shape, *shape))

    def entries(Z):
        return Z[data.rows, data.columns]

    limit = 100 * EPSILON
    assert np.abs(data.measure(left, right) - entries(left @ right.T)).max() < limit
    J = data.jacobian(left, right)
    x = np.concatenate([dL.ravel(), dR.ravel()])
    assert np.abs(J.times(x) - entries(dL @ right.T + left @ dR.T)).max() < limit
    v = rng.standard_normal(data.count)
    assert np.abs(J.transpose_times(v) - J.J.T @ v).max() < limit


def test_the_derivative_of_dense_rows_is_that_of_the_quadratic_form():
    data, _ = gaussian(7, 2, 2.0)
    rng = np.random.default_rng(1)
    L, dL = rng.standard_normal((2, 7, 2))
    expected = np.einsum("kij,ij->k", data.matrices, L @ dL.T + dL @ L.T)
    J = data.jacobian(L, L)
    assert np.abs(J.times(dL.ravel()) - expected).max() < 1000 * EPSILON
    v = rng.standard_normal(len(expected))
    assert abs(J.transpose_times(v) @ dL.ravel() - v @ expected) < 1000 * EPSILON
    assert np.abs(data.measure(L, dL) - np.einsum("kij,ij->k", data.matrices, L @ dL.T)).max() < 1000 * EPSILON


def test_singular_triples_are_those_of_the_dense_matrix():
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((12, 9)) @ np.diag(0.3 ** np.arange(9))
    U, s, V, products = leading_triples(
        lambda V: Z @ V, lambda U: Z.T @ U, rng.standard_normal((9, 3)), rank=3, passes=2
    )
    assert np.abs(s - np.linalg.svd(Z)[1][:3]).max() < 100 * EPSILON
    assert np.abs(Z @ V - U * s).max() < 1e-12
    assert products == 6


def test_least_squares_are_solved_with_the_least_norm():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((12, 5)) @ rng.standard_normal((5, 9))
    b = rng.standard_normal(12)
    x, residual, steps = minimum_norm_solution(lambda x: A @ x, lambda u: A.T @ u, b, 1e-14, 100)
    expected = np.linalg.lstsq(A, b)[0]
    assert np.linalg.norm(x - expected) < 1e-11 * np.linalg.norm(expected)
    assert math.isclose(residual, np.linalg.norm(A @ expected - b), rel_tol=1e-11)
    assert 5 <= steps < 20
    assert minimum_norm_solution(lambda x: A @ x, lambda u: 0 * A.T @ u, b, 1e-14, 100)[2] == 0


def test_truncation_is_the_best_approximation():
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((8, 4)), rng.standard_normal((7, 4))
    L, R = truncated(left, right, 2)
    U, s, Vh = np.linalg.svd(left @ right.T)
    assert np.abs(L @ R.T - (U[:, :2] * s[:2]) @ Vh[:2]).max() < 100 * EPSILON
    assert np.abs(L.T @ L - R.T @ R).max() < 1000 * EPSILON
    L, _ = truncated_symmetric(np.hstack([left[:, :2], left[:, 2:]]), np.hstack([left[:, 2:], left[:, :2]]), 1)
    s, U = np.linalg.eigh(left[:, :2] @ left[:, 2:].T + left[:, 2:] @ left[:, :2].T)
    assert np.abs(L @ L.T - s[-1] * np.outer(U[:, -1], U[:, -1])).max() < 1000 * EPSILON


def test_matrix_irls_solves_its_weighted_least_squares():
    """The iterate is the minimizer of `<X, W X>` among the matrices with the sampled entries, formed densely."""
    shape, r, eps = (8, 7), 2, 0.3
    data, _ = sampled(shape, r, 1.05)
    rng = np.random.default_rng(1)
    (U, _), (V, _) = np.linalg.qr(rng.standard_normal((8, 8))), np.linalg.qr(rng.standard_normal((7, 7)))
    s = np.array([1.0, 0.5])
    tangent = WeightedTangentSpace.at(data, U[:, :r], s, V[:, :r], eps)
    gamma, rho, _ = tangent.solve(data.values, s, 1e-14, 1000)
    S, P, Q = tangent.split(gamma)
    X = U[:, :r] @ S @ V[:, :r].T + P @ V[:, :r].T + U[:, :r] @ Q.T
    X[data.rows, data.columns] += rho
    # W^-1 multiplies u_i v_j^T by max(sigma_i, eps) max(sigma_j, eps): geometric means.
    left, right = (np.concatenate([s, np.full(side - r, eps)]) for side in shape)
    inverse = np.kron(U * left @ U.T, V * right @ V.T)
    places = data.rows * 7 + data.columns
    solution = np.linalg.solve(inverse[np.ix_(places, places)], data.values)
    expected = (inverse[:, places] @ solution).reshape(shape)
    assert np.linalg.norm(X - expected) < 1e-11 * np.linalg.norm(expected)
    assert np.abs(U[:, :r].T @ P).max() < 1e-13
    assert np.abs(V[:, :r].T @ Q).max() < 1e-13


def dense_solution(data, left, right, b):
    """Least-squares solution of least norm of one step, from the dense derivative."""
    J = data.jacobian(left, right).J.toarray()
    x = np.linalg.lstsq(J, b)[0]
    return x[: left.size].reshape(left.shape), x[left.size :].reshape(right.shape)


@pytest.mark.parametrize("variant", Variant)
def test_a_step_of_gauss_newton_is_that_of_its_source(variant):
    data, _ = sampled((12, 9), 1, 2.5)
    rng = np.random.default_rng(1)
    left, right = rng.standard_normal((12, 1)), rng.standard_normal((9, 1))
    method = GaussNewtonRecovery(variant, inner_tolerance=1e-15)
    new_left, new_right, residual, _ = method._step(data, left, right, 1.0)
    b = data.values + variant * data.measure(left, right)
    L, R = dense_solution(data, left, right, b)
    keep = {Variant.SETTING: 0.0, Variant.AVERAGING: 0.5, Variant.UPDATING: 1.0}[variant]
    assert np.abs(new_left - keep * left - L).max() < 1e-12
    assert np.abs(new_right - keep * right - R).max() < 1e-12
    assert math.isclose(residual, np.linalg.norm(data.jacobian(left, right).times(np.vstack([L, R]).ravel()) - b))


def test_r2rils_is_that_of_its_source():
    data, _ = sampled((12, 9), 2, 1.2)
    result = R2RILS(max_steps=2, inner_tolerance=1e-15).complete(data, 2)
    U, _, V, _ = data.leading(2)
    residuals = []
    for _ in range(2):
        A, B = dense_solution(data, U, V, data.values)
        u, s, vh = np.linalg.svd(U @ B.T + A @ V.T)
        X = (u[:, :2] * s[:2]) @ vh[:2]
        residuals.append(np.linalg.norm(X[data.rows, data.columns] - data.values) / np.linalg.norm(data.values))
        U, V = U + A / np.linalg.norm(A, axis=0), V + B / np.linalg.norm(B, axis=0)
        U, V = U / np.linalg.norm(U, axis=0), V / np.linalg.norm(V, axis=0)
    assert math.isclose(result.residual, min(residuals), rel_tol=1e-9)
    assert not result.converged


def test_a_first_step_of_lmafit_is_that_of_its_source():
    data, _ = sampled((12, 9), 2, 1.2)
    result = LMaFit(max_steps=1).complete(data, 2)
    U, s, V, _ = data.leading(2)
    X = U * s * 12 * 9 / data.count
    Z = X @ V.T
    Z[data.rows, data.columns] = data.values
    left = np.linalg.qr(Z @ V)[0]
    expected = left @ left.T @ Z
    assert np.abs(result.left @ result.right.T - expected).max() < 1e-13 * np.abs(expected).max()


@pytest.mark.parametrize("is_complex", [False, True], ids=["real", "complex"])
@pytest.mark.parametrize("name", ["reweighted", "truncated"])
def test_a_first_step_of_an_amplitude_flow_is_that_of_its_source(name, is_complex):
    method = {"reweighted": ReweightedAmplitudeFlow, "truncated": TruncatedAmplitudeFlow}[name]
    A, y, _ = intensities(6, 5.0, is_complex=is_complex)
    A *= math.sqrt(A.size) / np.linalg.norm(A)
    start, step = (method(max_steps=steps).recover(A, y).left[:, 0] for steps in (0, 1))
    Az, psi = A.conj() @ start, np.sqrt(y)
    if name == "reweighted":
        weights, mu = 1 / (1 + (5 if is_complex else 10) * psi / np.abs(Az)), 5 if is_complex else 2
        chosen = np.sort(psi)[-len(psi) * 3 // 13]
        M = (A.T * np.where(psi >= np.sort(psi)[-int(len(psi) * 3 / 13)], np.sqrt(psi), 0)) @ A.conj()
        assert chosen > 0
    else:
        weights, mu = np.abs(Az) >= psi / 1.7, 1 if is_complex else 0.6
        lengths = np.linalg.norm(A, axis=1)
        ratios = psi / lengths
        M = (A.T * np.where(ratios >= np.sort(ratios)[-math.ceil(len(psi) / 6)], lengths**-2.0, 0)) @ A.conj()
    gradient = A.T @ (weights * (Az - psi * Az / np.abs(Az))) / len(psi)
    assert np.abs(step - (start - mu * gradient)).max() < 1e-13
    direction = np.linalg.eigh(M)[1][:, -1]
    assert math.isclose(np.linalg.norm(start) ** 2, y.mean(), rel_tol=1e-12)
    # Power iterations end where the direction changes by 1e-6; the next eigenvalue is not close here.
    assert abs(np.vdot(direction, start)) > (1 - 1e-6) * np.linalg.norm(start)


# Limits.


def test_a_run_ends_when_its_time_is_over():
    data, _ = sampled((60, 50), 2, 1.2, seed=3)
    began = time.process_time()
    result = LMaFit(limits=Limits(residual=0.0, seconds=0.05, window=10**6)).complete(data, 2)
    assert not result.converged
    assert 0.05 < result.seconds <= time.process_time() - began < 2


@pytest.mark.parametrize(
    ("residuals", "ends"),
    [
        ([1e-13], True),
        ([math.nan], True),
        ([1e9], True),
        ([1.0], False),
        ([1.0, 0.5, 0.499, 0.499], True),
        ([1.0, 0.5, 0.49, 0.48], False),
        ([1.0, 0.5, 0.499], False),
    ],
)
def test_a_run_ends_at_its_residual_or_where_it_stagnates_or_diverges(residuals, ends):
    assert Limits(window=2).are_met(residuals, time.process_time()) is ends


# Input that is refused in one line.

ENTRIES = {"rows": np.arange(6) // 2, "columns": np.arange(6) % 2, "values": np.ones(6), "shape": (3, 2)}
BAD_ENTRIES = {
    "none": {"rows": np.arange(0), "columns": np.arange(0), "values": np.ones(0)},
    "lengths": {"rows": np.arange(5)},
    "not integers": {"rows": np.arange(6) / 2},
    "outside": {"rows": np.arange(6)},
    "negative": {"columns": -ENTRIES["columns"]},
    "twice": {"rows": np.zeros(6, int)},
    "not finite": {"values": np.array([1, 1, 1, 1, 1, np.nan])},
    "complex": {"values": np.ones(6) * 1j},
    "zero": {"values": np.zeros(6)},
}


def refused(call):
    with pytest.raises(InputError, match=r"^needed ") as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", BAD_ENTRIES)
def test_bad_entries_are_refused(case):
    entries = ENTRIES | BAD_ENTRIES[case]
    refused(lambda: SampledEntries.from_entries(**entries))


@pytest.mark.parametrize("method", COMPLETIONS)
@pytest.mark.parametrize("rank", [0, 3, 7])
def test_a_rank_that_entries_cannot_determine_is_refused(method, rank):
    data, _ = sampled((7, 6), 1, 1.2)
    refused(lambda: COMPLETIONS[method](data, rank))


@pytest.mark.parametrize("case", ["size", "length", "asymmetric", "not finite", "rank", "few"])
def test_bad_dense_rows_are_refused(case):
    data, _ = gaussian(5, 1, 2.0)
    A, y = data.matrices, data.values
    bad = {
        "size": lambda: DenseRows(A[..., :-1], y),
        "length": lambda: DenseRows(A, y[:-1]),
        "asymmetric": lambda: DenseRows(np.triu(A), y),
        "not finite": lambda: DenseRows(A, y * np.nan),
        "rank": lambda: GNMR["setting"].recover(data, 6),
        "few": lambda: GNMR["setting"].recover(data, 3),
    }
    refused(bad[case])


@pytest.mark.parametrize("case", ["size", "length", "few", "complex", "not finite", "negative", "zero"])
def test_bad_intensities_are_refused(case):
    A, y, _ = intensities(5, 4.0)
    bad = {
        "size": (A[0], y),
        "length": (A, y[:-1]),
        "few": (A[:4], y[:4]),
        "complex": (A, y + 0j),
        "not finite": (A * np.inf, y),
        "negative": (A, -y),
        "zero": (A, 0 * y),
    }
    refused(lambda: Amplitudes.from_intensities(*bad[case]))


# Masks.

MASKS = {
    "rectangular": (60, (20, 15), 2, False),
    "flat": (75, (4, 70), 1, False),
    "barely possible": (44, (20, 15), 2, False),
    "symmetric": (60, (20, 20), 3, True),
    "symmetric, barely possible": (34, (20, 20), 2, True),
    "large": (3000, (300, 250), 5, False),
}


@pytest.mark.parametrize("case", MASKS)
def test_a_repaired_mask_has_enough_places_in_each_row_and_column(case):
    count, shape, least, symmetric = MASKS[case]
    repaired = 0
    for seed in range(20):
        rows, columns = repaired_mask(count, shape, least, np.random.default_rng(seed), symmetric=symmetric)
        assert len(set(zip(rows.tolist(), columns.tolist(), strict=True))) == len(rows) == count
        mask = np.zeros(shape, bool)
        mask[rows, columns] = True
        if symmetric:
            assert (rows <= columns).all()
            mask |= mask.T
        assert mask.sum(0).min() >= least
        assert mask.sum(1).min() >= least
        plain = uniform_mask(count, shape, np.random.default_rng(seed), symmetric=symmetric)
        before = np.zeros(shape, bool)
        before[plain] = True
        if symmetric:
            before |= before.T
        if min(before.sum(0).min(), before.sum(1).min()) >= least:
            assert np.array_equal(rows, plain[0])
            assert np.array_equal(columns, plain[1])
        else:
            repaired += 1
    assert repaired > 0


def test_a_mask_with_nothing_to_repair_is_uniform():
    repaired, plain = (
        draw(np.random.default_rng(0))
        for draw in (lambda rng: repaired_mask(2000, (80, 60), 2, rng), lambda rng: uniform_mask(2000, (80, 60), rng))
    )
    assert np.array_equal(repaired, plain)


def test_places_of_uniform_masks_are_equally_likely():
    counts = np.zeros((4, 4))
    rng = np.random.default_rng(0)
    for _ in range(2000):
        rows, columns = uniform_mask(5, (4, 4), rng, symmetric=True)
        counts[rows, columns] += 1
    # Each of the 10 pairs is drawn with probability 1/2; five standard deviations.
    assert np.abs(counts[np.triu_indices(4)] - 1000).max() < 5 * math.sqrt(2000 / 4)
    assert counts[np.tril_indices(4, -1)].sum() == 0


@pytest.mark.parametrize(
    ("count", "shape", "least", "symmetric"),
    [
        (0, (4, 4), 1, False),
        (9, (4, 4), 1, False),
        (5, (4, 4), 0, False),
        (5, (4, 4), 5, False),
        (5, (10, 4), 1, False),
        (3, (8, 8), 1, True),
        (5, (5, 4), 1, True),
    ],
)
def test_a_mask_that_cannot_be_drawn_is_refused(count, shape, least, symmetric):
    refused(lambda: repaired_mask(count, shape, least, np.random.default_rng(0), symmetric=symmetric))


def test_a_mask_from_which_nothing_can_be_taken_is_refused():
    # Four places cover a 4 x 4 matrix only as a permutation; additions to a random draw almost never end there.
    outcomes = []
    for seed in range(20):
        try:
            rows, columns = repaired_mask(4, (4, 4), 1, np.random.default_rng(seed))
        except InputError as error:
            outcomes.append(str(error).startswith("needed a place to take away"))
        else:
            outcomes.append(len(set(rows)) == len(set(columns)) == 4)
    assert all(outcomes)
