"""What the ensembles made of vectors promise beyond the laws that all operators share."""

import math

import pytest
import torch

from cases.draws import generator, normal, random_point
from cases.flavors import COMPLEX_RECTANGULAR, HERMITIAN, PSD, QUADRATIC, RECTANGULAR, SYMMETRIC
from cases.operator_laws import refusal
from cases.rank_one import BOTH_RECTANGULAR
from cases.watched import assert_is_recovered
from wnsense.checks import InputError
from wnsense.sensing.ensembles.block_rank import BlockRankSensing
from wnsense.sensing.ensembles.rank_one import PairedRankOneSensing, RankOneSensing, RectangularRankOneSensing
from wnsense.sensing.kinds import Kind

EPS = torch.finfo(torch.float64).eps


def drawn(flavor, n, m=6):
    """One of each ensemble that measures a flavor."""
    settings = {"kind": flavor.kind, "dtype": flavor.dtype(), "generator": generator()}
    if not flavor.kind.is_symmetric:
        return [RectangularRankOneSensing.draw(n, (m, m - 1), **settings)]
    ensembles = (RankOneSensing, PairedRankOneSensing, BlockRankSensing)
    return [ensemble.draw(n, m, **settings) for ensemble in ensembles]


EVERY = [
    pytest.param(flavor, place, id=f"{flavor}-{place}")
    for flavor in (*QUADRATIC, *BOTH_RECTANGULAR)
    for place in range(3 if flavor.kind.is_symmetric else 1)
]


@pytest.mark.parametrize(("flavor", "place"), EVERY)
def test_chosen_rows_are_those_of_the_whole(flavor, place):
    operator = drawn(flavor, 12)[place]
    rows = torch.tensor([7, 0, 11, 3])
    chosen = operator.select_rows(rows)
    assert (chosen.count, chosen.kind, chosen.dtype) == (4, operator.kind, operator.dtype)
    point = random_point(flavor, operator.shape, 2)
    expected = operator.measure(point)[rows]
    # Sums of at most 2 * 6 * 6 products, in an order that may differ.
    bound = 100 * EPS * float(operator.measure(point).abs().max() + 1) * 6
    assert (chosen.measure(point) - expected).abs().max() <= bound
    v = normal(4)
    scattered = torch.zeros(12, dtype=torch.float64).index_put((rows,), v)
    whole = operator.adjoint(scattered)
    assert (chosen.adjoint(v) - whole).abs().max() <= 100 * EPS * float(whole.norm())
    alpha, beta = operator.second_moment
    assert chosen.second_moment == pytest.approx((alpha / 3, beta / 3), rel=4 * EPS)


def test_rows_of_vectors_whose_law_is_unknown_declare_none():
    operator = RankOneSensing.from_vectors(normal(5, 3))
    assert operator.select_rows(torch.tensor([1, 4])).second_moment is None


@pytest.mark.parametrize("flavor", QUADRATIC, ids=str)
def test_blocks_of_one_column_are_rank_one_measurements(flavor):
    a = normal(9, 5, dtype=flavor.dtype())
    blocks = BlockRankSensing.from_blocks(a.unsqueeze(-1), flavor.kind)
    vectors = RankOneSensing.from_vectors(a, flavor.kind)
    point = random_point(flavor, (5, 5), 2)
    assert torch.equal(blocks.measure(point), vectors.measure(point))
    assert torch.equal(blocks.traces(), vectors.traces())


@pytest.mark.parametrize("flavor", QUADRATIC, ids=str)
@pytest.mark.parametrize("columns", [1, 3])
def test_the_trace_moment_of_blocks_grows_with_their_columns(flavor, columns):
    """E y_i^2 of Z = I: (E Tr A^H A)^2 and its variance, in closed form; n E y^2 = alpha m + beta m^2."""
    m, n = 4, 50_000
    operator = BlockRankSensing.draw(n, m, columns, kind=flavor.kind, generator=generator())
    alpha, beta = operator.second_moment
    assert (alpha, beta) == (1.0, columns / (1 if flavor.is_complex else 2))
    squares = n * operator.traces().square()
    assert abs(float(squares.mean()) - (alpha * m + beta * m**2)) <= 5 * float(squares.std()) / math.sqrt(n)


def test_blocks_are_kept_so_that_columns_are_contiguous():
    A = normal(6, 5, 2)
    operator = BlockRankSensing.from_blocks(A)
    assert torch.equal(operator.blocks, A)
    assert operator.blocks.mT.is_contiguous()
    again = BlockRankSensing.from_blocks(operator.blocks)
    assert again.blocks.data_ptr() == operator.blocks.data_ptr()


