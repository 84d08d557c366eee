"""The bound on the distance from a global optimum: never below the true one, near 0 where there is none, else large."""

from dataclasses import replace

import pytest
import torch

from cases.draws import generator, normal, random_point
from cases.flavors import ALL_FLAVORS, FOUR_KINDS, PSD
from wnsense.checks import InputError
from wnsense.running.loop import solve
from wnsense.running.stop import Stop
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem, low_rank
from wnsense.solvers.calibration import calibrate
from wnsense.solvers.conjugate import ConjugateWN
from wnsense.solvers.objective import SensingObjective
from wnsense.trust.ball_descent import BallDescent
from wnsense.trust.certificate import certify

flavors = pytest.mark.parametrize("flavor", ALL_FLAVORS, ids=str)


def posed(flavor, n, side=6, rank=2, noise=0.0, weighted=False, seed=0):
    rng = generator(seed)
    size = side if flavor.kind.is_symmetric else (side, side + 1)
    truth = low_rank(size, rank, 2.0, kind=flavor.kind, generator=rng, dtype=flavor.dtype())
    operator = GaussianSensing.draw(n, size, kind=flavor.kind, generator=rng, dtype=flavor.dtype())
    problem = Problem.measure(operator, truth, noise, generator=rng)
    return replace(problem, weights=torch.rand(n, generator=rng, dtype=torch.float64) + 0.5) if weighted else problem


def simplex(values, radius, positive):
    """The nearest vector of entries at least 0 (or of any sign) whose magnitudes sum to at most a radius."""
    sizes = values.clamp(min=0) if positive else values.abs()
    if float(sizes.sum()) > radius:
        falling = sizes.sort(descending=True).values
        levels = (falling.cumsum(0) - radius) / torch.arange(1, len(falling) + 1)
        level = levels[(falling > levels).nonzero().max()]
        sizes = (sizes - level).clamp(min=0)
    return sizes if positive else sizes * values.sign()


def nearest(Z, radius, kind, positive):
    """The nearest matrix of the set, by a full decomposition."""
    if kind.is_symmetric:
        values, vectors = torch.linalg.eigh((Z + Z.mH) / 2)
        return (vectors * simplex(values, radius, positive).to(Z.dtype)) @ vectors.mH
    U, values, Vh = torch.linalg.svd(Z, full_matrices=False)
    return (U * simplex(values, radius, False).to(Z.dtype)) @ Vh


def minimized(problem, radius, positive, steps=1000):
    """The global minimum over the set, by accelerated projected gradients on full matrices (FISTA), and its place."""
    operator, kind = problem.operator, problem.operator.kind
    rows = kind.pack(operator.adjoint(torch.eye(operator.count, dtype=torch.float64)))
    root = torch.ones(operator.count, dtype=torch.float64) if problem.weights is None else problem.weights.sqrt()
    A, y = root[:, None] * rows, root * problem.measurements
    step = 1 / float(torch.linalg.matrix_norm(A, 2)) ** 2
    z = w = torch.zeros(A.shape[1], dtype=torch.float64)
    t = 1.0
    for _ in range(steps):
        moved = w - step * (A.mT @ (A @ w - y))
        Z = nearest(kind.unpack(moved, operator.shape, is_complex=operator.is_complex), radius, kind, positive)
        before, z = z, kind.pack(Z)
        # Momentum begins anew where it points uphill.
        t = 1.0 if float((w - z) @ (z - before)) > 0 else t
        ahead = (1 + (1 + 4 * t * t) ** 0.5) / 2
        w, t = z + (t - 1) / ahead * (z - before), ahead
    return float((A @ z - y).square().sum()), Z


def held(Z, kind):
    """A full matrix by factors."""
    eye = torch.eye(Z.shape[1], dtype=Z.dtype)
    return LowRank(eye, (Z + Z.mH) / 2) if kind.is_symmetric else LowRank(Z, eye, eye)


def fitted(problem):
    """The least-squares fit of the truth's rank."""
    plain = replace(calibrate(problem), trace_direction=None, trace_factor=1.0)
    objective = SensingObjective(problem, given=plain)
    stop = Stop(residual=1e-14, stagnation=5, gain=1e-9, max_steps=500)
    return solve(objective, ConjugateWN(), objective.from_user(problem.truth), stop=stop).answer


@flavors
@pytest.mark.fast("psd", "complex-rectangular")
def test_at_a_global_optimum_the_bound_is_nearly_zero(flavor):
    """Of a noisy problem over a ball that binds, so that the optimum is of full gradient and low rank."""
    problem = posed(flavor, 25, noise=0.3, weighted=True)
    radius = 0.5 * float(problem.truth.singular_values().sum())
    positive = flavor is PSD
    least, Z = minimized(problem, radius, positive)
    said = certify(problem, held(Z, flavor.kind), radius=radius * (1 + 1e-12), steps=0)
    assert said.objective == pytest.approx(least, rel=1e-9)
    assert least > 0.01
    assert 0 <= said.gap <= 1e-6 * least
    assert said.positive == positive


