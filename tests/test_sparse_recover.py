"""A sparse solution of A z = y: the potential it descends on, its certificate, its references, and hostile input."""

import math
import sys

import numpy as np
import pytest
import scipy.sparse
import torch
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from wnsense import sparse
from wnsense.checks import InputError
from wnsense.running.status import Status
from wnsense.sensing.linear_map import DenseMap, LinearMap
from wnsense.sparse.noise_fit import _chance, exchanged, held_out_rows, penalized_misfit
from wnsense.sparse.potential import Memory, Potential, descend
from wnsense.sparse.support import Fit, ScaledProblem, explains_anything, least_squares
from wnsense.sparse.support_search import SearchLog, SearchPlan, search_support


def drawn(N: int, M: int, sparsity: int, seed: int = 0, *, signs: bool = False) -> tuple[DenseMap, torch.Tensor]:
    """A Gaussian map and a sparse vector."""
    rng = torch.Generator().manual_seed(seed)
    A = sparse.gaussian_map(M, N, rng)
    z = torch.zeros(N, dtype=torch.float64)
    values = torch.randn(sparsity, generator=rng, dtype=torch.float64)
    z[torch.randperm(N, generator=rng)[:sparsity]] = torch.sign(values) if signs else values
    return A, z


def distance(z: torch.Tensor, truth: torch.Tensor) -> float:
    return float((z - truth).norm() / truth.norm())


def scaled(A: LinearMap, y: torch.Tensor) -> ScaledProblem:
    return ScaledProblem(A, y, torch.ones_like(y), torch.ones(A.shape[1], dtype=torch.float64))


# -- the potential -----------------------------------------------------------------------------------------------------


def potential_of(A: LinearMap, y: torch.Tensor, ratio: float, start: float) -> Potential:
    problem = scaled(A, y)
    return Potential(problem, ratio, start)


def test_the_misfit_is_the_gradient_of_psi():
    A, z = drawn(12, 6, 3)
    potential = potential_of(A, A.times(z), ratio=0.7, start=0.2)
    dual = torch.randn(6, generator=torch.Generator().manual_seed(1), dtype=torch.float64, requires_grad=True)
    logits = A.matrix.mT @ dual
    phi = torch.log(torch.cosh(logits).mean())
    psi = (0.2 + 0.7 * phi).square() / 1.4 - potential.problem.y @ dual
    (gradient,) = torch.autograd.grad(psi, dual)
    place = potential.at(dual.detach(), logits.detach())
    torch.testing.assert_close(place.misfit, gradient, rtol=1e-12, atol=1e-12)
    assert place.radius == pytest.approx(float((0.2 + 0.7 * phi).detach()), rel=1e-14)


def test_the_network_is_where_the_flow_of_weight_normalization_goes():
    """Small steps of WN on (r, u) from r_0 and equal u, against Psi's point for the dual vector they add up to."""
    A, z = drawn(10, 5, 2, seed=3)
    y, eta, r = A.times(z), 0.6, 0.4
    N = 10
    signed = torch.cat([A.matrix, -A.matrix], dim=1)
    u = torch.full((2 * N,), 1 / math.sqrt(2 * N), dtype=torch.float64)
    dual = torch.zeros(5, dtype=torch.float64)
    potential = potential_of(A, y, ratio=eta, start=r**2)
    errors = []
    for step in (1e-3, 5e-4):
        u = torch.full((2 * N,), 1 / math.sqrt(2 * N), dtype=torch.float64)
        r, dual = 0.4, torch.zeros(5, dtype=torch.float64)
        for _ in range(round(1 / step)):
            misfit = signed @ (r * u).square() - y
            gradient = 2 * (r * u) * (signed.mT @ misfit)
            along = float(u @ gradient)
            dual = dual - step * 4 * r**2 * misfit
            u = u - step * r * (gradient - u * along)
            u = u / u.norm()
            r -= step * eta * along
        place = potential.at(dual, A.matrix.mT @ dual)
        network = (r * u).square()
        errors.append(float((place.z - (network[:N] - network[N:])).norm()))
    # Euler's method: half the step, half the error.
    assert errors[0] < 5e-3
    assert errors[1] == pytest.approx(errors[0] / 2, rel=0.1)


