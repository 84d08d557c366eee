"""The course of a run beside dense computation, synthetic curves with known answers, and one run of Algorithm 1."""

import math

import jaxtyping
import numpy as np
import pytest
import torch

from cases.draws import generator, normal, random_point
from cases.flavors import ALL_FLAVORS, FOUR_KINDS, PSD, RECTANGULAR
from wnsense.checks import InputError
from wnsense.lab.analysis import alignment, course, decay
from wnsense.lab.analysis.isometry import isometry_bound
from wnsense.linalg import haar_frame, smat
from wnsense.running.loop import solve
from wnsense.running.stop import Stop
from wnsense.running.trace import Trace
from wnsense.sensing.ensembles.dense import DenseSensing, GaussianSensing
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem, low_rank
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.starts import haar_start
from wnsense.solvers.weight_norm import WeightNormalizedGD
from wnsense.theory import saddles
from wnsense.theory.convergence_forms import Decay
from wnsense.theory.population import FactoredPoint, PopulationLoss

# ---------------------------------------------------------------------------------------------------- alignment


def truth_of(flavor, shape=(9, 7), rank=3):
    size = shape[0] if flavor.kind.is_symmetric else shape
    return low_rank(size, rank, 10.0, kind=flavor.kind, generator=generator(1), dtype=flavor.dtype())


def close(found, expected, tolerance=1e-12):
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("rank", [2, 5])
@pytest.mark.parametrize("flavor", ALL_FLAVORS, ids=str)
def test_alignment_is_what_dense_matrices_say(flavor, rank):
    truth = truth_of(flavor)
    point = random_point(flavor, truth.shape, rank, batch=(2, 3), rng=generator(2))
    found = alignment.align(point, truth)
    A, Z = truth.orthonormal(), point.dense()
    partial = [truth.dense() * 0] + [truth.truncate(level).dense() for level in (1, 2, 3)]
    expected = torch.stack([(Z - part).abs().square().sum((-2, -1)) for part in partial], dim=-1)
    close(found.saddle_distances, expected, 1e-10)
    sides = [(point.X, A.X, found.left)]
    if flavor.kind.is_symmetric:
        assert found.right is None
    else:
        sides.append((point.Y, A.Y, found.right))
    for X, U, told in sides:
        Q = torch.linalg.qr(X).Q
        P = U @ U.mH
        gram = U.mH @ Q @ Q.mH @ U
        cosines = torch.linalg.eigvalsh(gram).flip(-1)
        close(told.squared_cosines, cosines)
        close(told.trace, torch.einsum("...ii", gram).real)
        close(told.outside, torch.linalg.svdvals(Q - P @ Q))
        close(told.outside.square().sum(-1), rank - told.trace)
    values = torch.linalg.svdvals(Z)[..., :rank]
    close(found.magnitudes.abs(), values, 1e-10)
    assert found.used_alignment.shape == (2, 3, 4)
    if flavor.kind.is_symmetric:
        vectors = torch.linalg.eigh(Z)
        order = vectors.eigenvalues.abs().argsort(dim=-1, descending=True)
        used = vectors.eigenvectors.gather(-1, order.unsqueeze(-2).expand_as(vectors.eigenvectors))
        shares = (A.X.mH @ used).abs().square().sum(-2)[..., : min(rank, 3)].cumsum(-1)
        close(found.used_alignment[..., 1 : 1 + min(rank, 3)], shares, 1e-9)
        close(found.used_alignment[..., 3], shares[..., -1], 1e-9)


def test_gradient_norms_are_those_of_the_population_loss():
    truth = truth_of(PSD)
    loss = PopulationLoss(truth.X, truth.Theta.diagonal())
    X, Theta = haar_frame(9, 4, batch=(5,), generator=generator(3)), normal(5, 4, 4)
    Theta = Theta + Theta.mT
    gradient = loss.gradient(FactoredPoint(X, Theta))
    found = alignment.population_gradient_norms(LowRank(X, Theta), truth)
    expected = torch.stack([A.square().sum((-2, -1)).sqrt() for A in (gradient.X, gradient.Theta)], dim=-1)
    close(found, expected)


