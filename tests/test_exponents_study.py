"""The exponents study: its law and reduction against dense computation, its slopes, its run, pictures and captions."""

import dataclasses

import numpy as np
import pytest
import torch

from cases.presented import caption, findings, pictures
from wnsense.checks import InputError
from wnsense.files.tables import Table
from wnsense.lab.analysis.reduced_population import population_objective, reduced_frame
from wnsense.lab.analysis.scaling import fit_power_law
from wnsense.lab.studies.exponents import run as running
from wnsense.lab.studies.exponents.cases import EXPONENTS_STUDY
from wnsense.lab.studies.exponents.measure import draw_problem, measure
from wnsense.lab.studies.exponents.specification import (
    ExponentPart,
    ExponentSpecification,
    ExponentSweep,
    Point,
    exponent_part_key,
)
from wnsense.lab.studies.exponents.study import exponent_study
from wnsense.lab.studies.exponents.table import EXPONENT_TABLES
from wnsense.lab.studies.frame.specification import Scale
from wnsense.lab.studies.frame.store import Store
from wnsense.lab.studies.theorem_cases import Varied
from wnsense.linalg import haar_frame
from wnsense.running.loop import solve
from wnsense.running.stop import Stop
from wnsense.running.trace import Trace
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import spectrum_values
from wnsense.solvers.weight_norm import WeightNormalizedGD
from wnsense.theory import convergence, step_size_form
from wnsense.theory.convergence import Quantity, TheoremSetting
from wnsense.theory.saddles import escape_steps

pytestmark = pytest.mark.usefixtures("as_users_run")

BASE = Point(size=20, rank=5, true_rank=2, condition=2.0, step_size=1.0)


def varied(**changes) -> Point:
    return dataclasses.replace(BASE, **changes)


