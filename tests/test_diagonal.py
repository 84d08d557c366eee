"""Diagonal networks and their discrete solvers: gradients, steps against literal formulas, the loop and checkpoints."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator

from cases.draws import generator, normal
from wnsense.checks import InputError
from wnsense.lab.diagonal.descent import NormalizedDescent, PlainDescent, ProjectedDescent
from wnsense.lab.diagonal.diagonal_network import DiagonalObjective, DiagonalProblem, Weights, equal_start, vector_error
from wnsense.lab.diagonal.held_out import HeldOutBest
from wnsense.lab.diagonal.schedules import Geometric, TwoPhase
from wnsense.running.checkpoint import Checkpoint
from wnsense.running.loop import solve
from wnsense.running.status import Status
from wnsense.running.stop import Stop
from wnsense.running.trace import Trace
from wnsense.sensing.drawn_maps import gaussian_map, partial_cosine_map
from wnsense.sensing.map_sources import linear_map
from wnsense.sparse.optimality import optimality_gap
from wnsense.sparse.references import basis_pursuit, oracle_least_squares
from wnsense.theory.diagonal import magnification

M, N = 8, 12


def sparse_problem(rows=M, columns=N, noise=0.0, seed=0) -> DiagonalProblem:
    A = gaussian_map(rows, columns, generator(seed))
    z = torch.zeros(columns, dtype=torch.float64)
    z[[1, 4]] = torch.tensor([1.0, -0.7], dtype=torch.float64)
    y = A.times(z)
    return DiagonalProblem(A, y + noise * normal(rows, rng=generator(seed + 1)), z)


def mask() -> torch.Tensor:
    rows = torch.ones(M, dtype=torch.float64)
    rows[::4] = 0
    return rows


def loss(objective: DiagonalObjective, x: torch.Tensor) -> torch.Tensor:
    A, y = objective.problem.operator.dense(), objective.problem.measurements
    n = A.shape[1]
    z = x[:n] ** objective.depth - x[n:] ** objective.depth if objective.signed else x**objective.depth
    residual = A @ z - y
    return 0.5 * (residual if objective.fitted is None else residual * objective.fitted).square().sum()


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("held", [False, True])
def test_the_gradient_is_that_of_autograd(depth, signed, held):
    objective = DiagonalObjective(sparse_problem(), depth, signed, mask() if held else None)
    x = normal(objective.width).requires_grad_()
    (expected,) = torch.autograd.grad(loss(objective, x), x)
    at = objective.evaluate(Weights(x.detach()))
    torch.testing.assert_close(at.gradient, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(at.misfit.square() / 2, loss(objective, x).detach(), rtol=1e-13, atol=0)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_batch_is_a_loop(depth):
    objective = DiagonalObjective(sparse_problem(), depth)
    starts = normal(3, objective.width)
    for solver in SOLVERS.values():
        together = solver.step(objective, solver.start(objective, Weights(starts)))
        for i in range(3):
            alone = solver.step(objective, solver.start(objective, Weights(starts[i])))
            torch.testing.assert_close(together.evaluation.point.x[i], alone.evaluation.point.x, rtol=1e-12, atol=1e-13)


SOLVERS = {
    "plain": PlainDescent(0.01),
    "normalized": NormalizedDescent(0.01, 0.003),
    "normalized, u free": NormalizedDescent(0.01, 0.003, renormalize=False),
    "normalized, (r^2, 1)": NormalizedDescent(0.01, 0.01, 2.0),
    "normalized, scheduled": NormalizedDescent(0.01, 0.01, schedule=Geometric(0.01, 1.5)),
    "projected": ProjectedDescent(0.01, 0.003),
    "projected, two phases": ProjectedDescent(0.01, 0.02, TwoPhase(3)),
}


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("renormalize", [False, True])
def test_a_normalized_step_is_gradient_descent_on_r_and_u(depth, renormalize):
    """Autograd of L(r u / ||u||) by r and by u, at a u that is not of norm 1."""
    objective = DiagonalObjective(sparse_problem(), depth)
    u, r = normal(objective.width).requires_grad_(), torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    by_u, by_r = torch.autograd.grad(loss(objective, r * u / u.norm()), (u, r))
    solver = NormalizedDescent(0.02, 0.005, renormalize=renormalize)
    state = replace(
        solver.start(objective, Weights(u.detach())), evaluation=objective.evaluate(Weights(u.detach(), r.detach()))
    )
    after = solver.step(objective, state).evaluation.point
    expected = (u - 0.02 * by_u).detach()
    expected = expected / expected.norm() if renormalize else expected
    torch.testing.assert_close(after.direction, expected, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(after.magnitude, (r - 0.005 * by_r).detach(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("depth", [1, 2])
def test_a_projected_step_is_that_of_its_paper(depth):
    """v = w - eta grad_w 1/2 ||A (g w)^L - y||^2, w+ = v / ||v||, g+ = g - gamma grad_g; both at (w, g)."""
    objective = DiagonalObjective(sparse_problem(), depth)
    x = normal(objective.width)
    g, w = x.norm().requires_grad_(), (x / x.norm()).requires_grad_()
    by_w, by_g = torch.autograd.grad(loss(objective, g * w), (w, g))
    solver = ProjectedDescent(0.02, 0.005)
    after = solver.step(objective, solver.start(objective, Weights(x))).evaluation.point
    v = (w - 0.02 * by_w).detach()
    torch.testing.assert_close(after.direction, v / v.norm(), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(after.magnitude, (g - 0.005 * by_g).detach(), rtol=1e-12, atol=1e-13)


def test_schedules():
    assert [TwoPhase(2, 0.1).factor(t) for t in range(4)] == [0.1, 0.1, 1.0, 1.0]
    np.testing.assert_allclose([Geometric(0.25, 2.0).factor(t) for t in range(4)], [0.25, 0.5, 1, 1], rtol=1e-15)
    np.testing.assert_allclose(Geometric(1.0, 0.5, 0.25).factor(7), 0.25, rtol=1e-15)
    assert Geometric(0.1, 1.01).factor(10**9) == 1.0
    with pytest.raises(InputError, match="needed a positive first factor"):
        Geometric(0.0, 2.0)


def test_small_steps_follow_the_flow_and_its_magnification():
    """WN-GD with small steps goes where the flow from x_0 / rho does: log (rho x / x_0) in the range of A^T, L = 2."""
    objective = DiagonalObjective(sparse_problem(), 2)
    errors = []
    for step in (1.6e-2, 8e-3):
        out = solve(
            objective,
            NormalizedDescent(step, 0.5 * step),
            equal_start(objective, 0.1),
            stop=Stop(residual=0.01, max_steps=3000),
            trace=Trace(every=10**6),
        )
        assert out.status == Status.CONVERGED
        x, r = out.snapshot.state.evaluation.point.x, float(out.snapshot.state.evaluation.point.magnitude)
        rho = magnification(0.1 * math.sqrt(2 * N), r, 0.5)
        A = objective.problem.operator.dense()
        rows = torch.linalg.qr(torch.cat([A, -A], dim=1).mT).Q
        for start in (0.1 / rho, 0.1):
            change = torch.log(x / start)
            errors.append(float((change - rows @ (rows.mT @ change)).norm() / change.norm()))
    # First order in the step; and from x_0 itself, without the magnification, not at all.
    assert errors[0] < 1e-2
    assert errors[2] == pytest.approx(errors[0] / 2, rel=0.05)
    assert min(errors[1], errors[3]) > 0.3


def test_the_rates_r_squared_and_one_magnify_nothing():
    objective = DiagonalObjective(sparse_problem(), 2)
    stop, trace = Stop(residual=0.01, max_steps=3000), Trace(every=10**6)
    start, step = equal_start(objective, 0.2), 1e-2
    plain = solve(objective, PlainDescent(step), start, stop=stop, trace=trace)
    normalized = solve(objective, NormalizedDescent(step, step, 2.0), start, stop=stop, trace=trace)
    unequal = solve(objective, NormalizedDescent(step, step), start, stop=stop, trace=trace)
    distance = [float((other.answer - plain.answer).norm()) for other in (normalized, unequal)]
    # The same path but for the steps' size, which is of that order; another path is far off.
    assert distance[0] < 3e-3
    assert distance[1] > 3e-2


def test_weight_normalization_finds_the_least_norm_from_afar():
    """arXiv 1911.07956 at depth 1: w_perp(t) = exp((g_0^2 - g_t^2) / (2 c)) w_perp(0), to first order in the steps."""
    problem = sparse_problem(rows=5, columns=10)
    objective = DiagonalObjective(problem, 1, signed=False)
    A = problem.operator.dense()
    rows = torch.linalg.qr(A.mT).Q
    least = torch.linalg.pinv(A) @ problem.measurements
    start = Weights(normal(10) * 0.1)
    c, kernels = 0.1, []
    for step in (4e-2, 2e-2):
        out = solve(
            objective,
            NormalizedDescent(step, c * step),
            start,
            stop=Stop(residual=1e-3, max_steps=5000),
            trace=Trace(every=10**6),
        )
        assert out.status == Status.CONVERGED
        point = out.snapshot.state.evaluation.point
        first = start.normalized()
        perp = [w - rows @ (rows.mT @ w) for w in (first.direction, point.direction)]
        g0, g = float(first.magnitude), float(point.magnitude)
        predicted = math.exp((g0 * g0 - g * g) / (2 * c))
        kernels.append(float(perp[1].norm() / perp[0].norm()) / predicted - 1)
    assert abs(kernels[0]) < 0.05
    assert kernels[1] == pytest.approx(kernels[0] / 2, rel=0.05)
    # The start has 0.86 of its direction in the kernel.
    assert float((out.answer - least).norm() / least.norm()) < 0.05 < float(perp[0].norm())


def test_two_phases_come_closer_to_the_least_norm_than_none():
    """arXiv 1911.07956: g rests at a small size while w learns; w's part in the kernel decays only then."""
    problem = sparse_problem(rows=5, columns=10)
    objective = DiagonalObjective(problem, 1, signed=False)
    least = torch.linalg.pinv(problem.operator.dense()) @ problem.measurements
    start, stop = Weights(normal(10)), Stop(residual=1e-9, max_steps=5000)
    trace = Trace(every=10**6)
    plain = solve(objective, PlainDescent(0.1), start, stop=stop, trace=trace).answer
    small = Weights(start.direction, torch.tensor(0.05, dtype=torch.float64))
    two = solve(objective, ProjectedDescent(0.1, 0.1, TwoPhase(1000)), small, stop=stop, trace=trace).answer
    distances = [float((z - least).norm() / least.norm()) for z in (plain, two)]
    assert distances[0] > 0.5
    assert distances[1] < 1e-2


