"""Compression: the same objective for every matrix, whatever the weights, the conditioning and the operator."""

import dataclasses
import math

import pytest
import torch

from cases.draws import generator, normal, random_point
from cases.flavors import ALL_FLAVORS, COMPLEX_RECTANGULAR, HERMITIAN, PSD, RECTANGULAR, SYMMETRIC, Flavor
from wnsense.checks import InputError
from wnsense.running.loop import solve
from wnsense.running.stop import Stop
from wnsense.sensing.adapters import from_functions
from wnsense.sensing.combining import compression, triangular_factor
from wnsense.sensing.combining.algebra import stacked
from wnsense.sensing.combining.compression import compress, packed_rows
from wnsense.sensing.combining.measurement_maps import scaled
from wnsense.sensing.combining.restriction import restrict
from wnsense.sensing.combining.triangular_factor import Factorization
from wnsense.sensing.ensembles.dense import DenseSensing, GaussianSensing
from wnsense.sensing.ensembles.diffraction import CodedDiffractionSensing
from wnsense.sensing.ensembles.entries import EntrySensing
from wnsense.sensing.ensembles.rademacher import RademacherSensing
from wnsense.sensing.ensembles.rank_one import PairedRankOneSensing, RankOneSensing
from wnsense.sensing.ensembles.unpacked import UnpackedSensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.problem import Problem, low_rank
from wnsense.solvers.calibration import calibrate
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.preconditioned import PreconditionedWN
from wnsense.solvers.starts import haar_start
from wnsense.solvers.weight_norm import WeightNormalizedGD

EPS = torch.finfo(torch.float64).eps
SHAPES = {True: (5, 5), False: (4, 3)}


def shape_of(flavor: Flavor) -> tuple[int, int]:
    return SHAPES[flavor.kind.is_symmetric]


def drawn(ensemble, flavor, n=90, seed=0, dtype=None):
    shape = shape_of(flavor)
    size = shape[0] if flavor.kind.is_symmetric else shape
    return ensemble.draw(n, size, kind=flavor.kind, generator=generator(seed), dtype=dtype or flavor.dtype())


def functions(flavor, n=90):
    """An operator that holds nothing, so that its rows come from unit vectors."""
    dense, shape = drawn(GaussianSensing, flavor, n), shape_of(flavor)
    M = dense.adjoint(torch.eye(n, dtype=torch.float64))
    return from_functions(
        lambda Z: torch.einsum("nij,ij->n", M.conj(), Z),
        lambda v: torch.einsum("n,nij->ij", v.to(M.dtype), M),
        n=n,
        size=shape,
        kind=flavor.kind,
        dtype=flavor.dtype(),
    )


def with_singular_values(values, n=90, flavor=PSD, dtype=torch.float64):
    """Packed rows with these singular values."""
    D = len(values)
    U, V = (torch.linalg.qr(normal(rows, D, rng=generator(rows))).Q for rows in (n, D))
    return DenseSensing.from_rows((U * values @ V.mT).to(dtype), shape_of(flavor), flavor.kind)


def measured(operator, *, weighted=False, noise=0.3, rank=2):
    flavor = Flavor(operator.kind, operator.is_complex)
    truth = random_point(flavor, operator.shape, rank).to(dtype=operator.dtype)
    problem = Problem.measure(operator, truth, noise, generator=generator(3))
    if not weighted:
        return problem
    weights = normal(operator.count, rng=generator(4)).square().to(operator.real_dtype)
    weights[::7] = 0
    return dataclasses.replace(problem, weights=weights)


