"""recover(): what it must show and refuse, and that no setting or interruption makes it say more than is so."""

import itertools
import json
import math
import re
import statistics
import types
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from cases.draws import generator, normal
from cases.watched import Alarm, watched
from wnsense.checks import InputError
from wnsense.files.tables import read_table
from wnsense.lab.bench.cells import Cell, cell_problem
from wnsense.linalg import smat
from wnsense.recovery import Recovery, recover
from wnsense.recovery.session import resized
from wnsense.running import loop
from wnsense.running.status import Status
from wnsense.running.stop import Stop
from wnsense.running.trace import Trace
from wnsense.sensing.adapters import from_functions
from wnsense.sensing.ensembles.dense import DenseSensing, GaussianSensing
from wnsense.sensing.ensembles.rank_one import PairedRankOneSensing, RankOneSensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import Problem, low_rank, require_truth
from wnsense.solvers.burer_monteiro import GradientDescent
from wnsense.solvers.calibration import Calibration
from wnsense.solvers.gauss_newton import GaussNewton
from wnsense.solvers.objective import SensingObjective, relative_error
from wnsense.solvers.preconditioned import PreconditionedWN
from wnsense.solvers.weight_norm import WeightNormalizedGD

# Hundreds of steps each: the annotations are checked by the shorter tests of the other files.
pytestmark = pytest.mark.usefixtures("as_users_run")

EPS = torch.finfo(torch.float64).eps
M, RANK, N = 60, 3, 1080


@dataclass(frozen=True)
class Ensemble:
    """What measures, and what."""

    draw: Callable[..., Operator]
    kind: Kind = Kind.PSD
    rectangular: bool = False

    def size(self, m: int) -> int | tuple[int, int]:
        return (m, m) if self.rectangular else m

    def operator(self, n: int, m: int, rng: torch.Generator, dtype: torch.dtype | None = None) -> Operator:
        return self.draw(n, self.size(m), kind=self.kind, generator=rng, dtype=dtype)


GAUSSIAN = Ensemble(GaussianSensing.draw)
RAW = Ensemble(RankOneSensing.draw)
PAIRED = Ensemble(PairedRankOneSensing.draw)
SYMMETRIC = Ensemble(GaussianSensing.draw, Kind.SYMMETRIC)
HERMITIAN = Ensemble(GaussianSensing.draw, Kind.HERMITIAN)
RECTANGULAR = Ensemble(GaussianSensing.draw, Kind.RECTANGULAR, rectangular=True)
ENSEMBLES = {
    "gaussian": GAUSSIAN,
    "raw-rank-one": RAW,
    "paired-rank-one": PAIRED,
    "symmetric": SYMMETRIC,
    "hermitian": HERMITIAN,
    "rectangular": RECTANGULAR,
}
ensembles = pytest.mark.parametrize("ensemble", ENSEMBLES.values(), ids=ENSEMBLES)


def seeds(ci: int, all_of_them: int = 10):
    """The first few always, the others in the slow run."""
    rest = [pytest.param(seed, marks=pytest.mark.slow) for seed in range(ci, all_of_them)]
    return pytest.mark.parametrize("seed", [*range(ci), *rest])


def make(ensemble=GAUSSIAN, condition=10.0, seed=0, *, n=N, m=M, rank=RANK, noise=0.0, dtype=None) -> Problem:
    rng = generator(seed)
    operator = ensemble.operator(n, m, rng, dtype)
    truth = low_rank(ensemble.size(m), rank, condition, kind=ensemble.kind, generator=rng, dtype=dtype)
    return Problem.measure(operator, truth, noise, generator=rng)


def small(ensemble=GAUSSIAN, condition=4.0, seed=0, *, n=300, m=15, rank=2, noise=0.0, dtype=None) -> Problem:
    return make(ensemble, condition, seed, n=n, m=m, rank=rank, noise=noise, dtype=dtype)


def recovered(problem: Problem, **settings) -> Recovery:
    """As a user calls it; the truth is for the report."""
    return recover(problem.operator, problem.measurements, truth=problem.truth, **settings)


def assert_exact(recovery: Recovery, rank=RANK, error=1e-8):
    assert (recovery.status, recovery.rank) == (Status.CONVERGED, rank)
    assert recovery.relative_error <= error


# ------------------------------------------------------------------------------------------ what must be shown


@seeds(1)
@pytest.mark.parametrize("condition", [1.0, 100.0, 1e4])
@ensembles
@pytest.mark.fast(condition=[1e4])
def test_the_matrix_and_its_rank_are_found_without_any_setting(ensemble, condition, seed):
    problem = make(ensemble, condition, seed)
    recovery = recovered(problem, seed=seed)
    assert_exact(recovery)
    # 1e-10 held, and the last fit to everything goes to a tenth of it.
    assert recovery.relative_residual <= 1e-10
    assert recovery.holdout_residual <= 1e-10
    assert float(recovery.matrix.distance(problem.truth) / problem.truth.norm()) == recovery.relative_error


@seeds(1)
@pytest.mark.parametrize("condition", [1.0, 100.0, 1e4])
@ensembles
@pytest.mark.fast(condition=[100.0])
def test_a_bound_that_is_the_rank_does_no_harm(ensemble, condition, seed):
    assert_exact(recovered(make(ensemble, condition, seed), seed=seed, max_rank=RANK))


@seeds(1)
@pytest.mark.parametrize("condition", [1.0, 10.0])
@ensembles
@pytest.mark.fast(condition=[1.0])
def test_too_few_measurements_are_told(ensemble, condition, seed):
    """n = 0.5 m r_A: half as many as the truth has degrees of freedom."""
    recovery = recovered(make(ensemble, condition, seed, n=90), seed=seed)
    assert recovery.status == Status.TOO_FEW_MEASUREMENTS


@seeds(1)
@pytest.mark.parametrize("hopeless", ["shuffled", "noise"])
@ensembles
@pytest.mark.fast(hopeless=["shuffled"])
def test_measurements_of_no_matrix_are_told(ensemble, hopeless, seed):
    problem, n = make(ensemble, seed=seed, n=720, m=40), 720
    rng = generator(seed + 1000)
    y = problem.measurements[torch.randperm(n, generator=rng)] if hopeless == "shuffled" else normal(n, rng=rng)
    assert recover(problem.operator, y, seed=seed).status == Status.NO_LOW_RANK_FIT