@pytest.mark.parametrize("excess", [3.0, 1.0, 0.1])
def test_the_limit_keeps_the_bound_on_the_l1_norm_that_the_rule_is_made_from(excess):
    for seed in range(3):
        A, z = drawn(40, 18, 6, seed=seed)
        y = A.times(z)
        least = float(sparse.basis_pursuit(A, y).solution.abs().sum())
        start = 0.1 * least
        ratio = excess * least / math.log(80)
        potential = potential_of(A, y, ratio, start)
        place = potential.at(torch.zeros(18, dtype=torch.float64), torch.zeros(40, dtype=torch.float64))
        for _, (at, _memory) in zip(range(500), descend(potential, place, Memory()), strict=False):
            place = at
            if float(place.misfit.norm()) < 1e-5 * float(y.norm()):
                break
        assert float(place.misfit.norm()) < 1e-4 * float(y.norm())
        # What is missed of y may be missing of the norm; the least norm itself is exact to about 1e-7.
        assert least * (1 - 1e-3) <= float(place.z.abs().sum()) <= place.radius * (1 + 1e-12)
        assert place.radius <= least * (1 + 1e-3) + ratio * least * math.log(80) / (least - start)
        assert place.bound(y) <= least * (1 + 1e-6)


def test_a_descent_from_the_minimum_takes_no_step():
    A, _ = drawn(12, 6, 3)
    zero, dual = torch.zeros(12, dtype=torch.float64), torch.zeros(6, dtype=torch.float64)
    potential = potential_of(A, dual, ratio=0.7, start=0.2)
    place = potential.at(dual, zero)
    assert float(place.misfit.norm()) == 0
    assert next(descend(potential, place, Memory()), None) is None


def test_quasi_newton_directions_are_those_of_two_loops():
    rng = torch.Generator().manual_seed(0)
    H = torch.randn((20, 20), generator=rng, dtype=torch.float64)
    H = H @ H.mT + torch.eye(20, dtype=torch.float64)
    memory, pairs = Memory(), []
    for _ in range(15):
        step = torch.randn(20, generator=rng, dtype=torch.float64)
        memory = memory.remember(step, H @ step)
        pairs.append((step, H @ step))
    gradient = torch.randn(20, generator=rng, dtype=torch.float64)
    q, parts = -gradient, []
    for step, change in reversed(pairs[-12:]):
        parts.append((step @ q) / (step @ change))
        q = q - parts[-1] * change
    q = q * (pairs[-1][0] @ pairs[-1][1]) / (pairs[-1][1] @ pairs[-1][1])
    for (step, change), part in zip(pairs[-12:], reversed(parts), strict=True):
        q = q + step * (part - (change @ q) / (step @ change))
    torch.testing.assert_close(memory.descent(gradient), q, rtol=1e-10, atol=1e-12)


# -- recovery ----------------------------------------------------------------------------------------------------------


def forms(A: DenseMap) -> dict[str, object]:
    matrix = A.matrix.numpy()
    return {
        "tensor": A.matrix,
        "numpy": matrix,
        "fortran": np.asfortranarray(matrix),
        "csr": scipy.sparse.csr_array(matrix),
        "operator": aslinearoperator(matrix),
        "map": A,
    }


@pytest.mark.parametrize("form", ["tensor", "numpy", "fortran", "csr", "operator", "map"])
def test_every_form_of_the_matrix_gives_the_exact_answer(form):
    A, z = drawn(200, 70, 8)
    y = A.times(z)
    result = sparse.sparse_recover(forms(A)[form], y.numpy())
    assert result.status is Status.CONVERGED
    assert distance(result.solution, z) < 1e-10
    assert set(result.support.tolist()) == set(z.nonzero().flatten().tolist())
    assert result.relative_residual < 1e-10
    assert result.held_out is not None
    assert result.held_out < 1e-8
    assert result.optimality_gap < 1e-8
    assert result.products > 0
    assert "least of the l1 norm" in str(result)


