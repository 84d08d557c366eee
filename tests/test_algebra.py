"""What operators made of operators promise beyond the laws: one pass, chosen rows, laws that follow, refusals."""

import dataclasses
import math
from dataclasses import dataclass, field

import pytest
import torch

from cases.draws import generator, normal, random_point
from cases.flavors import ALL_FLAVORS, COMPLEX_RECTANGULAR, HERMITIAN, PSD, QUADRATIC, RECTANGULAR
from cases.operator_laws import assert_within, refusal
from cases.operators import factor_norms
from cases.orders import Order
from wnsense.checks import InputError
from wnsense.recovery import recover
from wnsense.sensing.adapters import from_functions
from wnsense.sensing.combining.algebra import StackedSensing, SumSensing, operator_sum, stacked
from wnsense.sensing.combining.centring import centred, centred_problem
from wnsense.sensing.combining.composition import ComposedSensing, FactorMap, composed
from wnsense.sensing.combining.measurement_maps import ScaledSensing, WeightedSensing, row_weighted, scaled
from wnsense.sensing.combining.restriction import RestrictedSensing, restrict
from wnsense.sensing.ensembles.dense import DenseSensing, GaussianSensing
from wnsense.sensing.ensembles.rank_one import RankOneSensing
from wnsense.sensing.ensembles.unpacked import UnpackedSensing
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator, PulledBack, RowDual
from wnsense.sensing.problem import Problem, low_rank
from wnsense.sensing.space import Space

EPS = torch.finfo(torch.float64).eps


# ------------------------------------------------------------------------------------------------ chosen rows


def gaussian(n=12, size=4, seed=0, **settings) -> GaussianSensing:
    return GaussianSensing.draw(n, size, generator=generator(seed), **settings)


def functions(n=12, size=4, seed=0):
    """An operator that cannot be taken apart, with its packed rows."""
    dense = gaussian(n, size, seed)
    operator = from_functions(
        lambda Z: dense.measure(LowRank(torch.eye(size, dtype=torch.float64), Z)), dense.adjoint, n=n, size=size
    )
    return operator, dense.rows


ROWS = torch.tensor([7, 0, 11, 3])


def test_data_that_can_be_taken_apart_are():
    dense = gaussian()
    weights = normal(12)
    for operator, rows in (
        (restrict(dense, ROWS), dense.rows[ROWS]),
        (restrict(scaled(dense, 2.0), ROWS).operator, dense.rows[ROWS]),
        (restrict(row_weighted(dense, weights), ROWS).operator, dense.rows[ROWS]),
        (restrict(composed(dense, normal(4, 3)), ROWS).operator, dense.rows[ROWS]),
        (restrict(operator_sum(dense, gaussian(seed=1)), ROWS).second, gaussian(seed=1).rows[ROWS]),
    ):
        assert isinstance(operator, DenseSensing)
        assert torch.equal(operator.rows, rows)
    assert torch.equal(restrict(row_weighted(dense, weights), ROWS).weights, weights[ROWS])


def test_data_that_cannot_be_taken_apart_are_measured_and_gathered():
    whole, _ = functions()
    for operator in (whole, scaled(whole, 2.0), row_weighted(whole, normal(12)), composed(whole, normal(4, 3))):
        assert isinstance(restrict(operator, ROWS), RestrictedSensing)
    assert isinstance(restrict(operator_sum(gaussian(), whole), ROWS), RestrictedSensing)
    assert isinstance(restrict(centred(RankOneSensing.draw(12, 4)), ROWS), RestrictedSensing)


def test_choosing_again_chooses_from_the_first_operator():
    whole, rows = functions()
    again = restrict(restrict(whole, ROWS), torch.tensor([3, 1]))
    assert again.operator is whole
    assert again.rows.tolist() == [3, 0]
    assert_within(
        again.adjoint(torch.eye(2, dtype=torch.float64))[0],
        DenseSensing.from_rows(rows, (4, 4)).kind.unpack(rows[3], (4, 4), is_complex=False),
        1e-14,
    )