def oracle_error(problem: Problem) -> float:
    """Of plain least squares over the true rank, all measurements alike, started at the truth.

    Independent of how the library balances measurements; sixty inner steps solve each linear problem.
    """
    rows = torch.ones(problem.operator.count, dtype=torch.float64)
    objective = SensingObjective(problem, given=Calibration(rows, None, 1.0, float(problem.truth.norm()), 0))
    result = loop.solve(
        objective,
        GaussNewton(inner_steps=60),
        objective.from_user(problem.truth),
        stop=Stop(stagnation=3, gain=1e-8, max_steps=60),
        trace=Trace(every=1000, error=relative_error),
    )
    assert result.status == Status.STAGNATED
    return float(result.trace["error"][-1])


def assert_at_the_floor(recovery: Recovery, oracle: float):
    assert recovery.status == Status.REACHED_NOISE_FLOOR
    assert recovery.relative_error <= 1.4 * oracle


@seeds(1)
@ensembles
@pytest.mark.fast("gaussian-0", "raw-rank-one-0", "rectangular-0")
def test_one_percent_of_noise_costs_little_more_than_it_must(ensemble, seed):
    problem = make(ensemble, seed=seed, n=720, m=40, noise=0.01)
    assert_at_the_floor(recovered(problem, seed=seed), oracle_error(problem))


@pytest.mark.slow
@ensembles
def test_one_percent_of_noise_costs_hardly_anything_in_the_median(ensemble):
    ratios = []
    for seed in range(10):
        problem = make(ensemble, seed=seed, noise=0.01)
        ratios.append(recovered(problem, seed=seed).relative_error / oracle_error(problem))
    assert statistics.median(ratios) <= 1.2


@pytest.mark.parametrize("seed", [0, 7])
def test_a_direction_that_few_measurements_feel_is_kept(seed):
    """Raw rank-one measurements have heavy tails: one large miss must not hide that nearly all others shrink."""
    problem = make(RAW, seed=1, noise=0.01)
    recovery = recovered(problem, seed=seed)
    assert recovery.rank == RANK
    assert_at_the_floor(recovery, oracle_error(problem))


# ------------------------------------------------------------------------------------------- never a wrong claim


def claims_too_much(recovery: Recovery) -> bool:
    return recovery.status.is_success and recovery.relative_error > 1e-8


def near_the_limit(seed: int) -> tuple[Problem, str]:
    """A noiseless problem of some kind and size with one to three times as many rows as degrees of freedom."""
    rng = generator(seed + 10_000)

    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (1,), generator=rng))

    ensemble = list(ENSEMBLES.values())[draw(0, 5)]
    m, condition = draw(3, 24), [1.0, 3.0, 10.0, 100.0, 1e4][draw(0, 4)]
    rank = draw(1, min(3, m))
    freedom = ensemble.kind.degrees_of_freedom((m, m), rank, is_complex=ensemble.kind is Kind.HERMITIAN)
    n = freedom + draw(0, 2 * freedom)
    words = f"seed {seed}: {ensemble.kind}, m {m}, rank {rank}, kappa {condition}, n {n} of {freedom}"
    return make(ensemble, condition, seed, n=n, m=m, rank=rank), words


def test_near_the_limit_nothing_wrong_is_called_right():
    found = 0
    for seed in range(5):
        problem, words = near_the_limit(seed)
        recovery = recovered(problem, seed=seed)
        assert not claims_too_much(recovery), words
        found += recovery.status == Status.CONVERGED
    # And it is not by refusing everything: from 1.5 times as many on most are found.
    assert found >= 3


@pytest.mark.slow
def test_near_the_limit_nothing_wrong_is_called_right_a_thousand_times():
    for seed in range(5, 1040):
        problem, words = near_the_limit(seed)
        assert not claims_too_much(recovered(problem, seed=seed)), words


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [{"holdout": 0.0}, {"holdout": 0.3}, {"noise_level": 1e-3}, {"max_rank": 3}], ids=str
)
def test_near_the_limit_no_setting_makes_it_claim_too_much(settings):
    for seed in range(150):
        problem, words = near_the_limit(seed)
        bounded = settings if "max_rank" not in settings else {"max_rank": min(3, *problem.operator.shape)}
        recovery = recovered(problem, seed=seed, **bounded)
        limit = max(1e-8, 20 * settings.get("noise_level", 0))
        assert not (recovery.status.is_success and recovery.relative_error > limit), words


# --------------------------------------------------------------------------------------------- noise that is known


@pytest.mark.parametrize("ensemble", [GAUSSIAN, RAW, RECTANGULAR], ids=["gaussian", "raw", "rectangular"])
def test_a_known_noise_level_replaces_the_rows_held_out(ensemble):
    problem = small(ensemble, noise=0.01)
    unknown = recovered(problem)
    known = recovered(problem, noise_level=problem.noise_level)
    assert unknown.status == known.status == Status.REACHED_NOISE_FLOOR
    assert unknown.rank == known.rank == 2
    assert unknown.holdout_residual is not None
    assert (known.holdout_residual, known.evidence) == (None, None)
    assert "holdout_residual" not in known.trace
    # Both end with a fit to everything.
    assert known.relative_error == pytest.approx(unknown.relative_error, rel=0.02)


def test_rows_are_held_out_beside_a_known_level_when_asked_for():
    problem = small(noise=0.01)
    recovery = recovered(problem, noise_level=problem.noise_level, holdout=0.2)
    assert recovery.status == Status.REACHED_NOISE_FLOOR
    assert recovery.holdout_residual == pytest.approx(0.01, rel=0.3)


@pytest.mark.parametrize("level", [1e-9, 1e-3, 5e-3])
@pytest.mark.fast(level=[1e-9, 5e-3])
def test_a_level_below_the_noise_is_no_floor(level):
    """Nothing of low rank comes as close as was claimed to be possible."""
    recovery = recovered(small(noise=0.01), noise_level=level)
    assert recovery.status in {Status.NO_LOW_RANK_FIT, Status.TOO_FEW_MEASUREMENTS}


@pytest.mark.parametrize("level", [0.02, 0.1, 0.5])
def test_a_level_above_the_noise_hides_what_lies_below_it_and_no_more(level):
    recovery = recovered(small(noise=0.01, condition=3.0), noise_level=level)
    assert recovery.status == Status.REACHED_NOISE_FLOOR
    assert recovery.relative_residual <= 1.2 * level
    # Gaussian measurements shrink differences of low rank to no less than half here.
    assert recovery.relative_error <= 2.4 * level


def test_exact_measurements_are_exact_whatever_level_is_claimed():
    assert_exact(recovered(small(), noise_level=0.1), rank=2)
    assert_exact(recovered(small(), noise_level=0.0), rank=2)


