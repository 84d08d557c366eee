"""Public libraries on the same problems: they find what is there, count honestly, refuse in one line."""

import re
import sys
from types import SimpleNamespace

import pytest
import torch

from cases.draws import generator
from wnsense.checks import InputError
from wnsense.lab.bench.peers import nuclear_norm_minimization, riemannian_trust_region
from wnsense.lab.bench.peers.semidefinite import solve_program
from wnsense.sensing.adapters import from_functions
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.ensembles.entries import EntrySensing
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem, low_rank

pytestmark = pytest.mark.usefixtures("as_users_run")


def measured(kind, size, rank, n, noise=0.0, dtype=None):
    rng = generator(3)
    truth = low_rank(size, rank, 2.0, kind=kind, generator=rng, dtype=dtype)
    operator = GaussianSensing.draw(n, size, kind=kind, generator=rng, dtype=truth.dtype)
    return Problem.measure(operator, truth, noise, generator=rng)


def error(matrix, problem):
    return float(matrix.distance(problem.truth) / problem.truth.norm())


# Rows are fewer than unknowns (36, 36, 36, 42, 32) and enough for rank one.
CONVEX = {
    "psd": ("psd", 8, 28, None),
    "symmetric": ("symmetric", 8, 33, None),
    "hermitian": ("hermitian", 6, 34, None),
    "rectangular": ("rectangular", (7, 6), 38, None),
    "complex rectangular": ("rectangular", (4, 4), 30, torch.complex128),
}


@pytest.mark.parametrize("case", CONVEX)
def test_the_least_nuclear_norm_is_the_low_rank_matrix(case):
    kind, size, n, dtype = CONVEX[case]
    problem = measured(kind, size, 1, n, dtype=dtype)
    assert n < problem.operator.dimension
    found = nuclear_norm_minimization(problem)
    assert error(found.matrix, problem) < 1e-5
    assert found.matrix.rank(1e-4) == 1
    # Where the constraints leave a single point, an interior-point method may end inexactly; another one then follows.
    assert re.match(r"\w+: optimal(,|$)", found.ending)
    assert found.applications is None
    assert found.matrix.dtype == problem.operator.dtype


class Program:
    """A program of one variable; each solver ends as a script says, and its answer is the place of its name."""

    def __init__(self, **endings):
        self.endings = endings
        self.status, self.calls = None, []
        self.variable = SimpleNamespace(value=None, save_value=lambda value: setattr(self.variable, "value", value))

    def variables(self):
        return [self.variable]

    def solve(self, solver, **settings):
        self.calls.append((solver, settings))
        self.status = self.endings[solver]
        if self.status == "error":
            self.variable.value = None
            raise ValueError(solver)
        self.variable.value = None if self.status.startswith("infeasible") else list(self.endings).index(solver)

    @property
    def library(self):
        return SimpleNamespace(installed_solvers=lambda: list(self.endings), SolverError=ValueError)


@pytest.mark.parametrize(
    ("endings", "ending", "value"),
    [
        ({"CLARABEL": "optimal", "SCS": "error"}, "CLARABEL: optimal", 0),
        ({"CLARABEL": "infeasible", "SCS": "optimal"}, "CLARABEL: infeasible", None),
        ({"CLARABEL": "error", "SCS": "optimal"}, "SCS: optimal, tried too: CLARABEL: failed", 1),
        (
            {"CLARABEL": "optimal_inaccurate", "SCS": "error", "SDPA": "optimal"},
            "SDPA: optimal, tried too: CLARABEL: optimal_inaccurate, SCS: failed",
            2,
        ),
        # No solver ends exactly: the answer is that of the first one that has one.
        (
            {"CLARABEL": "infeasible_inaccurate", "SCS": "optimal_inaccurate", "SDPA": "optimal_inaccurate"},
            "SCS: optimal_inaccurate, tried too: CLARABEL: infeasible_inaccurate, SDPA: optimal_inaccurate",
            1,
        ),
    ],
)
def test_another_solver_follows_one_that_gives_up(endings, ending, value):
    program = Program(**endings)
    outcome = solve_program(program.library, program, "CLARABEL")
    assert (outcome.ending, program.variable.value) == (ending, value)
    # Only a solver that follows another one has settings that make it accurate.
    assert all((settings != {}) == (solver == "SCS") for solver, settings in program.calls)


