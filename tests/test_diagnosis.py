"""What is said of a fit: verdicts, evidence of rows held out, the ranks that measurements can show."""

import dataclasses
import itertools
import math
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.optimize import brentq

from cases.draws import generator, normal, random_point
from cases.flavors import (
    ALL_FLAVORS,
    COMPLEX_RECTANGULAR,
    FOUR_KINDS,
    HERMITIAN,
    PSD,
    RECTANGULAR,
    SYMMETRIC,
    Flavor,
    size_of,
)
from wnsense.linalg import haar_frame
from wnsense.recovery.evidence.hold_out import (
    Evidence,
    correlation_score,
    fitted_mask,
    held_out_count,
    held_out_evidence,
    improvement_score,
)
from wnsense.recovery.evidence.spectral_rank import (
    back_projection_level,
    largest_rank,
    residual_directions,
    significant_rank,
)
from wnsense.recovery.evidence.thresholds import THRESHOLDS
from wnsense.recovery.evidence.verdict import Findings, judged_share, verdict
from wnsense.running.status import Status
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.ensembles.rank_one import RankOneSensing
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import Problem, low_rank
from wnsense.solvers.calibration import Calibration
from wnsense.solvers.objective import Evaluation, SensingObjective

EPS = torch.finfo(torch.float64).eps

four_kinds = pytest.mark.parametrize("flavor", FOUR_KINDS, ids=str)
flavors = pytest.mark.parametrize("flavor", ALL_FLAVORS, ids=str)


def drawn(flavor: Flavor, n=100, m1=8, m2=6, seed=0) -> Operator:
    settings = {"kind": flavor.kind, "dtype": flavor.dtype(), "generator": generator(seed)}
    return GaussianSensing.draw(n, size_of(flavor, m1, m2), **settings)


# ------------------------------------------------------------------------------------------------- the verdict

PREDICTS, DOES_NOT = Evidence(0.9, 5.0), Evidence(-0.1, 0.3)
GOOD = Findings(
    exact=False,
    residual=0.01,
    evidence=PREDICTS,
    overfit=1.0,
    noise_level=None,
    allowance=0.0,
    freedom=100,
    next_freedom=130,
    small_freedom=190,
    fitted=400,
    back_projection_level=0.5,
    excluded=False,
    surpassed=False,
)
NOISE_KNOWN = replace(GOOD, evidence=None, noise_level=0.02, allowance=0.02)
BLIND = replace(GOOD, evidence=None)