@pytest.mark.parametrize("level", [0.01, 0.5, 0.9, 0.99])
@pytest.mark.fast(level=[0.01, 0.9, 3.0])
def test_noise_is_no_matrix_whatever_level_is_claimed(level):
    problem = small()
    recovery = recover(problem.operator, normal(300, rng=generator(9)), noise_level=level)
    assert recovery.status in {Status.NO_LOW_RANK_FIT, Status.TOO_FEW_MEASUREMENTS}


# ------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("bound", [1, 2])
@pytest.mark.parametrize("ensemble", [GAUSSIAN, RAW, RECTANGULAR], ids=["gaussian", "raw", "rectangular"])
@pytest.mark.fast(noise=[0.01], bound=[2])
def test_a_bound_below_the_rank_is_kept_and_is_no_success(ensemble, bound, noise):
    recovery = recovered(make(ensemble, 3.0, n=600, m=24, noise=noise), max_rank=bound)
    assert not recovery.status.is_success
    assert recovery.rank <= bound
    assert recovery.matrix.width <= bound


@pytest.mark.parametrize("bound", [2, 3, 8, 15])
def test_a_bound_above_the_rank_is_only_a_bound(bound):
    assert_exact(recovered(small(), max_rank=bound), rank=2)
    noisy = recovered(small(noise=0.01), max_rank=bound)
    assert (noisy.status, noisy.rank) == (Status.REACHED_NOISE_FLOOR, 2)


@pytest.mark.parametrize("fraction", [0.0, 0.004, 0.1, 0.4])
def test_as_many_rows_are_held_out_as_one_likes(fraction):
    recovery = recovered(small(), holdout=fraction)
    assert_exact(recovery, rank=2)
    assert (recovery.holdout_residual is None) == (fraction == 0)


def test_without_rows_held_out_a_floor_is_not_claimed():
    recovery = recovered(small(noise=0.01), holdout=0.0)
    assert recovery.status == Status.STAGNATED
    assert recovery.rank == 2
    assert recovery.relative_error < 0.01


@pytest.mark.parametrize("ensemble", [GAUSSIAN, RAW], ids=["gaussian", "raw"])
def test_rows_of_no_weight_may_hold_anything(ensemble):
    problem = small(ensemble)
    weights = torch.ones(300, dtype=torch.float64)
    weights[::4] = 0
    garbage = torch.where(weights > 0, problem.measurements, 1e6)
    recovery = recover(problem.operator, garbage, weights=weights, truth=problem.truth)
    assert_exact(recovery, rank=2)
    # Of the rows that count.
    assert recovery.relative_residual <= 1e-10
    assert recover(problem.operator, garbage, truth=problem.truth).status == Status.NO_LOW_RANK_FIT


@pytest.mark.parametrize("ensemble", [GAUSSIAN, RAW], ids=["gaussian", "raw"])
def test_garbage_of_no_weight_makes_nothing_of_noise(ensemble):
    problem, rng = small(ensemble, n=600), generator(3)
    weights = torch.ones(600, dtype=torch.float64)
    weights[::5] = 0
    y = torch.where(weights > 0, normal(600, rng=rng), 1e6)
    for seed in range(3):
        assert recover(problem.operator, y, weights=weights, seed=seed).status == Status.NO_LOW_RANK_FIT


def test_weights_decide_whom_to_believe():
    """Rows of ten times the noise, with a hundredth of the weight: better than to believe all alike."""
    problem, rng = small(n=600), generator(3)
    spread = torch.where(torch.arange(600) % 2 == 0, 0.01, 0.1) * problem.measurements.square().mean().sqrt()
    y = problem.measurements + spread * normal(600, rng=rng)
    alike = recover(problem.operator, y, truth=problem.truth)
    weighed = recover(problem.operator, y, weights=spread**-2, truth=problem.truth)
    assert alike.status == weighed.status == Status.REACHED_NOISE_FLOOR
    assert alike.rank == weighed.rank == 2
    # Variances (0.01^2 + 0.1^2) / 2 against the harmonic mean 2 / (0.01^-2 + 0.1^-2): a factor of 5 in the error.
    assert weighed.relative_error <= 0.4 * alike.relative_error


@pytest.mark.parametrize("factor", [1e-6, 1e6])
@pytest.mark.parametrize("ensemble", [GAUSSIAN, RAW, RECTANGULAR], ids=["gaussian", "raw", "rectangular"])
@pytest.mark.fast(factor=[1e6])
def test_units_of_operator_and_measurements_do_not_matter(ensemble, factor):
    problem = small(ensemble)
    operator = problem.operator
    scaled = (
        RankOneSensing.from_vectors(operator.vectors * factor**0.5)
        if ensemble is RAW
        else DenseSensing.from_rows(operator.rows * factor, operator.shape, operator.kind)
    )
    assert_exact(recover(scaled, problem.measurements * factor, truth=problem.truth), rank=2)
    other = recover(operator, problem.measurements * factor, truth=problem.truth.scaled(factor))
    assert_exact(other, rank=2)
    assert_exact(recover(scaled, problem.measurements, truth=problem.truth.scaled(1 / factor)), rank=2)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_units_of_noisy_measurements_do_not_matter(factor):
    problem = small(noise=0.02)
    plain = recovered(problem)
    scaled = recover(problem.operator, problem.measurements * factor, truth=problem.truth.scaled(factor))
    assert plain.status == scaled.status == Status.REACHED_NOISE_FLOOR
    assert plain.rank == scaled.rank == 2
    assert scaled.relative_error == pytest.approx(plain.relative_error, rel=1e-3)
    assert scaled.holdout_residual == pytest.approx(plain.holdout_residual, rel=1e-3)


def test_a_start_is_in_the_users_units():
    """From the truth itself no step is left to take but those that find it out."""
    problem = small()
    problem = Problem(problem.operator, 1e3 * problem.measurements, problem.truth.scaled(1e3))
    started = recovered(problem, start=problem.truth)
    assert_exact(started, rank=2, error=1e-13)
    assert started.steps == 0
    assert recovered(problem).steps > 10


STARTS = {
    "narrow": low_rank(15, 1, generator=generator(5)),
    "wide": low_rank(15, 15, generator=generator(5)),
    "far": low_rank(15, 4, generator=generator(5)).scaled(1e6),
    "zero": LowRank(torch.eye(15, 3, dtype=torch.float64), torch.zeros(3, 3, dtype=torch.float64)),
    "of the wrong sign": LowRank(torch.eye(15, 3, dtype=torch.float64), -torch.eye(3, dtype=torch.float64)),
    "not orthonormal": LowRank(normal(15, 5), smat(normal(15), 5)),
}


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_any_start_leads_there(start):
    assert_exact(recovered(small(), start=start), rank=2)