def test_rectangular_measurements_of_symmetric_points_have_one_side():
    """A symmetric matrix is a rectangular one with a single frame, whose gradient has one side."""
    operator = RectangularRankOneSensing.draw(8, (4, 4), generator=generator())
    point = random_point(PSD, (4, 4), 2)
    back = operator.pull_back(point, lambda y: y)
    assert back.right is None
    expected = operator.adjoint(operator.measure(point)) @ point.X
    assert (back.left - expected).abs().max() <= 200 * EPS * float(expected.norm())


RECOVERIES = [
    pytest.param(PSD, lambda rng: RankOneSensing.draw(500, 30, generator=rng), id="rank-one"),
    pytest.param(
        HERMITIAN, lambda rng: RankOneSensing.draw(600, 30, kind="hermitian", generator=rng), id="rank-one-hermitian"
    ),
    pytest.param(
        SYMMETRIC,
        lambda rng: PairedRankOneSensing.draw(500, 30, kind="symmetric", generator=rng),
        id="paired",
    ),
    pytest.param(PSD, lambda rng: BlockRankSensing.draw(600, 30, 2, generator=rng), id="block-rank"),
    pytest.param(
        RECTANGULAR, lambda rng: RectangularRankOneSensing.draw(600, (30, 20), generator=rng), id="rectangular"
    ),
    pytest.param(
        COMPLEX_RECTANGULAR,
        lambda rng: RectangularRankOneSensing.draw(1000, (30, 20), dtype=torch.complex128, generator=rng),
        id="complex-rectangular",
    ),
]


@pytest.mark.parametrize(("flavor", "draw"), RECOVERIES)
@pytest.mark.fast("rank-one-hermitian", "paired", "block-rank", "rectangular")
def test_what_was_measured_is_recovered(flavor, draw):
    rng = generator(3)
    assert_is_recovered(draw(rng), flavor, 3.0, rng)


def blocks_of_kind(kind):
    return lambda: BlockRankSensing.from_blocks(normal(5, 3, 2), kind)


@pytest.mark.parametrize(
    ("make", "needed", "came"),
    [
        (lambda: RankOneSensing.from_vectors(normal(5, 0)), "vectors of at least one entry", "none"),
        (lambda: PairedRankOneSensing.from_vectors(normal(5, 3), normal(4, 3)), "vectors_minus of size 5 x 3", "4 x 3"),
        (lambda: BlockRankSensing.from_blocks(normal(0, 3, 2)), "at least one measurement", "none"),
        (lambda: BlockRankSensing.from_blocks(normal(5, 3, 0)), "at least one column in a block", "none"),
        (blocks_of_kind(Kind.RECTANGULAR), "symmetric kind for quadratic", "rectangular"),
        (blocks_of_kind(Kind.HERMITIAN), "complex dtype for kind hermitian", "float64"),
        (lambda: BlockRankSensing.draw(5, 3, 0), "a positive number of columns", "0"),
        (lambda: BlockRankSensing.draw(0, 3), "positive number of measurements and size", "0 and 3"),
        (lambda: BlockRankSensing.draw(5, 3, kind="rectangular"), "symmetric kind for quadratic", "rectangular"),
        (
            lambda: RectangularRankOneSensing.from_vectors(normal(5, 3), normal(6, 2)),
            "the number of right vectors of size 5",
            "6; each a_i needs its b_i",
        ),
        (
            lambda: RectangularRankOneSensing.from_vectors(normal(5, 3), normal(5, 2).float()),
            "right vectors of torch.float64",
            "torch.float32",
        ),
        (
            lambda: RectangularRankOneSensing.from_vectors(normal(5, 3), normal(5, 0)),
            "vectors of at least one entry",
            "none",
        ),
        (lambda: RectangularRankOneSensing.draw(0, (3, 2)), "at least one measurement", "0"),
        (lambda: RectangularRankOneSensing.draw(5, (3, 0)), "sides of at least 1", "(3, 0)"),
        (
            lambda: RectangularRankOneSensing.draw(5, 3, kind="psd"),
            "kind rectangular for measurements a^H Z b",
            "psd; RankOneSensing and PairedRankOneSensing",
        ),
    ],
)
def test_what_no_operator_can_be_made_of_is_refused(make, needed, came, as_users_run):
    with pytest.raises(InputError, match=refusal(needed, came)):
        make()