def test_maps_that_are_never_written_out():
    rng = torch.Generator().manual_seed(0)
    for A in (sparse.partial_cosine_map(1000, 4000, rng), sparse.sparse_map(1000, 4000, rng)):
        z = torch.zeros(4000, dtype=torch.float64)
        z[torch.randperm(4000, generator=rng)[:80]] = torch.randn(80, generator=rng, dtype=torch.float64)
        result = sparse.sparse_recover(A, A.times(z))
        assert result.status is Status.CONVERGED
        assert distance(result.solution, z) < 1e-10


@pytest.mark.parametrize("signs", [False, True])
def test_it_finds_what_basis_pursuit_finds(signs):
    """Near the transition, where basis pursuit finds some: each of those is found, and its certificate agrees."""
    found = 0
    for seed in range(6):
        A, z = drawn(120, 40, 10, seed=seed, signs=signs)
        y = A.times(z)
        pursuit = sparse.basis_pursuit(A, y).solution
        if distance(pursuit, z) < 1e-6:
            found += 1
            result = sparse.sparse_recover(A, y)
            assert result.status is Status.CONVERGED
            assert distance(result.solution, z) < 1e-9
            assert result.optimality_gap < 0.05
    assert found >= 2


def test_weights_find_what_basis_pursuit_does_not():
    """Gaussian entries, a third of the rows: l1 fails for most of these seeds, and some are found all the same."""
    beyond = 0
    for seed in range(4):
        A, z = drawn(200, 60, 21, seed=seed)
        y = A.times(z)
        if distance(sparse.basis_pursuit(A, y).solution, z) > 1e-3:
            result = sparse.sparse_recover(A, y)
            if result.status is Status.CONVERGED:
                beyond += 1
                assert distance(result.solution, z) < 1e-9
                # Something else has a smaller l1 norm, and the certificate does not say otherwise.
                assert result.optimality_gap > 1e-4
    assert beyond >= 1