SOLVERS = {
    "wn": (WeightNormalizedGD(), GAUSSIAN),
    "wn-rectangular": (WeightNormalizedGD(), RECTANGULAR),
    "gd": (GradientDescent(), GAUSSIAN),
    "gd-hermitian": (GradientDescent(), HERMITIAN),
    "gauss-newton": (GaussNewton(), GAUSSIAN),
    "preconditioned-wn": (PreconditionedWN(step_size=0.5, magnitude_step_size=1.0), RAW),
}


@pytest.mark.parametrize(("solver", "ensemble"), SOLVERS.values(), ids=SOLVERS)
@pytest.mark.fast("wn-rectangular", "gauss-newton", "preconditioned-wn")
def test_any_solver_makes_the_first_run(solver, ensemble):
    recovery = recovered(small(ensemble), solver=solver)
    assert_exact(recovery, rank=2)
    assert recovery.solver in {"wn", "gd", "gauss-newton", "preconditioned-wn"}


def test_a_solver_that_diverges_is_told():
    for solver in (GradientDescent(step_size=20.0), WeightNormalizedGD(step_size=50.0, magnitude_step_size=50.0)):
        recovery = recovered(small(), solver=solver)
        assert recovery.status == Status.DIVERGED
        assert bool(torch.isfinite(recovery.matrix.dense()).all())
        json.dumps(recovery.facts(), allow_nan=False)


def test_single_precision_to_its_own_tolerance():
    for ensemble in ENSEMBLES.values():
        dtype = torch.complex64 if ensemble is HERMITIAN else torch.float32
        problem = small(ensemble, n=400, dtype=dtype)
        recovery = recovered(problem, tolerance=1e-5)
        assert_exact(recovery, rank=2, error=3e-5)
        assert recovery.matrix.dtype == dtype


def test_numpy_is_taken_as_it_is():
    problem = small()
    y, weights = problem.measurements.numpy(), np.full(300, 2.0)
    from_torch = recover(problem.operator, problem.measurements, weights=torch.full((300,), 2.0, dtype=torch.float64))
    from_numpy = recover(problem.operator, y, weights=weights)
    assert torch.equal(from_torch.matrix.dense(), from_numpy.matrix.dense())
    # In another precision than the operator's, which is the one that counts.
    assert recover(problem.operator, y.astype(np.float32), tolerance=1e-5).status == Status.CONVERGED


def test_an_operator_may_be_two_functions():
    problem = small()
    operator = from_functions(
        lambda Z: problem.operator.measure(LowRank(torch.eye(15, dtype=torch.float64), Z)),
        problem.operator.adjoint,
        n=300,
        size=15,
        kind="psd",
    )
    assert_exact(recover(operator, problem.measurements, truth=problem.truth), rank=2)


# ------------------------------------------------------------------------------------------------- psd is psd


def assert_psd(recovery: Recovery):
    assert (recovery.matrix.eigenvalues() >= 0).all()
    assert (recovery.spectrum >= 0).all()
    dense = recovery.matrix.dense()
    assert float(torch.linalg.eigvalsh(dense).min()) >= -10 * EPS * float(dense.norm())


@pytest.mark.parametrize("settings", [{}, {"holdout": 0.0}, {"noise_level": 0.3}, {"max_applications": 60}], ids=str)
@pytest.mark.parametrize("ensemble", [GAUSSIAN, RAW, PAIRED], ids=["gaussian", "raw", "paired"])
def test_a_psd_answer_is_psd_under_noise(ensemble, settings):
    assert_psd(recovered(small(ensemble, noise=0.3), **settings))


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("values", [(1.0, -0.9, 0.5), (1.0, 0.5, -1e-3), (-1.0, -0.5)], ids=str)
@pytest.mark.parametrize("ensemble", [GAUSSIAN, RAW, PAIRED], ids=["gaussian", "raw", "paired"])
@pytest.mark.fast(noise=[0.01])
def test_an_indefinite_truth_is_not_recovered_as_psd(ensemble, values, noise):
    operator = ensemble.operator(500, 20, generator(0))
    spectrum = torch.tensor(values, dtype=torch.float64)
    truth = low_rank(20, len(values), spectrum=spectrum, kind=Kind.SYMMETRIC, generator=generator(1))
    problem = Problem.measure(operator, truth, noise, generator=generator(2))
    recovery = recovered(problem)
    assert_psd(recovery)
    assert recovery.status != Status.CONVERGED
    # Nothing positive is closer than the positive part, and where that is nothing, there is nothing to find.
    best = float(truth.positive_part().distance(truth) / truth.norm())
    assert recovery.relative_error >= best * (1 - 10 * EPS)
    assert recovery.status.is_success <= (max(values) > 0)


@pytest.mark.parametrize("ensemble", [GAUSSIAN, RAW], ids=["gaussian", "raw"])
def test_a_negative_part_left_out_is_told(ensemble):
    """A positive semidefinite answer to what need not be one comes with a warning, and with none otherwise."""
    operator = ensemble.operator(500, 20, generator(0))
    spectrum = torch.tensor((1.0, 0.5, -0.2), dtype=torch.float64)
    truth = low_rank(20, 3, spectrum=spectrum, kind=Kind.SYMMETRIC, generator=generator(1))
    recovery = recovered(Problem.measure(operator, truth, 0.01, generator=generator(2)))
    assert recovery.status == Status.NO_LOW_RANK_FIT
    [warning] = recovery.warnings
    share = int(re.search(r"negative eigenvalue of (\d+)% of the largest", warning)[1])
    # The back-projection of what is left is a noisy look at it.
    assert 10 <= share <= 40
    assert "kind symmetric" in warning


# To look for anything in nothing but noise takes long.
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))])
@pytest.mark.parametrize("ensemble", [GAUSSIAN, RAW], ids=["gaussian", "raw"])
def test_no_negative_part_is_told_where_there_is_none(ensemble, seed):
    assert recovered(small(ensemble, noise=0.1, seed=seed)).warnings == ()
    operator = ensemble.operator(500, 20, generator(0))
    assert recover(operator, normal(500, rng=generator(seed))).warnings == ()


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_a_rank_that_was_not_allowed_but_fits_is_told(noise):
    recovery = recovered(small(noise=noise), max_rank=1)
    [warning] = recovery.warnings
    assert "better than the largest rank allowed, 1:" in warning
    assert not recovered(small(noise=noise), max_rank=2).warnings


# ------------------------------------------------------------------------------------------------- extremes