def test_solvers_that_all_fail_are_named():
    program = Program(SCS="error", CLARABEL="error")
    with pytest.raises(InputError, match="programs that ends, got SCS: failed; CLARABEL: failed"):
        solve_program(program.library, program, "SCS")


@pytest.mark.parametrize("solver", ["CLARABEL", "SCS"])
def test_a_known_noise_level_is_a_ball_that_the_answer_lies_on(solver):
    problem = measured("psd", 8, 1, 34, noise=0.05)
    found = nuclear_norm_minimization(problem, solver=solver)
    missed = problem.operator.measure(found.matrix) - problem.measurements
    # A smaller matrix would explain the measurements less well: the constraint is active.
    assert float(missed.norm() / problem.measurements.norm()) == pytest.approx(problem.noise_level, rel=1e-3)
    assert error(found.matrix, problem) < 0.2


def test_sampled_entries_are_handed_over_as_sparse_rows():
    rng = generator(5)
    truth = low_rank(12, 1, kind="symmetric", generator=rng)
    problem = Problem.measure(EntrySensing.draw(60, 12, kind="symmetric", generator=rng), truth)
    assert error(nuclear_norm_minimization(problem).matrix, problem) < 1e-4


def test_positivity_stands_in_for_measurements():
    rng = generator(1)
    truth = low_rank(8, 1, kind="hermitian", generator=rng)
    problem = Problem.measure(GaussianSensing.draw(24, 8, kind="hermitian", generator=rng), truth)
    told = nuclear_norm_minimization(problem, positive=True)
    assert error(told.matrix, problem) < 1e-5
    assert error(nuclear_norm_minimization(problem).matrix, problem) > 0.1


MANIFOLDS = {
    "psd": ("psd", 20, 160),
    "hermitian": ("hermitian", 12, 140),
    "rectangular": ("rectangular", (15, 12), 140),
}


@pytest.mark.parametrize("kind", MANIFOLDS)
def test_a_trust_region_of_the_true_rank_finds_the_truth(kind):
    problem = measured(*MANIFOLDS[kind][:2], 2, MANIFOLDS[kind][2])
    if kind == "hermitian":
        positive = problem.truth.positive_part()
        problem = Problem.measure(problem.operator, positive)
    found = riemannian_trust_region(problem, 2, tolerance=1e-11)
    assert error(found.matrix, problem) < 1e-9
    assert found.matrix.rank() == 2
    assert "min grad norm" in found.ending


@pytest.mark.parametrize("kind", MANIFOLDS)
def test_newton_steps_end_at_a_stationary_point_of_a_problem_that_does_not_fit(kind):
    # With half of y noise the curvature counts: with a wrong Hessian so few steps would not get so close.
    problem = measured(*MANIFOLDS[kind][:2], 2, MANIFOLDS[kind][2], noise=0.5)
    found = riemannian_trust_region(problem, 2, tolerance=1e-10, max_iterations=25)
    assert "min grad norm" in found.ending
    missed = problem.operator.measure(found.matrix) - problem.measurements
    G = problem.operator.adjoint(missed)
    assert float((G @ found.matrix.right).norm() + (G.mH @ found.matrix.X).norm()) < 1e-8 * float(G.norm())