TABLE = [
    # An exact fit says nothing unless there are more rows than degrees of freedom; what else is known does not matter.
    ("exact", replace(GOOD, exact=True), Status.CONVERGED),
    ("exact without evidence", replace(BLIND, exact=True), Status.CONVERGED),
    ("exact beyond what is judged", replace(GOOD, exact=True, freedom=399, next_freedom=500), Status.CONVERGED),
    ("exact, rank 4 not judged", replace(GOOD, exact=True, small_freedom=500), Status.CONVERGED),
    ("exact with as many parameters as rows", replace(GOOD, exact=True, freedom=400), Status.TOO_FEW_MEASUREMENTS),
    ("exact by the bound", replace(GOOD, exact=True, excluded=True), Status.CONVERGED),
    # Held-out rows speak.
    ("predicts", GOOD, Status.REACHED_NOISE_FLOOR),
    ("predicts, next rank just judged", replace(GOOD, next_freedom=200), Status.REACHED_NOISE_FLOOR),
    ("predicts, next rank not judged", replace(GOOD, next_freedom=201), Status.TOO_FEW_MEASUREMENTS),
    ("predicts, many rows", replace(GOOD, next_freedom=320, back_projection_level=0.4), Status.REACHED_NOISE_FLOOR),
    (
        "predicts, not so many rows",
        replace(GOOD, next_freedom=321, back_projection_level=0.4),
        Status.TOO_FEW_MEASUREMENTS,
    ),
    ("predicts, rank 4 not judged", replace(GOOD, small_freedom=300), Status.REACHED_NOISE_FLOOR),
    ("score too low", replace(GOOD, evidence=Evidence(0.9, 4.5)), Status.NO_LOW_RANK_FIT),
    ("ranks agree, sizes do not", replace(GOOD, evidence=Evidence(0.0, 9.0)), Status.NO_LOW_RANK_FIT),
    ("predicts, overfits", replace(GOOD, overfit=2.1), Status.TOO_FEW_MEASUREMENTS),
    ("predicts, a larger rank exceeds noise", replace(GOOD, surpassed=True), Status.TOO_FEW_MEASUREMENTS),
    ("predicts, hardly overfits", replace(GOOD, overfit=2.0), Status.REACHED_NOISE_FLOOR),
    ("predicts nothing", replace(GOOD, evidence=DOES_NOT), Status.NO_LOW_RANK_FIT),
    ("nothing, rank 4 just judged", replace(GOOD, evidence=DOES_NOT, small_freedom=200), Status.NO_LOW_RANK_FIT),
    ("nothing, rank 4 not judged", replace(GOOD, evidence=DOES_NOT, small_freedom=201), Status.TOO_FEW_MEASUREMENTS),
    ("nothing, next rank not judged", replace(GOOD, evidence=DOES_NOT, next_freedom=399), Status.NO_LOW_RANK_FIT),
    # Evidence goes before a noise level.
    ("predicts beside a level", replace(NOISE_KNOWN, evidence=PREDICTS, allowance=0.0), Status.REACHED_NOISE_FLOOR),
    ("nothing beside a level", replace(NOISE_KNOWN, evidence=DOES_NOT), Status.NO_LOW_RANK_FIT),
    # A known level speaks alone.
    ("within the noise", NOISE_KNOWN, Status.REACHED_NOISE_FLOOR),
    ("just within the noise", replace(NOISE_KNOWN, residual=0.02), Status.REACHED_NOISE_FLOOR),
    ("above the noise", replace(NOISE_KNOWN, residual=0.021), Status.NO_LOW_RANK_FIT),
    ("above, rank 4 not judged", replace(NOISE_KNOWN, residual=0.1, small_freedom=201), Status.TOO_FEW_MEASUREMENTS),
    ("within, next rank not judged", replace(NOISE_KNOWN, next_freedom=201), Status.REACHED_NOISE_FLOOR),
    ("within, rank not judged", replace(NOISE_KNOWN, freedom=201, next_freedom=250), Status.TOO_FEW_MEASUREMENTS),
    # Chance leaves 0.75 exp(-1.5 / 4) (1 - 5 / 20) = 0.3866 of the square at least, a residual of 0.6218.
    ("explained by chance", replace(NOISE_KNOWN, residual=0.63, allowance=1.0), Status.NO_LOW_RANK_FIT),
    ("more than by chance", replace(NOISE_KNOWN, residual=0.62, allowance=1.0), Status.REACHED_NOISE_FLOOR),
    # The user's bound shut out something better.
    ("shut out", replace(GOOD, excluded=True), Status.NO_LOW_RANK_FIT),
    ("shut out, level known", replace(NOISE_KNOWN, excluded=True), Status.NO_LOW_RANK_FIT),
    ("shut out, blind", replace(BLIND, excluded=True), Status.NO_LOW_RANK_FIT),
    # Nothing to judge by.
    ("blind", BLIND, Status.STAGNATED),
    ("blind, as many parameters as rows", replace(BLIND, freedom=400), Status.TOO_FEW_MEASUREMENTS),
]


@pytest.mark.parametrize(("found", "said"), [pytest.param(f, s, id=name) for name, f, s in TABLE])
def test_a_verdict(found, said):
    assert verdict(found) == said