def test_early_stopping_answers_with_the_best_held_out():
    """u.u - v.v on noisy data: the answer predicts the held-out rows better than the last point, and errs less."""
    problem = sparse_problem(rows=30, columns=60, noise=0.15)
    fitted = torch.ones(30, dtype=torch.float64)
    fitted[::5] = 0
    objective = DiagonalObjective(problem, 2, fitted=fitted)
    out = solve(
        objective,
        HeldOutBest(PlainDescent(0.05)),
        equal_start(objective, 1e-3),
        stop=Stop(max_steps=600),
        trace=Trace(error=vector_error),
    )
    held = out.trace["holdout_residual"]
    best = int(held.argmin())
    assert 0 < best < 600
    last = vector_error(objective, out.snapshot.state.evaluation.point)
    error = float((out.answer - problem.truth).norm() / problem.truth.norm())
    np.testing.assert_allclose(error, out.trace["error"][best], rtol=1e-12)
    assert error < float(last)
    with pytest.raises(InputError, match="needed rows held out, got none"):
        solve(DiagonalObjective(problem), HeldOutBest(PlainDescent(0.1)), equal_start(objective, 0.1))


@pytest.mark.parametrize("name", [*SOLVERS, "held out"])
def test_a_run_interrupted_and_resumed_is_the_uninterrupted_one(tmp_path, name):
    solver = HeldOutBest(SOLVERS["normalized"]) if name == "held out" else SOLVERS[name]
    path = tmp_path / "run.npz"

    def go(at=None, *, checkpoint=None):
        def callback(progress):
            if progress.step == at:
                raise KeyboardInterrupt

        objective = DiagonalObjective(sparse_problem(), 3, fitted=mask())
        start = Weights(0.3 * normal(objective.width))
        stop, trace = Stop(max_steps=7, callback=callback), Trace(every=2, error=vector_error)
        return solve(objective, solver, start, stop=stop, trace=trace, checkpoint=checkpoint)

    whole = go()
    for at in (0, 1, 6):
        assert go(at, checkpoint=Checkpoint(path, sparse_problem(), solver)).status == Status.INTERRUPTED
        resumed = go(checkpoint=Checkpoint(path, sparse_problem(), solver, resume=True))
        assert resumed.status == whole.status
        assert resumed.steps == whole.steps == 7
        assert torch.equal(resumed.answer, whole.answer)
        assert torch.equal(
            resumed.snapshot.state.evaluation.point.direction, whole.snapshot.state.evaluation.point.direction
        )
        assert resumed.trace["residual"].tobytes() == whole.trace["residual"].tobytes()
    with pytest.raises(InputError, match="needed the problem and settings that"):
        go(checkpoint=Checkpoint(path, sparse_problem(seed=5), solver, resume=True))