@pytest.mark.parametrize("ensemble", [GAUSSIAN, RAW, SYMMETRIC, HERMITIAN, RECTANGULAR], ids=lambda e: str(e.kind))
@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("n", [1, 2, 3, 40])
@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.fast(m=[2], n=[1, 3, 40])
def test_the_smallest_problems_have_an_answer(ensemble, m, n, noise):
    problem = make(ensemble, 1.0, n=n, m=m, rank=1, noise=noise)
    recovery = recovered(problem)
    freedom = problem.operator.degrees_of_freedom(1)
    if n <= freedom:
        assert recovery.status == Status.TOO_FEW_MEASUREMENTS
    if recovery.status == Status.CONVERGED:
        assert noise == 0 or m == n == 1
        assert recovery.relative_error <= 1e-8
    if n == 40 and noise == 0:
        assert_exact(recovery, rank=1)


def test_measurements_that_are_nearly_all_zero():
    """Held-out rows may then hold nothing at all, and a residual relative to them is infinite."""
    problem = small(n=200, m=10)
    y = torch.zeros(200, dtype=torch.float64)
    y[3] = 1
    for seed in range(3):
        recovery = recover(problem.operator, y, seed=seed)
        assert recovery.status == Status.NO_LOW_RANK_FIT
        json.dumps(recovery.facts(), allow_nan=False)


REFUSED = {
    "negative tolerance": ({"tolerance": -1.0}, "a tolerance that is finite and at least 0, got -1"),
    "negative hold-out": ({"holdout": -0.1}, "a hold-out fraction from 0 to below 1, got -0.1"),
    "all held out": ({"holdout": 1.0}, "a hold-out fraction from 0 to below 1, got 1"),
    "nearly all held out": ({"holdout": 0.9999}, "at least one row of positive weight to fit, got none"),
    "rank 0": ({"max_rank": 0}, "max_rank between 1 and 15, got 0"),
    "rank 16": ({"max_rank": 16}, "max_rank between 1 and 15, got 16"),
    "negative noise": ({"noise_level": -0.1}, "a noise level that is finite and at least 0, got -0.1"),
    "start of another size": ({"start": low_rank(14, 2)}, "the start of size 15 x 15, got 14 x 14"),
    "start that is no number": (
        {"start": LowRank(torch.full((15, 1), math.nan), torch.ones(1, 1))},
        "finite numbers in the start, got NaN or infinity in 15 of 15",
    ),
    "too few weights": ({"weights": torch.ones(299)}, "the weights of size 300, got 299"),
    "negative weight": ({"weights": -torch.eye(300)[3]}, "weights of at least 0, got a negative one"),
    "no weight": ({"weights": torch.zeros(300)}, "at least one positive weight, got none"),
    "budget below 0": ({"max_applications": -1}, "max_applications of at least 0, got -1"),
    "nothing to resume from": ({"resume": True}, "a checkpoint to resume from, got none; name the file"),
}


@pytest.mark.parametrize(("settings", "message"), REFUSED.values(), ids=REFUSED)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        recovered(small(), **settings)


def test_measurements_that_cannot_be_are_refused():
    problem = small()
    y = problem.measurements.clone()
    for wrong, message in [
        (y[:-1], "the measurements of size 300, got 299"),
        (torch.where(torch.arange(300) == 7, math.nan, y), r"1 of 300 entries, the first at index \(7\)"),
        (0 * y, "measurements that are not all zero, got a zero vector"),
        (
            y + 0j,
            "real numbers in the measurements, got complex numbers whose imaginary parts are all 0; give the real",
        ),
        (y + 1j, "real numbers in the measurements, got complex numbers; give real and imaginary parts as rows"),
    ]:
        with pytest.raises(InputError, match=message):
            recover(problem.operator, wrong)


# ------------------------------------------------------------------------------------------ counts and budgets


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("ensemble", [GAUSSIAN, RAW, HERMITIAN], ids=["gaussian", "raw", "hermitian"])
def test_every_application_is_counted_probes_and_starts_too(ensemble, noise):
    problem, calls = small(ensemble, noise=noise), []
    problem_watched = replace(problem, operator=watched(problem.operator, lambda: calls.append(1)))
    recovery = recovered(problem_watched)
    assert recovery.applications == len(calls)
    counts = recovery.trace["applications"]
    assert (np.diff(counts) >= 0).all()
    # One more measures the answer; an answer under noise is asked for its null space before.
    assert counts[-1] == recovery.applications - 1 if noise == 0 else counts[-1] < recovery.applications - 1


def test_a_budget_is_kept_to_within_a_step():
    """Whatever it is, some matrix is there; the run ends at the first look at which the budget is spent."""
    problem = small(noise=0.02)
    whole = recovered(problem)
    # Ten for calibration, a start, its evaluation and the last measurement; a second-order step, and no more.
    least = recovered(problem, max_applications=0).applications
    assert least <= 10
    errors = {}
    for budget in [0, 1, 5, 10, 15, 25, 50, whole.applications - 10]:
        recovery = recovered(problem, max_applications=budget)
        assert recovery.status == Status.OUT_OF_BUDGET
        rank = int(recovery.trace["rank"][-1])
        spread = min(problem.operator.degrees_of_freedom(rank) / 270, 0.8) ** 0.5
        step = 2 * round(2 * (1 + spread) / (1 - spread)) + 2
        assert recovery.applications <= max(budget + step + 1, least)
        assert bool(torch.isfinite(recovery.matrix.dense()).all())
        errors[budget] = recovery.relative_error
    # Usable: what is there after fifty applications is closer than a spectral start.
    assert errors[50] < 0.3 * errors[0] < 0.3
    assert recovered(problem, max_applications=whole.applications).status == Status.REACHED_NOISE_FLOOR


class Clock:
    """A second for each step, and a thousand for whatever happens between steps."""

    def __init__(self, monkeypatch):
        self.now, self.reads = 0.0, itertools.count()
        monkeypatch.setattr(loop, "time", types.SimpleNamespace(perf_counter=self.read))

    def read(self):
        self.now += 1 if next(self.reads) % 2 else 1000
        return self.now


def test_a_budget_of_seconds_is_spent_to_the_end_and_not_beyond(monkeypatch):
    """Seconds of all stages count, each once."""
    problem = small(noise=0.02)
    Clock(monkeypatch)
    whole = recovered(problem)
    stages = int(whole.trace["stage"][-1]) + 1
    # A second for the start of each stage.
    assert whole.seconds == whole.steps + stages
    assert stages > 2
    for budget in range(0, int(whole.seconds), 4):
        recovery = recovered(problem, max_seconds=float(budget))
        assert recovery.status == Status.OUT_OF_BUDGET
        assert recovery.seconds == max(budget, 1)
    assert recovered(problem, max_seconds=whole.seconds + 1).status == Status.REACHED_NOISE_FLOOR