def test_no_verdict_claims_more_than_was_found():
    """Over a grid of findings: what success needs, whatever else was found."""
    grid = {
        "exact": [False, True],
        "residual": [0.01, 0.5, 0.99],
        "evidence": [None, PREDICTS, DOES_NOT, Evidence(0.5, 4.4), Evidence(-0.5, 6.0)],
        "overfit": [0.5, 3.0],
        "noise_level": [None, 0.02],
        "allowance": [0.005, 0.6],
        "freedom": [50, 150, 400],
        "next_freedom": [60, 250, 500],
        "small_freedom": [100, 350],
        "back_projection_level": [0.3, 0.5],
        "excluded": [False, True],
        "surpassed": [False, True],
    }
    said = set()
    for values in itertools.product(*grid.values()):
        found = Findings(fitted=400, **dict(zip(grid, values, strict=True)))
        status = verdict(found)
        said.add(status)
        if status == Status.CONVERGED:
            assert found.exact
            assert found.freedom < found.fitted
        if status == Status.REACHED_NOISE_FLOOR:
            assert not found.exact
            assert not found.excluded
            needed = found.freedom if found.evidence is None else found.next_freedom
            assert needed <= judged_share(found.back_projection_level) * found.fitted
            if found.evidence is None:
                assert found.noise_level is not None
                assert found.residual <= found.allowance
            else:
                assert found.evidence.explained > 0
                assert found.evidence.score > 4.5
                assert found.overfit <= 2
                assert not found.surpassed
    assert said == {
        Status.CONVERGED,
        Status.REACHED_NOISE_FLOOR,
        Status.TOO_FEW_MEASUREMENTS,
        Status.NO_LOW_RANK_FIT,
        Status.STAGNATED,
    }


def test_more_is_judged_where_a_direction_would_be_seen():
    assert [judged_share(level) for level in (0.1, 0.4, 0.41, 3.0)] == [0.8, 0.8, 0.5, 0.5]


# ------------------------------------------------------------------------------------------ rows held out

COUNTS = [
    # Never all, a fifth where that is few, 30 where there is room, a tenth, and no more than 4,000.
    *[(1, 0), (2, 1), (4, 1), (5, 1), (9, 1), (10, 2), (100, 20), (149, 29), (150, 30), (300, 30)],
    *[(301, 31), (1000, 100), (1001, 101), (40_000, 4000), (1_000_000, 4000)],
]


@pytest.mark.parametrize(("count", "held"), COUNTS)
def test_rows_held_out_when_nobody_says_how_many(count, held):
    assert held_out_count(count, None) == held


@pytest.mark.parametrize(
    ("fraction", "held"), [(0.0, 0), (1e-9, 1), (0.004, 1), (0.1, 20), (0.1026, 21), (0.5, 100), (0.99, 198)]
)
def test_rows_held_out_when_a_fraction_is_given(fraction, held):
    assert held_out_count(200, fraction) == held


@pytest.mark.parametrize("held", [0, 1, 30, 79])
def test_so_many_rows_are_held_out_and_none_without_weight(held):
    usable = torch.rand(100, dtype=torch.float64, generator=generator())
    usable[::5] = 0
    mask = fitted_mask(usable, held, seed=3)
    assert mask.dtype == usable.dtype
    assert set(mask.tolist()) <= {0.0, 1.0}
    assert int((mask == 0).sum()) == held
    assert (mask[::5] == 1).all()
    assert torch.equal(mask, fitted_mask(usable, held, seed=3))


def test_another_seed_holds_out_other_rows_and_each_row_has_its_chance():
    ones = torch.ones(50, dtype=torch.float64)
    masks = torch.stack([fitted_mask(ones, 10, seed) for seed in range(2000)])
    assert len({tuple(mask.tolist()) for mask in masks[:10]}) == 10
    # Binomial of chance 1/5: five deviations of sqrt(p q / 2000).
    assert float(((1 - masks).mean(0) - 0.2).abs().max()) <= 5 * math.sqrt(0.16 / 2000)
    # Of size, not of weight.
    assert torch.equal(fitted_mask(7 * ones, 10, 1), masks[1])


# ---------------------------------------------------------------------------------- what held-out rows say


def plain_objective(y: torch.Tensor, operator: Operator, fitted, weights=None) -> SensingObjective:
    """Nothing balanced: the target is y."""
    problem = Problem(operator, y, weights=weights)
    rows = fitted if weights is None else fitted * weights.sqrt()
    return SensingObjective(problem, fitted, given=Calibration(rows, None, 1.0, 1.0, 0))