@pytest.mark.parametrize("rows", [[0, 2, 12, 13, 30], [13, 30, 2, 0, 12], [5, 1], [29]], ids=str)
def test_rows_of_a_stack_keep_their_order(rows):
    whole, middle = functions(10)
    stack = stacked([gaussian(), whole, gaussian(9, seed=1)])
    M = torch.cat([gaussian().rows, middle, gaussian(9, seed=1).rows])
    few = restrict(stack, torch.tensor(rows))
    packed = few.kind.pack(few.adjoint(torch.eye(len(rows), dtype=torch.float64)))
    assert_within(packed, M[rows], 1e-14)


def test_rows_of_one_part_leave_the_others_behind():
    whole, _ = functions()
    few = restrict(stacked([whole, gaussian()]), torch.tensor([12, 14]))
    assert isinstance(few, DenseSensing)
    ordered = restrict(stacked([gaussian(), gaussian(seed=1)]), torch.tensor([3, 1, 13]))
    assert isinstance(ordered, StackedSensing)


# ------------------------------------------------------------------------------------------------- in one pass


@dataclass(frozen=True)
class Watched(Operator):
    """Counts what it is asked, and keeps the duals and widths that it gets."""

    inner: Operator
    log: list = field(default_factory=list)

    def __post_init__(self):
        for name in ("space", "count", "second_moment"):
            object.__setattr__(self, name, getattr(self.inner, name))

    def _measure(self, point):
        self.log.append(("measure", point.width))
        return self.inner.measure(point)

    def _adjoint_times(self, v, V):
        self.log.append(("adjoint_times", V.shape[-1]))
        return self.inner.adjoint_times(v, V)

    def _pull_back(self, point, dual, width) -> PulledBack:
        self.log.append(("pull_back", isinstance(dual, RowDual)))
        return self.inner.pull_back(point, dual, width=width)


WRAPPED = {
    "scaled": lambda inner: scaled(inner, 3.0),
    "row-weighted": lambda inner: row_weighted(inner, normal(12)),
    "restricted": lambda inner: RestrictedSensing(inner, ROWS),
    "stacked": lambda inner: stacked([gaussian(3), inner]),
    "composed": lambda inner: composed(inner, torch.eye(4, dtype=torch.float64)),
    "all of them": lambda inner: composed(
        RestrictedSensing(stacked([gaussian(3), scaled(row_weighted(inner, normal(12)), 0.5)]), ROWS), normal(4, 4)
    ),
}


@pytest.mark.parametrize("target", [True, False], ids=["target", "no target"])
@pytest.mark.parametrize("name", WRAPPED)
def test_rows_on_their_own_stay_so_and_are_read_once(name, target):
    watched = Watched(gaussian())
    operator = WRAPPED[name](watched)
    dual = RowDual(normal(operator.count).abs(), normal(operator.count) if target else None)
    operator.pull_back(random_point(PSD, (4, 4), 2), dual)
    assert watched.log == [("pull_back", True)]


@pytest.mark.parametrize("name", [name for name in WRAPPED if "stack" not in name and "all" not in name])
def test_rows_that_look_at_each_other_are_still_read_once(name):
    watched = Watched(gaussian())
    WRAPPED[name](watched).pull_back(random_point(PSD, (4, 4), 2), lambda y: y - y.mean())
    assert watched.log == [("pull_back", False)]


def test_a_centred_operator_is_read_once():
    watched = Watched(RankOneSensing.draw(12, 4, generator=generator()))
    operator = centred(watched)
    watched.log.clear()
    operator.pull_back(random_point(PSD, (4, 4), 2), RowDual(torch.ones(12, dtype=torch.float64)))
    assert watched.log == [("pull_back", False)]


def test_a_row_of_weight_zero_says_nothing_whatever_its_target():
    dense = gaussian()
    weights = torch.ones(12, dtype=torch.float64)
    weights[3], weights[5] = 0.0, 1e-200
    target = normal(12)
    point = random_point(PSD, (4, 4), 2)
    back = row_weighted(dense, weights).pull_back(point, RowDual(torch.ones(12, dtype=torch.float64), target))
    kept = torch.ones(12, dtype=torch.float64)
    kept[3] = kept[5] = 0.0
    expected = dense.adjoint_times(kept * (dense.measure(point) - target), point.X)
    assert_within(back.left, expected, 1e-13)