@pytest.mark.parametrize("level", [1e-6, 1e-2, 0.1])
def test_noise_is_seen_and_answered_nearly_as_well_as_the_oracle_would(level):
    """Twenty rows are held out: as many as predict well enough to be sure, and no more."""
    A, z = drawn(200, 100, 6, signs=True)
    noise = torch.randn(100, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    y = A.times(z) + level * noise / noise.norm() * A.times(z).norm()
    result = sparse.sparse_recover(A, y)
    assert result.status is Status.REACHED_NOISE_FLOOR
    assert set(z.nonzero().flatten().tolist()) <= set(result.support.tolist())
    oracle = sparse.oracle_least_squares(A, y, z.nonzero().flatten())
    assert distance(result.solution, z) <= 1.5 * distance(oracle, z)
    # Twenty rows know a deviation to 16 %; three of these.
    assert result.held_out == pytest.approx(level, rel=0.5)


@pytest.mark.parametrize("count", [3, 20])
def test_chance_is_that_of_students_distribution(count):
    """Of 4,000 pairs of unrelated vectors, as many correlate so well as is said: to four deviations of the count."""
    rng = torch.Generator().manual_seed(count)
    A, _ = drawn(30, count + 5, 2)
    rows = torch.zeros(count + 5, dtype=torch.float64)
    rows[:5] = 1
    y = torch.randn((4000, count), generator=rng, dtype=torch.float64)
    predicted = torch.randn(count, generator=rng, dtype=torch.float64)
    chances = []
    for values in y:
        full = torch.cat([torch.ones(5, dtype=torch.float64), values])
        problem = ScaledProblem(A, full, rows, torch.ones(30, dtype=torch.float64))
        misfit = torch.cat([torch.zeros(5, dtype=torch.float64), predicted - values])
        chances.append(_chance(problem, misfit))
    for level in (0.5, 0.1, 0.01):
        seen = sum(chance < level for chance in chances)
        assert abs(seen - 4000 * level) < 4 * math.sqrt(4000 * level * (1 - level))


def test_a_penalty_tells_noise_from_entries():
    """Of noise alone nothing is let in but one entry, which a support must have; of six clear entries, all are."""
    A, z = drawn(200, 100, 6, signs=True)
    noise = torch.randn(100, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    for y, least, most in ((noise, 1, 2), (A.times(z) + 0.01 * noise, 6, 7)):
        problem = scaled(A, y)
        first = least_squares(problem, torch.tensor([0]), torch.zeros(1, dtype=torch.float64), tolerance=1e-9)
        best = min([first, *exchanged(problem, first)], key=lambda fit: penalized_misfit(problem, fit))
        assert least <= len(best.support) <= most


def test_too_few_measurements_are_called_so_and_nonsense_too():
    A, z = drawn(80, 20, 15)
    result = sparse.sparse_recover(A, A.times(z))
    assert result.status is Status.TOO_FEW_MEASUREMENTS
    assert "too few" in str(result)
    tall = sparse.gaussian_map(200, 20, torch.Generator().manual_seed(0))
    y = torch.randn(200, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    nonsense = sparse.sparse_recover(tall, y)
    assert nonsense.status is Status.NO_LOW_RANK_FIT
    assert str(nonsense).startswith("no_sparse_fit")


def test_hard_columns():
    """Lengths over six decades, correlated columns, twins, zeros, more rows than columns."""
    A, z = drawn(120, 60, 6)
    lengths = torch.logspace(-3, 3, 120, dtype=torch.float64)
    result = sparse.sparse_recover(A.matrix * lengths, A.times(z))
    assert (result.status, result.rescaled) == (Status.CONVERGED, True)
    assert distance(result.solution * lengths, z) < 1e-9
    common = torch.randn(60, generator=torch.Generator().manual_seed(2), dtype=torch.float64) / math.sqrt(60)
    correlated = A.matrix + 2 * common.unsqueeze(-1)
    result = sparse.sparse_recover(correlated, correlated @ z)
    assert result.status is Status.CONVERGED
    assert distance(result.solution, z) < 1e-8
    twins = torch.cat([A.matrix, A.matrix], dim=1)
    result = sparse.sparse_recover(twins, A.times(z))
    assert result.status is Status.CONVERGED
    assert distance(result.solution[:120] + result.solution[120:], z) < 1e-9
    holes = A.matrix.clone()
    holes[:, z == 0] *= (torch.arange(114) % 2).to(torch.float64)
    result = sparse.sparse_recover(holes, holes @ z)
    assert result.status is Status.CONVERGED
    assert distance(result.solution, z) < 1e-9
    tall = sparse.gaussian_map(60, 20, torch.Generator().manual_seed(0))
    full = torch.randn(20, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    result = sparse.sparse_recover(tall, tall.times(full))
    assert result.status is Status.CONVERGED
    assert distance(result.solution, full) < 1e-9


@pytest.mark.parametrize("factor", [1e-100, 1e-9, 1e9, 1e100])
def test_units_do_not_matter(factor):
    A, z = drawn(100, 50, 5)
    result = sparse.sparse_recover(A.matrix, A.times(z) * factor)
    assert result.status is Status.CONVERGED
    assert distance(result.solution / factor, z) < 1e-10


def test_single_precision_comes_back_as_such():
    A, z = drawn(200, 70, 8)
    result = sparse.sparse_recover(A.matrix.float(), A.times(z).float())
    assert result.solution.dtype == torch.float32
    assert result.status is Status.CONVERGED
    assert distance(result.solution.double(), z) < 1e-5


def test_zeros_and_the_smallest_problems():
    A, _ = drawn(30, 10, 2)
    zero = sparse.sparse_recover(A, torch.zeros(10, dtype=torch.float64))
    assert zero.status is Status.CONVERGED
    assert not len(zero.support)
    assert zero.relative_residual == 0
    # One equation, one unknown: nothing is left over to check the answer with.
    one = sparse.sparse_recover(np.array([[2.0]]), [4.0])
    assert one.status is Status.TOO_FEW_MEASUREMENTS
    for M in range(2, 6):
        A, z = drawn(3, M, 1)
        assert sparse.sparse_recover(A, A.times(z)).status in {Status.CONVERGED, Status.TOO_FEW_MEASUREMENTS}


def test_the_same_seed_gives_the_same_answer_and_facts_are_plain():
    A, z = drawn(100, 40, 5)
    first, second = (sparse.sparse_recover(A, A.times(z), seed=3) for _ in range(2))
    assert torch.equal(first.solution, second.solution)
    facts = first.facts()
    assert (facts["status"], facts["nonzeros"], facts["measurements"], facts["seed"]) == ("converged", 5, 40, 3)
    assert set(first.table().arrays) == {"solution", "support"}


def test_an_interrupted_search_keeps_what_it_has():
    A, z = drawn(120, 40, 16)
    told = []

    def stop(words: str, products: int, misfit: float) -> None:
        told.append((words, products, misfit))
        if len(told) == 30:
            raise KeyboardInterrupt

    result = sparse.sparse_recover(A, A.times(z), callback=stop)
    assert result.status is Status.INTERRUPTED
    assert 0 < result.relative_residual < 1
    assert [products for _, products, _ in told] == sorted(products for _, products, _ in told)


@pytest.mark.usefixtures("as_users_run")
def test_hostile_input_is_told_in_one_line():
    A, z = drawn(30, 12, 2)
    y = A.times(z)
    bad = A.matrix.clone()
    bad[2, 3] = math.nan
    holey = y.clone()
    holey[4] = math.inf
    blind = LinearOperator((12, 30), matvec=lambda x: A.matrix.numpy() @ x, dtype=np.float64)
    cases: list[tuple[object, object, str]] = [
        (bad, y, "NaN"),
        (A, holey, "(4)"),
        (A, y[:5], "y of 12"),
        (A, A.matrix, "y of 12"),
        (A, y.to(torch.complex128), "real numbers in y"),
        (A, ["a"] * 12, "numbers in y"),
        (A.matrix[0], y, "two dimensions"),
        (blind, y, "rmatvec"),
        ("matrix", y, "LinearOperator"),
        (torch.zeros(12, 30, dtype=torch.float64), y, "zeros only"),
        (A, y * 1e200, "change its unit"),
    ]
    for matrix, measured, words in cases:
        with pytest.raises(InputError) as caught:
            sparse.sparse_recover(matrix, measured)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)


def test_y_may_be_a_column():
    A, z = drawn(100, 40, 5)
    assert distance(sparse.sparse_recover(A, A.times(z).unsqueeze(-1)).solution, z) < 1e-10


# -- the pieces --------------------------------------------------------------------------------------------------------


def test_least_squares_on_columns_is_that_of_lapack():
    A, z = drawn(60, 30, 5)
    y = A.times(z) + 0.1
    problem = scaled(A, y)
    support = torch.arange(3, 15)
    fit = least_squares(problem, support, torch.zeros(12, dtype=torch.float64), tolerance=1e-12, orthogonal=1e-13)
    expected = torch.linalg.lstsq(A.matrix[:, support], y.unsqueeze(-1)).solution.squeeze(-1)
    torch.testing.assert_close(fit.values, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(fit.misfit, A.matrix[:, support] @ expected - y, rtol=1e-10, atol=1e-12)


def test_the_certificate_never_promises_more_than_basis_pursuit_has():
    rng = torch.Generator().manual_seed(5)
    for seed in range(8):
        A, z = drawn(40, 16, 3 + seed % 4, seed=seed)
        y = A.times(z)
        pursuit = sparse.basis_pursuit(A, y)
        least = float(pursuit.solution.abs().sum())
        nudge = torch.randn(40, generator=rng, dtype=torch.float64)
        nudge = nudge - A.matrix.mT @ torch.linalg.solve(A.matrix @ A.matrix.mT, A.times(nudge))
        for answer in (pursuit.solution, z, z + 0.1 * nudge):
            found = sparse.optimality_gap(A, y, answer)
            assert found.lower_bound <= least * (1 + 1e-6)
            assert float((A.matrix.mT @ found.dual).abs().max()) <= 1 + 1e-9
            assert found.gap >= 1 - least / float(answer.abs().sum()) - 1e-6
        assert pursuit.dual is not None
        # HiGHS's own dual vector is exact to its tolerance, and closes the gap.
        exact = sparse.optimality_gap(A, y, pursuit.solution, dual=pursuit.dual)
        assert exact.gap < 1e-6


def test_the_certificate_of_a_sparse_vector_is_closed_and_knows_signs_and_weights():
    A, z = drawn(60, 40, 3)
    assert sparse.optimality_gap(A, A.times(z), z).gap < 1e-12
    weights = torch.linspace(1, 2, 60, dtype=torch.float64)
    weighted = sparse.optimality_gap(A, A.times(z), z, weights=weights)
    assert weighted.gap < 1e-10
    assert weighted.norm == pytest.approx(float((weights * z.abs()).sum()))
    assert bool(((A.matrix.mT @ weighted.dual).abs() <= weights * (1 + 1e-9)).all())
    positive = z.abs()
    bound = sparse.optimality_gap(A, A.times(positive), positive, nonnegative=True)
    assert bound.gap < 1e-12
    assert float((A.matrix.mT @ bound.dual).max()) <= 1 + 1e-9
    with pytest.raises(InputError, match="z >= 0"):
        sparse.optimality_gap(A, A.times(z), -positive, nonnegative=True)


def test_basis_pursuit_is_optimal_by_its_own_dual_dense_and_sparse():
    rng = torch.Generator().manual_seed(0)
    for A in (sparse.gaussian_map(12, 30, rng), sparse.sparse_map(12, 30, rng, per_column=4)):
        z = torch.randn(30, generator=rng, dtype=torch.float64)
        y = A.times(z)
        signed = sparse.basis_pursuit(A, y)
        assert signed.dual is not None
        assert float((A.times(signed.solution) - y).norm()) < 1e-6
        assert float(A.transpose_times(signed.dual).abs().max()) < 1 + 1e-6
        assert float(y @ signed.dual) == pytest.approx(float(signed.solution.abs().sum()), rel=1e-6)
        positive = sparse.basis_pursuit(A, A.times(z.abs()), nonnegative=True)
        assert positive.dual is not None
        assert float(positive.solution.min()) >= 0
        assert float(A.times(z.abs()) @ positive.dual) == pytest.approx(float(positive.solution.sum()), rel=1e-6)
    with pytest.raises(InputError, match="z >= 0"):
        sparse.basis_pursuit(DenseMap(torch.ones(1, 2, dtype=torch.float64)), -torch.ones(1).double(), nonnegative=True)


def test_matching_pursuit_and_lasso():
    pytest.importorskip("sklearn")
    A, z = drawn(60, 40, 3, signs=True)
    y = A.times(z)
    assert distance(sparse.orthogonal_matching_pursuit(A, y, sparsity=3).solution, z) < 1e-8
    assert distance(sparse.orthogonal_matching_pursuit(A, y).solution, z) < 1e-6
    assert distance(sparse.lasso(A, y, penalty=1e-4).solution, z) < 0.1


def test_without_scikit_learn_it_is_asked_for(monkeypatch):
    A, z = drawn(20, 10, 1)
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(InputError, match="scikit-learn"):
        sparse.lasso(A, A.times(z))


def test_rows_held_out_leave_enough():
    for count in (1, 2, 3, 10, 100, 1000, 100_000):
        fitted = held_out_rows(count, 0)
        held = count - int(fitted.sum())
        assert held <= max(1, count // 2)
        assert (held > 0) == (count > 1)


def test_a_search_writes_down_its_work():
    A, z = drawn(80, 30, 9)
    log = SearchLog(lambda _words, _products, _misfit: None)
    plan = SearchPlan(1e-11, 20, watch=False, ratios=(1.0,), fits=False)
    found = search_support(scaled(A, A.times(z) / A.times(z).norm()), plan, log)
    assert found.exact is None
    assert len(found.points) == 1
    # A bound, a first place, and two products each step.
    assert log.products == 2 + 2 * log.steps
    assert 0 < log.steps <= 20


# -- what proves nothing, and what needs no proof ----------------------------------------------------------------------


@pytest.mark.parametrize("copies", [2, 3, 5])
def test_rows_that_repeat_prove_nothing_by_themselves(copies):
    A, z = drawn(150, 30, 3, seed=3)
    result = sparse.sparse_recover(A.matrix.repeat_interleave(copies, 0), A.times(z).repeat_interleave(copies))
    assert result.status is Status.CONVERGED
    assert len(result.support) == 3
    assert distance(result.solution, z) < 1e-10


@pytest.mark.parametrize(("sparsity", "found"), [(2, True), (3, True), (15, False), (200, False)])
def test_as_many_columns_as_the_rank_explain_anything(sparsity, found):
    """Rank 20 of 100 rows: rows held out lie in the span of the others, and any 20 columns predict them."""
    rng = torch.Generator().manual_seed(5)
    left, right = (torch.randn(size, generator=rng, dtype=torch.float64) for size in ((100, 20), (20, 200)))
    A, z = left @ right, torch.zeros(200, dtype=torch.float64)
    z[torch.randperm(200, generator=rng)[:sparsity]] = torch.randn(sparsity, generator=rng, dtype=torch.float64)
    result = sparse.sparse_recover(A, A @ z)
    assert result.status is (Status.CONVERGED if found else Status.TOO_FEW_MEASUREMENTS)
    assert (distance(result.solution, z) < 1e-9) is found


def test_columns_that_explain_anything_are_told_from_those_that_do_not():
    rng = torch.Generator().manual_seed(0)
    left, right = (torch.randn(size, generator=rng, dtype=torch.float64) for size in ((40, 8), (8, 60)))
    A = DenseMap(left @ right)
    problem = scaled(A, A.times(torch.ones(60, dtype=torch.float64)))
    assert not explains_anything(problem, torch.arange(7))[0]
    assert explains_anything(problem, torch.arange(8))[0]


@pytest.mark.parametrize(("rows", "sparsity"), [(80, 50), (80, 4), (51, 50), (2, 1)])
def test_more_rows_than_columns_that_agree_are_solved(rows, sparsity):
    columns = min(50, rows - 1)
    A, z = drawn(columns, rows, min(sparsity, columns), seed=1)
    result = sparse.sparse_recover(A, A.times(z))
    assert result.status is Status.CONVERGED
    assert distance(result.solution, z) < 1e-9
    assert len(result.support) == min(sparsity, columns)


def test_as_many_rows_as_columns_are_solved_but_prove_nothing():
    A, z = drawn(40, 40, 40, seed=2)
    result = sparse.sparse_recover(A, A.times(z))
    assert result.status is Status.TOO_FEW_MEASUREMENTS
    assert distance(result.solution, z) < 1e-7
    assert "This is the only solution" in str(result)


def test_measurements_rounded_to_single_precision_are_told_from_noise():
    A, z = drawn(100, 60, 5)
    result = sparse.sparse_recover(A, A.times(z).float().double())
    assert result.status is Status.REACHED_NOISE_FLOOR
    assert "single precision" in result.advice


def test_an_interruption_while_columns_are_looked_at_is_one():
    A, z = drawn(60, 30, 2)
    matrix = A.matrix.numpy()
    calls = []

    def back(v):
        calls.append(1)
        # The adjoint is checked first.
        if len(calls) == 4:
            raise KeyboardInterrupt
        return matrix.T @ v

    operator = LinearOperator(matrix.shape, matvec=lambda x: matrix @ x, rmatvec=back, dtype=np.float64)
    result = sparse.sparse_recover(operator, A.times(z))
    assert result.status is Status.INTERRUPTED
    assert not result.solution.any()


@pytest.mark.parametrize("level", [0.2, 0.5])
def test_more_rows_than_columns_with_noise_keep_few_entries(level):
    rng = torch.Generator().manual_seed(4)
    A, z = drawn(50, 200, 5, seed=4)
    y = A.times(z)
    noise = torch.randn(200, generator=rng, dtype=torch.float64)
    noisy = y + level * y.norm() / math.sqrt(200) * noise
    result = sparse.sparse_recover(A, noisy)
    support = z.nonzero().flatten()
    oracle = torch.zeros_like(z)
    oracle[support] = torch.linalg.lstsq(A.matrix[:, support], noisy).solution
    assert result.status is Status.REACHED_NOISE_FLOOR
    assert distance(result.solution, z) < 2.5 * distance(oracle, z)


@pytest.mark.parametrize("case", ["tall", "one column", "noise alone"])
def test_no_guess_explains_less_than_nothing_does(case):
    rng = torch.Generator().manual_seed(6)
    shape = {"tall": (150, 100), "one column": (60, 1), "noise alone": (30, 100)}[case]
    A = torch.ones(shape, dtype=torch.float64) if case == "one column" else torch.randn(shape, generator=rng).double()
    y = torch.randn(shape[0], generator=rng, dtype=torch.float64)
    result = sparse.sparse_recover(A, y)
    assert not result.status.is_success
    assert result.relative_residual <= 1 + 1e-9


def test_entries_that_were_missed_are_not_called_noise():
    """Columns that share five factors: exact measurements, which basis pursuit solves."""
    rng = torch.Generator().manual_seed(0)
    A = torch.randn((75, 150), generator=rng, dtype=torch.float64)
    A += 2 * torch.randn((75, 5), generator=rng, dtype=torch.float64) @ torch.randn((5, 150), generator=rng).double()
    for seed in range(4):
        z = drawn(150, 75, 15, seed=seed)[1]
        result = sparse.sparse_recover(A, A @ z)
        assert result.status is Status.CONVERGED
        assert distance(result.solution, z) < 1e-8


def test_a_dense_truth_is_not_called_noise():
    rng = np.random.default_rng(504)
    A = rng.standard_normal((40, 100))
    assert sparse.sparse_recover(A, A @ rng.standard_normal(100)).status is Status.TOO_FEW_MEASUREMENTS


def test_the_penalty_never_falls_with_entries():
    A, z = drawn(50, 200, 50)
    problem = scaled(A, A.times(z))
    rest = torch.ones(200, dtype=torch.float64)

    def penalty(k):
        fit = Fit(torch.arange(k), torch.ones(k, dtype=torch.float64), rest, 0.0)
        return penalized_misfit(problem, fit)

    assert all(penalty(k) < penalty(k + 1) for k in range(1, 50))


def test_single_precision_that_overflows_is_answered_in_double():
    A, z = drawn(60, 30, 2)
    result = sparse.sparse_recover(A.matrix.float(), A.times(z) * 1e60)
    assert result.status is Status.CONVERGED
    assert distance(result.solution, z * 1e60) < 1e-4


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"seed": 1.5}, "as a seed"), ({"seed": -1}, "as a seed"), ({"seed": 2**70}, "as a seed"), ({"callback": 3}, "3")],
)
@pytest.mark.usefixtures("as_users_run")
def test_settings_that_are_none_are_told(settings, words):
    A, z = drawn(20, 10, 1)
    with pytest.raises(InputError, match=words):
        sparse.sparse_recover(A, A.times(z), **settings)


@pytest.mark.usefixtures("as_users_run")
def test_masked_measurements_are_refused():
    A, z = drawn(20, 10, 1)
    y = np.ma.masked_array(A.times(z).numpy(), mask=[True] + [False] * 9)
    with pytest.raises(InputError, match="a masked array; leave their rows"):
        sparse.sparse_recover(A, y)


@pytest.mark.parametrize("seed", [9101, 9111, 9125])
@pytest.mark.fast("9111")
def test_small_entries_are_let_in_where_most_are_right(seed):
    """Columns with five common factors, 22 nonzeros from 1 down to 6e-4: what is left looks like noise of 1%."""
    g = np.random.default_rng(seed)
    s = 22
    A = g.standard_normal((75, 150)) + 2 * g.standard_normal((75, 5)) @ g.standard_normal((5, 150))
    x = np.zeros(150)
    x[g.choice(150, s, replace=False)] = g.choice([-1.0, 1.0], s) * 0.7 ** np.arange(s)
    result = sparse.sparse_recover(A, A @ x)
    assert result.status is Status.CONVERGED
    assert np.linalg.norm(result.solution.numpy() - x) < 1e-9 * np.linalg.norm(x)
