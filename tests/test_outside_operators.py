"""Operators from outside in `recover`: wrong adjoints, equal rows that they do not declare, and units far from 1."""

import math

import numpy as np
import pytest
import torch

import wnsense as wn
from cases.draws import generator, normal
from wnsense.sensing.checking.operator_probes import require_adjoint
from wnsense.sensing.combining.plain_units import in_plain_units
from wnsense.sensing.row_groups import proportional_rows

SIDE = 10
FAULTS = {
    "flipped": lambda v, rows: (v.flip(0) @ rows).reshape(SIDE, SIDE),
    "transposed": lambda v, rows: (v @ rows).reshape(SIDE, SIDE).T,
    "doubled": lambda v, rows: 2 * (v @ rows).reshape(SIDE, SIDE),
    "negative": lambda v, rows: -(v @ rows).reshape(SIDE, SIDE),
    "shifted": lambda v, rows: (v.roll(1) @ rows).reshape(SIDE, SIDE),
}
CAUSES = {"transposed": "once transposed", "doubled": "is 2 times", "negative": "is -1 times"}


def functions(adjoint, rows):
    return wn.from_functions(
        lambda Z: rows @ Z.flatten(), lambda v: adjoint(v, rows), n=len(rows), size=(SIDE, SIDE), kind="rectangular"
    )


def right(v, rows):
    return (v @ rows).reshape(SIDE, SIDE)


@pytest.mark.parametrize("noise", [0.0, 1e-2])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_adjoint_is_refused_and_named(fault, noise):
    rows = normal(300, SIDE * SIDE, rng=generator(1))
    truth = wn.low_rank((SIDE, SIDE), 2, kind="rectangular", generator=generator(2))
    problem = wn.Problem.measure(functions(right, rows), truth, noise, generator=generator())
    operator = functions(FAULTS[fault], rows)
    for tried in (operator, wn.operators.restrict(operator, torch.arange(250))):
        with pytest.raises(wn.InputError, match="adjoint is wrong") as caught:
            wn.recover(tried, problem.measurements[: tried.count])
        assert CAUSES.get(fault, "Possible reasons") in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_right_adjoint_is_taken_and_single_precision_too():
    rows = normal(300, SIDE * SIDE, rng=generator(1))
    assert require_adjoint(functions(right, rows)) == 2
    single = functions(lambda v, A: (v.float() @ A.float()).reshape(SIDE, SIDE).double(), rows)
    assert require_adjoint(single) == 2
    assert require_adjoint(wn.GaussianSensing.draw(30, 5, generator=generator())) == 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_proportional_rows_are_seen_in_their_measurements(dtype):
    images = normal(3, 400, rng=generator(1)).to(dtype)
    assert proportional_rows(images) is None
    factors = torch.tensor([1.0, -2.0, 0.5], dtype=dtype)
    repeated = torch.cat([images * factor for factor in factors], dim=1)
    groups = proportional_rows(repeated)
    assert groups.count == 400
    assert torch.equal(groups.labels[:400], groups.labels[400:800])
    assert torch.equal(groups.leading, torch.arange(400, 800))
    torch.testing.assert_close(groups.factors[:400], torch.full((400,), -0.5, dtype=dtype))


def test_rows_that_measure_nothing_are_one_group():
    images = normal(3, 50, rng=generator(1))
    images[:, ::10] = 0
    groups = proportional_rows(images)
    assert groups.count == 46
    assert len(set(groups.labels[::10].tolist())) == 1


def repeated(kind, distinct, times, noise):
    """Problem of repeated rows, of an ensemble or of functions; its rows in units of 1, 2 and 4."""
    units = (2.0 ** torch.arange(distinct * times).remainder(3)).unsqueeze(-1)
    if kind == "rank-one":
        operator = wn.RankOneSensing(normal(distinct, SIDE, rng=generator(1)).repeat(times, 1))
    else:
        rows = normal(distinct, SIDE * SIDE, rng=generator(1)).repeat(times, 1) * units
        operator = (
            wn.DenseSensing.from_matrices(rows.unflatten(-1, (SIDE, SIDE)))
            if kind == "dense"
            else wn.from_functions(lambda Z: rows @ Z.flatten(), lambda v: right(v, rows), n=len(rows), size=SIDE)
        )
    truth = wn.low_rank(SIDE, 2, generator=generator(2))
    return wn.Problem.measure(operator, truth, noise, generator=generator())