def test_rectangular_gradient_norms_are_slopes_of_the_loss():
    """By autograd in the ambient space, made tangent: the part along a skew turn and the part across."""
    truth = truth_of(RECTANGULAR)
    X, Y, Theta = haar_frame(9, 4, generator=generator(3)), haar_frame(7, 4, generator=generator(4)), normal(4, 4)

    def value(X, Theta, Y):
        return (X @ Theta @ Y.mT - truth.dense()).square().sum() / 2

    left, core, right = torch.func.grad(value, (0, 1, 2))(X, Theta, Y)
    tangent = [E - F @ (F.mT @ E + E.mT @ F) / 2 for F, E in ((X, left), (Y, right))]
    expected = torch.stack([sum(G.square().sum() for G in tangent).sqrt(), core.norm()])
    close(alignment.population_gradient_norms(LowRank(X, Theta, Y), truth), expected)


@pytest.mark.parametrize("level", range(4))
def test_a_constructed_saddle_meets_both_conditions_and_has_no_gradient(level):
    truth = truth_of(PSD)
    loss = PopulationLoss(truth.X, truth.Theta.diagonal())
    saddle = saddles.best_rank_saddle(loss, level, 5, generator=generator(5))
    point = LowRank(saddle.X, saddle.Theta)
    found = alignment.align(point, truth)
    # Subtracted before it is squared: at the square of machine precision, not at machine precision.
    assert float(found.saddle_distances[level]) < 1e-28
    assert float(found.left.trace) == pytest.approx(level, abs=1e-13)
    assert float(found.used_alignment[level]) == pytest.approx(level, abs=1e-13)
    assert float(found.gradient_norms.max()) < 1e-14
    distances, used = found.saddle_distances[None].numpy(), found.used_alignment[None].numpy()
    assert course.saddle_index(distances, used, truth.Theta.diagonal().numpy()).tolist() == [level]


def test_tiny_angles_keep_their_relative_precision():
    U = torch.eye(6, dtype=torch.float64)[:, :2]
    X = torch.zeros(6, 2, dtype=torch.float64)
    X[0, 0], X[2, 0] = 1.0, 1e-12
    X[1, 1], X[3, 1] = 1e-12, 1.0
    found = alignment.frame_alignment(X, U)
    assert found.squared_cosines.tolist() == pytest.approx([1, 1e-24], rel=1e-12)
    assert found.outside.tolist() == pytest.approx([1, 1e-12], rel=1e-12)


def test_points_and_truths_that_do_not_fit_are_refused(as_users_run):
    truth, point = truth_of(PSD), random_point(PSD, (9, 9), 4)
    for bad, told in (
        (truth.scaled(0.0), "not zero"),
        (LowRank(truth.X[None], truth.Theta[None]), "one truth"),
        (low_rank(8, 2), "9 x 9"),
        (low_rank((9, 9), 2, kind="rectangular"), "one of each"),
        (truth.to(dtype=torch.float32), "float32"),
    ):
        with pytest.raises(InputError, match=told):
            alignment.align(point, bad)
    operator = GaussianSensing.draw(n=60, size=9, generator=generator())
    objective = SensingObjective(Problem(operator, operator.measure(truth)))
    for name, metric in alignment.ALONG_A_RUN.items():
        if name != "magnitudes":
            with pytest.raises(InputError, match="truth"):
                metric(objective, point)


# ------------------------------------------------------------------------------------------------------- course

SIGMA = np.array([1.0, 0.4, 0.1])


def staircase(lengths=(10, 20, 40, 15), jump=2):
    """Columns of a run that sits exactly at A_0, A_1, A_2, A_3, with rows between that are nowhere."""
    distances, used, curve = [], [], []
    tails = [float((SIGMA[level:] ** 2).sum()) for level in range(4)]
    for level, length in enumerate(lengths):
        row = [abs(tails[level] - tail) for tail in tails]
        distances += [row] * length + [[9.0] * 4] * jump
        used += [[0.0, 1.0, 2.0, 3.0]] * (length + jump)
        curve += [max(tails[level], 1e-20)] * (length + jump)
    return np.array(distances), np.array(used), np.array(curve)