@flavors
@pytest.mark.parametrize(("n", "radius"), [(15, 1.0), (60, 3.0)])
@pytest.mark.fast(n=[15], flavor=["psd", "complex-rectangular"])
def test_the_true_gap_is_never_above_the_bound(flavor, n, radius):
    """At random points, near the truth and at fits of low rank; the bound is never more than the objective."""
    problem = posed(flavor, n, noise=0.2)
    rng = generator(4)
    size = problem.operator.shape[0] if flavor.kind.is_symmetric else problem.operator.shape
    far = low_rank(size, 3, 3.0, kind=flavor.kind, generator=rng, dtype=flavor.dtype())
    for Z in [far, problem.truth.plus(far.scaled(1e-2)).orthonormal(), fitted(problem)]:
        tau = radius * float(Z.singular_values().sum())
        least, _ = minimized(problem, tau, flavor is PSD, steps=200)
        said, plain = certify(problem, Z, radius=tau, steps=20), certify(problem, Z, radius=tau, steps=0)
        # The minimum is found from above.
        assert said.objective - least <= said.gap * (1 + 1e-9)
        assert said.gap <= plain.gap <= said.objective == plain.objective
        assert said.relative_gap == pytest.approx(said.gap / float(problem.measurements.square().sum()))


@flavors
@pytest.mark.fast("psd", "complex-rectangular")
def test_an_exact_answer_is_certified_to_its_residual_and_a_bad_one_is_not(flavor):
    problem = posed(flavor, 60, rank=1)
    good = certify(problem, problem.truth)
    assert good.relative_gap <= 1e-28
    bad = certify(problem, low_rank_like(problem, flavor))
    assert bad.relative_gap > 0.1


def low_rank_like(problem, flavor):
    size = problem.operator.shape[0] if flavor.kind.is_symmetric else problem.operator.shape
    return low_rank(size, 1, kind=flavor.kind, generator=generator(99), dtype=flavor.dtype())


def test_a_known_minimum_over_states_is_that_of_cvxpy():
    """Of Hermitian matrices known to be positive semidefinite, the least of a semidefinite program."""
    cvxpy = pytest.importorskip("cvxpy")
    rng = generator(5)
    problem = posed(next(f for f in FOUR_KINDS if f.is_complex), 12, side=4, noise=0.3)
    state = random_point(PSD, (4, 4), 2, rng=rng)
    state = LowRank(state.X.to(torch.complex128), torch.eye(2, dtype=torch.complex128))
    state = state.scaled(1 / float(state.trace().real))
    operator = problem.operator
    Z = cvxpy.Variable((4, 4), hermitian=True)
    matrices = operator.adjoint(torch.eye(operator.count, dtype=torch.float64)).numpy()
    image = cvxpy.hstack([cvxpy.real(cvxpy.trace(M @ Z)) for M in matrices])
    misfit = cvxpy.sum_squares(image - problem.measurements.numpy())
    program = cvxpy.Problem(cvxpy.Minimize(misfit), [Z >> 0, cvxpy.real(cvxpy.trace(Z)) <= 1])
    # A first-order solver, whose accuracy is set here and does not depend on the library of linear algebra.
    accuracy = 1e-10
    program.solve(solver="SCS", eps=accuracy, max_iters=100_000)
    assert program.status == "optimal"
    # The answer fulfills the constraints up to the accuracy; the nearest state fulfills them.
    best = nearest(torch.from_numpy(Z.value).to(torch.complex128), 1.0, operator.kind, positive=True)
    # No state is better than the least one: its value is at most that of this state.
    missed = operator.measure(held(best, operator.kind)) - problem.measurements
    least = float(missed.square().sum())
    said = certify(problem, state, positive=True)
    assert said.radius == pytest.approx(1)
    assert 0 < said.objective - least <= said.gap * (1 + 1e-12)
    at_best = certify(problem, held(best, operator.kind), radius=1.0, positive=True)
    # A point within delta of the least value of an L-smooth function has a linearized gap of at most
    # sqrt(2 L delta) D over a set of diameter D: one step along the segment would gain more than delta otherwise.
    smoothness = 2 * float(torch.linalg.matrix_norm(torch.from_numpy(matrices).reshape(12, -1), 2)) ** 2
    delta = accuracy * (1 + least + float(problem.measurements.square().sum()))
    assert at_best.gap <= (2 * smoothness * delta * 2) ** 0.5 < 1e-3 * at_best.objective
    # Over all Hermitian matrices of that norm there is more to lose.
    assert certify(problem, state, steps=0).gap >= certify(problem, state, steps=0, positive=True).gap * (1 - 1e-12)