MOVED = {
    "sum": lambda: operator_sum(gaussian(), RankOneSensing.draw(12, 4)),
    "scaled": lambda: scaled(gaussian(), 2.0),
    "stacked": lambda: stacked([gaussian(5), RankOneSensing.draw(7, 4)]),
    "row-weighted": lambda: row_weighted(gaussian(), normal(12)),
    "restricted": lambda: RestrictedSensing(gaussian(), ROWS),
    "composed": lambda: composed(gaussian(), normal(4, 4)),
    "rectangular": lambda: composed(gaussian(size=(4, 6), kind="rectangular"), normal(4, 4), normal(6, 4)),
    "centred": lambda: centred(RankOneSensing.draw(12, 4)),
    "hermitian": lambda: stacked([scaled(gaussian(kind="hermitian"), 2.0)]),
}


@pytest.mark.parametrize("name", MOVED)
def test_nothing_is_made_on_another_device(name):
    """On the meta device no number exists: whatever were made on the CPU on the way would be refused."""
    operator = to_meta(MOVED[name]())
    assert operator.device.type == "meta"
    flavor = {"rectangular": RECTANGULAR, "hermitian": HERMITIAN}.get(name, PSD)
    v = torch.zeros(operator.count, dtype=torch.float64, device="meta")
    point = random_point(flavor, (4, 4), 2).to(device="meta")
    for dual in (RowDual(v, v), lambda y: y - y.mean()):
        back = operator.pull_back(point, dual)
        results = [operator.measure(point), operator.adjoint(v), back.measurements, back.left]
        if flavor.kind.is_symmetric:
            results.append(operator.traces())
        else:
            results.append(operator.adjoint_transpose_times(v, point.X))
        assert {result.device.type for result in results} == {"meta"}


def to_meta(value):
    if isinstance(value, torch.Tensor):
        return value.to("meta")
    if isinstance(value, Space):
        return dataclasses.replace(value, device=torch.device("meta"))
    if isinstance(value, tuple) and value and isinstance(value[0], Operator):
        return tuple(to_meta(part) for part in value)
    if isinstance(value, Operator):
        given = {f.name: to_meta(getattr(value, f.name)) for f in dataclasses.fields(value) if f.init}
        return dataclasses.replace(value, **given)
    return value


# -------------------------------------------------------------------------------------------------------- laws


def test_a_multiple_has_the_square_of_the_law():
    assert scaled(gaussian(), -3.0).second_moment == (9.0, 0.0)
    assert scaled(RankOneSensing.draw(12, 4), 2.0).second_moment == (4.0, 2.0)
    assert scaled(functions()[0], 2.0).second_moment is None


def test_a_stack_of_rows_that_are_alike_has_the_sum_of_the_laws():
    """Twelve rows of a draw of mean square 1 beside 24 of a draw of mean square 2: each row alike, together 3."""
    stack = stacked([gaussian(12), scaled(gaussian(24, seed=1), math.sqrt(2))])
    assert stack.second_moment == pytest.approx((3.0, 0.0), rel=1e-12)
    assert stacked([gaussian(12), gaussian(24)]).second_moment is None
    assert stacked([RankOneSensing.draw(12, 4), gaussian(12)]).second_moment is None
    assert stacked([functions()[0], gaussian(12)]).second_moment is None


def test_the_law_of_a_stack_is_that_of_a_large_draw():
    stack = stacked([gaussian(40_000, 3), scaled(gaussian(80_000, 3, seed=1), math.sqrt(2))])
    point = random_point(PSD, (3, 3), 2)
    ratio = float(stack.measure(point).square().sum() / point.norm().square())
    # The mean of 120,000 squares of normal numbers of variance 3: five standard errors.
    assert abs(ratio - 3) <= 5 * 3 * math.sqrt(2 / 120_000)