def test_plateaus_of_a_staircase_are_its_steps():
    distances, used, curve = staircase()
    steps = 5 * np.arange(len(curve))
    trace = np.full(len(curve), 2.25)
    found = course.plateaus(steps, distances, used, SIGMA, curve=curve, trace=trace)
    assert [(p.index, p.first, p.last, p.escape) for p in found] == [
        (0, 0, 45, 50),
        (1, 60, 155, 160),
        (2, 170, 365, 370),
    ]
    assert course.escapes(found) == {0: 50, 1: 160, 2: 370}
    assert [p.level for p in found] == pytest.approx([1.17, 0.17, 0.01])
    assert [p.slope for p in found] == pytest.approx([0, 0, 0], abs=1e-12)
    assert [p.surplus for p in found] == pytest.approx([2.25, 1.25, 0.25])
    assert [p.closest for p in found] == [0, 0, 0]
    # A stay that the record ends on, one that is too short, and one whose directions do not lie in span(U).
    assert course.plateaus(steps[:50], distances[:50], used[:50], SIGMA)[-1].escape is None
    short = course.plateaus(steps, distances, used, SIGMA, least_rows=15)
    assert [p.index for p in short] == [1, 2]
    tilted = used - np.array([0, 0, 0.2, 0])
    assert [p.index for p in course.plateaus(steps, distances, tilted, SIGMA)] == [0, 1]
    assert len(course.plateaus(steps, distances, tilted, SIGMA, looseness=0.3)) == 3
    # A curve that falls is no plateau, whatever the labels say.
    falling = course.plateaus(steps, distances, used, SIGMA, curve=1 / (1.0 + steps))
    assert falling == ()


def test_a_saddle_index_is_that_of_the_next_gap():
    used = np.arange(4.0)[None]
    for level, gap in enumerate((1.0, 0.4, 0.1, 0.1)):
        for apart, expected in ((0.499, level), (0.501, -1)):
            distances = np.full((1, 4), 9.0)
            distances[0, level] = (apart * gap) ** 2
            assert course.saddle_index(distances, used, SIGMA).tolist() == [expected]
    # Rows without an index inside a stay do not part it.
    distances, used, _ = staircase()
    distances[15] = 9.0
    assert len(course.plateaus(np.arange(len(used)), distances, used, SIGMA)) == 3


def test_monotonicity_and_the_end_of_the_burn_in():
    steps = np.arange(0, 60, 10)
    trace = np.array([1.0, 1.5, 1.4, 2.5 - 1e-15, 2.5, 2.2])
    found = course.monotonicity(steps, trace)
    assert (found.count, found.first) == (2, 20)
    assert (found.largest, found.total) == pytest.approx((0.3, 0.4))
    assert course.monotonicity(steps, trace, rounding=0.05).count == 1
    clean = course.monotonicity(steps, np.array([1.0, 2, 2 - 1e-15, 2, 3, 3]))
    assert (clean.count, clean.largest, clean.total, clean.first) == (0, 0, 0, None)
    assert course.end_of_burn_in(steps, trace, 3) == 40
    assert course.end_of_burn_in(steps, trace, 3, margin=1.5) == 10
    assert course.end_of_burn_in(steps, trace, 4) is None


def test_columns_that_do_not_fit_are_refused(as_users_run):
    distances, used, curve = staircase()
    steps = np.arange(len(curve))
    for change, told in (
        ({"closeness": 0.6}, "closeness"),
        ({"looseness": -1.0}, "looseness"),
        ({"eigenvalues": SIGMA[::-1]}, "falling"),
        ({"eigenvalues": SIGMA[:2]}, "distances"),
        ({"steps": steps[::-1]}, "rise"),
        ({"steps": steps[1:]}, "steps"),
        ({"curve": 0 * curve}, "positive"),
        ({"trace": curve[1:]}, "trace"),
        ({"least_rows": 0}, "1 or more"),
        ({"used_alignment": used[1:]}, "used"),
    ):
        good = {"steps": steps, "distances": distances, "used_alignment": used, "eigenvalues": SIGMA}
        with pytest.raises(InputError, match=told):
            course.plateaus(**good | change)
    with pytest.raises(InputError):
        course.end_of_burn_in(steps, curve, 0)
    with pytest.raises(InputError):
        course.monotonicity(steps, curve, rounding=-1.0)


# -------------------------------------------------------------------------------------------------------- rates


def test_a_linear_rate_and_an_exponent_are_recovered_exactly():
    steps = np.arange(1, 400)
    linear = decay.fit_decay(steps, 3 * 0.9**steps)
    assert linear.linear.factor == pytest.approx(0.9, rel=1e-12)
    assert math.exp(linear.linear.intercept) == pytest.approx(3, rel=1e-10)
    assert linear.better is Decay.LINEAR
    assert linear.window == decay.Window(1, 399)
    power = decay.fit_decay(steps, 5.0 * steps**-2.0)
    assert power.power.slope == pytest.approx(-2, rel=1e-12)
    assert math.exp(power.power.intercept) == pytest.approx(5, rel=1e-10)
    assert power.better is Decay.SUBLINEAR
    assert power.window == decay.Window(1, 399)
    assert min(linear.evidence, power.evidence) > 1000