@flavors
@pytest.mark.fast("psd", "complex-rectangular")
def test_steps_close_in_on_the_true_gap_of_a_noisy_fit(flavor):
    """Where noise is small the fit's own residual bounds nothing; with steps the bound is the true gap nearly."""
    problem = posed(flavor, 120, noise=0.02)
    Z = fitted(problem)
    radius = float(Z.singular_values().sum())
    least, _ = minimized(problem, radius, flavor is PSD, steps=300)
    said = certify(problem, Z, steps=100)
    true = said.objective - least
    assert certify(problem, Z, steps=0).gap == pytest.approx(said.objective)
    assert true * (1 - 1e-6) <= said.gap <= true + 0.05 * said.objective
    assert said.applications <= 3 * 100 + 10


def test_a_larger_noisy_fit_has_a_bound_too():
    """Where the frame is much narrower than the matrix, and what the gradient has of either sign does not fit in it."""
    problem = posed(PSD, 700, side=40, noise=0.02)
    said = certify(problem, fitted(problem))
    assert 0 < said.gap < 0.2 * said.objective


@flavors
def test_lanczos_and_a_full_decomposition_agree(flavor):
    """Beyond side 32 nothing is formed; the bound is off by what is left of the Ritz vector."""
    problem = posed(flavor, 900, side=40, noise=0.2)
    said = certify(problem, problem.truth, steps=0)
    v = 2 * (problem.operator.measure(problem.truth) - problem.measurements)
    G = problem.operator.adjoint(v)
    known = float(torch.linalg.eigvalsh(G)[0]) if flavor is PSD else -float(torch.linalg.matrix_norm(G, 2))
    assert known * (1 + 1e-3) <= said.least_eigenvalue <= known * (1 - 1e-9)
    assert 10 < said.applications < 400


def test_at_a_stationary_point_the_least_eigenvalue_is_all_that_is_missing():
    """s = tau nu / 2, the second-order condition of the factor with an idle column."""
    problem = posed(PSD, 60, noise=0.1)
    Z = fitted(problem)
    said = certify(problem, Z, steps=0)
    half = said.radius * -said.least_eigenvalue / 2
    assert said.gap == pytest.approx(half * (2 - half / said.objective), rel=1e-4)
    # The curvature of f(Y Y^T) along an idle column v is 2 v^T G v.
    v = 2 * (problem.operator.measure(Z) - problem.measurements)
    _, vectors = torch.linalg.eigh(problem.operator.adjoint(v))
    step = 1e-3
    added = LowRank(
        torch.cat([Z.X, vectors[:, :1]], 1), torch.block_diag(Z.Theta, torch.full((1, 1), step**2).double())
    )
    change = float((problem.operator.measure(added) - problem.measurements).square().sum()) - said.objective
    assert change == pytest.approx(step**2 * said.least_eigenvalue, rel=1e-3)


def test_it_is_told_in_words():
    said = certify(posed(PSD, 60, noise=0.1), posed(PSD, 60).truth)
    assert "positive semidefinite matrices of trace at most 1.5" in str(said)
    assert f"at most {said.gap:.1e} above the best" in str(said)
    assert "nuclear norm" in str(certify(posed(FOUR_KINDS[3], 60), posed(FOUR_KINDS[3], 60).truth))


@pytest.mark.usefixtures("as_users_run")
def test_what_cannot_be_certified_is_told():
    problem = posed(PSD, 60)
    cases = [
        (low_rank(5, 1), {}, "the matrix of size 6 x 6, got 5 x 5"),
        (problem.truth, {"radius": 1.0}, "a radius of at least 1.5"),
        (problem.truth.scaled(-1.0), {}, "a positive semidefinite matrix"),
        (LowRank(normal(2, 6, 1), normal(2, 1, 1)), {}, "a batch"),
    ]
    for matrix, settings, words in cases:
        with pytest.raises(InputError, match=words):
            certify(problem, matrix, **settings)
    rectangular = posed(FOUR_KINDS[3], 60)
    with pytest.raises(InputError, match="positive=True"):
        certify(rectangular, rectangular.truth, positive=True)


def test_the_descent_over_a_ball_goes_with_the_unit():
    """Other units of the measurements change no share of the objective; powers of two round nothing."""
    problem = posed(PSD, 60, side=12, noise=0.05)
    radius = 0.8 * float(torch.linalg.matrix_norm(problem.truth.dense(), "nuc"))
    start = random_point(PSD, (12, 12), 2).scaled(0.01)
    shares = []
    for scale in (1.0, 2.0**-30):
        other = Problem(problem.operator, scale * problem.measurements)
        descent = BallDescent(other, scale * radius, positive=True)
        image = descent.image(descent.run(start.scaled(scale), 10, seed=0))
        shares.append(descent.objective(image) / float(other.measurements.square().sum()))
    assert shares[1] == pytest.approx(shares[0], rel=1e-9)