def predicting(objective: SensingObjective, prediction: torch.Tensor) -> Evaluation:
    """A point that predicts these measurements; which point it is does not matter here."""
    residual = prediction - objective.target
    nothing = torch.zeros(objective.problem.operator.shape[0], 1, dtype=torch.float64)
    return Evaluation(LowRank(nothing, nothing[:1]), residual, residual, nothing)


def alternate(n: int, every: int) -> torch.Tensor:
    fitted = torch.ones(n, dtype=torch.float64)
    fitted[::every] = 0
    return fitted


@pytest.mark.usefixtures("as_users_run")
@pytest.mark.parametrize("law", ["normal", "cauchy", "counts"])
def test_the_score_is_standard_normal_where_there_is_nothing_to_see(law):
    """Whatever the distributions: ranks of independent data are a random permutation, of variance 1 / (h - 1)."""
    runs, h = 1000, 60
    rng = generator(17)
    operator = drawn(PSD, n=2 * h, m1=3)
    fitted = alternate(2 * h, 2)

    def draw():
        x = normal(2 * h, rng=rng)
        return {"normal": x, "cauchy": x / normal(2 * h, rng=rng), "counts": (3 * x).round() + 0.25}[law]

    scores = torch.empty(runs, dtype=torch.float64)
    for i in range(runs):
        objective = plain_objective(draw(), operator, fitted)
        scores[i] = held_out_evidence(objective, predicting(objective, draw())).score
    # Four deviations each: of a mean, of a mean square (kurtosis at most 3), of a share of 2.5%.
    assert abs(float(scores.mean())) <= 4 / math.sqrt(runs)
    assert abs(float(scores.square().mean()) - 1) <= 4 * math.sqrt(2 / runs)
    deviation = math.sqrt(0.025 * 0.975 / runs)
    for tail in (scores > 1.96, scores < -1.96):
        assert abs(float(tail.double().mean()) - 0.025) <= 4 * deviation
    # Kolmogorov-Smirnov at 1e-4, and the distance of the law itself for h = 60, below 0.005.
    assert stats.kstest(scores.numpy(), "norm").statistic <= 2.23 / math.sqrt(runs) + 0.005


def test_a_perfect_prediction_scores_the_most_that_there_is():
    y = normal(100)
    objective = plain_objective(y, drawn(PSD), alternate(100, 4))
    said = held_out_evidence(objective, predicting(objective, y))
    assert said.explained == 1.0
    # One order of 25 rows is right.
    assert said.score == pytest.approx(-stats.norm.ppf(1 / math.factorial(25)), rel=1e-6)


@pytest.mark.parametrize(("count", "suffices"), [(2, False), (7, False), (9, True), (20, True)])
def test_few_rows_in_the_right_order_are_evidence(count, suffices):
    assert (correlation_score(1.0, count) > THRESHOLDS.significance) is suffices
    assert correlation_score(-1.0, count) <= 0


@pytest.mark.parametrize("count", [15, 30, 200])
def test_the_score_has_the_tail_of_a_normal_number(count):
    """The share of random orders beyond 3 deviations is that of a normal number, within 40% and four deviations."""
    runs, rng = 200_000, np.random.default_rng(count)
    orders = rng.permuted(np.tile(np.arange(count) - (count - 1) / 2, (runs, 1)), axis=1)
    correlations = orders @ orders[0] / (orders[0] @ orders[0])
    least = brentq(lambda c: correlation_score(c, count) - 3, 0, 1)
    expected = runs * stats.norm.sf(3)
    assert abs(int((correlations > least).sum()) - expected) <= 0.4 * expected + 4 * math.sqrt(expected)