@pytest.mark.parametrize("exponent", [-0.5, -1.0, -3.0])
def test_a_power_law_has_no_floor(exponent):
    steps = np.arange(1, 2000)
    assert decay.fit_window(steps, steps**exponent).last == 1999


def test_the_window_begins_after_the_burn_in_and_ends_before_the_floor():
    steps = np.arange(600)
    rng = np.random.default_rng(0)
    errors = np.where(steps < 100, 1.0, np.exp(-0.1 * (steps - 100.0)))
    # The rounding floor, of magnitude 1e-14 and no particular course.
    noisy = errors + 1e-14 * rng.uniform(0.5, 1.5, 600)
    window = decay.fit_window(steps, noisy, start=100)
    reached = 100 + math.log(1e13) / 0.1
    assert window.first == 100
    assert reached - 5 < window.last < reached + 5
    fit = decay.fit_decay(steps, noisy, start=100)
    assert fit.linear.slope == pytest.approx(-0.1, rel=5e-3)
    assert fit.better is Decay.LINEAR
    assert decay.fit_window(steps, errors, start=100, floor=math.exp(-10), margin=1).last == 199
    # An error that becomes exactly zero has its floor there.
    assert decay.fit_window(steps, np.where(steps < 200, errors, 0.0), start=100).last == 199
    given = decay.fit_decay(steps, errors, window=decay.Window(120, 140))
    assert (given.linear.rows, given.linear.slope) == (21, pytest.approx(-0.1))


def autoregressive(rng, rows, correlation):
    noise = np.zeros(rows + 100)
    for i in range(1, len(noise)):
        noise[i] = correlation * noise[i - 1] + rng.standard_normal()
    return noise[100:]


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.8])
def test_intervals_cover_as_often_as_they_say(correlation):
    """300 series: 95% is met to 3 standard errors and a point; taking rows for independent gives 0.49 at 0.8."""
    rng = np.random.default_rng(1)
    steps, trials = np.arange(200), 300
    hits = 0
    for _ in range(trials):
        fit = decay.fit_slope(steps, 2 - 0.05 * steps + 0.3 * autoregressive(rng, 200, correlation))
        hits += fit.low <= -0.05 <= fit.high
    assert abs(hits / trials - 0.95) <= 0.01 + 3 * math.sqrt(0.95 * 0.05 / trials)


def test_log_log_intervals_cover_on_evenly_spaced_steps():
    rng = np.random.default_rng(2)
    steps, trials = np.arange(1, 301), 200
    hits = 0
    for _ in range(trials):
        fit = decay.fit_slope(np.log(steps), -2 * np.log(steps) + 0.2 * autoregressive(rng, 300, 0.5))
        hits += fit.low <= -2 <= fit.high
    assert abs(hits / trials - 0.95) <= 0.02 + 3 * math.sqrt(0.95 * 0.05 / trials)


def test_fits_that_cannot_be_are_refused(as_users_run):
    steps = np.arange(20)
    for errors, told in ((np.zeros(20), "between step 0"), (np.full(20, np.nan), "finite"), (np.ones(19), "errors")):
        with pytest.raises(InputError, match=told):
            decay.fit_decay(steps, errors)
    errors = 0.5**steps
    with pytest.raises(InputError, match="at least 5 rows"):
        decay.fit_decay(steps, errors, start=17)
    with pytest.raises(InputError, match="5 rows to fit"):
        decay.fit_decay(steps, errors, window=decay.Window(3, 5))
    with pytest.raises(InputError, match="positive errors"):
        decay.fit_decay(steps, errors - 0.5**10, window=decay.Window(3, 15))
    with pytest.raises(InputError, match="confidence"):
        decay.fit_decay(steps, errors, confidence=1.0)
    with pytest.raises(InputError, match="margin"):
        decay.fit_window(steps, errors, margin=0.5)
    with pytest.raises(InputError, match="x that rises"):
        decay.fit_slope(steps[::-1], errors)


# ----------------------------------------------------------------------------------------------------- isometry