@pytest.mark.parametrize("kind", ["psd", "rectangular"])
def test_every_application_is_counted(kind):
    dense = measured(kind, (6, 6), 1, 30)
    calls = {"forward": 0, "adjoint": 0}

    def forward(Z):
        calls["forward"] += 1
        return dense.operator.measure(
            LowRank(torch.eye(6, dtype=Z.dtype), Z, None if kind == "psd" else torch.eye(6, dtype=Z.dtype))
        )

    def adjoint(v):
        calls["adjoint"] += 1
        return dense.operator.adjoint(v)

    operator = from_functions(forward, adjoint, n=30, size=(6, 6), kind=kind)
    found = riemannian_trust_region(Problem(operator, dense.measurements, dense.truth), 1)
    assert error(found.matrix, dense) < 1e-6
    # A rectangular operator of functions is asked for M* once for each side of a point.
    both_sides = 0 if kind == "psd" else calls["adjoint"] - (found.applications - calls["forward"])
    assert found.applications == calls["forward"] + calls["adjoint"] - both_sides
    assert 0 <= both_sides <= calls["adjoint"] / 2


def test_a_start_is_where_it_begins():
    problem = measured("psd", 20, 2, 160)
    cold = riemannian_trust_region(problem, 2)
    warm = riemannian_trust_region(problem, 2, start=cold.matrix)
    # The library looks at the gradient after its first step only.
    assert "after 1 iterations" in warm.ending
    assert warm.applications < cold.applications


def test_what_the_libraries_cannot_treat_is_told_in_one_line():
    psd, symmetric = measured("psd", 6, 1, 20), measured("symmetric", 6, 1, 20)
    complex_one = measured("rectangular", (4, 4), 1, 30, dtype=torch.complex128)
    weighted = Problem(psd.operator, psd.measurements, noise_level=0.0, weights=torch.ones(20, dtype=torch.float64))
    unknown = Problem(psd.operator, psd.measurements)
    large = Problem.measure(EntrySensing.draw(10, 300, generator=generator()), low_rank(300, 1, generator=generator()))
    noisy = measured("psd", 3, 1, 9, noise=0.5)
    unfit = Problem(noisy.operator, noisy.measurements, noise_level=0.0)
    refusals = [
        (lambda: nuclear_norm_minimization(large), "at most 65536 entries .* got 90000"),
        (lambda: nuclear_norm_minimization(unknown), "needed the noise level"),
        (lambda: nuclear_norm_minimization(weighted), "count alike"),
        (lambda: nuclear_norm_minimization(complex_one, positive=True), "positive=True, got rectangular"),
        (lambda: nuclear_norm_minimization(unfit), r"some psd matrix explains, \w+ says infeasible;"),
        (lambda: nuclear_norm_minimization(psd, solver="NONE"), "a solver of semidefinite programs"),
        (lambda: riemannian_trust_region(symmetric, 1), "psd, hermitian or rectangular, got symmetric"),
        (lambda: riemannian_trust_region(complex_one, 1), "a real rectangular matrix"),
        (lambda: riemannian_trust_region(weighted, 1), "count alike"),
        (lambda: riemannian_trust_region(psd, 7), "the rank between 1 and 6"),
        (lambda: riemannian_trust_region(psd, 2, start=psd.truth), "a start of rank 2, got 1"),
        (lambda: riemannian_trust_region(psd, 1, start=noisy.truth), "the start of size 6 x 6, got 3 x 3"),
    ]
    for call, message in refusals:
        with pytest.raises(InputError, match=message) as told:
            call()
        assert "\n" not in str(told.value)


def test_a_missing_library_is_told_with_how_to_get_it(monkeypatch):
    problem = measured("psd", 6, 1, 20)
    monkeypatch.setitem(sys.modules, "cvxpy", None)
    monkeypatch.setitem(sys.modules, "pymanopt", None)
    with pytest.raises(InputError, match=r"package cvxpy .* got none; pip install 'wnsense\[peers\]'"):
        nuclear_norm_minimization(problem)
    with pytest.raises(InputError, match=r"package pymanopt .* got none; pip install 'wnsense\[peers\]'"):
        riemannian_trust_region(problem, 1)
