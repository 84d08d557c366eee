"""What the transforms are, and what their ensembles promise besides the shared laws."""

import itertools
import math

import pytest
import torch

import wnsense as wn
from cases.draws import generator, normal, random_point
from cases.flavors import ALL_FLAVORS, COMPLEX_RECTANGULAR, HERMITIAN, PSD, RECTANGULAR
from cases.transforms import cosine_matrix, hadamard_matrix
from wnsense.checks import InputError
from wnsense.sensing.ensembles.distinct import draw_distinct
from wnsense.sensing.ensembles.fast_transforms import discrete_cosine, inverse_discrete_cosine, walsh_hadamard
from wnsense.sensing.ensembles.partial_fourier import PartialFourierSensing
from wnsense.sensing.ensembles.transforms import DCTSensing, HadamardSensing

EPS = torch.finfo(torch.float64).eps
ENSEMBLES = (DCTSensing, HadamardSensing, PartialFourierSensing)


@pytest.mark.parametrize("m", [1, 2, 3, 8, 9, 50])
def test_the_cosine_transform_is_its_matrix_and_the_inverse_is_its_transpose(m):
    A, T = normal(4, m), cosine_matrix(m)
    bound = 10 * m * EPS * float(A.norm())
    assert float((discrete_cosine(A) - A @ T.mT).abs().max()) <= bound
    assert float((inverse_discrete_cosine(A) - A @ T).abs().max()) <= bound
    assert float((T @ T.mT - torch.eye(m)).abs().max()) <= 10 * m * EPS


@pytest.mark.parametrize("q", range(8))
def test_the_walsh_hadamard_transform_is_its_matrix(q):
    m = 2**q
    A = normal(2, 3, m)
    expected = A @ hadamard_matrix(m) * math.sqrt(m)
    assert float((walsh_hadamard(A) - expected).abs().max()) <= 10 * m * EPS * float(A.norm())


@pytest.mark.parametrize("flavor", ALL_FLAVORS, ids=str)
@pytest.mark.parametrize("ensemble", ENSEMBLES)
@pytest.mark.parametrize("shape", [(4, 8), (2, 2), (8, 2)])
def test_all_coordinates_together_are_an_isometry(ensemble, flavor, shape):
    """The law E M*M(Z) = Z, since each coordinate is as likely as any other: with all of them nothing is random."""
    shape = (shape[0], shape[0]) if flavor.kind.is_symmetric else shape
    n = flavor.kind.dimension(shape, is_complex=flavor.is_complex)
    size = shape[0] if flavor.kind.is_symmetric else shape
    operator = ensemble.draw(n, size, kind=flavor.kind, dtype=flavor.dtype(), generator=generator())
    assert operator.second_moment == (1.0, 0.0)
    point = random_point(flavor, shape, 2)
    back = operator.adjoint(operator.measure(point))
    bound = 20 * n * EPS * float(point.X.norm() * point.Theta.norm() * point.right.norm())
    assert float((back - point.dense()).abs().max()) <= bound


@pytest.mark.parametrize("ensemble", ENSEMBLES)
def test_every_coordinate_is_as_likely_as_any_other(ensemble):
    """Each of 136 symmetric coordinates is drawn about 20 of 136 times in 400 draws: 5 standard deviations."""
    dimension, n, draws = 136, 20, 400
    rng = generator()
    seen = torch.zeros(16, 16, 2)
    for _ in range(draws):
        operator = ensemble.draw(n, 16, generator=rng)
        part = 0 if operator.imaginary is None else operator.imaginary.long()
        places = operator.rows * 32 + operator.columns * 2 + part
        assert len(places.unique()) == n
        seen.view(-1)[places] += 1
    chance = n / dimension
    assert int((seen > 0).sum()) == dimension
    deviation = (seen[seen > 0] - draws * chance).abs()
    assert float(deviation.max()) <= 5 * math.sqrt(draws * chance * (1 - chance))


@pytest.mark.parametrize("ensemble", ENSEMBLES)
@pytest.mark.parametrize("flavor", [PSD, HERMITIAN, RECTANGULAR, COMPLEX_RECTANGULAR], ids=str)
@pytest.mark.fast(flavor=["psd"])
def test_recovery_through_the_ensemble(ensemble, flavor):
    size = 32 if flavor.kind.is_symmetric else (32, 64)
    n = {PSD: 450, HERMITIAN: 700, RECTANGULAR: 900, COMPLEX_RECTANGULAR: 1500}[flavor]
    rng = generator(1)
    truth = wn.low_rank(size, 2, 2.0, kind=flavor.kind, dtype=flavor.dtype(), generator=rng)
    operator = ensemble.draw(n, size, kind=flavor.kind, dtype=flavor.dtype(), generator=rng)
    recovery = wn.recover(operator, operator.measure(truth), truth=truth)
    assert recovery.status == wn.Status.CONVERGED
    assert (recovery.rank, recovery.relative_error < 1e-8) == (2, True)


@pytest.mark.parametrize("ensemble", ENSEMBLES)
def test_chosen_rows_are_measured_as_before(ensemble):
    operator = ensemble.draw(40, 8, kind="hermitian", generator=generator())
    rows = torch.tensor([7, 3, 3, 39])
    chosen = operator.select_rows(rows)
    point = random_point(HERMITIAN, (8, 8), 2)
    assert type(chosen) is ensemble
    assert chosen.second_moment is None
    assert torch.equal(chosen.measure(point), operator.measure(point)[rows])