ENSEMBLES = {
    **{f"gaussian-{f}": lambda f=f: drawn(GaussianSensing, f) for f in ALL_FLAVORS},
    **{f"rank-one-{f}": lambda f=f: drawn(RankOneSensing, f) for f in (PSD, SYMMETRIC, HERMITIAN)},
    **{f"functions-{f}": lambda f=f: functions(f) for f in ALL_FLAVORS},
    "paired": lambda: drawn(PairedRankOneSensing, PSD),
    "rademacher": lambda: drawn(RademacherSensing, PSD),
    "algebra": lambda: stacked([scaled(drawn(RankOneSensing, PSD), 2.0), functions(PSD, 40)]),
    "diffraction": lambda: CodedDiffractionSensing.draw(7, 5, generator=generator()),
    "entries, some again": lambda: EntrySensing.draw(60, 5, replacement=True, generator=generator()),
    "ill-conditioned": lambda: with_singular_values(torch.logspace(0, -7, 15, dtype=torch.float64)),
    "ill-conditioned-rectangular": lambda: with_singular_values(
        torch.logspace(3, -3, 12, dtype=torch.float64), flavor=RECTANGULAR
    ),
    "rank-deficient": lambda: with_singular_values(torch.tensor([1.0] * 9 + [0.0] * 6, dtype=torch.float64)),
    "one row again and again": lambda: DenseSensing.from_rows(normal(1, 15).expand(40, 15).clone(), (5, 5)),
    "unseen entries": lambda: DenseSensing.from_rows(normal(40, 15) * (torch.arange(15) > 3), (5, 5)),
    "wildly scaled rows": lambda: DenseSensing.from_rows(
        normal(60, 15) * torch.logspace(-60, 60, 60, dtype=torch.float64)[:, None], (5, 5)
    ),
}


@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
@pytest.mark.parametrize("name", ENSEMBLES)
def test_the_objective_differs_by_a_constant_and_its_gradient_by_nothing(name, weighted):
    """For random Z, far from any minimizer: ||sqrt(w) (M(Z) - y)||^2 = ||M'(Z) - b||^2 + leftover."""
    given = measured(ENSEMBLES[name](), weighted=weighted)
    operator, y = given.operator, given.measurements
    weights = torch.ones_like(y) if given.weights is None else given.weights
    compressed = compress(given)
    few, b = compressed.problem.operator, compressed.problem.measurements
    D = operator.dimension
    assert few.count == D < operator.count
    assert compressed.problem.weights is None
    assert compressed.problem.truth is given.truth

    A = packed_rows(operator, 0, operator.count)
    size = float(torch.linalg.matrix_norm(weights.sqrt()[:, None] * A, 2))
    norm_y = float((weights.sqrt() * y).norm())
    # A backward error of so many roundings of a factorization; squared by Cholesky, that is chosen up to a condition
    # number of 10 and so a factor of 100.
    rounding = 100 * operator.count * EPS
    for seed in range(3):
        flavor = Flavor(operator.kind, operator.is_complex)
        point = random_point(flavor, operator.shape, 3, rng=generator(seed))
        error, little = operator.measure(point) - y, few.measure(point) - b
        bound = rounding * (size * float(point.norm()) + norm_y)
        before, after = (float(torch.linalg.vector_norm(e)) for e in (weights.sqrt() * error, little))
        assert abs(before - math.hypot(after, math.sqrt(compressed.leftover))) <= bound
        assert compressed.relative_residual(point) == pytest.approx(before / norm_y, abs=bound / norm_y)
        gap = few.adjoint(little) - operator.adjoint(weights * error)
        assert float(torch.linalg.matrix_norm(gap)) <= bound * size


@pytest.mark.parametrize("flavor", ALL_FLAVORS, ids=str)
def test_differences_of_the_objective_are_kept_for_every_matrix(flavor):
    """R^T R = A^T A and R^T b = A^T y, which is what "for every Z" means."""
    given = measured(drawn(GaussianSensing, flavor), weighted=True)
    operator, little = given.operator, compress(given).problem
    A, w, y = packed_rows(operator, 0, operator.count), given.weights[:, None], given.measurements
    R = packed_rows(little.operator, 0, operator.dimension)
    bound = 100 * operator.count * EPS * float(torch.linalg.matrix_norm(w.sqrt() * A, 2))
    assert float((R.mT @ R - A.mT @ (w * A)).norm()) <= bound * float(torch.linalg.matrix_norm(w.sqrt() * A, 2))
    assert float((R.mT @ little.measurements - A.mT @ (w[:, 0] * y)).norm()) <= bound * float(
        (w.sqrt()[:, 0] * y).norm()
    )


# ------------------------------------------------------------------------------------------- how it factorizes


@pytest.mark.parametrize(
    ("condition", "chosen"),
    [(1.0, Factorization.CHOLESKY), (3.0, Factorization.CHOLESKY), (30.0, Factorization.QR), (1e9, Factorization.QR)],
)
def test_cholesky_is_for_the_well_conditioned(condition, chosen):
    values = torch.logspace(0, -math.log10(condition), 15, dtype=torch.float64)
    compressed = compress(measured(with_singular_values(values)))
    assert compressed.factorization == chosen
    assert condition / 3 <= compressed.condition <= condition * 1.01


