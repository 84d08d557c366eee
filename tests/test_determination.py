"""Answers that the measurements do not determine, with and without noise: what they leave open, and how it is told."""

import math

import pytest
import torch

import wnsense as wn
from cases.draws import generator, normal
from cases.flavors import FOUR_KINDS
from test_visibility import tangent_eigenvalues
from wnsense.recovery.evidence.restricted_singular_value import null_space_test
from wnsense.recovery.evidence.unidentified import Unidentified, blind_spot, unidentified_lines
from wnsense.sensing.low_rank import LowRank
from wnsense.solvers.objective import SensingObjective

NOISES = (0.0, 1e-6, 1e-2)
REAL_KINDS = ("psd", "symmetric", "rectangular")


def entries_of(seen, kind, rank, noise, seed=0):
    """Entries of a mask; of the upper triangle for the symmetric kinds."""
    is_symmetric = kind != "rectangular"
    i, j = torch.nonzero(seen.triu() if is_symmetric else seen).T
    size = len(seen) if is_symmetric else tuple(seen.shape)
    operator = wn.EntrySensing.from_places(i, j, size, kind)
    truth = wn.low_rank(size, rank, 2.0, kind=wn.Kind(kind), generator=generator(seed))
    return wn.Problem.measure(operator, truth, noise, generator=generator(seed + 1))


def recovered(problem):
    """Recover without the noise level; the truth is for the report."""
    return wn.recover(problem.operator, problem.measurements, truth=problem.truth)


def mask(side=24, columns=None, share=0.9, seed=3):
    return torch.rand(side, columns or side, generator=generator(seed)) < share


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("kind", REAL_KINDS)
def test_a_row_without_entries_is_named_and_the_rest_stands(kind, noise):
    seen = mask(24, 20) if kind == "rectangular" else mask()
    seen[5] = False
    if kind != "rectangular":
        seen[:, 5] = False
    problem = entries_of(seen, kind, 2, noise)
    found = recovered(problem)
    assert found.status is wn.Status.DETERMINED_IN_PART
    assert not found.status.is_success
    assert found.unidentified == Unidentified((5,), () if kind == "rectangular" else (5,))
    assert "5" in found.warnings[0]
    rest = torch.arange(24) != 5
    difference = (found.matrix.dense() - problem.truth.dense())[rest]
    difference = difference if kind == "rectangular" else difference[:, rest]
    assert float(difference.norm()) <= max(3 * noise, 1e-7) * float(problem.truth.norm())


@pytest.mark.parametrize("noise", NOISES)
def test_a_row_with_fewer_entries_than_the_rank_is_named(noise):
    seen = mask(24, 20)
    seen[:, 7] = False
    seen[4, 7] = True
    seen[0] = False
    found = recovered(entries_of(seen, "rectangular", 2, noise))
    assert found.status is wn.Status.DETERMINED_IN_PART
    assert found.unidentified == Unidentified((0,), (7,))


@pytest.mark.parametrize("noise", NOISES)
def test_rows_with_few_entries_are_not_held_out(noise):
    """Rows with just as many entries as the rank determine the answer only together."""
    seen = mask(30, 24, 0.8)
    seen[::6] = False
    seen[::6, :2] = True
    found = recovered(entries_of(seen, "rectangular", 2, noise))
    assert found.unidentified is None
    assert found.status.is_success
    assert found.relative_error <= max(100 * noise, 1e-7)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("kind", REAL_KINDS)
def test_blocks_that_nothing_relates_are_no_success(kind, noise):
    seen = mask(share=1.0)
    seen[:12, 12:] = seen[12:, :12] = False
    for rank in (1, 2):
        found = recovered(entries_of(seen, kind, rank, noise))
        assert found.status is wn.Status.TOO_FEW_MEASUREMENTS
        assert found.warnings


@pytest.mark.parametrize("noise", NOISES)
def test_a_coordinate_that_no_vector_has_is_named(noise):
    vectors = normal(400, 16, rng=generator(2))
    vectors[:, 3] = 0
    operator = wn.RankOneSensing(vectors)
    found = recovered(
        wn.Problem.measure(operator, wn.low_rank(16, 2, generator=generator(1)), noise, generator=generator())
    )
    assert found.status is wn.Status.DETERMINED_IN_PART
    assert found.unidentified == Unidentified((3,), (3,))


