"""What the theory states beside literal formulas, autograd and small runs; what its saddles are."""

import itertools
import math
import re

import pytest
import torch
from torch.autograd.functional import hessian

from cases.draws import generator, normal
from wnsense.checks import InputError
from wnsense.linalg import haar_frame, symmetric_part
from wnsense.manifolds.stiefel import polar_retraction, tangent_projection
from wnsense.theory import convergence as theorem
from wnsense.theory import saddles
from wnsense.theory.convergence import EXPONENTS, Exponents, Quantity, TheoremSetting
from wnsense.theory.convergence_forms import Decay, FactorModel
from wnsense.theory.gradient_descent import published_form, surplus_lower_bound, surplus_upper_bound
from wnsense.theory.population import FactoredPoint, PopulationLoss, tangent_basis
from wnsense.theory.published_rates import TABLE_1
from wnsense.theory.saddles import Stationarity

FUNCTIONS = {
    Quantity.STEP_SIZE: theorem.step_size,
    Quantity.RIP_LEVEL: theorem.rip_level,
    Quantity.BURN_IN: theorem.burn_in,
    Quantity.ALIGNMENT_GROWTH: theorem.alignment_growth,
    Quantity.CONTRACTION: theorem.contraction,
    Quantity.SAMPLES: theorem.gaussian_samples,
}
# As the theorem is printed.
LITERAL = {
    Quantity.STEP_SIZE: lambda m, r, a, k: (r - a) ** 4 / (k**2 * m**2 * r**2 * a),
    Quantity.RIP_LEVEL: lambda m, r, a, k: (r - a) ** 6 / (k**2 * m**3 * r**4 * a),
    Quantity.BURN_IN: lambda m, r, a, k: k**4 * m**4 * r**4 * a**2 / (r - a) ** 8,
    Quantity.ALIGNMENT_GROWTH: lambda m, r, a, k: (r - a) ** 8 / (k**4 * m**4 * r**4 * a),
    Quantity.CONTRACTION: lambda m, r, a, k: (r - a) ** 4 / (k**4 * m**2 * r**2 * a),
    Quantity.SAMPLES: lambda m, r, a, k: k**4 * m**7 * r**9 * a**2 / (r - a) ** 12,
}
SETTINGS = [
    TheoremSetting(size, rank, true_rank, condition)
    for size, (true_rank, rank), condition in itertools.product((20, 50, 300), ((1, 2), (3, 7), (5, 20)), (1, 7, 100))
]
quantities = pytest.mark.parametrize("quantity", list(Quantity))


@quantities
def test_each_quantity_is_the_printed_formula_times_its_constant(quantity):
    for at in SETTINGS:
        expected = LITERAL[quantity](at.size, at.rank, at.true_rank, at.condition)
        assert FUNCTIONS[quantity](at, constant=0.25) == pytest.approx(0.25 * expected, rel=1e-12)