def test_a_callback_is_told_of_every_step_and_may_stop():
    problem, seen = small(noise=0.02), []
    whole = recovered(problem, callback=seen.append)
    # One look at each start and one after each step.
    assert len(seen) == whole.steps + int(whole.trace["stage"][-1]) + 1
    assert seen[0].stage == "growth, rank 1"
    assert seen[-1].stage == "final fit, rank 2"
    assert seen[-1].holdout_residual is None
    assert seen[0].holdout_residual is not None
    applications = [progress.applications for progress in seen]
    assert applications == sorted(applications)
    for at in (1, 12, len(seen)):
        calls = itertools.count(1)
        recovery = recovered(problem, callback=lambda p, calls=calls, at=at: next(calls) == at)
        assert recovery.status == Status.STOPPED_BY_USER
        assert recovery.trace["applications"][-1] == applications[at - 1]
        assert bool(torch.isfinite(recovery.matrix.dense()).all())


# ------------------------------------------------------------------------------------ bounds at both ends


@pytest.mark.parametrize("kind", ["psd", "symmetric", "rectangular"])
@pytest.mark.parametrize("bound", [3, 24])
def test_the_true_rank_and_full_width_as_bounds_give_the_same_answer(kind, bound):
    size = (30, 24) if kind == "rectangular" else 24
    truth = low_rank(size, 3, 100.0, kind=kind, generator=generator(4))
    problem = Problem.measure(GaussianSensing.draw(1200, size, kind=kind, generator=generator(5)), truth)
    found = recover(problem.operator, problem.measurements, truth=truth, max_rank=bound)
    assert (found.status, found.rank) == (Status.CONVERGED, 3)
    assert found.relative_error < 1e-9
    free = recover(problem.operator, problem.measurements, truth=truth)
    assert abs(found.applications - free.applications) <= 0.2 * free.applications


# ------------------------------------------------------------------------------------ rank under noise


@pytest.mark.parametrize(("oversampling", "most"), [(3.0, 450), (6.0, 200)])
@pytest.mark.fast("6.0-200")
def test_rank_under_noise_is_told_by_few_rows_held_out(oversampling, most):
    """Ten percent of noise beside a third eigenvalue of a tenth: worth a fit's rows, hardly seen by those held out."""
    cell = Cell("gaussian", Kind.PSD, 30, 3, 3, 10.0, oversampling, 0.1)
    ratios, ranks, spent = [], [], []
    for seed in range(5):
        problem = cell_problem(cell, seed)
        found = recover(problem.operator, problem.measurements, truth=require_truth(problem), seed=seed)
        assert found.status is Status.REACHED_NOISE_FLOOR
        ratios.append(found.relative_error / oracle_error(problem))
        ranks.append(found.rank)
        spent.append(found.applications)
    assert ranks.count(3) >= 4
    assert sorted(ratios)[2] <= 1.1
    # With rows to spare nothing else is looked for behind noise.
    assert sorted(spent)[2] <= most


# ------------------------------------------------------------------------------------ interrupted and resumed


def everything(recovery: Recovery) -> dict[str, object]:
    """All that a recovery says, but seconds, to the last bit."""
    table = recovery.table()
    arrays = {n: (a.dtype.str, a.shape, a.tobytes()) for n, a in table.arrays.items() if n != "trace_seconds"}
    header = {name: value for name, value in table.header.items() if name != "seconds"}
    return arrays | header | {"evidence": recovery.evidence, "candidates": recovery.candidates}


INTERRUPTED = {
    "gaussian": small(noise=0.1),
    "raw": small(RAW, noise=0.05),
    "hermitian": small(HERMITIAN, n=400, noise=0.05),
    "rectangular": small(RECTANGULAR, m=10, noise=0.05),
    "exact": small(PAIRED),
    "few": small(n=45),
}
interrupted_problems = pytest.mark.parametrize("problem", INTERRUPTED.values(), ids=INTERRUPTED)