def test_the_loop_stops_and_counts():
    objective = DiagonalObjective(sparse_problem(), 2)
    out = solve(objective, PlainDescent(0.05), equal_start(objective, 0.3), stop=Stop(residual=1e-3))
    assert out.status == Status.CONVERGED
    assert float(out.residual) <= 1e-3
    assert out.applications == 2 * (out.steps + 1)
    assert list(out.trace["step"]) == list(range(out.steps + 1))
    residual = objective.problem.operator.times(out.answer) - objective.problem.measurements
    torch.testing.assert_close(
        out.residual, residual.norm() / objective.problem.measurements.norm(), rtol=1e-12, atol=0
    )
    wild = solve(objective, PlainDescent(50.0), equal_start(objective, 1.0), stop=Stop(max_steps=200))
    assert wild.status == Status.DIVERGED


def test_single_precision_and_transforms_run_too():
    A = partial_cosine_map(20, 40, generator(), dtype=torch.float32)
    z = torch.zeros(40)
    z[3] = 1.0
    objective = DiagonalObjective(DiagonalProblem(A, A.times(z), z), 2)
    out = solve(objective, NormalizedDescent(0.1, 0.05), equal_start(objective, 0.1), stop=Stop(residual=1e-3))
    assert out.status == Status.CONVERGED
    assert out.answer.dtype == torch.float32


