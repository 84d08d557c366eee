"""Standard errors: against the dense covariance, between the two methods, and by how often intervals cover."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import t as student_t

from cases.draws import generator
from cases.flavors import ALL_FLAVORS, PSD, RECTANGULAR, SYMMETRIC
from wnsense.checks import InputError
from wnsense.running.loop import solve
from wnsense.running.stop import Stop
from wnsense.sensing.ensembles.dense import DenseSensing, GaussianSensing
from wnsense.sensing.ensembles.rank_one import RankOneSensing
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem, low_rank
from wnsense.solvers.calibration import calibrate
from wnsense.solvers.conjugate import ConjugateWN
from wnsense.solvers.objective import SensingObjective
from wnsense.trust.standard_errors import Estimate, standard_errors
from wnsense.trust.tangent_jacobian import TangentJacobian

flavors = pytest.mark.parametrize("flavor", ALL_FLAVORS, ids=str)
ENTRIES = ((0, 1), (2, 2), (4, 0))


def posed(flavor, n=90, noise=0.02, seed=0, weighted=True):
    """Noise whose variance goes with 1 / weight."""
    rng = generator(seed)
    size = 6 if flavor.kind.is_symmetric else (6, 5)
    truth = low_rank(size, 2, 3.0, kind=flavor.kind, generator=rng, dtype=flavor.dtype())
    operator = GaussianSensing.draw(n, size, kind=flavor.kind, generator=rng, dtype=flavor.dtype())
    return noisy(operator, truth, noise, rng, weighted=weighted)


def noisy(operator, truth, noise, rng, weighted=False):
    clean = operator.measure(truth)
    weights = torch.ones(operator.count, dtype=torch.float64)
    if weighted:
        weights = torch.rand(operator.count, generator=rng, dtype=torch.float64) + 0.2
    error = torch.randn(operator.count, generator=rng, dtype=torch.float64) / weights.sqrt()
    y = clean + noise * float(clean.square().mean().sqrt()) * error
    return Problem(operator, y, truth, weights=weights if weighted else None)


def fitted(problem):
    """The least-squares fit of the truth's rank."""
    plain = replace(calibrate(problem), trace_direction=None, trace_factor=1.0)
    objective = SensingObjective(problem, given=plain)
    stop = Stop(residual=1e-14, stagnation=3, gain=1e-7, max_steps=300)
    return solve(objective, ConjugateWN(), objective.from_user(problem.truth), stop=stop).answer


def asked_of(matrix):
    """The numbers themselves, from the full matrix."""
    Z = matrix.dense()
    values = torch.linalg.eigvalsh(Z) if matrix.is_symmetric else torch.linalg.svdvals(Z)
    leading = values[values.abs().argsort(descending=True)][:2].tolist()
    entries = [Z[i, j].item() for i, j in ENTRIES]
    if Z.is_complex():
        return leading, [part for z in entries for part in (z.real, z.imag)]
    return leading, entries


@flavors
def test_the_delta_method_is_the_inverse_of_the_dense_fisher_information(flavor):
    """Gradients by finite differences along each coordinate, the covariance by inversion."""
    problem = posed(flavor)
    matrix = fitted(problem)
    said = standard_errors(problem, matrix, entries=ENTRIES)
    jacobian = TangentJacobian.at(problem, matrix)
    point, step = jacobian.point, 1e-6
    columns = []
    for unit in np.eye(jacobian.dimension):
        moved = [point.plus(jacobian.direction(unit).scaled(sign * step)).truncate(2) for sign in (1, -1)]
        ahead, behind = (np.concatenate(asked_of(Z)) for Z in moved)
        columns.append((ahead - behind) / (2 * step))
    gradient = np.stack(columns, axis=1)
    J = jacobian.dense()
    residual = problem.weights.sqrt() * (problem.operator.measure(matrix) - problem.measurements)
    variance = float(residual.square().sum()) / (90 - jacobian.dimension)
    known = np.sqrt(np.diag(gradient @ np.linalg.solve(J.T @ J, gradient.T)) * variance)
    both = (*said.leading, *said.entries)
    # The imaginary part of a diagonal entry cannot change.
    assert [e.standard_error for e in both] == pytest.approx(known.tolist(), rel=1e-5, abs=1e-9)
    leading, entries = asked_of(matrix)
    assert [e.value for e in said.leading] == pytest.approx(leading, rel=1e-10)
    assert [e.value for e in said.entries] == pytest.approx(entries, abs=1e-12)
    assert said.noise == pytest.approx(variance**0.5)
    assert said.noise == pytest.approx(noise_of(problem), rel=4 / (2 * 50) ** 0.5)


def noise_of(problem):
    return 0.02 * float(problem.operator.measure(problem.truth).square().mean().sqrt())


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize("flavor", [PSD, RECTANGULAR], ids=str)
@pytest.mark.fast(flavor=[PSD])
def test_the_bootstrap_agrees_with_the_delta_method_where_noise_is_small(flavor):
    """A standard deviation over 60 resamples is known to 1 / sqrt(120): four deviations, and a tenth for residuals."""
    problem = posed(flavor)
    matrix = fitted(problem)
    delta = standard_errors(problem, matrix, entries=ENTRIES)
    bootstrap = standard_errors(problem, matrix, entries=ENTRIES, method="bootstrap", resamples=60, seed=3)
    for one, other in zip((*delta.leading, *delta.entries), (*bootstrap.leading, *bootstrap.entries), strict=True):
        assert (one.name, one.value) == (other.name, other.value)
        assert other.standard_error == pytest.approx(one.standard_error, rel=4 / 120**0.5 + 0.1)
    assert bootstrap.applications > delta.applications > 10