def test_what_need_not_follow_is_not_declared():
    dense = gaussian()
    for operator in (
        operator_sum(dense, dense),
        row_weighted(dense, torch.ones(12, dtype=torch.float64)),
        RestrictedSensing(dense, ROWS),
        composed(dense, normal(4, 4)),
        centred(RankOneSensing.draw(12, 4)),
    ):
        assert operator.second_moment is None


# ----------------------------------------------------------------------------------------------------- centring


@pytest.mark.parametrize("flavor", QUADRATIC, ids=str)
def test_what_is_centred_does_not_see_the_identity(flavor):
    operator = RankOneSensing.draw(60, 5, kind=flavor.kind, generator=generator())
    blind = centred(operator)
    traces = operator.traces()
    point = random_point(flavor, (5, 5), 2)
    shifted = point.plus(LowRank(*(torch.eye(5, dtype=point.dtype),) * 2).scaled(7.0))
    bound = 100 * EPS * float(traces.norm())
    assert float(blind.traces().abs().max()) <= bound
    assert_within(blind.measure(shifted), blind.measure(point), bound * (7 + factor_norms(point)))
    assert abs(float(blind.measure(point) @ traces)) <= bound * float(traces.norm()) * factor_norms(point)


def test_centring_takes_off_the_mean_that_the_trace_makes():
    """For vectors of one length the traces are alike, and centring takes off the mean."""
    a = normal(30, 4)
    operator = RankOneSensing.from_vectors(a / a.norm(dim=1, keepdim=True))
    point = random_point(PSD, (4, 4), 2)
    y = operator.measure(point)
    assert_within(centred(operator).measure(point), y - y.mean(), 20 * EPS * float(y.abs().max()))


@pytest.mark.parametrize("weighted", [False, True])
def test_a_centred_problem_has_the_projected_residual(weighted):
    operator = RankOneSensing.draw(40, 4, generator=generator())
    weights = normal(40).abs() if weighted else None
    problem = Problem.measure(operator, low_rank(4, 2, generator=generator()), 0.1, generator=generator())
    problem = dataclasses.replace(problem, weights=weights)
    point = random_point(PSD, (4, 4), 3)
    root = torch.ones(40, dtype=torch.float64) if weights is None else weights.sqrt()
    t, q = root * operator.traces(), root * (operator.measure(point) - problem.measurements)
    expected = q - t * (t @ q) / (t @ t)

    blind = centred_problem(problem)
    assert_within(blind.operator.measure(point) - blind.measurements, expected, 100 * EPS * float(q.norm()))
    assert blind.weights is None
    assert blind.truth is problem.truth
    if weighted:
        assert blind.noise_level is None
    else:
        noise = blind.operator.measure(problem.truth) - blind.measurements
        assert float(noise.norm() / blind.measurements.norm()) <= blind.noise_level


def test_a_problem_without_noise_has_none_after_centring():
    operator = RankOneSensing.draw(40, 4, generator=generator())
    problem = Problem.measure(operator, low_rank(4, 2, generator=generator()))
    assert centred_problem(problem).noise_level == 0
    weighted = dataclasses.replace(problem, weights=normal(40).abs())
    assert centred_problem(weighted).noise_level == 0
    assert centred_problem(dataclasses.replace(problem, noise_level=None)).noise_level is None


@pytest.mark.parametrize("size", [1e-160, 1e160])
def test_the_direction_of_tiny_and_huge_traces_is_found(size):
    operator = RankOneSensing.from_vectors(normal(12, 4) * math.sqrt(size))
    assert float(torch.linalg.vector_norm(centred(operator).direction)) == pytest.approx(1, abs=10 * EPS)


# -------------------------------------------------------------------------------------------------- composition


def test_traces_after_a_wide_map_come_from_narrow_points():
    """Tr L^H M_i L, without an m x m matrix: no more than 64 columns at once."""
    L = normal(4, 150)
    watched = Watched(gaussian())
    operator = composed(watched, L)
    M = gaussian().adjoint(torch.eye(12, dtype=torch.float64))
    expected = torch.einsum("aj,nab,bj->n", L, M, L)
    assert_within(operator.traces(), expected, 200 * EPS * float(L.norm()) ** 2 * float(M.norm()))
    assert watched.log == [("measure", 64), ("measure", 64), ("measure", 22)]