TINY = ExponentSpecification(
    "exponents",
    "Something small",
    "Something is said.",
    quick=(
        ExponentSweep(Varied.CONDITION, tuple(varied(condition=kappa) for kappa in (1.5, 2.0, 3.0)), 3),
        ExponentSweep(Varied.RANK, tuple(varied(rank=r) for r in (4, 5, 8)), 3),
        ExponentSweep(Varied.SIZE, tuple(varied(size=m, step_size=400 / m**2) for m in (20, 24, 30)), 3, follows=True),
        ExponentSweep(Varied.STEP_SIZE, tuple(varied(step_size=eta, measurements=500) for eta in (0.5, 0.8, 1.2)), 2),
    ),
    paper=(),
    choices=("everything",),
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The tiny study, uninterrupted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxtyping.config.jaxtyping_disable", True)
        return exponent_study(TINY).run(tmp_path_factory.mktemp("tiny"), Scale.QUICK)


# ------------------------------------------------------------------------------------------------ the law


@pytest.mark.parametrize(
    "setting", [TheoremSetting(40, 12, 4, 5.0), TheoremSetting(31, 9, 3, 17.0), TheoremSetting(20, 7, 2, 1.5)]
)
def test_at_the_theorem_s_own_step_size_both_forms_are_one(setting):
    eta = convergence.step_size(setting, constant=1.0)
    assert step_size_form.burn_in_at(setting, eta, constant=2.0) == pytest.approx(
        convergence.burn_in(setting, constant=2.0), rel=1e-12
    )
    assert step_size_form.contraction_at(setting, eta, constant=0.5) == pytest.approx(
        convergence.contraction(setting, constant=0.5), rel=1e-12
    )


def test_sequential_alignments_are_projections_on_what_is_left():
    X = haar_frame(12, 6, batch=(3,), generator=torch.Generator().manual_seed(1))
    found = step_size_form.sequential_alignments(X[:, :3] @ X[:, :3].mT)
    for one, told in zip(X, found, strict=True):
        for i in range(3):
            # Of span(X), what is orthogonal to u_0..u_{i-1}: X times the null space of their rows.
            left = one @ torch.linalg.svd(one[:i], full_matrices=True).Vh[i:].mT if i else one
            assert float(told[i]) == pytest.approx(float(left[i].square().sum()), rel=1e-10)


def test_the_last_alignment_of_a_random_frame_has_the_mean_of_the_law():
    m, r, k = 18, 6, 3
    X = haar_frame(m, r, batch=(4_000,), generator=torch.Generator().manual_seed(2))
    last = step_size_form.sequential_alignments(X[:, :k] @ X[:, :k].mT)[:, -1]
    # Beta(a, b): the mean of 4,000 has a standard deviation of sqrt(ab/(a+b+1))/(a+b)/sqrt(4000).
    a, b = (r - k + 1) / 2, (m - r) / 2
    deviation = (a * b / (a + b + 1)) ** 0.5 / (a + b) / 4_000**0.5
    mean = (r - k + 1) / (m - k + 1)
    assert float(last.mean()) == pytest.approx(mean, abs=4 * deviation)
    setting = TheoremSetting(m, r, k, 7.0)
    assert step_size_form.expected_burn_in(setting, 0.2) == pytest.approx(49 / (2 * 0.2 * mean))


def test_a_start_is_as_slow_as_its_slowest_direction():
    gram = torch.diag(torch.tensor([0.3, 0.02, 0.1], dtype=torch.float64))
    sigma = torch.tensor([1.0, 0.9, 0.5], dtype=torch.float64)
    each = [escape_steps(s, 0.5, v, step_size=0.1) for s, v in zip((0.3, 0.02, 0.1), (1.0, 0.9, 0.5), strict=True)]
    assert each[1] > each[2] > each[0]
    assert float(step_size_form.burn_in_of_start(gram, sigma, 0.1)) == pytest.approx(each[1])
    # Who is aligned already has not to wait.
    assert float(step_size_form.burn_in_of_start(torch.eye(3, dtype=torch.float64), sigma, 0.1)) == 0.0
    with pytest.raises(InputError, match="positive step size"):
        step_size_form.expected_burn_in(TheoremSetting(20, 5, 2, 2.0), 0.0)


# ------------------------------------------------------------------------------------------------ the population


def course(objective, X, steps):
    Theta = 0.1 * torch.eye(X.shape[-1], dtype=X.dtype).expand(len(X), -1, -1).clone()
    truth = objective.problem.truth
    return solve(
        objective,
        WeightNormalizedGD(0.6, 2.0),
        LowRank(X, Theta),
        stop=Stop(residual=0.0, max_steps=steps),
        trace=Trace(
            error=lambda o, p: p.distance(truth),
            metrics={"trace": lambda o, p: (truth.X.mT @ p.X).square().sum((-2, -1))},
        ),
    ).trace


@pytest.mark.parametrize(("m", "r", "k"), [(14, 7, 3), (9, 4, 4), (12, 9, 2)])
def test_the_reduction_is_exact(m, r, k):
    X = haar_frame(m, r, batch=(3,), generator=torch.Generator().manual_seed(3))
    small = reduced_frame(X, k)
    assert small.shape == (3, 2 * k, k)
    assert torch.allclose(small.mT @ small, torch.eye(k, dtype=X.dtype), atol=1e-13)
    whole = course(population_objective(m, k, 3.0), X, 40)
    reduced = course(population_objective(2 * k, k, 3.0), small, 40)
    np.testing.assert_allclose(reduced["trace"], whole["trace"], rtol=1e-10)
    # At step 0 alone Theta_0 = 0.1 I counts in the columns that the reduction has dropped.
    np.testing.assert_allclose(reduced["error"][1:], whole["error"][1:], rtol=1e-8, atol=1e-13)


def test_a_reduction_without_room_is_refused():
    X = haar_frame(7, 4, generator=torch.Generator().manual_seed(0))
    with pytest.raises(InputError, match="2 r_A = 8 rows"):
        reduced_frame(X, 4)
    with pytest.raises(InputError, match="r_A = 5 columns"):
        reduced_frame(X, 5)


def test_what_is_measured_is_what_algorithm_1_does(tmp_path):
    """Written out on all m rows and r columns in dense matrices, in the population."""
    point = varied(condition=3.0, step_size=0.7)
    part = ExponentPart(point, (0, 1, 5))
    arrays, _ = measure(part, tmp_path / "part.npz")
    A = torch.zeros(20, 20, dtype=torch.float64)
    A[:2, :2] = torch.diag(spectrum_values(2, 3.0))
    for place, seed in enumerate(part.seeds):
        X = haar_frame(20, 5, generator=torch.Generator().manual_seed(seed))
        Theta = 0.1 * torch.eye(5, dtype=X.dtype)
        errors, traces = [], []
        for _ in range(400):
            traces.append(float(X[:2].square().sum()))
            E = (X @ Theta @ X.T - A) @ X @ Theta
            G = E - X @ X.T @ E + X @ (X.T @ E - E.T @ X) / 2
            U, _, Vh = torch.linalg.svd(X - 0.7 * G, full_matrices=False)
            X = U @ Vh
            Theta = X.T @ A @ X
            errors.append(float((X @ Theta @ X.T - A).norm()))
        burn_in = next(step for step, trace in enumerate(traces) if trace >= 1.5)
        # Rows are about a hundredth of the expected burn-in apart: every step here.
        assert arrays["burn_in"][place] == burn_in
        late = [step for step, error in enumerate(errors) if 1e-9 <= error <= 1e-4 / 3]
        rate = 1 - (errors[late[-1]] / errors[late[0]]) ** (1 / (late[-1] - late[0]))
        assert arrays["contraction"][place] == pytest.approx(rate, rel=1e-3)
        assert arrays["contraction_low"][place] <= arrays["contraction"][place] <= arrays["contraction_high"][place]
        assert arrays["contraction"][place] == pytest.approx(0.7 / 9, rel=1e-3)
    begun = draw_problem(part)
    assert begun.gram.shape == (3, 2, 2)
    assert arrays["law"][0] == float(step_size_form.burn_in_of_start(begun.gram[0], spectrum_values(2, 3.0), 0.7))


# ------------------------------------------------------------------------------------------------ slopes


def test_a_power_is_found_with_an_interval_that_covers_it():
    rng, x = np.random.default_rng(0), np.array([1.0, 2.0, 5.0, 9.0])
    exact = fit_power_law(x, 3 * x[:, None] ** -1.5 * np.array([1.0, 7.0, 0.2]))
    assert exact.exponent == pytest.approx(-1.5)
    assert exact.high - exact.low < 1e-12
    assert exact.misfit < 1e-12
    # What all points of a seed share costs nothing; what they do not share is what the interval is of.
    hits = 0
    for _ in range(400):
        shared, own = rng.normal(size=(1, 6)), 0.1 * rng.normal(size=(4, 6))
        hits += fit_power_law(x, 10 ** (2 * np.log10(x)[:, None] + shared + own)).contains(2.0)
    # 95% of 400, within four standard deviations.
    assert abs(hits - 380) <= 4 * (400 * 0.95 * 0.05) ** 0.5


def test_a_seed_with_a_gap_is_left_out_and_too_little_is_refused():
    x = np.array([1.0, 2.0, 4.0])
    y = x[:, None] * np.ones((3, 3))
    y[1, 0] = np.nan
    assert fit_power_law(x, y).seeds == 2
    with pytest.raises(InputError, match="2 seeds"):
        fit_power_law(x, y[:, :2])
    with pytest.raises(InputError, match="3 points"):
        fit_power_law(x[:2], y[:2])
    with pytest.raises(InputError, match="positive"):
        fit_power_law(x, -y)
    with pytest.raises(InputError, match="varies"):
        fit_power_law(np.ones(3), np.ones((3, 2)))


# ------------------------------------------------------------------------------------------------ grids


@pytest.mark.parametrize("scale", Scale)
def test_every_sweep_varies_what_it_says_and_nothing_else(scale):
    for sweep in EXPONENTS_STUDY.plan(scale):
        assert sweep.values == sorted(set(sweep.values))
        assert len(sweep.values) >= 3
        points = [dataclasses.asdict(point) for point in sweep.points]
        moving = {name for name in points[0] if len({point[name] for point in points}) > 1}
        own = {
            Varied.CONDITION: {"condition"},
            Varied.SIZE: {"size"},
            Varied.RANK: {"rank"},
            Varied.TRUE_RANK: {"true_rank"},
            Varied.RATIO: {"true_rank", "rank"},
            Varied.STEP_SIZE: {"step_size"},
            Varied.MEASUREMENTS: {"measurements"},
        }[sweep.varied]
        assert moving == own | ({"step_size"} if sweep.follows else set())
        if sweep.follows:
            ratios = [at.step_size / convergence.step_size(at.setting, constant=1.0) for at in sweep.points]
            assert max(ratios) / min(ratios) == pytest.approx(1)
        if scale is Scale.PAPER:
            assert sweep.seeds >= (4 if sweep.is_sampled else 8)


def test_what_cannot_be_run_is_refused():
    with pytest.raises(InputError, match="true rank of at least 2"):
        varied(true_rank=1)
    with pytest.raises(InputError, match="together between 1 and 20"):
        varied(rank=19)
    with pytest.raises(InputError, match="step size"):
        varied(step_size=2.0)
    with pytest.raises(InputError, match="one seed"):
        ExponentPart(varied(measurements=100), (0, 1))
    with pytest.raises(InputError, match="study of exponents"):
        EXPONENT_TABLES.read(Table({}, {}))


def test_parts_are_distinct():
    parts = {part for sweep in EXPONENTS_STUDY.paper for point in sweep.points for part in sweep.parts(point)}
    assert len({exponent_part_key(part) for part in parts}) == len(parts)


# ------------------------------------------------------------------------------------------------ the run


def test_an_interrupted_study_goes_on_and_repeats_no_finished_part(tiny, tmp_path, monkeypatch):
    made, at = [], 4

    def counted(part, checkpoint):
        made.append(exponent_part_key(part))
        return measure(part, checkpoint)

    def interrupting(_words, done, _total):
        if done == at:
            raise KeyboardInterrupt

    monkeypatch.setattr(running, "measure", counted)
    store = Store(tmp_path, TINY, Scale.QUICK)
    with pytest.raises(KeyboardInterrupt):
        exponent_study(TINY).run(tmp_path, Scale.QUICK, interrupting)
    finished = {path.stem for path in store.parts.glob("*.npz")}
    assert len(finished) == at
    before = len(made)
    again = exponent_study(TINY).run(tmp_path, Scale.QUICK)
    assert finished.isdisjoint(made[before:])
    assert again.header == tiny.header
    for name, array in tiny.arrays.items():
        if name not in {"spent_seconds", "peak_memory"}:
            np.testing.assert_array_equal(again.arrays[name], array)


def test_the_rate_is_the_theorem_s_in_terms_of_eta(tiny):
    study = EXPONENT_TABLES.read(tiny)
    kappa, rank, size, eta = study.entries
    for sweep in (kappa, rank, size):
        found = sweep.measured(Quantity.CONTRACTION)
        assert found.exponent == pytest.approx(sweep.bound_exponent(Quantity.CONTRACTION), abs=1e-6)
    assert kappa.bound_exponent(Quantity.CONTRACTION) == pytest.approx(-2)
    assert kappa.stated_exponent(Quantity.CONTRACTION) == pytest.approx(-4)
    assert size.bound_exponent(Quantity.CONTRACTION) == pytest.approx(-2)
    assert size.bound_exponent(Quantity.BURN_IN) == pytest.approx(4)
    assert np.isnan(eta.stated_exponent(Quantity.BURN_IN))
    # With measurements the rate is near that of the population, and not it.
    assert eta.measured(Quantity.CONTRACTION).exponent == pytest.approx(1, abs=0.05)


def test_captions_and_verdicts_are_made_of_the_table(tiny):
    text = caption(tiny)
    assert "Chosen by us" in text
    assert "slack by" in text
    [grown] = [of for of in findings(tiny) if of.text.startswith("burn-in against kappa")]
    assert grown.holds
    worse = {**tiny.arrays, "0_burn_in": tiny.arrays["0_burn_in"] * np.array([1.0, 30.0, 900.0])[:, None]}
    [grown] = [of for of in findings(Table(tiny.header, worse)) if of.text.startswith("burn-in against kappa")]
    assert not grown.holds
    slower = {**tiny.arrays, "0_contraction": tiny.arrays["0_contraction"] * np.array([1.0, 0.5, 0.2])[:, None]}
    told = findings(Table(tiny.header, slower))
    assert [of.holds for of in told if of.text.startswith("fall of the error a step against kappa")] == [False]
    assert [of.holds for of in told if "eta/kappa^2" in of.text] == [False]
    one_lost = tiny.arrays["1_burn_in"].copy()
    one_lost[0, 0] = np.nan
    told = findings(Table(tiny.header, {**tiny.arrays, "1_burn_in": one_lost}))
    assert [of.holds for of in told if of.text.startswith("the burn-in ended")] == [False]


def test_pictures_name_their_axes(tiny):
    drawn = pictures(tiny)
    assert set(drawn) == {"", "-sweeps", "-starts"}
    for figure in drawn.values():
        shown = [axes for axes in figure.axes if axes.axison]
        assert shown
        assert all(axes.get_xlabel() for axes in shown)
        figure.canvas.draw()


@pytest.mark.slow
def test_the_quick_study_shows_what_the_page_says(tmp_path):
    table = exponent_study(EXPONENTS_STUDY).run(tmp_path, Scale.QUICK)
    assert all(of.holds is not False for of in findings(table))