@pytest.mark.parametrize("ensemble", ENSEMBLES)
def test_blocks_of_rows_change_nothing(ensemble, monkeypatch):
    operator = ensemble.draw(40, 8, kind="hermitian", generator=generator())
    point, v, V = random_point(HERMITIAN, (8, 8), 2, batch=(3,)), normal(3, 40), normal(3, 8, 2).to(torch.complex128)
    y, back = operator.measure(point), operator.adjoint_times(v, V)
    monkeypatch.setattr("wnsense.sensing.ensembles.transforms._BLOCK_NUMBERS", {"cpu": 20})
    assert float((operator.measure(point) - y).abs().max()) <= 1e-14 * float(y.abs().max())
    assert float((operator.adjoint_times(v, V) - back).abs().max()) <= 1e-13 * float(back.abs().max())


@pytest.mark.parametrize("ensemble", ENSEMBLES)
def test_a_million_rows_take_no_memory_of_their_square(ensemble):
    """2^20 x 2^20: a bit for each entry would be 128 GiB. All measurements of the identity's corner have its norm."""
    m, n = 2**20, 1000
    operator = ensemble.draw(n, m, dtype=torch.float32, generator=generator())
    X = torch.zeros((m, 1), dtype=torch.float32)
    X[12345] = 1.0
    y = operator.measure(wn.LowRank(X, torch.ones((1, 1))))
    back = operator.adjoint_times(y, X)[12345, 0]
    assert torch.isclose(back, y.square().sum(), rtol=1e-5)
    # Of the transforms of one entry each has a square of at most 2 / m; two sides, and two entries to a coordinate.
    limit = m * (m + 1) / 2 / n * (4 if ensemble is PartialFourierSensing else 2) * (2 / m) ** 2
    assert 0 < float(y.square().max()) <= limit * 1.001


@pytest.mark.parametrize(
    ("make", "needed", "came"),
    [
        (lambda: HadamardSensing.draw(5, 12), "powers of two", "12 x 12; DCTSensing takes any size"),
        (lambda: HadamardSensing.draw(5, (8, 6), kind="rectangular"), "powers of two", "8 x 6"),
        (lambda: DCTSensing.draw(16, 5), "between 1 and 15 measurements", "16"),
        (lambda: DCTSensing.draw(26, 5, kind="hermitian"), "between 1 and 25 measurements", "26"),
        (lambda: PartialFourierSensing.draw(36, (5, 7), kind="rectangular"), "between 1 and 35 measurements", "36"),
        (lambda: DCTSensing.draw(0, 5), "between 1 and 15 measurements", "0"),
        (lambda: DCTSensing.draw(3, (4, 5)), "a square shape for kind psd", "4 x 5"),
        (lambda: DCTSensing.draw(3, 4, dtype=torch.complex128), "a real dtype for kind psd", "torch.complex128"),
        (lambda: entries(rows=[0, 4]), "rows between 0 and 3", "0 to 4"),
        (lambda: entries(columns=[-1, 2]), "columns between 0 and 3", "-1 to 2"),
        (lambda: entries(columns=[1]), "columns beside 2 rows of size 2", "1"),
        (lambda: entries(rows=[]), "at least one measurement", "none"),
        (lambda: entries(signs=torch.ones(3, dtype=torch.float64)), "the signs of size 4", "3"),
        (lambda: entries(signs=torch.ones(4)), "signs of torch.float64", "torch.float32"),
        (lambda: entries(signs_right=torch.ones(4, dtype=torch.float64)), "one set of signs for kind psd", "two"),
        (lambda: entries(weights=torch.ones(2)), "weights of torch.float64", "torch.float32"),
    ],
)
def test_what_no_ensemble_can_be_made_of_is_refused(make, needed, came, as_users_run):
    with pytest.raises(InputError) as refused:
        make()
    assert f"needed {needed}" in str(refused.value) or needed in str(refused.value)
    assert f"got {came}" in str(refused.value)


def entries(rows=(0, 1), columns=(1, 2), weights=None, **others):
    weights = torch.ones(2, dtype=torch.float64) if weights is None else weights
    as_integers = [torch.tensor(values, dtype=torch.int64) for values in (rows, columns)]
    return DCTSensing(*as_integers, weights, wn.Space.from_size(4), **others)


@pytest.mark.parametrize(("count", "limit"), [(10, 10), (3, 10), (5, 10**15), (1000, 10**6)])
def test_distinct_integers_are_distinct_and_below_the_limit(count, limit):
    drawn = draw_distinct(count, limit, generator=generator())
    assert len(drawn) == count
    assert (drawn[1:] > drawn[:-1]).all()
    assert int(drawn[0]) >= 0
    assert int(drawn[-1]) < limit


@pytest.mark.parametrize("limit", [6, 100])
def test_distinct_integers_are_uniform_among_those_accepted(limit):
    """Pairs of the 3 (or 10) accepted numbers, listed or drawn: each within 5 standard deviations of its share."""
    accepted = [k for k in range(limit) if k % 2 == 1][:: 1 if limit == 6 else 5]
    table = torch.zeros(limit, dtype=torch.bool)
    table[accepted] = True
    rng, draws = generator(), 3000
    counts = dict.fromkeys(itertools.combinations(accepted, 2), 0)
    for _ in range(draws):
        counts[tuple(draw_distinct(2, limit, generator=rng, accept=lambda k: table[k]).tolist())] += 1
    share = 1 / len(counts)
    assert max(abs(c - draws * share) for c in counts.values()) <= 5 * math.sqrt(draws * share * (1 - share))


def test_few_of_very_many_are_spread_over_all():
    drawn = draw_distinct(1000, 2**60, generator=generator())
    assert len(drawn.unique()) == 1000
    # Halves of the range are as likely.
    assert abs(int((drawn < 2**59).sum()) - 500) <= 5 * math.sqrt(250)