@pytest.mark.parametrize("noise", [0.1, 1.0, 3.0])
def test_the_explained_part_is_that_of_the_variance(noise):
    """1 - ||miss||^2 / ||y - mean of the fitted rows||^2 over the rows held out; Spearman's correlation from scipy."""
    rng = generator(5)
    y, error = 3 + normal(400, rng=rng), noise * normal(400, rng=rng)
    fitted = alternate(400, 4)
    objective = plain_objective(y, drawn(PSD, n=400), fitted)
    said = held_out_evidence(objective, predicting(objective, y + error))
    held = fitted == 0
    mean = y[~held].mean()
    assert said.explained == pytest.approx(float(1 - error[held].square().sum() / (y[held] - mean).square().sum()))
    correlation = stats.spearmanr(y[held].numpy(), (y + error)[held].numpy()).statistic
    assert said.score == pytest.approx(correlation_score(correlation, 100))


def test_the_score_knows_ranks_only():
    """A prediction bent by an increasing function scores the same, and explains less."""
    y = normal(200)
    objective = plain_objective(y, drawn(PSD, n=200), alternate(200, 4))
    straight = held_out_evidence(objective, predicting(objective, y))
    bent = held_out_evidence(objective, predicting(objective, y**3 + 10))
    assert bent.score == straight.score
    assert bent.explained < 0


def raw_rank_one(truth: LowRank, n=600) -> tuple[RankOneSensing, torch.Tensor]:
    operator = RankOneSensing.draw(n, truth.shape[0], generator=generator(2))
    return operator, operator.measure(truth)


def fraction_of_identity(objective: SensingObjective) -> torch.Tensor:
    """What the multiple of the identity that fits best predicts."""
    traces, fitted = objective.problem.operator.traces(), objective.fitted > 0
    return traces * (traces[fitted] @ objective.target[fitted]) / traces[fitted].square().sum()


def test_what_the_trace_explains_is_not_counted():
    """Any positive matrix predicts raw rank-one measurements of any other to some extent; that is no evidence."""
    truth = low_rank(12, 10, 1.5, generator=generator(1))
    operator, y = raw_rank_one(truth)
    objective = SensingObjective(Problem(operator, y), alternate(600, 3))
    assert objective.calibration.trace_direction is not None
    held = objective.fitted == 0
    prediction = fraction_of_identity(objective)
    naive = 1 - (prediction - objective.target)[held].square().sum() / objective.target[held].square().sum()
    assert naive > 0.9
    assert stats.spearmanr(prediction[held].numpy(), objective.target[held].numpy()).statistic * math.sqrt(199) > 4.5
    # A constant is fitted beside the trace, and 400 rows tell little of either: a few hundredths at most.
    said = held_out_evidence(objective, predicting(objective, prediction))
    assert abs(said.explained) < 0.05


def test_shuffled_rank_one_measurements_are_explained_by_nothing():
    truth = low_rank(12, 2, generator=generator(1))
    operator, y = raw_rank_one(truth)
    shuffled = y[torch.randperm(600, generator=generator(3))]
    objective = SensingObjective(Problem(operator, shuffled), alternate(600, 3))
    for prediction in (fraction_of_identity(objective), y / objective.calibration.scale):
        said = held_out_evidence(objective, predicting(objective, prediction))
        assert said.explained < 0.05
        assert said.score < 4.5


def test_what_the_truth_predicts_beyond_its_trace_is_counted():
    truth = low_rank(12, 2, generator=generator(1))
    operator, y = raw_rank_one(truth)
    objective = SensingObjective(Problem(operator, y), alternate(600, 3))
    said = held_out_evidence(objective, objective.evaluate(objective.from_user(truth)))
    assert said.explained == pytest.approx(1, abs=1e-12)
    assert said.score > 30


@pytest.mark.parametrize("ensemble", ["gaussian", "raw rank-one"])
def test_what_stands_in_rows_of_no_weight_is_no_evidence(ensemble):
    """Of noise and garbage nothing is predicted; if the garbage shaped the baseline, its trace would be."""
    rng = generator(8)
    operator = drawn(PSD, n=600) if ensemble == "gaussian" else raw_rank_one(low_rank(8, 1, generator=rng))[0]
    weights = torch.ones(600, dtype=torch.float64)
    weights[::5] = 0
    fitted = fitted_mask(weights, 100, seed=1)
    y, prediction = normal(600, rng=rng), normal(600, rng=rng)
    garbage = torch.where(weights == 0, 1e6, y)
    said = []
    for measured in (y, garbage):
        objective = SensingObjective(Problem(operator, measured, weights=weights), fitted)
        assert (objective.calibration.trace_direction is not None) == (ensemble == "raw rank-one")
        said.append(held_out_evidence(objective, predicting(objective, prediction)))
    assert said[0] == said[1]
    assert abs(said[0].score) < 4.5