def test_what_does_not_fit_is_refused():
    problem = sparse_problem()
    objective = DiagonalObjective(problem)
    with pytest.raises(InputError, match=r"needed 24 weights, got 12"):
        solve(objective, PlainDescent(0.1), Weights(normal(12)))
    with pytest.raises(InputError, match=r"needed weights of torch.float64, got torch.float32"):
        solve(objective, PlainDescent(0.1), Weights(torch.ones(24)))
    with pytest.raises(InputError, match=r"needed a depth of at least 1, got 0"):
        DiagonalObjective(problem, 0)
    with pytest.raises(InputError, match=r"needed a mask of ones"):
        DiagonalObjective(problem, fitted=torch.full((M,), 0.5, dtype=torch.float64))
    with pytest.raises(InputError, match=r"needed a start other than zero"):
        equal_start(objective, 0.0)
    with pytest.raises(InputError, match=r"needed measurements that are not all zero"):
        DiagonalProblem(problem.operator, torch.zeros(M, dtype=torch.float64))
    with pytest.raises(InputError, match=r"needed a problem with a truth"):
        vector_error(DiagonalObjective(replace(problem, truth=None)), Weights(normal(24)))


# -- maps of a user ----------------------------------------------------------------------------------------------------


def operator_with(back, there=None, dtype=np.float64) -> LinearOperator:
    """An operator whose product and adjoint are what a user made of them."""
    matrix = gaussian_map(M, N, generator(3)).matrix.numpy()
    return LinearOperator((M, N), matvec=there or (lambda v: matrix @ v), rmatvec=back, dtype=dtype)