def test_a_real_map_serves_a_complex_operator():
    operator = gaussian(kind="hermitian")
    L = normal(4, 3)
    point = random_point(HERMITIAN, (3, 3), 2)
    inner = LowRank(L.to(torch.complex128) @ point.X, point.Theta)
    assert_within(composed(operator, L).measure(point), operator.measure(inner), 1e-13 * factor_norms(inner))


@pytest.mark.parametrize("flavor", [RECTANGULAR, COMPLEX_RECTANGULAR], ids=str)
def test_either_side_of_a_rectangular_unknown_may_stay_as_it_is(flavor):
    operator = gaussian(size=(4, 6), kind="rectangular", dtype=flavor.dtype())
    R = normal(6, 2, dtype=flavor.dtype())
    right = composed(operator, None, R)
    assert right.shape == (4, 2)
    v = normal(12)
    assert_within(right.adjoint(v), operator.adjoint(v) @ R, 1e-13 * float(R.norm()))
    assert composed(operator, R.new_ones(4, 3)).shape == (3, 6)


# ----------------------------------------------------------------------------------------------------- recovery

RECOVERED = {
    "sum": lambda: operator_sum(gaussian(150, 10), gaussian(150, 10, seed=1)),
    "scaled": lambda: scaled(gaussian(150, 10), 1e-3),
    "stacked": lambda: stacked([gaussian(75, 10), RankOneSensing.draw(75, 10, generator=generator(1))]),
    "row-weighted": lambda: row_weighted(gaussian(150, 10), 1 + normal(150).abs()),
    "restricted": lambda: RestrictedSensing(gaussian(300, 10), torch.arange(0, 300, 2)),
    "composed": lambda: composed(gaussian(150, 14), torch.linalg.qr(normal(14, 10)).Q),
    "centred": lambda: centred(RankOneSensing.draw(150, 10, generator=generator())),
}


@pytest.mark.parametrize("name", RECOVERED)
@pytest.mark.fast("restricted", "composed")
def test_recovery_through_each(name):
    operator = RECOVERED[name]()
    truth = low_rank(10, 2, 3.0, generator=generator(5))
    recovery = recover(operator, operator.measure(truth), truth=truth)
    assert recovery.rank == 2
    assert recovery.relative_error <= 1e-8