@pytest.mark.parametrize("noise", NOISES)
def test_measurements_equal_for_a_matrix_and_its_transpose_are_no_success(noise):
    rows = normal(500, 14, 14, rng=generator(2))
    operator = wn.DenseSensing.from_matrices(rows + rows.mT, kind="rectangular")
    found = recovered(
        wn.Problem.measure(
            operator, wn.low_rank((14, 14), 2, kind="rectangular", generator=generator(1)), noise, generator=generator()
        )
    )
    assert found.status is wn.Status.TOO_FEW_MEASUREMENTS
    assert "transpose" in found.warnings[0]


@pytest.mark.parametrize("noise", NOISES)
def test_a_state_and_its_conjugate_are_two_answers(noise):
    """Strings with an even number of Y measure the real part of a state; of rank 1 exactly two states have it."""
    strings = [(x, z) for x in range(16) for z in range(16) if (x & z).bit_count() % 2 == 0]
    x, z = (torch.tensor(masks) for masks in zip(*strings, strict=True))
    operator = wn.operators.PauliSensing(x, z, wn.Space.from_size(16, "hermitian"))
    problem = wn.Problem.measure(
        operator, wn.low_rank(16, 1, kind="hermitian", generator=generator(1)), noise, generator=generator()
    )
    found = recovered(problem)
    assert found.status is wn.Status.TOO_FEW_MEASUREMENTS
    assert "conjugate" in found.warnings[0]
    if found.alternative is None:
        # A real matrix of a larger rank explains the measurements as well.
        assert found.rank > 1
        return
    misfits = [
        float((operator.measure(one) - problem.measurements).norm()) for one in (found.matrix, found.alternative)
    ]
    assert misfits[1] <= 1.5 * misfits[0] + 1e-8
    distances = [float(one.distance(problem.truth)) for one in (found.matrix, found.alternative)]
    assert min(distances) <= max(3 * noise, 1e-7)
    assert max(distances) > 0.1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_row_that_can_be_reflected_has_two_answers(rank, seed):
    """A diagonal entry and `r - 1` others fix a row of the factor up to a reflection at their span."""
    m = 14
    seen = torch.ones(m, m, dtype=torch.bool)
    seen[rank - 1 : m - 1, m - 1] = False
    problem = entries_of(seen, "psd", rank, 0.0, seed)
    found = recovered(problem)
    assert not found.status.is_success
    if found.rank == rank and found.relative_residual < 1e-9:
        both = [float(one.distance(problem.truth)) for one in (found.matrix, found.alternative or found.matrix)]
        assert min(both) <= 1e-6


def test_a_translation_of_points_is_named():
    """Squared distances are differences of a Gram matrix, which a translation does not change."""
    i, j = torch.triu_indices(12, 12, 1)
    rows = torch.zeros(len(i), 12, 12, dtype=torch.float64)
    k = torch.arange(len(i))
    rows[k, i, i] = rows[k, j, j] = 1
    rows[k, i, j] = rows[k, j, i] = -1
    points = normal(12, 2, rng=generator(5))
    truth = LowRank(points, torch.eye(2, dtype=torch.float64))
    operator = wn.DenseSensing.from_matrices(rows)
    for noise in (0.0, 1e-3):
        problem = wn.Problem.measure(operator, truth, noise, generator=generator())
        found = recovered(problem)
        assert not found.status.is_success
        assert "centre" in " ".join(found.warnings)


@pytest.mark.parametrize("n", [250, 600])
@pytest.mark.parametrize("flavor", FOUR_KINDS, ids=str)
def test_the_spread_is_the_trace_of_the_inverse(flavor, n):
    """The mean of 20 estimates, within four deviations, beside dense eigenvalues."""
    size = (12, 12) if not flavor.kind.is_symmetric else 12
    operator = wn.GaussianSensing.draw(n, size, kind=flavor.kind, generator=generator(1))
    truth = wn.low_rank(size, 3, 3.0, kind=flavor.kind, generator=generator(2))
    objective = SensingObjective(wn.Problem.measure(operator, truth))
    at = objective.evaluate(objective.from_user(truth).orthonormal())
    exact = float((1 / tangent_eigenvalues(objective, at.point)).sum())
    spreads = torch.tensor([null_space_test(objective, at, seed=seed)[0].spread for seed in range(20)])
    assert abs(float(spreads.mean()) - exact) <= 4 * float(spreads.std()) / math.sqrt(20)