@quantities
def test_the_functions_have_the_exponents_that_are_told(quantity):
    """The logarithm is linear in the five logarithms; a least-squares fit finds the whole numbers."""
    rows = [(at.condition, at.size, at.rank, at.true_rank, at.surplus) for at in SETTINGS]
    values = [FUNCTIONS[quantity](at, constant=1.0) for at in SETTINGS]
    logs = torch.tensor(rows, dtype=torch.float64).log()
    found = torch.linalg.lstsq(logs, torch.tensor(values, dtype=torch.float64).log().unsqueeze(-1)).solution.squeeze()
    told = EXPONENTS[quantity]
    expected = torch.tensor([told.condition, told.size, told.rank, told.true_rank, told.surplus], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


@quantities
def test_slopes_are_logarithmic_derivatives(quantity):
    m, r, a, k, told, step = 50.0, 12.0, 4.0, 10.0, EXPONENTS[quantity], 1e-5

    def slope(varied):
        up, down = (FUNCTIONS[quantity](varied(math.exp(s)), constant=1.0) for s in (step, -step))
        return (math.log(up) - math.log(down)) / (2 * step)

    here = TheoremSetting(m, r, a, k)
    assert slope(lambda s: TheoremSetting(m, r, a, k * s)) == pytest.approx(told.condition, abs=1e-6)
    assert slope(lambda s: TheoremSetting(m * s, r, a, k)) == pytest.approx(told.size, abs=1e-6)
    assert slope(lambda s: TheoremSetting(m, r * s, a, k)) == pytest.approx(told.slope_in_rank(here), abs=1e-6)
    assert slope(lambda s: TheoremSetting(m, r, a * s, k)) == pytest.approx(told.slope_in_true_rank(here), abs=1e-6)
    assert slope(lambda s: TheoremSetting(m, r * s, a * s, k)) == pytest.approx(
        told.slope_in_true_rank_at_ratio(), abs=1e-6
    )


@pytest.mark.parametrize("at", SETTINGS[::4], ids=str)
def test_quantities_agree_with_each_other_and_with_their_forms_for_a_ratio(at):
    shape = {quantity: EXPONENTS[quantity].shape(at) for quantity in Quantity}
    # The margin of 0.5 apart, what is climbed over the least climb a step.
    assert shape[Quantity.BURN_IN] * shape[Quantity.ALIGNMENT_GROWTH] == pytest.approx(at.true_rank)
    assert shape[Quantity.CONTRACTION] == pytest.approx(shape[Quantity.STEP_SIZE] / at.condition**2)
    assert shape[Quantity.SAMPLES] == pytest.approx(at.size * at.rank / shape[Quantity.RIP_LEVEL] ** 2)
    assert theorem.burn_in_at_ratio(at, constant=3.0) == pytest.approx(theorem.burn_in(at, constant=3.0))
    rate = theorem.linear_rate_at_ratio(at, constant=1.0)
    assert -math.log(rate) == pytest.approx(theorem.contraction(at, constant=1.0), abs=1e-15)
    assert rate >= theorem.linear_rate(at, constant=1.0)


def test_everything_improves_with_the_level_of_overparameterization():
    settings = [TheoremSetting(60, rank, 4, 5) for rank in range(5, 61)]
    for quantity, improves in {
        Quantity.STEP_SIZE: 1,
        Quantity.RIP_LEVEL: 1,
        Quantity.BURN_IN: -1,
        Quantity.ALIGNMENT_GROWTH: 1,
        Quantity.CONTRACTION: 1,
        Quantity.SAMPLES: -1,
    }.items():
        values = [improves * EXPONENTS[quantity].shape(at) for at in settings]
        assert all(before < after for before, after in itertools.pairwise(values))


def test_the_error_bound_starts_at_three_and_falls_by_the_rate():
    at = TheoremSetting(20, 18, 2, 1.5)
    assert theorem.error_bound(at, 0, constant=1.0) == 3
    ratio = theorem.error_bound(at, 11, constant=1.0) / theorem.error_bound(at, 10, constant=1.0)
    assert ratio == pytest.approx(theorem.linear_rate(at, constant=1.0), rel=1e-12)
    steps = theorem.steps_to_error(at, 1e-10, constant=1.0)
    assert theorem.error_bound(at, steps, constant=1.0) == pytest.approx(1e-10, rel=1e-9)
    assert theorem.alignment_after_burn_in(at) == 1.5
    assert theorem.rip_rank(at) == 21


def test_the_bound_falls_where_the_rate_rounds_to_one():
    at = TheoremSetting(1000, 6, 5, 1e3)
    assert theorem.linear_rate(at, constant=1.0) == 1.0
    assert theorem.steps_to_error(at, 3 / math.e, constant=1.0) == pytest.approx(
        1 / theorem.contraction(at, constant=1)
    )


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ((10, 4, 6, 2), "m/2 = 5"),
        ((10, 4, 0.5, 2), "true rank from 1"),
        ((10, 4, 4, 2), "above the true rank 4"),
        ((10, 11, 4, 2), "at most m = 10"),
        ((10, 5, 4, 0.9), "at least 1, got 0.9"),
        ((math.nan, 5, 4, 2), "finite size"),
    ],
)
def test_settings_of_which_the_theorem_does_not_speak_are_refused(numbers, told):
    with pytest.raises(InputError, match=re.escape(told)):
        TheoremSetting(*numbers)