def wrong_adjoints() -> dict[str, np.ndarray]:
    matrix = gaussian_map(M, N, generator(3)).matrix.numpy()
    return {
        "negated": -matrix.T,
        "doubled": 2 * matrix.T,
        "permuted": matrix.T[::-1],
        "random": normal(N, M).numpy(),
        "inverse": np.linalg.pinv(matrix),
    }


@pytest.mark.parametrize("name", wrong_adjoints())
def test_a_wrong_adjoint_is_noticed(name):
    back = wrong_adjoints()[name]
    with pytest.raises(InputError, match=r"needed <A v, w> = <v, A\^T w> .* rmatvec is not A\^T"):
        linear_map(operator_with(lambda w: back @ w))


@pytest.mark.parametrize("size", [1e-100, 1.0, 1e100])
def test_an_adjoint_that_rounds_to_single_precision_is_one(size):
    A = normal(400, 900).numpy()
    rough = A.astype(np.float32)

    def there(v):
        return (rough @ v.astype(np.float32)).astype(np.float64) * size

    def back(w):
        return (w.astype(np.float32) @ rough).astype(np.float64) * size

    assert linear_map(LinearOperator(A.shape, matvec=there, rmatvec=back, dtype=np.float64)).shape == A.shape


def test_an_operator_of_zeros_is_one():
    assert (
        not linear_map(LinearOperator((2, 3), matvec=lambda _: np.zeros(2), rmatvec=lambda _: np.zeros(3)))
        .dense()
        .any()
    )


@pytest.mark.usefixtures("as_users_run")
def test_operators_that_give_nonsense_are_refused():
    matrix = gaussian_map(M, N, generator(3)).matrix.numpy()

    def back(w):
        return matrix.T @ w

    cases = [
        (operator_with(back, lambda v: matrix @ v * math.nan), "finite numbers in what matvec gives"),
        (operator_with(lambda w: matrix.T @ w / 0.0 if w.any() else w * 1.0), "finite numbers in what rmatvec gives"),
        (operator_with(back, lambda v: (matrix @ v)[:-1]), "matvec to give a vector of the operator's size"),
        (operator_with(lambda w: (matrix.T @ w)[:-1]), "rmatvec to give a vector of the operator's size"),
        (operator_with(back, lambda v: matrix @ v * 1j), "an operator that gives real numbers, got complex128"),
        (operator_with(lambda w: 1e-200 * back(w), lambda v: 1e-200 * (matrix @ v)), "A between 1e-150 and 1e+150"),
    ]
    for operator, words in cases:
        with np.errstate(all="ignore"), pytest.raises(InputError) as caught:
            linear_map(operator)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)


def test_masked_matrices_and_units_far_from_one_are_refused():
    matrix = gaussian_map(M, N, generator(3)).matrix.numpy()
    with pytest.raises(InputError, match="needed a matrix whose entries are all known, got a masked array"):
        linear_map(np.ma.masked_greater(matrix, 0.3))
    assert linear_map(np.ma.masked_array(matrix)).shape == (M, N)
    for size in (1e-200, 1e160):
        for form in (np.asarray, csr_array):
            with pytest.raises(
                InputError, match=r"needed A between 1e-150 and 1e\+150 in size, got .*; change its unit"
            ):
                linear_map(form(matrix * size))


# -- references and the certificate take what `sparse_recover` takes --------------------------------------------------