def test_single_precision_is_compressed_in_double_precision():
    """A condition number of 1,000 squared leaves single precision whole, in sums of double precision."""
    values = torch.logspace(0, -3, 15, dtype=torch.float64)
    operator = with_singular_values(values, dtype=torch.float32)
    given = measured(operator)
    compressed = compress(given)
    assert compressed.factorization == Factorization.CHOLESKY
    assert compressed.problem.operator.dtype == compressed.problem.measurements.dtype == torch.float32
    point = random_point(PSD, (5, 5), 2).to(dtype=torch.float32)
    error = operator.rows.double() @ Kind.PSD.pack(point.dense().double()) - given.measurements.double()
    relative = float(error.norm() / given.measurements.double().norm())
    assert compressed.relative_residual(point) == pytest.approx(relative, rel=100 * torch.finfo(torch.float32).eps)


@pytest.mark.parametrize("name", ["rank-deficient", "one row again and again", "unseen entries"])
def test_rows_that_depend_on_each_other_have_an_infinite_condition_number(name):
    compressed = compress(measured(ENSEMBLES[name](), rank=5))
    assert compressed.factorization == Factorization.QR
    assert math.isinf(compressed.condition)


@pytest.mark.parametrize(
    "name", ["gaussian-complex-hermitian", "rank-one-psd", "functions-rectangular", "ill-conditioned"]
)
def test_blocks_change_nothing(name, monkeypatch):
    given = measured(ENSEMBLES[name](), weighted=True)
    whole = compress(given)
    asked = []

    def watched(operator, start, stop):
        asked.append(stop - start)
        return packed_rows(operator, start, stop)

    monkeypatch.setattr(compression, "packed_rows", watched)
    monkeypatch.setattr(triangular_factor, "_BLOCK_NUMBERS", 1)
    monkeypatch.setattr(compression, "_SCRATCH_NUMBERS", 1)
    monkeypatch.setattr(compression, "_UNIT_ROWS", 7)
    in_blocks = compress(given)
    # Never more rows than R has.
    assert max(asked) == given.operator.dimension
    assert in_blocks.factorization == whole.factorization
    R, S = (packed_rows(c.problem.operator, 0, given.operator.dimension) for c in (whole, in_blocks))
    bound = 1000 * given.operator.count * EPS * float(R.norm()) * min(whole.condition, 1e8)
    assert float((R - S).norm()) <= bound
    assert in_blocks.leftover == pytest.approx(whole.leftover, rel=1e-9)


def test_rows_of_operators_that_can_be_taken_apart_are_measured_against_a_few_others(monkeypatch):
    """Rank-one rows come a few at a time: never a product of all vectors with all."""
    sizes = []
    adjoint = RankOneSensing.adjoint

    def watched(self, v):
        sizes.append(tuple(v.shape))
        return adjoint(self, v)

    monkeypatch.setattr(RankOneSensing, "adjoint", watched)
    compress(measured(RankOneSensing.draw(300, 5, generator=generator())))
    assert max(max(size) for size in sizes) == 64


# ------------------------------------------------------------------------------------------- what is concluded


@pytest.mark.parametrize("values", [torch.ones(15), torch.logspace(0, -5, 15)], ids=["Cholesky", "QR"])
def test_noise_stays_white(values):
    """b is Q^T y with orthonormal columns of Q: a covariance sigma^2 I of noise in y is one of sigma^2 I in b."""
    operator = with_singular_values(values.double(), n=40)
    n, D = 40, 15
    columns = [compress(Problem(operator, unit)).problem.measurements for unit in torch.eye(n, dtype=torch.float64)]
    Q_transposed = torch.stack(columns, dim=1)
    identity = torch.eye(D, dtype=torch.float64)
    # Householder QR is that of A + E with ||E|| <= n (D + 1) eps ||A|| (Higham, Accuracy and Stability, theorem 19.4),
    # and E may differ from one unit vector to the next. Q moves by sqrt(2) times the condition number of A times that.
    condition = float(values.max() / values.min())
    bound = 2 * math.sqrt(2) * condition * n * (D + 1) * EPS
    assert float((Q_transposed @ Q_transposed.mT - identity).abs().max()) <= bound