@interrupted_problems
@pytest.mark.fast("gaussian", "hermitian", "exact")
def test_a_recovery_interrupted_at_any_step_and_resumed_is_the_uninterrupted_one(tmp_path, problem):
    never = Alarm(0)
    whole = recovered(problem, callback=never)
    looks = never.rung
    assert looks > 15
    for at in {1, looks // 5, looks // 2, 2 * looks // 3, looks - 1, looks}:
        path = tmp_path / f"{at}.npz"
        broken = recovered(problem, callback=Alarm(at), checkpoint=path)
        assert broken.status == Status.INTERRUPTED
        assert everything(recovered(problem, checkpoint=path, resume=True)) == everything(whole), at


@pytest.mark.slow
@interrupted_problems
def test_a_recovery_interrupted_at_each_step_and_resumed_is_the_uninterrupted_one(tmp_path, problem):
    never, path = Alarm(0), tmp_path / "recovery.npz"
    whole = recovered(problem, callback=never)
    for at in range(1, never.rung + 1):
        assert recovered(problem, callback=Alarm(at), checkpoint=path).status == Status.INTERRUPTED
        assert everything(recovered(problem, checkpoint=path, resume=True)) == everything(whole), at


@pytest.mark.parametrize("every", [17, pytest.param(1, marks=pytest.mark.slow)])
def test_a_recovery_interrupted_inside_the_operator_is_resumed_all_the_same(tmp_path, every):
    """At any application: of a probe, a start, a step, or of directions to grow by."""
    problem, path, never = INTERRUPTED["gaussian"], tmp_path / "recovery.npz", Alarm(0)
    whole = recovered(replace(problem, operator=watched(problem.operator, never)))
    # Two applications come first, for the file; the last one measures the answer, when all is decided.
    for at in range(3, never.rung + 2, every):
        broken = recovered(replace(problem, operator=watched(problem.operator, Alarm(at))), checkpoint=path)
        assert broken.status == Status.INTERRUPTED
        again = replace(problem, operator=watched(problem.operator, Alarm(0)))
        assert everything(recovered(again, checkpoint=path, resume=True)) == everything(whole), at


def test_a_recovery_interrupted_again_and_again_arrives(tmp_path):
    problem, path = INTERRUPTED["raw"], tmp_path / "recovery.npz"
    whole = recovered(problem)
    recovery, times = recovered(problem, callback=Alarm(6), checkpoint=path), 1
    while recovery.status == Status.INTERRUPTED:
        times += 1
        recovery = recovered(problem, callback=Alarm(6), checkpoint=path, resume=True)
    assert times > 4
    assert everything(recovery) == everything(whole)


def test_an_interrupted_recovery_has_what_there_was(tmp_path):
    problem = INTERRUPTED["gaussian"]
    first = recovered(problem, callback=Alarm(1))
    late = recovered(problem, callback=Alarm(12))
    assert first.status == late.status == Status.INTERRUPTED
    assert late.relative_error < first.relative_error
    assert not list(tmp_path.iterdir())
    nothing = recovered(replace(problem, operator=watched(problem.operator, Alarm(1))))
    assert (nothing.status, nothing.rank) == (Status.INTERRUPTED, 0)
    assert nothing.relative_error == pytest.approx(1, rel=10 * EPS)


@interrupted_problems
@pytest.mark.fast("gaussian", "hermitian", "exact")
def test_a_budget_made_larger_is_the_recovery_that_had_it_from_the_start(tmp_path, problem):
    whole = recovered(problem)
    for share in (0.02, 0.3, 0.6, 0.9):
        path = tmp_path / f"{share}.npz"
        budget = int(share * whole.applications)
        assert recovered(problem, max_applications=budget, checkpoint=path).status == Status.OUT_OF_BUDGET
        same = recovered(problem, max_applications=budget, checkpoint=path, resume=True)
        assert same.status == Status.OUT_OF_BUDGET
        assert everything(recovered(problem, checkpoint=path, resume=True)) == everything(whole), share


def test_a_recovery_that_its_user_stopped_goes_on(tmp_path):
    problem, path = INTERRUPTED["gaussian"], tmp_path / "recovery.npz"
    whole = recovered(problem)
    calls = itertools.count(1)
    stopped = recovered(problem, callback=lambda progress: next(calls) == 14, checkpoint=path)
    assert stopped.status == Status.STOPPED_BY_USER
    assert everything(recovered(problem, checkpoint=path, resume=True)) == everything(whole)


@pytest.fixture
def stopped_at_9(tmp_path):
    path = tmp_path / "recovery.npz"
    recovered(INTERRUPTED["gaussian"], callback=Alarm(9), checkpoint=path)
    return path


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},
        {"tolerance": 1e-9},
        {"holdout": 0.2},
        {"noise_level": 0.1},
        {"max_rank": 2},
        {"solver": WeightNormalizedGD()},
        {"start": low_rank(15, 2)},
        {"weights": torch.full((300,), 2.0)},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_recovery_is_not_resumed_with_other_settings(stopped_at_9, other):
    with pytest.raises(InputError, match=r"needed the problem and settings that .* was written with, got others"):
        recovered(INTERRUPTED["gaussian"], checkpoint=stopped_at_9, resume=True, **other)


def test_a_recovery_is_not_resumed_with_other_measurements_or_from_another_file(stopped_at_9, tmp_path):
    with pytest.raises(InputError, match="needed the problem and settings"):
        recovered(small(noise=0.1, seed=1), checkpoint=stopped_at_9, resume=True)
    with pytest.raises(InputError, match="needed a file written by wnsense"):
        recovered(INTERRUPTED["gaussian"], checkpoint=tmp_path / "none.npz", resume=True)
    recovered(INTERRUPTED["gaussian"]).save(tmp_path / "out")
    with pytest.raises(InputError, match="needed a checkpoint of wnsense"):
        recovered(INTERRUPTED["gaussian"], checkpoint=tmp_path / "out" / "result.npz", resume=True)
    stopped_at_9.write_bytes(stopped_at_9.read_bytes()[:-300])
    with pytest.raises(InputError, match="needed a file written by wnsense"):
        recovered(INTERRUPTED["gaussian"], checkpoint=stopped_at_9, resume=True)


def test_other_threads_are_a_warning(stopped_at_9, monkeypatch):
    whole = recovered(INTERRUPTED["gaussian"])
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    with pytest.warns(UserWarning, match="threads 1 -> 3"):
        resumed = recovered(INTERRUPTED["gaussian"], checkpoint=stopped_at_9, resume=True)
    assert everything(resumed) == everything(whole)


def test_a_budget_and_a_truth_are_no_part_of_what_must_agree(stopped_at_9):
    problem = INTERRUPTED["gaussian"]
    resumed = recover(problem.operator, problem.measurements, max_seconds=1e9, checkpoint=stopped_at_9, resume=True)
    assert resumed.status == Status.REACHED_NOISE_FLOOR


def test_the_same_seed_gives_the_same_bits_and_another_holds_out_other_rows():
    problem = INTERRUPTED["raw"]
    one, again, other = (recovered(problem, seed=seed) for seed in (4, 4, 5))
    assert everything(one) == everything(again)
    assert one.holdout_residual != other.holdout_residual
    assert (one.seed, other.seed) == (4, 5)


# -- what is returned --

KEYS = {
    *("status", "rank", "size", "measurements", "solver", "steps", "applications", "seconds", "relative_residual"),
    *("holdout_residual", "relative_error", "seed", "warnings"),
}


@pytest.mark.parametrize("ensemble", [GAUSSIAN, SYMMETRIC, HERMITIAN, RECTANGULAR], ids=lambda e: str(e.kind))
def test_what_is_saved_is_what_was_found(tmp_path, ensemble):
    problem = small(ensemble, n=400, noise=0.05)
    recovery = recovered(problem, seed=3)
    recovery.save(tmp_path / "new" / "out")
    assert {path.name for path in (tmp_path / "new" / "out").iterdir()} == {"result.npz", "result.json", "report.html"}

    facts = json.loads((tmp_path / "new" / "out" / "result.json").read_text(), parse_constant=pytest.fail)
    assert facts == recovery.facts()
    assert facts.keys() >= KEYS
    assert (facts["status"], facts["rank"], facts["seed"]) == ("reached_noise_floor", 2, 3)
    assert facts["size"] == ([15, 15] if ensemble is RECTANGULAR else 15)
    assert (facts["measurements"], facts["kind"], facts["solver"]) == (400, str(ensemble.kind), "conjugate-wn")
    Z, A, y = recovery.matrix.dense(), problem.truth.dense(), problem.measurements
    assert facts["relative_error"] == pytest.approx(float((Z - A).norm() / A.norm()), rel=1e-10)
    missed = float((problem.operator.measure(recovery.matrix) - y).norm() / y.norm())
    assert facts["relative_residual"] == pytest.approx(missed, rel=1e-10)
    assert facts["warnings"] == list(recovery.warnings)
    assert facts["steps"] == recovery.steps > 0
    assert facts["seconds"] > 0

    table = read_table(tmp_path / "new" / "out" / "result.npz")
    others = {name: table.header[name] for name in ("versions", "fields")}
    assert table.header == facts | {"advice": recovery.status.advice} | others
    assert table.header["versions"]["torch"] == torch.__version__
    arrays = table.arrays
    right = arrays.get("Y", arrays["X"])
    assert np.allclose(arrays["X"] @ arrays["Theta"] @ right.conj().T, Z.numpy(), rtol=0, atol=1e-14)
    assert ("Y" in arrays) == (ensemble is RECTANGULAR)
    values = arrays["singular_values" if ensemble is RECTANGULAR else "eigenvalues"]
    assert values.tolist() == np.diag(arrays["Theta"]).real.tolist()
    sizes = np.abs(values)
    assert (np.diff(sizes) <= 0).all()
    assert sizes.tolist() == pytest.approx(torch.linalg.svdvals(Z)[:2].tolist(), rel=1e-10)
    for name in ("stage", "rank", "step", "applications", "seconds", "residual", "holdout_residual", "error"):
        assert arrays[f"trace_{name}"].shape == arrays["trace_step"].shape
    assert "<html" in (tmp_path / "new" / "out" / "report.html").read_text()[:200].lower()