def test_constants_and_steps_that_mean_nothing_are_refused():
    at = TheoremSetting(20, 18, 2, 1.0)
    for function in (*FUNCTIONS.values(), theorem.burn_in_at_ratio, theorem.linear_rate_at_ratio):
        for constant in (0.0, -1.0, math.inf, math.nan):
            with pytest.raises(InputError, match="positive constant"):
                function(at, constant=constant)
    with pytest.raises(InputError, match="less than all of it"):
        theorem.contraction(at, constant=100.0)
    with pytest.raises(InputError, match="after the burn-in"):
        theorem.error_bound(at, -1, constant=1.0)
    for error in (0.0, 3.1):
        with pytest.raises(InputError, match="error above 0"):
            theorem.steps_to_error(at, error, constant=1.0)


# ------------------------------------------------------------------------------------------- gradient descent


@pytest.mark.parametrize(("start", "step"), [(1.0, 0.5), (0.3, 0.2), (1e-3, 0.9)])
def test_a_surplus_column_of_gradient_descent_stays_within_its_bounds(start, step):
    loss = truth()
    A = loss.truth()
    room = torch.linalg.qr(loss.frame, mode="complete").Q[:, 3:]
    Y = torch.cat([0.9 * loss.frame * loss.eigenvalues.sqrt(), math.sqrt(start) * room[:, :1]], dim=1)
    for t in range(401):
        z = float(Y[:, 3].square().sum())
        lower, upper = (bound(t, start, step_size=step) for bound in (surplus_lower_bound, surplus_upper_bound))
        assert lower * (1 - 1e-9) <= z <= upper * (1 + 1e-9)
        assert float((Y @ Y.mT - A).square().sum()) >= z**2 * (1 - 1e-9)
        Y = Y - step * (Y @ Y.mT - A) @ Y
    # Sublinear for good: both bounds, and so the column, are of order 1/t.
    for bound in (surplus_lower_bound, surplus_upper_bound):
        assert bound(2e9, start, step_size=step) == pytest.approx(bound(1e9, start, step_size=step) / 2, rel=1e-4)


def test_the_published_form_is_one_over_the_square_of_the_steps():
    assert published_form(10, constant=2.0) == pytest.approx(0.02)
    for steps, constant in ((0, 1.0), (1, 0.0)):
        with pytest.raises(InputError, match="positive"):
            published_form(steps, constant=constant)
    for steps, start, step in ((-1, 1.0, 0.1), (1, 0.0, 0.1), (1, 1.0, 1.0), (1, 1.0, 0.0)):
        with pytest.raises(InputError):
            surplus_lower_bound(steps, start, step_size=step)


# --------------------------------------------------------------------------------- the loss and its derivatives

SIGMA = (1.0, 0.6, 0.25)


def truth(size: int = 8) -> PopulationLoss:
    frame = haar_frame(size, 3, generator=generator(1))
    return PopulationLoss(frame, torch.tensor(SIGMA, dtype=torch.float64))


def random_point(size: int, rank: int, seed: int) -> FactoredPoint:
    rng = generator(seed)
    return FactoredPoint(haar_frame(size, rank, generator=rng), symmetric_part(normal(rank, rank, rng=rng)))


def pulled_back(loss, point):
    """The loss in coordinates of the tangent space, by a retraction exact to third order: polar's first terms.

    (I + S)^{-1/2} = I - S/2 + O(S^2) with S = xi^T xi. Polar is a second-order retraction, so that the Hessian of this
    at 0 is the Riemannian one. Written out, without what the library computes derivatives by.
    """
    basis, A = tangent_basis(point.X), loss.truth()
    identity = torch.eye(point.X.shape[1], dtype=torch.float64)

    def value(coordinates):
        xi = torch.einsum("d,dmr->mr", coordinates, basis.X)
        X = (point.X + xi) @ (identity - xi.mT @ xi / 2)
        Theta = point.Theta + torch.einsum("d,drs->rs", coordinates, basis.Theta)
        return (X @ Theta @ X.mT - A).square().sum() / 4

    return value, torch.zeros(len(basis.X), dtype=torch.float64)


POINTS = [(8, 1), (8, 5), (8, 8), (5, 4)]