def test_without_rows_held_out_there_is_no_evidence():
    objective = plain_objective(normal(100), drawn(PSD), torch.ones(100, dtype=torch.float64))
    blind = SensingObjective(objective.problem, given=objective.calibration)
    with pytest.raises(ValueError, match="no rows are held out"):
        held_out_evidence(blind, predicting(blind, normal(100)))
    with pytest.raises(ValueError, match="no rows are held out"):
        improvement_score(blind, predicting(blind, normal(100)), predicting(blind, normal(100)))


def test_an_improvement_is_scored_by_its_paired_differences():
    rng = generator(6)
    y = normal(200, rng=rng)
    fitted = alternate(200, 5)
    objective = plain_objective(y, drawn(PSD, n=200), fitted)
    shared, own = normal(200, rng=rng), 0.1 * normal(200, rng=rng)
    before, after = predicting(objective, y + shared + 0.3), predicting(objective, y + shared + own)
    held = fitted == 0
    gain = (before.residual.abs() - after.residual.abs())[held]
    expected = stats.ttest_1samp(gain.numpy(), 0).statistic
    assert improvement_score(objective, before, after) == pytest.approx(expected)
    assert improvement_score(objective, after, before) == pytest.approx(-expected)
    # What the fitted rows say is not asked.
    altered = replace(after, residual=torch.where(held, after.residual, 100.0))
    assert improvement_score(objective, before, altered) == improvement_score(objective, before, after)


def test_an_improvement_without_spread_is_sure():
    y = torch.ones(10, dtype=torch.float64)
    objective = plain_objective(y, drawn(PSD, n=10), alternate(10, 5))
    far, near = predicting(objective, 3 * y), predicting(objective, 2 * y)
    assert improvement_score(objective, far, near) == math.inf
    assert improvement_score(objective, near, far) == -math.inf
    assert improvement_score(objective, near, near) == 0
    single = plain_objective(y, drawn(PSD, n=10), alternate(10, 10))
    assert improvement_score(single, far, near) == math.inf


# ----------------------------------------------------------------------------------------------- ranks


@flavors
@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (9, 6)])
def test_the_largest_rank_is_the_last_within_the_limit(flavor, shape):
    shape = (shape[0], shape[0]) if flavor.kind.is_symmetric else shape
    operator = drawn(flavor, 3, *shape)
    m1, m2 = shape
    factor = 2 if flavor.is_complex else 1

    def freedom(r):
        if flavor.kind.is_symmetric:
            return r * (2 * m1 - r) if flavor.is_complex else r * (2 * m1 - r + 1) / 2
        return factor * r * (m1 + m2 - r)

    for limit in [*range(factor * m1 * m2 + 2), 0.5, 17.5, math.inf]:
        expected = max(r for r in range(min(m1, m2) + 1) if freedom(r) <= limit)
        assert largest_rank(operator, limit) == expected


@flavors
def test_a_back_projection_of_random_signs_is_seldom_above_its_level(flavor):
    """For Gaussian M the back-projection of a unit vector is a Gaussian matrix of known spectral norm.

    sqrt(2 m / n) when symmetric, (sqrt(m1) + sqrt(m2)) / sqrt(n) when rectangular, sqrt(2) times that when complex:
    the level over sqrt(2), but for complex rectangular ones the level itself. Its fluctuations around that are of
    relative order m^(-2/3), here 0.09.
    """
    m, n = 40, 300
    level = back_projection_level(drawn(flavor, 1, m, m), n)
    norms = []
    for seed in range(8):
        operator = drawn(flavor, n, m, m, seed=seed)
        signs = torch.sign(normal(n, rng=generator(seed + 50))) / math.sqrt(n)
        norms.append(float(torch.linalg.matrix_norm(operator.adjoint(signs), 2)) / level)
    expected = 1 if flavor == COMPLEX_RECTANGULAR else 0.5**0.5
    assert norms == pytest.approx([expected] * 8, abs=0.2)