@pytest.mark.parametrize("noise", [0.0, 1e-3, 1e-2])
@pytest.mark.parametrize("kind", ["dense", "rank-one", "functions"])
def test_copies_of_too_few_rows_are_too_few(kind, noise):
    problem = repeated(kind, 15, 12, noise)
    assert wn.recover(problem.operator, problem.measurements).status is wn.Status.TOO_FEW_MEASUREMENTS


@pytest.mark.parametrize("kind", ["dense", "rank-one", "functions"])
def test_copies_of_enough_rows_give_their_mean(kind):
    problem = repeated(kind, 100, 4, 1e-2)
    found = wn.recover(problem.operator, problem.measurements, truth=problem.truth)
    assert found.status is wn.Status.REACHED_NOISE_FLOOR
    assert found.rank == 2
    assert found.relative_error < 1e-2


@pytest.mark.parametrize("unit", [1e-300, 1e-165, 1e-30, 1e30, 1e155, 1e300])
@pytest.mark.parametrize("noise", [0.0, 1e-2])
def test_an_answer_scales_with_its_measurements(unit, noise):
    operator = wn.GaussianSensing.draw(300, 12, generator=generator(1))
    problem = wn.Problem.measure(operator, wn.low_rank(12, 2, generator=generator(2)), noise, generator=generator())
    plain = wn.recover(operator, problem.measurements)
    found = wn.recover(operator, problem.measurements * unit)
    assert found.status is plain.status
    assert found.rank == plain.rank
    assert math.isclose(found.relative_residual, plain.relative_residual, rel_tol=0.5)
    difference = float(found.matrix.scaled(1 / unit).distance(plain.matrix))
    assert difference <= 1e-9 + 1e-3 * noise


@pytest.mark.parametrize("unit", [1e-30, 1e30])
def test_single_precision_has_its_range_too(unit):
    operator = wn.GaussianSensing.draw(300, 12, dtype=torch.float32, generator=generator(1))
    truth = wn.low_rank(12, 2, dtype=torch.float32, generator=generator(2))
    y = operator.measure(truth) * unit
    found = wn.recover(operator, y, tolerance=1e-5)
    assert found.status is wn.Status.CONVERGED
    assert 0 < found.relative_residual < 1e-5
    assert float(found.matrix.scaled(1 / unit).distance(truth)) < 1e-4 * float(truth.norm())


def test_an_answer_outside_of_the_range_is_refused_in_one_line():
    rows = normal(200, 8, 8, rng=generator(1)) * 1e-100
    truth = wn.low_rank(8, 1, generator=generator(2))
    y = wn.DenseSensing.from_matrices(rows).measure(truth) * 1e100
    with pytest.raises(wn.InputError, match="within the range"):
        wn.recover(wn.DenseSensing.from_matrices(rows), y * 1e300)


def test_weights_have_units_too_and_rows_of_weight_0_no_values():
    operator = wn.GaussianSensing.draw(300, 12, generator=generator(1))
    truth = wn.low_rank(12, 2, generator=generator(2))
    y, weights = operator.measure(truth), np.full(300, 1e250)
    y[:20], weights[:20] = 1e305, 0
    found = wn.recover(operator, y, weights=weights, truth=truth)
    assert found.status is wn.Status.CONVERGED
    assert found.relative_error < 1e-8


def test_plain_units_change_no_digit():
    operator = wn.GaussianSensing.draw(30, 5, generator=generator(1))
    truth = wn.low_rank(5, 1, generator=generator(2))
    problem = wn.Problem.measure(operator, truth)
    assert in_plain_units(problem).problem is problem
    units = in_plain_units(wn.Problem(operator, problem.measurements * 2.0**-500, truth.scaled(2.0**-500)))
    assert units.unit == 2.0**-500 * 2.0 ** math.floor(math.log2(float(problem.measurements.abs().max())))
    assert torch.equal(units.to_user(units.problem.truth).Theta, truth.scaled(2.0**-500).Theta)


@pytest.mark.parametrize("kind", ["moduli", "another unit"])
def test_a_large_unexplained_share_is_said(kind):
    operator = wn.RankOneSensing.draw(500, 12, generator=generator(1))
    y = operator.measure(wn.low_rank(12, 2, generator=generator(2)))
    part = torch.rand(500, generator=generator(3)) < 1 / 3
    y = y.clamp(min=0).sqrt() if kind == "moduli" else torch.where(part, 0.1 * y, y)
    found = wn.recover(operator, y)
    assert not found.status.is_success or "unexplained" in " ".join(found.warnings)