@pytest.mark.usefixtures("as_users_run")
def test_basis_pursuit_and_the_certificate_take_numpy_and_lists():
    problem = sparse_problem()
    A, y = problem.operator.dense(), problem.measurements
    expected = basis_pursuit(A, y).solution
    gap = optimality_gap(A, y, expected)
    for given in (y.numpy(), y.tolist(), y):
        pursuit = basis_pursuit(A.numpy(), given)
        torch.testing.assert_close(pursuit.solution, expected, rtol=0, atol=0)
        for z in (expected.numpy(), expected.tolist()):
            found = optimality_gap(A.numpy(), given, z, weights=np.ones(N), dual=pursuit.dual.numpy())
            assert found.norm == gap.norm
            assert found.gap < 1e-6
    assert torch.equal(
        oracle_least_squares(A, y.numpy(), torch.tensor([1, 4])), oracle_least_squares(A, y, torch.tensor([1, 4]))
    )
    cases = [(basis_pursuit, (A, y.numpy() * 1j)), (basis_pursuit, (A, y[:3])), (optimality_gap, (A, y, ["a"] * N))]
    for call, arguments in cases:
        with pytest.raises(InputError, match="needed"):
            call(*arguments)


def test_a_gap_of_a_vector_that_does_not_explain_the_measurements_is_refused():
    problem = sparse_problem()
    A, y, z = problem.operator, problem.measurements, problem.truth
    assert optimality_gap(A, y, z).gap >= 0
    for other in (0.1 * z, z + 1e-2, torch.zeros_like(z)):
        with pytest.raises(InputError, match=r"needed z with A z = y, got a misfit of .*; give A.times\(z\) for y"):
            optimality_gap(A, y, other)
        assert -1e-9 <= optimality_gap(A, A.times(other), other).gap <= 1
    with pytest.raises(InputError, match="got A z other than y = 0"):
        optimality_gap(A, 0 * y, z)


@pytest.mark.parametrize("size", [0.0, -1.0, math.nan, math.inf])
def test_steps_that_do_not_descend_are_refused(size):
    for make in (PlainDescent, lambda eta: NormalizedDescent(eta, 0.1), lambda eta: ProjectedDescent(eta, 0.1)):
        with pytest.raises(InputError, match="needed a step size that is positive and finite"):
            make(size)
    if size != 0:
        # A magnitude may rest.
        for make in (NormalizedDescent, ProjectedDescent):
            with pytest.raises(InputError, match="needed a step size of the magnitude that is finite and at least 0"):
                make(0.1, size)
        with pytest.raises(InputError, match="needed a first factor"):
            TwoPhase(3, size)
        with pytest.raises(InputError, match="needed a scale of the start that is positive and finite"):
            equal_start(DiagonalObjective(sparse_problem()), size)
    with pytest.raises(InputError, match="needed a positive last factor"):
        Geometric(0.1, 2.0, size)


@pytest.mark.usefixtures("as_users_run")
def test_powers_and_depths_that_are_none_are_refused():
    for power in (math.nan, math.inf):
        with pytest.raises(InputError, match="needed a finite power of the magnitude"):
            NormalizedDescent(0.1, 0.1, power)
    for depth in (1.5, math.nan):
        with pytest.raises(InputError, match="needed a depth"):
            DiagonalObjective(sparse_problem(), depth)


@pytest.mark.usefixtures("as_users_run")
def test_truth_and_measurements_are_wanted_alike():
    problem = sparse_problem()
    A, y, z = problem.operator, problem.measurements, problem.truth
    for values, came in ((lambda x: x.numpy(), "an object of ndarray"), (lambda x: x.float(), "torch.float32")):
        with pytest.raises(InputError, match=f"needed measurements of torch.float64, got {came}; torch.as_tensor"):
            DiagonalProblem(A, values(y), z)
        with pytest.raises(InputError, match=f"needed a truth of torch.float64, got {came}; torch.as_tensor"):
            DiagonalProblem(A, y, values(z))
    with pytest.raises(InputError, match="finite numbers in the truth"):
        DiagonalProblem(A, y, z * math.nan)