def test_the_back_projection_level_halves_when_rows_are_four_times_as_many():
    for flavor in ALL_FLAVORS:
        operator = drawn(flavor)
        assert back_projection_level(operator, 400) == pytest.approx(back_projection_level(operator, 100) / 2)
    assert back_projection_level(drawn(PSD), 32) == back_projection_level(drawn(SYMMETRIC), 32) == 1
    assert back_projection_level(drawn(HERMITIAN), 64) == 1
    assert back_projection_level(drawn(RECTANGULAR, m1=10, m2=6), 64) == 1


def with_spectrum(flavor: Flavor, values) -> tuple[SensingObjective, LowRank]:
    operator = drawn(flavor, n=400, m1=10, m2=8)
    truth = low_rank(size_of(flavor, 10, 8), 1, kind=flavor.kind, dtype=flavor.dtype(), generator=generator(1))
    objective = SensingObjective(Problem.measure(operator, truth))
    k = len(values)
    X = haar_frame(10, k, generator=generator(2), dtype=flavor.dtype())
    Y = None if flavor.kind.is_symmetric else haar_frame(8, k, generator=generator(3), dtype=flavor.dtype())
    Theta = torch.diag(torch.tensor(values, dtype=torch.float64)).to(flavor.dtype())
    return objective, LowRank(X, Theta, Y)


@four_kinds
def test_the_significant_rank_is_relative_to_the_norm(flavor):
    _, point = with_spectrum(flavor, [1.0, 0.5, 1e-3, 1e-9])
    norm = math.sqrt(1.25 + 1e-6)
    for level, rank in [(0.8, 1), (0.1, 2), (1.01e-3 / norm, 2), (0.99e-3 / norm, 3), (1e-12, 4), (2.0, 1)]:
        assert significant_rank(point, level) == rank
        assert significant_rank(point.scaled(1e6), level) == rank


@dataclass(frozen=True)
class Counted(Operator):
    """Counts what it is asked, each half of a rectangular power step by itself."""

    inner: Operator
    calls: list = field(default_factory=list)
    second_moment: tuple[float, float] | None = (1.0, 0.0)

    def __post_init__(self):
        for name in ("space", "count"):
            object.__setattr__(self, name, getattr(self.inner, name))

    def _measure(self, point):
        self.calls.append("measure")
        return self.inner.measure(point)

    def _adjoint_times(self, v, V):
        self.calls.append("adjoint")
        return self.inner.adjoint_times(v, V)

    def _adjoint_transpose_times(self, v, U):
        self.calls.append("adjoint transpose")
        return self.inner.adjoint_transpose_times(v, U)


def some_evaluation(flavor: Flavor, n: int, m1: int, m2: int):
    """Somewhere, with weights and rows held out, and -R as a dense matrix."""
    rng = generator(4)
    operator = Counted(drawn(flavor, n, m1, m2))
    truth = random_point(flavor, operator.shape, 3, rng=rng)
    weights = torch.rand(n, dtype=torch.float64, generator=rng) + 0.2
    objective = SensingObjective(replace(Problem.measure(operator, truth), weights=weights), alternate(n, 4))
    at = objective.evaluate(random_point(flavor, operator.shape, 2, rng=rng).scaled(0.3 / objective.calibration.scale))
    row_scale = objective.calibration.row_scale
    R = operator.adjoint(row_scale**2 * at.residual)
    operator.calls.clear()
    return objective, at, -R


def best_part(A: torch.Tensor, flavor: Flavor, width: int) -> torch.Tensor:
    """The best approximation of a rank, positive for kind psd, by a full decomposition."""
    if flavor == PSD:
        values, vectors = torch.linalg.eigh(A)
        values, vectors = values[-width:].clamp(min=0), vectors[:, -width:]
        return (vectors * values) @ vectors.mT
    U, values, Vh = torch.linalg.svd(A, full_matrices=False)
    return (U[:, :width] * values[:width].to(A.dtype)) @ Vh[:width]