def test_the_leftover_tells_the_noise():
    n, sigma = 20_000, 0.02
    operator = drawn(GaussianSensing, PSD, n)
    truth = random_point(PSD, (5, 5), 2)
    y = operator.measure(truth) + sigma * normal(n, rng=generator(9))
    compressed = compress(Problem(operator, y))
    # A chi-square of n - 15 degrees of freedom: its root is within 1/sqrt(2n) of its mean, four times.
    assert compressed.noise_deviation == pytest.approx(sigma, rel=4 / math.sqrt(2 * n))
    best = torch.linalg.lstsq(operator.rows, y.unsqueeze(1)).solution
    floor = float((operator.rows @ best - y.unsqueeze(1)).norm() / y.norm())
    assert compressed.residual_floor == pytest.approx(floor, rel=1e-10)


def test_the_noise_of_weighted_rows_is_told_in_units_of_their_weights():
    """Weights that are inverse variances make the noise 1; rows of weight zero are no degrees of freedom."""
    n = 20_000
    operator = drawn(GaussianSensing, PSD, n)
    deviations = 0.01 + torch.rand(n, dtype=torch.float64, generator=generator(1))
    weights = deviations**-2
    weights[: n // 2] = 0
    y = operator.measure(random_point(PSD, (5, 5), 2)) + deviations * normal(n, rng=generator(9))
    compressed = compress(Problem(operator, y, weights=weights, noise_level=0.5))
    assert compressed.count == n - n // 2
    assert compressed.noise_deviation == pytest.approx(1, rel=4 / math.sqrt(n))
    assert compressed.problem.noise_level is None


def test_the_noise_level_handed_on_is_the_one_expected():
    n, trials = 2000, 40
    operator = drawn(GaussianSensing, PSD, n)
    truth = random_point(PSD, (5, 5), 2)
    ratios = []
    for seed in range(trials):
        problem = Problem.measure(operator, truth, 0.5, generator=generator(seed))
        little = compress(problem).problem
        noise = little.operator.measure(truth) - little.measurements
        ratios.append(float(noise.norm() / little.measurements.norm()) / little.noise_level)
    # The mean of 15 squares of normal numbers in each of 40 trials: five times its standard error.
    mean_square = sum(ratio**2 for ratio in ratios) / trials
    assert mean_square == pytest.approx(1, abs=5 * math.sqrt(2 / (15 * trials)))
    assert compress(Problem.measure(operator, truth)).problem.noise_level == 0


def test_exact_data_stay_exact():
    for operator in (drawn(GaussianSensing, PSD), ENSEMBLES["ill-conditioned"]()):
        given = measured(operator, noise=0.0)
        compressed = compress(given)
        assert compressed.residual_floor <= 1000 * EPS
        assert compressed.relative_residual(given.truth) <= 1000 * EPS


@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
@pytest.mark.parametrize("flavor", [PSD, HERMITIAN, RECTANGULAR, COMPLEX_RECTANGULAR], ids=str)
def test_the_solver_takes_the_same_steps(flavor, weighted):
    """With the same scales: 20 steps of Algorithm 1 on noisy measurements, each up to rounding."""
    given = measured(drawn(GaussianSensing, flavor, 400), weighted=weighted)
    little = compress(given).problem
    scales = calibrate(given)
    gain = float(scales.row_scale.max()) if not weighted else float((scales.row_scale / given.weights.sqrt()).nanmean())
    # What weighs a row: its weight, which R has in it already, and the gain.
    compressed_scales = dataclasses.replace(
        scales, row_scale=torch.full((little.operator.count,), gain, dtype=torch.float64)
    )
    results = []
    for problem, found in ((given, scales), (little, compressed_scales)):
        objective = SensingObjective(problem, given=found)
        start = haar_start(objective, rank=3, magnitude=1.0, generator=generator(2))
        results.append(solve(objective, WeightNormalizedGD(), start, stop=Stop(max_steps=20)).answer)
    assert float(results[0].distance(results[1]) / results[0].norm()) <= 1e-10


def test_trace_components_are_taken_apart_as_before():
    """The declared law and the traces say the same of R as of the rank-one rows."""
    given = measured(drawn(RankOneSensing, PSD, 400), noise=0.0)
    little = compress(given).problem
    before, after = calibrate(given), calibrate(little)
    assert after.trace_factor == pytest.approx(before.trace_factor, rel=1e-12)
    assert float(after.row_scale[0]) == pytest.approx(float(before.row_scale[0]), rel=1e-12)
    assert little.operator.second_moment == given.operator.second_moment
    assert compress(measured(given.operator, weighted=True)).problem.operator.second_moment is None


def test_a_compressed_problem_is_solved_to_the_truth():
    truth = low_rank(8, 2, 3.0, generator=generator(1))
    given = Problem.measure(RankOneSensing.draw(4000, 8, generator=generator()), truth)
    compressed = compress(given)
    objective = SensingObjective(compressed.problem)
    start = haar_start(objective, rank=5, generator=generator(2))
    point = solve(objective, PreconditionedWN(), start, stop=Stop(max_steps=100)).answer
    assert float(point.distance(truth) / truth.norm()) <= 1e-10
    assert compressed.relative_residual(point) <= 1e-10


def test_rows_held_out_before_compressing_are_predicted():
    """What the documentation advises: hold out, compress the rest, judge by the rows that were held out."""
    truth = low_rank(8, 2, 3.0, generator=generator(1))
    given = Problem.measure(GaussianSensing.draw(2000, 8, generator=generator()), truth, 0.1, generator=generator(3))
    order = torch.randperm(2000, generator=generator(4))
    held, kept = order[:200], order[200:]
    little = compress(Problem(restrict(given.operator, kept), given.measurements[kept])).problem
    objective = SensingObjective(little)
    start = haar_start(objective, rank=5, generator=generator(2))
    point = solve(objective, PreconditionedWN(), start, stop=Stop(max_steps=100)).answer
    y = given.measurements[held]
    unexplained = float((restrict(given.operator, held).measure(point) - y).norm() / y.norm())
    # The noise itself, and what 15 degrees of freedom fitted to 1,800 rows add; 200 squares spread by a tenth.
    assert unexplained == pytest.approx(0.1, rel=0.25)


# ------------------------------------------------------------------------------------------------ what comes back


def test_a_problem_of_few_rows_comes_back_as_it_is():
    given = measured(drawn(GaussianSensing, PSD, 15), weighted=True)
    compressed = compress(given)
    assert compressed.problem is given
    assert compressed.factorization == Factorization.NONE
    assert (compressed.leftover, compressed.residual_floor) == (0, 0)
    assert math.isnan(compressed.condition)
    assert math.isnan(compressed.noise_deviation)
    point = random_point(PSD, (5, 5), 2)
    root = given.weights.sqrt()
    expected = (root * (given.operator.measure(point) - given.measurements)).norm() / (root * given.measurements).norm()
    assert compressed.relative_residual(point) == pytest.approx(float(expected), rel=1e-14)


def test_one_row_more_than_unknowns_is_compressed():
    compressed = compress(measured(drawn(GaussianSensing, PSD, 16)))
    assert compressed.problem.operator.count == 15
    assert compressed.leftover > 0


def test_small_matrices_come_back_in_full_and_large_ones_packed():
    assert isinstance(compress(measured(drawn(GaussianSensing, HERMITIAN))).problem.operator, UnpackedSensing)
    large = GaussianSensing.draw(330, 25, generator=generator())
    truth = low_rank(25, 1, generator=generator())
    assert type(compress(Problem.measure(large, truth)).problem.operator) is DenseSensing
    rectangular = compress(measured(drawn(GaussianSensing, RECTANGULAR))).problem.operator
    assert type(rectangular) is DenseSensing


def test_what_no_matrix_can_explain_is_refused():
    """y orthogonal to the range: the zero matrix is the best of all."""
    rows = torch.zeros(20, 15, dtype=torch.float64)
    rows[:10] = normal(10, 15)
    y = torch.zeros(20, dtype=torch.float64)
    y[15] = 1.0
    with pytest.raises(InputError, match="not all zero"):
        compress(Problem(DenseSensing.from_rows(rows[:, :15].clone(), (5, 5)), y))


def test_noise_of_known_level_zero_stays_so():
    given = measured(drawn(GaussianSensing, PSD), noise=0.0)
    assert compress(given).problem.noise_level == 0
    assert compress(dataclasses.replace(given, noise_level=None)).problem.noise_level is None


def test_rows_of_the_whole_are_the_matrices():
    for name in (
        "gaussian-complex-rectangular",
        "rank-one-complex-hermitian",
        "functions-symmetric",
        "rademacher",
        "algebra",
    ):
        operator = ENSEMBLES[name]()
        M = operator.adjoint(torch.eye(operator.count, dtype=torch.float64))
        rows = packed_rows(operator, 3, 20)
        assert float((rows - operator.kind.pack(M)[3:20]).abs().max()) <= 100 * EPS * float(M.abs().max())