@pytest.mark.parametrize("kind", ["psd", "hermitian", "rectangular"])
def test_the_expected_error_is_that_of_many_draws(kind):
    """Root mean square over 12 draws of the noise, within four deviations of the estimate."""
    size = (14, 12) if kind == "rectangular" else 14
    truth = wn.low_rank(size, 2, 2.0, kind=wn.Kind(kind), generator=generator(1))
    operator = wn.GaussianSensing.draw(420, size, kind=kind, generator=generator(2))
    squares, expected = [], []
    for seed in range(12):
        found = recovered(wn.Problem.measure(operator, truth, 0.05, generator=generator(10 + seed)))
        assert found.status is wn.Status.REACHED_NOISE_FLOOR
        squares.append(found.relative_error**2)
        expected.append(found.expected_error**2)
    measured, told = (sum(values) / len(values) for values in (squares, expected))
    # A sum of d squares has a relative deviation of sqrt(2 / d), and the estimate about the same.
    deviation = math.sqrt(4 / operator.degrees_of_freedom(2) / len(squares))
    assert abs(measured / told - 1) <= 4 * deviation + 0.1


def direction_at(rows, columns, shape=(20, 16)):
    """Matrix of rank 3 whose entries are 0 outside of some rows and columns, as factors."""
    full = torch.zeros(shape, dtype=torch.float64)
    full[rows] = normal(len(rows), shape[1], rng=generator(1))
    full[:, columns] = normal(shape[0], len(columns), rng=generator(2))
    U, values, Vh = torch.linalg.svd(full)
    k = int((values > 1e-10).sum())
    return LowRank(U[:, :k], torch.diag(values[:k]), Vh[:k].mT)


@pytest.mark.parametrize(("rows", "columns"), [([4], []), ([], [2]), ([1, 9], [3]), ([0, 5, 19], [0, 7])])
def test_lines_of_a_direction_are_read_from_its_factors(rows, columns):
    assert unidentified_lines(direction_at(rows, columns)) == Unidentified(tuple(rows), tuple(columns))


def test_half_of_a_side_is_no_part():
    assert unidentified_lines(direction_at(list(range(10)), [])) is None


def test_a_direction_of_no_kind_is_no_blind_spot():
    assert blind_spot(direction_at(list(range(20)), [], (20, 20))) is None


def test_no_exact_answer_is_sought_where_no_rank_can_be_determined():
    """Each lower rank fits as well, and is no more determined; a search took minutes."""
    rows = normal(180, 12, 12, rng=generator(2))
    rows = (rows + rows.mT).to(torch.complex128)
    operator = wn.DenseSensing.from_matrices(rows, kind="hermitian")
    problem = wn.Problem.measure(operator, wn.low_rank(12, 1, kind="hermitian", generator=generator(1)))
    found = recovered(problem)
    assert found.status is wn.Status.TOO_FEW_MEASUREMENTS
    assert "conjugate" in found.warnings[0]
    assert sum(stage.name.startswith("reweighting") for stage in found.stages) <= 2


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("kind", ["psd", "hermitian"])
def test_an_image_and_its_reverse_behind_even_masks_are_two_answers(kind, noise):
    """`|F(d x)|` is the same for `conj(x)` in reversed order if the masks are even and real."""
    masks = normal(10, 5, 4, rng=generator(1))
    operator = wn.CodedDiffractionSensing.from_masks(masks + masks.flip(1, 2), kind)
    truth = wn.low_rank(20, 1, kind=wn.Kind(kind), generator=generator(2))
    found = recovered(wn.Problem.measure(operator, truth, noise, generator=generator()))
    assert found.status is wn.Status.TOO_FEW_MEASUREMENTS
    if found.rank == 1:
        assert "reversed" in found.warnings[0]
        distances = [float(one.distance(truth)) for one in (found.matrix, found.alternative)]
        assert min(distances) <= max(5 * noise, 1e-6)


@pytest.mark.parametrize("noise", NOISES)
def test_pixels_that_no_mask_lets_through_are_named(noise):
    masks = normal(10, 5, 4, rng=generator(1))
    masks[:, 2, 1] = 0
    operator = wn.CodedDiffractionSensing.from_masks(masks, "psd")
    truth = wn.low_rank(20, 1, generator=generator(2))
    found = recovered(wn.Problem.measure(operator, truth, noise, generator=generator()))
    assert found.status is wn.Status.DETERMINED_IN_PART
    assert found.unidentified == Unidentified((9,), (9,))