@flavors
@pytest.mark.parametrize("width", [1, 2, 3])
def test_directions_of_a_residual_are_its_dominant_part(flavor, width):
    """At so small a size the power method has the whole space, and nothing is left to converge."""
    objective, at, A = some_evaluation(flavor, 60, 6, 5)
    width += 2 if flavor.kind.is_symmetric else 1
    found, cost = residual_directions(objective, at.residual, width, seed=7)
    assert float((found.dense() - best_part(A, flavor, width)).norm()) <= 1e-12 * float(A.norm())
    assert found.width == width
    assert cost == len(objective.problem.operator.calls)
    assert cost == (3 if flavor.kind.is_symmetric else 6)


@flavors
def test_more_directions_than_there_are_is_all_of_them(flavor):
    objective, at, A = some_evaluation(flavor, 60, 4, 3)
    found, _ = residual_directions(objective, at.residual, 50, seed=7)
    full = min(A.shape)
    assert found.width == full
    assert float((found.dense() - best_part(A, flavor, full)).norm()) <= 1e-12 * float(A.norm())


def test_of_a_psd_residual_nothing_negative_is_kept():
    objective, at, A = some_evaluation(PSD, 60, 6, 6)
    values = torch.linalg.eigvalsh(A)
    positive = int((values > 0).sum())
    assert 0 < positive < 6
    found, _ = residual_directions(objective, at.residual, 6, seed=7)
    got = found.eigenvalues()
    assert float(got.min()) >= -EPS * float(got.max())
    assert got[:positive].tolist() == pytest.approx(values.flip(0)[:positive].tolist(), rel=1e-10)
    assert float(got[positive:].abs().max()) <= EPS * float(got.max())


@flavors
def test_directions_of_a_larger_residual_hold_nearly_all_that_they_could(flavor):
    """A power method of three steps with 4 columns to spare, on a spectrum like that of a semicircle.

    It reaches at least 0.8 of the energy of the best part (seen: 0.9); random directions would hold 2 / 40 of it.
    """
    objective, at, A = some_evaluation(flavor, 800, 40, 40)
    found, _ = residual_directions(objective, at.residual, 2, seed=7)
    best = best_part(A, flavor, 2)
    assert float((found.dense().conj() * A).sum().real) >= 0.8 * float(best.norm()) ** 2


def test_directions_are_drawn_from_their_seed():
    objective, at, _ = some_evaluation(PSD, 800, 40, 40)
    one, again, other = (residual_directions(objective, at.residual, 2, seed=seed)[0].dense() for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_at_zero_the_directions_are_a_spectral_start():
    """The dominant part of the back-projected measurements: close to a truth of rank 1 where rows are many."""
    objective = SensingObjective(Problem.measure(drawn(PSD, 2000, 10), low_rank(10, 1, generator=generator(1))))
    found, _ = residual_directions(objective, -objective.target, 1, seed=0)
    truth = objective.from_user(objective.problem.truth)
    # Davis-Kahan: the noise of the back-projection is at most its level times ||y||, the gap is the truth's norm.
    assert float(found.distance(truth) / truth.norm()) <= 2 * back_projection_level(objective.problem.operator, 2000)


def test_findings_are_all_of_them_asked():
    """Each field of the findings changes some verdict: none is there for nothing."""
    for part in dataclasses.fields(Findings):
        others = {
            "exact": True,
            "residual": 0.5,
            "evidence": DOES_NOT,
            "overfit": 3.0,
            "noise_level": 0.02,
            "allowance": 0.0,
            "freedom": 10_000,
            "next_freedom": 10_000,
            "small_freedom": 10_000,
            "fitted": 90,
            "back_projection_level": 0.1,
            "excluded": True,
            "surpassed": True,
        }
        changes = [verdict(found) != verdict(replace(found, **{part.name: others[part.name]})) for _, found, _ in TABLE]
        assert any(changes), part.name