@pytest.mark.parametrize(("size", "rank"), POINTS)
def test_the_tangent_basis_is_one(size, rank):
    point = random_point(size, rank, 2)
    basis = tangent_basis(point.X)
    assert len(basis.X) == size * rank
    flat = basis.flattened()
    torch.testing.assert_close(flat @ flat.mT, torch.eye(size * rank, dtype=torch.float64), rtol=0, atol=1e-13)
    frames = point.X.expand_as(basis.X)
    torch.testing.assert_close(tangent_projection(frames, basis.X), basis.X, rtol=0, atol=1e-13)
    torch.testing.assert_close(basis.Theta, basis.Theta.mT, rtol=0, atol=0)


@pytest.mark.parametrize(("size", "rank"), POINTS)
def test_gradient_and_hessian_are_those_of_autograd(size, rank):
    """At points that are not stationary, where the curvature of the frames counts too."""
    loss, point = truth(size), random_point(size, rank, 3)
    value, origin = pulled_back(loss, point)
    torch.testing.assert_close(loss.value(point), value(origin))
    gradient = tangent_basis(point.X).flattened() @ loss.gradient(point).flattened()
    torch.testing.assert_close(gradient, torch.func.grad(value)(origin), rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(loss.hessian(point), hessian(value, origin), rtol=1e-11, atol=1e-11)


def test_the_best_magnitude_is_where_a_full_step_of_theta_ends():
    loss, point = truth(), random_point(8, 5, 4)
    best = loss.best_magnitude(point.X)
    torch.testing.assert_close(best.Theta, point.Theta - theorem.MAGNITUDE_STEP_SIZE * loss.gradient(point).Theta)
    assert float(loss.gradient(best).Theta.abs().max()) < 1e-14
    assert float(loss.value(best)) < float(loss.value(point))


def test_a_loss_that_is_none_is_refused(as_users_run):
    U = haar_frame(6, 2, generator=generator())
    for frame, values, told in (
        (U, [1.0, 2.0], "falling order"),
        (U, [1.0, 0.0], "all positive"),
        (U, [1.0], "eigenvalues of size 2, got 1"),
        (2 * U, [2.0, 1.0], "orthonormal columns"),
        (U, [math.nan, 1.0], "finite"),
        (U[:, :0], [], "at least one eigenvalue"),
    ):
        with pytest.raises(InputError, match=told):
            PopulationLoss(frame, torch.tensor(values, dtype=torch.float64))
    with pytest.raises(InputError, match="X of 8 rows"):
        truth().value(random_point(6, 2, 0))


# ------------------------------------------------------------------------------------------------- the saddles

SUBSETS = [kept for count in range(4) for kept in itertools.combinations(range(3), count)]
subsets = pytest.mark.parametrize("kept", SUBSETS, ids=lambda kept: "kept-" + "".join(map(str, kept)))
RANKS = (3, 4, 5)


@subsets
@pytest.mark.parametrize("rank", RANKS)
def test_stationary_points_hold_a_part_of_the_truth_and_have_no_gradient(kept, rank):
    loss = truth()
    point = saddles.stationary_point(loss, kept, rank, generator=generator(5))
    chosen = loss.frame[:, list(kept)]
    part = chosen * loss.eigenvalues[list(kept)] @ chosen.mT
    torch.testing.assert_close(point.dense(), part, rtol=0, atol=1e-14)
    assert float((loss.frame.mT @ point.X).square().sum()) == pytest.approx(len(kept), abs=1e-13)
    assert float(loss.gradient(point).flattened().abs().max()) < 1e-14


@subsets
@pytest.mark.parametrize("rank", RANKS)
def test_hessians_there_have_the_eigenvalues_in_closed_form(kept, rank):
    loss = truth()
    point = saddles.stationary_point(loss, kept, rank, generator=generator(6))
    value, origin = pulled_back(loss, point)
    expected = saddles.hessian_eigenvalues(loss, kept, rank)
    torch.testing.assert_close(torch.linalg.eigvalsh(loss.hessian(point)), expected, rtol=0, atol=1e-13)
    by_autograd = torch.linalg.eigvalsh(hessian(value, origin))
    torch.testing.assert_close(by_autograd, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize("level", range(4))
def test_no_saddle_of_the_lemma_is_strict_and_its_flat_directions_are_counted(level, rank):
    """The least eigenvalue is zero at each A_l, as at the solution; l < r_A has ways out all the same."""
    loss, m = truth(), 8
    point = saddles.best_rank_saddle(loss, level, rank, generator=generator(7))
    curvature, _ = loss.most_negative_curvature(point)
    assert abs(curvature) < 1e-14
    values = torch.linalg.eigvalsh(loss.hessian(point))
    flat = rank * (rank - 1) // 2 + (m - rank) * (rank - level)
    assert int((values.abs() < 1e-12).sum()) == flat
    # The least that is not zero: sigma_j (sigma_j - sigma_i), sigma_j^2 or 1/2.
    least = min([0.5, *(s * (s - (SIGMA[level] if level < 3 else 0)) for s in SIGMA[:level])])
    assert float(values[flat]) == pytest.approx(least, rel=1e-9)
    if level == 3:
        assert saddles.classify(loss, range(3), rank) is Stationarity.MINIMUM
        return
    kind = saddles.classify(loss, range(level), rank)
    assert kind is (Stationarity.DEGENERATE_SADDLE if rank > level else Stationarity.MINIMUM)


@subsets
def test_what_keeps_a_smaller_eigenvalue_for_a_larger_is_strict(kept):
    loss, rank = truth(), 4
    point = saddles.stationary_point(loss, kept, rank, generator=generator(8))
    least, direction = loss.most_negative_curvature(point)
    leading = kept == tuple(range(len(kept)))
    strict = saddles.classify(loss, kept, rank) is Stationarity.STRICT_SADDLE
    assert strict == (not leading) == (least < -1e-9)
    if strict:
        way = saddles.escape(loss, kept, rank)
        assert way.order == 2
        assert least == pytest.approx(way.curvature, abs=1e-14)
        # All of the escape direction is the turn of that column towards that eigenvector.
        assert abs(float(loss.frame[:, way.eigenvector] @ direction.X[:, way.column])) == pytest.approx(1, abs=1e-10)
        assert float(direction.Theta.abs().max()) < 1e-9


@subsets
def test_the_loss_along_the_way_out_is_the_one_told_and_of_the_order_told(kept):
    loss, rank = truth(), 5
    way = saddles.escape(loss, kept, rank)
    if len(kept) == 3:
        assert way is None
        return
    point = saddles.stationary_point(loss, kept, rank, generator=generator(9))
    before = float(loss.value(point))
    for angle in (0.01, 0.3, math.pi / 2):
        out = way.point(loss, point, angle)
        torch.testing.assert_close(out.X.mT @ out.X, torch.eye(rank, dtype=torch.float64), rtol=0, atol=1e-13)
        assert float(loss.value(out)) - before == pytest.approx(way.change(angle), abs=1e-15)
        assert way.change(angle) < 0
    order = math.log(way.change(2e-3) / way.change(1e-3)) / math.log(2)
    assert order == pytest.approx(way.order, abs=1e-4)
    # A full turn leaves for the next stationary point.
    assert float(loss.gradient(way.point(loss, point, math.pi / 2)).flattened().abs().max()) < 1e-14


@pytest.mark.parametrize("level", range(3))
def test_a_degenerate_saddle_is_left_by_the_third_mixed_derivative_and_on_no_straight_line(level):
    loss, rank = truth(), 5
    point = saddles.best_rank_saddle(loss, level, rank, generator=generator(10))
    u, w = loss.frame[:, level], point.X[:, level]
    others, A = torch.cat([point.X[:, :level], point.X[:, level + 1 :]], dim=1), loss.truth()
    rest = others @ torch.cat([point.Theta[:level], point.Theta[level + 1 :]])[:, [*range(level), *range(level + 1, 5)]]

    def value(phi, tau):
        x = torch.cos(phi) * w + torch.sin(phi) * u
        return (rest @ others.mT + tau * torch.outer(x, x) - A).square().sum() / 4

    zero = torch.zeros((), dtype=torch.float64)
    grad = torch.func.grad
    second = hessian(value, (zero, zero))
    assert [float(h) for row in second for h in row] == pytest.approx([0, 0, 0, 0.5], abs=1e-14)
    mixed = grad(grad(grad(value, 0), 0), 1)(zero, zero)
    assert float(mixed) == pytest.approx(-SIGMA[level], abs=1e-14)
    start = value(zero, zero)
    for t, (a, b) in itertools.product((1e-3, 1e-2), ((1.0, 0.0), (1.0, 0.1), (1.0, -1.0), (0.0, 1.0))):
        assert float(value(zero + t * a, zero + t * b) - start) >= -1e-16
    for phi in (0.1, 0.5):
        # The curve on which it falls, and the very number.
        curve = value(zero + phi, zero + SIGMA[level] * math.sin(phi) ** 2) - start
        assert float(curve) == pytest.approx(-(SIGMA[level] ** 2) * math.sin(phi) ** 4 / 4, abs=1e-15)


@pytest.mark.parametrize("level", range(4))
def test_no_point_near_a_saddle_is_lower_than_fourth_order_allows(level):
    loss, rank, worst = truth(), 5, math.inf
    saddle = saddles.best_rank_saddle(loss, level, rank, generator=generator(11))
    for seed, scale in itertools.product(range(40), (0.1, 1.0, 5.0)):
        step = tangent_projection(saddle.X, normal(8, rank, rng=generator(100 + seed)))
        X = polar_retraction(saddle.X, scale * step)
        alignment = float(torch.linalg.matrix_norm(loss.frame[:, level:].mT @ X, 2)) ** 2 if level < 3 else 0.0
        bound = saddles.least_loss_nearby(loss, level, min(alignment, 1.0))
        worst = min(worst, float(loss.value(loss.best_magnitude(X))) - bound)
        assert alignment <= float((X - saddle.X).square().sum())
    assert worst >= -1e-14
    if level == 2:
        # Attained where a single eigenvalue is missing.
        way = saddles.escape(loss, range(2), rank)
        reached = float(loss.value(way.point(loss, saddle, 0.7)))
        assert reached == pytest.approx(saddles.least_loss_nearby(loss, 2, math.sin(0.7) ** 2), abs=1e-15)


@pytest.mark.parametrize("level", range(3))
def test_the_same_matrix_is_a_strict_saddle_for_two_factors(level):
    """1/4 ||Y Y^T - A||^2 at the same A_l: least curvature -sigma_{l+1}, by autograd."""
    loss, A = truth(), truth().truth()
    Y = torch.cat([loss.frame[:, :level] * loss.eigenvalues[:level].sqrt(), torch.zeros(8, 4 - level)], dim=1)

    def value(flat):
        return (flat.reshape(8, 4) @ flat.reshape(8, 4).mT - A).square().sum() / 4

    flat = Y.to(torch.float64).flatten()
    assert float(torch.func.grad(value)(flat).abs().max()) < 1e-14
    values = torch.linalg.eigvalsh(hessian(value, flat))
    assert float(values[0]) == pytest.approx(-SIGMA[level], abs=1e-13)


def test_the_second_condition_of_the_lemma_is_needed():
    """X Theta X^T = A_1 with u_2 within the span of X: a magnitude of zero beside it does not make it stationary."""
    loss = truth()
    Theta = torch.zeros(2, 2, dtype=torch.float64)
    Theta[0, 0] = SIGMA[0]
    point = FactoredPoint(loss.frame[:, :2], Theta)
    assert float(loss.gradient(point).Theta[1, 1]) == pytest.approx(-SIGMA[1] / 2)


def test_a_wide_model_has_no_room_for_the_first_saddles():
    loss = truth()
    assert [saddles.first_level(loss, rank) for rank in (3, 5, 6, 7, 8)] == [0, 0, 1, 2, 3]
    for rank in (6, 7, 8):
        first = saddles.first_level(loss, rank)
        saddles.best_rank_saddle(loss, first, rank, generator=generator())
        with pytest.raises(InputError, match="m - r_A = 5 columns"):
            saddles.best_rank_saddle(loss, first - 1, rank)
    for kept, told in (((0, 0), "different indices"), ((3,), "from 0 to 2"), ((-1,), "from 0 to 2")):
        with pytest.raises(InputError, match=told):
            saddles.stationary_point(loss, kept, 4)
    with pytest.raises(InputError, match="got -1"):
        saddles.classify(loss, range(3), 2)
    for rank in (0, 9):
        with pytest.raises(InputError, match="between 1 and 8"):
            saddles.first_level(loss, rank)
    for level in (-1, 4):
        with pytest.raises(InputError, match="between 0 and the true rank 3"):
            saddles.best_rank_saddle(loss, level, 5)
        with pytest.raises(InputError, match="between 0 and the true rank 3"):
            saddles.least_loss_nearby(loss, level, 0.5)


@pytest.mark.parametrize(("start", "sigma", "eta"), [(0.05, 1.0, 0.1), (0.01, 1.0, 0.5), (0.05, 0.6, 0.1)])
def test_algorithm_1_leaves_a_saddle_after_the_steps_told(start, sigma, eta):
    """Steps from an alignment s_0 to 0.95 in the population, as printed (mu = 2), for one eigenvector."""
    index = SIGMA.index(sigma)
    loss = PopulationLoss(truth().frame[:, index : index + 1], torch.tensor([sigma], dtype=torch.float64))
    saddle = saddles.best_rank_saddle(loss, 0, 3, generator=generator(12))
    point = saddles.escape(loss, (), 3).point(loss, saddle, math.asin(math.sqrt(start)))
    steps = 0
    while float((loss.frame.mT @ point.X).square().sum()) < 0.95:
        X = polar_retraction(point.X, -eta * loss.gradient(point).X)
        moved = FactoredPoint(X, point.Theta)
        Theta = point.Theta - theorem.MAGNITUDE_STEP_SIZE * loss.gradient(moved).Theta
        point, steps = FactoredPoint(X, Theta), steps + 1
    # A step lags behind its limit by about the part eta s of itself, and s spends 1/(2 eta s) steps between s and e s.
    told = saddles.escape_steps(start, 0.95, sigma, step_size=eta)
    assert steps == pytest.approx(told, rel=0, abs=1 + math.log(0.95 / start))


def test_escape_steps_are_reciprocal_in_the_alignment_and_square_in_the_eigenvalue():
    def steps(start, sigma):
        return saddles.escape_steps(start, 0.5, sigma, step_size=0.3)

    assert steps(1e-8, 1.0) * 2 * 0.3 * 1e-8 == pytest.approx(1, rel=1e-6)
    assert steps(1e-2, 0.01) == pytest.approx(1e4 * steps(1e-2, 1.0))
    assert steps(0.5, 1.0) == 0
    for start, end, sigma, eta in (
        (0, 0.5, 1, 1),
        (0.6, 0.5, 1, 1),
        (0.1, 1.0, 1, 1),
        (0.1, 0.5, 0, 1),
        (0.1, 0.5, 1, 0),
    ):
        with pytest.raises(InputError):
            saddles.escape_steps(start, end, sigma, step_size=eta)


# --------------------------------------------------------------------------------------------------- the table


def test_the_table_tells_apart_what_the_theory_tells_apart():
    assert all(re.fullmatch(r"\d{4}\.\d{5}", row.arxiv) for row in TABLE_1 if row.arxiv is not None)
    assert all(row.note and row.source for row in TABLE_1)
    # What nobody can place has no rate either.
    assert all(row.rate is None for row in TABLE_1 if row.arxiv is None or row.decay is None)
    (lower,) = (row for row in TABLE_1 if row.is_lower_bound)
    assert (lower.model, lower.overparameterized, lower.decay) == (FactorModel.SYMMETRIC, True, Decay.SUBLINEAR)
    (here,) = (row for row in TABLE_1 if row.arxiv == "2510.01175")
    assert (here.model, here.overparameterized, here.decay) == (FactorModel.WEIGHT_NORMALIZED, True, Decay.LINEAR)


def test_the_printed_rate_and_burn_in_of_the_table_are_those_of_the_theorem():
    (here,) = (row for row in TABLE_1 if row.arxiv == "2510.01175")

    def power(symbol, exponent):
        return symbol if abs(exponent) == 1 else f"{symbol}^{abs(exponent)}"

    def below(e: Exponents):
        return " ".join(power(*pair) for pair in zip(("kappa", "m", "r", "r_A"), _four(e), strict=True))

    rate, wait = EXPONENTS[Quantity.CONTRACTION], EXPONENTS[Quantity.BURN_IN]
    assert f"(r - r_A)^{rate.surplus} / ({below(rate)})" in here.rate
    assert f"{below(wait)} / (r - r_A)^{-wait.surplus}" in here.note


def _four(e: Exponents) -> tuple[int, int, int, int]:
    return e.condition, e.size, e.rank, e.true_rank