def test_resamples_are_drawn_from_their_seed():
    problem = posed(PSD)
    one, again, other = (
        standard_errors(problem, problem.truth, method="bootstrap", resamples=3, seed=seed) for seed in (1, 1, 2)
    )
    assert one == again
    assert one.leading != other.leading


def coverage(runs, draw, method):
    """How often 95% intervals hold the truth's numbers, over problems, numbers taken together."""
    hits = []
    for seed in range(runs):
        problem = draw(seed)
        said = standard_errors(problem, fitted(problem), entries=ENTRIES, method=method, resamples=40)
        leading, entries = asked_of(problem.truth)
        for estimate, true in zip((*said.leading, *said.entries), (*leading, *entries), strict=True):
            low, high = estimate.interval()
            hits.append(low <= true <= high)
    return float(np.mean(hits))


def rank_one(seed):
    rng = generator(seed)
    return noisy(RankOneSensing.draw(90, 6, generator=rng), low_rank(6, 2, 3.0, generator=rng), 0.02, rng)


DRAWS = {
    "psd": lambda seed: posed(PSD, seed=seed),
    "symmetric": lambda seed: posed(SYMMETRIC, seed=seed),
    "rectangular": lambda seed: posed(RECTANGULAR, seed=seed),
    "raw rank-one": rank_one,
}


@pytest.mark.usefixtures("as_users_run")
def test_intervals_cover():
    """40 problems of 5 numbers that hang together: five deviations of sqrt(0.95 * 0.05 / 40) at worst."""
    assert 0.95 - 5 * (0.95 * 0.05 / 40) ** 0.5 <= coverage(40, DRAWS["psd"], "delta") <= 1


@pytest.mark.slow
@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize(("draw", "method"), [*((draw, "delta") for draw in DRAWS), ("psd", "bootstrap")])
def test_intervals_cover_as_often_as_they_say(draw, method):
    assert 0.90 <= coverage(200, DRAWS[draw], method) <= 0.99


def test_rows_of_no_weight_say_nothing():
    problem = posed(PSD)
    weights = problem.weights.clone()
    weights[:30] = 0
    matrix = fitted(replace(problem, weights=weights))
    y = problem.measurements.clone()
    y[:30] = 1e6
    for method in ("delta", "bootstrap"):
        one, other = (
            standard_errors(replace(problem, measurements=v, weights=weights), matrix, method=method, resamples=5)
            for v in (problem.measurements, y)
        )
        assert [e.standard_error for e in one.leading] == pytest.approx([e.standard_error for e in other.leading])
        assert one.leading[0].residual_degrees_of_freedom == 60 - 11


def test_single_precision_gives_the_same():
    problem = posed(PSD, weighted=False)
    operator = problem.operator
    single = DenseSensing.from_rows(operator.rows.float(), operator.shape, operator.kind)
    one = standard_errors(problem, problem.truth, entries=ENTRIES)
    other = standard_errors(
        Problem(single, problem.measurements.float()), problem.truth.to(dtype=torch.float32), entries=ENTRIES
    )
    for a, b in zip((*one.leading, *one.entries), (*other.leading, *other.entries), strict=True):
        assert b.standard_error == pytest.approx(a.standard_error, rel=1e-3)


def test_an_interval_holds_its_share_of_student_s_t():
    estimate = Estimate("eigenvalue 1", 2.0, 0.5, 7)
    for level in (0.5, 0.95):
        low, high = estimate.interval(level)
        inside = student_t.cdf(high, 7, 2.0, 0.5) - student_t.cdf(low, 7, 2.0, 0.5)
        assert inside == pytest.approx(level, rel=1e-12)
        assert high - 2.0 == pytest.approx(2.0 - low, rel=1e-12)


def test_it_is_told_in_a_line_each():
    problem = posed(ALL_FLAVORS[2])
    said = str(standard_errors(problem, fitted(problem), entries=[(3, 5)], leading=1)).splitlines()
    assert [line.split(":")[0] for line in said] == ["eigenvalue 1", "Re Z[3, 5]", "Im Z[3, 5]"]
    assert all("+-" in line for line in said)


@pytest.mark.usefixtures("as_users_run")
def test_what_cannot_be_asked_is_told():
    problem = posed(PSD)
    cases = [
        ({"entries": [(0, 6)]}, "entries of a matrix of 6 rows"),
        ({"leading": 3}, "leading values between 1 and 2"),
        ({"method": "jackknife"}, "a method of delta, bootstrap"),
        ({"resamples": 1}, "at least 2 resamples"),
    ]
    for settings, words in cases:
        with pytest.raises(InputError, match=words):
            standard_errors(problem, problem.truth, **settings)
    few = posed(PSD, n=11)
    with pytest.raises(InputError, match="more measurements than the 11 degrees of freedom"):
        standard_errors(few, few.truth)
    with pytest.raises(InputError, match="a level between"):
        standard_errors(problem, problem.truth).leading[0].interval(1.0)
    with pytest.raises(InputError, match="the matrix of size"):
        standard_errors(problem, LowRank(torch.eye(5).double(), torch.eye(5).double()))