def diagonal_operator(weights):
    """||M(Z)||^2 = sum of w_ij^2 Z_ij^2 for rectangular Z: the extremes over rank 1 are the extreme weights."""
    m1, m2 = weights.shape
    matrices = torch.zeros(m1 * m2, m1, m2, dtype=torch.float64)
    matrices[torch.arange(m1 * m2), torch.arange(m1 * m2) // m2, torch.arange(m1 * m2) % m2] = weights.flatten()
    return DenseSensing.from_matrices(matrices, "rectangular")


def test_a_search_finds_the_extremes_that_are_known():
    weights = torch.ones(6, 5, dtype=torch.float64)
    weights[2, 3], weights[4, 1] = 1.5**0.5, 0.3**0.5
    operator = diagonal_operator(weights)
    bound = isometry_bound(operator, 1, gain=1.0, steps=60, generator=generator())
    assert bound.greatest == pytest.approx(1.5, abs=1e-6)
    assert bound.least == pytest.approx(0.3, abs=1e-3)
    assert bound.delta == pytest.approx(0.7, abs=1e-3)
    assert bound.sampled < 0.5
    assert abs(float(bound.highest.dense()[2, 3])) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("flavor", FOUR_KINDS, ids=str)
def test_bounds_are_ratios_that_matrices_have_and_never_above_the_constant(flavor):
    shape = (7, 6) if flavor is RECTANGULAR else 7
    operator = GaussianSensing.draw(n=150, size=shape, kind=flavor.kind, generator=generator(4), dtype=flavor.dtype())
    bound = isometry_bound(operator, 2, steps=8, generator=generator(5))
    for matrix, ratio in ((bound.lowest, bound.least), (bound.highest, bound.greatest)):
        assert matrix.rank() <= 2
        assert float(matrix.norm()) == pytest.approx(1)
        assert float(operator.measure(matrix).square().sum()) / bound.gain == pytest.approx(ratio, rel=1e-12)
    assert bound.delta == max(1 - bound.least, bound.greatest - 1) > bound.sampled
    # The constant of full rank bounds those of all ranks.
    images = torch.eye(operator.count, dtype=torch.float64)
    rows = flavor.kind.pack(operator.adjoint(images))
    values = torch.linalg.svdvals(rows).square() / bound.gain
    assert bound.greatest <= float(values.max()) * (1 + 1e-12)
    assert bound.least >= float(values.min()) * (1 - 1e-12)
    assert bound.applications == 20 + 2 * 4 * 2 * 9


def test_given_matrices_count_and_the_gain_is_found():
    weights = torch.full((6, 5), 2.0, dtype=torch.float64)
    weights[0, 0] = 4.0
    operator = diagonal_operator(weights)
    worst = torch.zeros(6, 5, dtype=torch.float64)
    worst[0, 0] = 3.0
    unit = torch.eye(1, dtype=torch.float64)
    given = LowRank(worst[:, :1], unit, torch.eye(5, dtype=torch.float64)[:, :1])
    alone = isometry_bound(operator, 2, samples=0, given=[given], steps=0, gain=4.0)
    assert (alone.greatest, alone.delta, alone.applications) == (pytest.approx(4), pytest.approx(3), 1)
    both = isometry_bound(operator, 2, given=[given], steps=0, generator=generator())
    assert both.greatest * both.gain == pytest.approx(16)
    assert 4 <= both.gain < 6
    for change, told in (
        ({"rank": 0}, "rank"),
        ({"given": [given.scaled(0.0)]}, "not zero"),
        ({"given": [random_point(RECTANGULAR, (6, 5), 3)]}, "width"),
        ({"samples": 0}, "neither|none of either"),
        ({"gain": -1.0}, "positive gain"),
        ({"starts": 0}, "start"),
        ({"steps": -1}, "at least 0"),
    ):
        with pytest.raises(InputError, match=told):
            isometry_bound(operator, **{"rank": 2} | change)


# ------------------------------------------------------------------------------------------------------ a real run


@pytest.fixture(scope="module")
def run():
    """Algorithm 1 on the population loss, kappa = 30 (eigenvalues 1, 0.18, 0.033), its columns and the truth."""
    truth = low_rank(20, 3, 30.0, spectrum="geometric", generator=generator(7))
    units = smat(torch.eye(210, dtype=torch.float64), 20)
    objective = SensingObjective(Problem.measure(DenseSensing.from_matrices(units, "psd"), truth))
    start = haar_start(objective, rank=6, generator=generator(8))
    at = frozenset([*range(20), *range(20, 200, 5), *range(200, 2301, 50)])
    trace = Trace(at=at, metrics=alignment.ALONG_A_RUN)
    # Thousands of steps without run-time checks, which take longer than the steps; the batch below has them.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jaxtyping.config, "jaxtyping_disable", True)
        return solve(objective, WeightNormalizedGD(), start, stop=Stop(max_steps=2300), trace=trace).trace, truth


def test_algorithm_1_stays_at_each_saddle_in_order(run):
    rows, truth = run
    sigma = truth.Theta.diagonal().numpy()
    found = course.plateaus(
        rows["step"],
        rows["saddle_distances"],
        rows["used_alignment"],
        sigma,
        curve=rows["saddle_distances"][:, -1],
        trace=rows["alignment_trace"],
    )
    assert [plateau.index for plateau in found][-2:] == [1, 2]
    assert [plateau.index for plateau in found] == sorted(plateau.index for plateau in found)
    for plateau in found[-2:]:
        # A decade and more at the saddle's own squared error.
        assert plateau.last > 5 * plateau.first
        assert plateau.level == pytest.approx(float((sigma[plateau.index :] ** 2).sum()), rel=0.25)
        assert plateau.closest < 0.35
        assert 0 < plateau.surplus < 1
    left = course.escapes(found)
    ratio = left[2] / left[1]
    # sigma^2 of what is learned sets the time: a factor (sigma_2 / sigma_3)^2 = 30, up to alignments at the start.
    assert 15 < ratio < 60
    # Each saddle makes the gradient small: below that of the start by orders, and each below the one before.
    norms = rows["gradient_norms"][:, 0]
    lowest = [norms[(rows["step"] >= p.first) & (rows["step"] <= p.last)].min() for p in found[-2:]]
    assert lowest[1] < lowest[0] / 5 < norms.max() / 50


def test_its_alignment_only_grows_and_its_last_rate_is_that_of_the_least_eigenvalue(run):
    rows, truth = run
    steps, errors = rows["step"], rows["saddle_distances"][:, -1]
    assert course.monotonicity(steps, rows["alignment_trace"]).count == 0
    burnt = course.end_of_burn_in(steps, rows["alignment_trace"], 3)
    assert burnt is not None
    assert (
        course.escapes(
            course.plateaus(steps, rows["saddle_distances"], rows["used_alignment"], truth.Theta.diagonal().numpy())
        )[2]
        <= burnt + 200
    )
    window = decay.Window(1800, 2300)
    found = decay.fit_decay(steps, errors, window=window)
    assert found.better is Decay.LINEAR
    # ||Z - A||^2 = sigma^2 (1 - s^2) where one alignment is left to grow, by s' = 2 eta sigma^2 s^2 (1 - s).
    s = rows["squared_cosines"][(steps >= window.first) & (steps <= window.last), -1]
    assert found.linear.slope == pytest.approx(-float(np.mean(4 * s**3 / (1 + s))) / 900, rel=0.02)


def test_columns_of_a_batch_have_the_batch_after_the_steps():
    truth = low_rank(8, 2, 3.0, generator=generator(7))
    objective = SensingObjective(Problem.measure(GaussianSensing.draw(n=200, size=8, generator=generator(9)), truth))
    start = haar_start(objective, rank=4, batch=(2,), generator=generator(8))
    metrics = alignment.ALONG_A_RUN
    plain = solve(objective, WeightNormalizedGD(), start, stop=Stop(max_steps=4))
    traced = solve(objective, WeightNormalizedGD(), start, stop=Stop(max_steps=4), trace=Trace(metrics=metrics))
    shapes = {name: traced.trace[name].shape for name in metrics}
    assert shapes == {
        "squared_cosines": (5, 2, 2),
        "alignment_trace": (5, 2),
        "outside": (5, 2, 4),
        "saddle_distances": (5, 2, 3),
        "used_alignment": (5, 2, 3),
        "magnitudes": (5, 2, 4),
        "gradient_norms": (5, 2, 2),
    }
    error = traced.answer.distance(truth)
    assert traced.trace["saddle_distances"][-1, :, -1] == pytest.approx(error.square().numpy(), rel=1e-10)
    # Recording costs no application.
    assert traced.applications == plain.applications