def test_without_a_truth_there_is_no_error():
    problem = small()
    recovery = recover(problem.operator, problem.measurements)
    assert recovery.relative_error is None
    assert recovery.facts()["relative_error"] is None
    assert "error" not in recovery.trace
    assert "against the truth" not in str(recovery)


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("in the way")
    recovery = recovered(small())
    for write in (recovery.save, recovery.report):
        with pytest.raises(InputError, match="needed a place to write"):
            write(tmp_path / "file" / "out")
    with pytest.raises(InputError, match="needed a place to write"):
        recovered(small(), callback=Alarm(3), checkpoint=tmp_path / "file" / "checkpoint.npz")


def test_a_recovery_tells_of_itself():
    text = str(recovered(small(noise=0.02), seed=5))
    assert text.startswith(
        "reached_noise_floor: The matrix explains the measurements up to a residual that behaves like noise."
    )
    for part in ("rank 2; psd, 15 x 15; 300 measurements", "on held-out measurements", "against the truth", "seed 5"):
        assert part in text


def test_candidates_are_the_ranks_that_were_tried_with_the_one_that_was_chosen():
    recovery = recovered(small(noise=0.1))
    ranks = [candidate.rank for candidate in recovery.candidates]
    assert ranks == sorted(set(ranks))
    assert set(ranks) >= {1, 2, 3}
    by_rank = {candidate.rank: candidate for candidate in recovery.candidates}
    assert by_rank[2].holdout_residual == recovery.holdout_residual
    # What fits more fits better; what was held out knows better.
    assert by_rank[3].relative_residual < by_rank[2].relative_residual < by_rank[1].relative_residual
    assert by_rank[2].holdout_residual < by_rank[1].holdout_residual
    tried = set(recovery.trace["rank"].tolist())
    assert tried == set(ranks) | {recovery.working_rank}


def test_the_trace_tells_the_whole_course():
    recovery = recovered(small(noise=0.1))
    trace = recovery.trace
    assert (np.diff(trace["stage"]) >= 0).all()
    assert set(np.diff(trace["stage"])) == {0, 1}
    starts = np.flatnonzero(np.diff(trace["stage"], prepend=-1))
    assert (trace["step"][starts] == 0).all()
    assert len(trace["step"]) == recovery.steps + len(starts)
    assert (np.diff(trace["seconds"]) > 0).all()
    # The last stage holds nothing out.
    last = trace["stage"] == trace["stage"][-1]
    assert np.isnan(trace["holdout_residual"][last]).all()
    assert not np.isnan(trace["holdout_residual"][~last]).any()
    assert trace["error"][-1] == pytest.approx(recovery.relative_error, rel=1e-6)


@pytest.mark.parametrize("ensemble", [GAUSSIAN, SYMMETRIC, HERMITIAN, RECTANGULAR], ids=lambda e: str(e.kind))
@pytest.mark.parametrize("width", [1, 2, 3, 6])
def test_a_point_is_widened_or_narrowed_and_stays_what_it_is(ensemble, width):
    Z = small(ensemble).truth
    wide = resized(Z, width)
    identity = torch.eye(width, dtype=Z.dtype)
    for factor in (wide.X, wide.right):
        assert float((factor.mH @ factor - identity).norm()) <= 100 * EPS
    expected = Z.truncate(1) if width == 1 else Z
    assert float(wide.distance(expected)) <= 100 * EPS * float(Z.norm())


def test_what_fits_exactly_in_several_ways_is_named_by_the_least_rank():
    """Real masks on real images give every intensity twice: rows held out are known, and hardly tell ranks apart."""
    from wnsense.sensing.ensembles.diffraction import CodedDiffractionSensing

    rng = generator(0)
    truth = low_rank(33, 1, 2.0, kind="symmetric", generator=rng)
    operator = CodedDiffractionSensing.draw(10, (33,), law="ternary", kind="symmetric", generator=rng)
    assert_exact(recover(operator, operator.measure(truth), truth=truth), rank=1)


@pytest.mark.parametrize("seed", [2, 7, 23])
@pytest.mark.parametrize(
    ("kind", "shape", "n"), [("psd", 40, 400), ("symmetric", 40, 650), ("rectangular", (40, 30), 500)]
)
def test_sampled_entries_are_never_completed_wrongly(kind, shape, n, seed):
    """Some draw too few entries of a row for it to be told: an exact fit is not the only one then."""
    from wnsense.sensing.ensembles.entries import EntrySensing

    operator = EntrySensing.draw(n, shape, kind=kind, generator=generator(seed))
    truth = low_rank(shape, 2, 2.0, kind=kind, generator=generator(seed + 100))
    recovery = recover(operator, operator.measure(truth), truth=truth)
    assert not claims_too_much(recovery)
    if (kind, seed) != ("psd", 23):
        assert_exact(recovery, rank=2)


def test_a_row_that_nothing_measures_is_told():
    from wnsense.sensing.ensembles.entries import EntrySensing

    rows, columns = torch.triu_indices(20, 20)
    is_measured = (rows != 3) & (columns != 3)
    operator = EntrySensing.from_places(rows[is_measured], columns[is_measured], (20, 20))
    truth = low_rank(20, 2, generator=generator())
    recovery = recover(operator, operator.measure(truth), truth=truth)
    assert recovery.status == Status.DETERMINED_IN_PART
    assert recovery.warnings == ("the measurements do not determine all entries of rows and columns 3",)