# ---------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("make", "needed", "came"),
    [
        (lambda: restrict(gaussian(), torch.tensor([], dtype=torch.int64)), "at least one row to keep", "none"),
        (lambda: restrict(gaussian(), torch.zeros(12, dtype=torch.bool)), "at least one row to keep", "none"),
        (lambda: restrict(gaussian(), torch.tensor([0, -1])), "rows between 0 and 11", "-1"),
        (lambda: restrict(gaussian(), torch.tensor([0, 12])), "rows between 0 and 11", "12; count them from 0"),
        (lambda: restrict(gaussian(), torch.tensor([4, 0, 4])), "each row once", "row 4 again; use weights"),
        (lambda: restrict(gaussian(), torch.ones(11, dtype=torch.bool)), "mask of rows of size 12", "11"),
        (lambda: restrict(gaussian(), torch.tensor([0.0, 1.0])), "indices of rows", "torch.float32"),
        (lambda: restrict(functions()[0], torch.tensor([12])), "rows between 0 and 11", "12"),
        (lambda: scaled(gaussian(), 0.0), "finite and not zero", "0.0"),
        (lambda: scaled(gaussian(), math.inf), "finite and not zero", "inf"),
        (lambda: scaled(gaussian(), math.nan), "finite and not zero", "nan"),
        (lambda: row_weighted(gaussian(), normal(11)), "the weights of size 12", "11; one for each row"),
        (lambda: row_weighted(gaussian(), normal(12).float()), "weights of torch.float64", "torch.float32"),
        (lambda: row_weighted(gaussian(), normal(12) / 0), "finite numbers in the weights", "infinity in 12 of 12"),
        (lambda: stacked([]), "at least one operator to stack", "none"),
        (lambda: stacked([gaussian(), gaussian(size=5)]), "unknown of the other operator of size 4 x 4", "5 x 5"),
        (lambda: stacked([gaussian(), gaussian(kind="symmetric")]), "operators of one kind, psd", "symmetric"),
        (lambda: stacked([gaussian(), gaussian(dtype=torch.float32)]), "one dtype, torch.float64", "torch.float32"),
        (lambda: operator_sum(gaussian(), gaussian(13)), "rows of the other operator of size 12", "13"),
        (lambda: operator_sum(gaussian(), to_meta(gaussian())), "operators on one device, cpu", "meta"),
        (lambda: composed(gaussian(), normal(3, 4)), "4 rows in L", "3; transpose it?"),
        (lambda: composed(gaussian(), normal(4, 0)), "at least one column in L", "0"),
        (lambda: composed(gaussian(), normal(4)), "a matrix of two dimensions", "1"),
        (lambda: composed(gaussian(), normal(4, 3), normal(4, 3)), "no right map for kind psd", "one"),
        (lambda: composed(gaussian(), normal(4, 3, dtype=torch.complex128)), "a real matrix beside", "complex128"),
        (
            lambda: composed(gaussian(size=(4, 6), kind="rectangular"), normal(4, 3), normal(3, 6)),
            "6 rows in R",
            "3; transpose it?",
        ),
        (lambda: centred(gaussian(size=(4, 6), kind="rectangular")), "a symmetric kind, whose unknown", "rectangular"),
        (
            lambda: centred(DenseSensing.from_matrices(torch.diag_embed(torch.tensor([[1.0, -1.0], [2.0, -2.0]])))),
            "measurement matrices with a trace",
            "all zero",
        ),
        (lambda: UnpackedSensing(normal(5, 6), Space.from_size(3)), "9 numbers in a full psd measurement", "6"),
        (lambda: UnpackedSensing(normal(0, 9), Space.from_size(3)), "at least one measurement", "none"),
    ],
)
def test_what_no_operator_can_be_made_of_is_refused(make, needed, came):
    with pytest.raises(InputError, match=refusal(needed, came)):
        make()


def test_functions_that_return_other_sizes_are_told_apart():
    short = FactorMap(lambda V: V[..., :2, :], lambda U: U[..., :2, :], (4, 4))
    operator = composed(gaussian(), short)
    with pytest.raises(InputError, match=refusal("what times of the map returns of size 4 x 2", "2 x 2")):
        operator.measure(random_point(PSD, (4, 4), 2))
    one_way = FactorMap(lambda V: V, lambda U: U[..., :2, :], (4, 4))
    with pytest.raises(InputError, match=refusal("what adjoint_times of the map returns of size 4 x 4", "2 x 4")):
        composed(gaussian(), one_way).adjoint(normal(12))


def test_what_is_made_says_what_it_is():
    dense = gaussian()
    made = {
        SumSensing: operator_sum(dense, dense),
        ScaledSensing: scaled(dense, 2.0),
        WeightedSensing: row_weighted(dense, normal(12)),
        StackedSensing: stacked([dense]),
        ComposedSensing: composed(dense, normal(4, 4)),
    }
    for kind, operator in made.items():
        assert str(operator) == f"{kind.__name__}: 12 measurements of a psd 4 x 4 matrix"


@pytest.mark.parametrize("flavor", ALL_FLAVORS, ids=str)
def test_full_matrices_measure_as_packed_ones(flavor):
    shape = (4, 4) if flavor.kind.is_symmetric else (4, 6)
    M = Order(flavor, 12, shape).matrices()
    full, packed = UnpackedSensing.from_matrices(M, flavor.kind), DenseSensing.from_matrices(M, flavor.kind)
    point = random_point(flavor, shape, 2)
    assert_within(full.measure(point), packed.measure(point), 50 * EPS * float(M.norm()) * factor_norms(point))
