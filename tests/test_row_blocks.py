"""Row blocks of sampled entries: against dense derivatives, as a preconditioner, and what they save."""

import pytest
import torch

from cases.draws import generator
from cases.flavors import COMPLEX_RECTANGULAR, PSD, RECTANGULAR, SYMMETRIC, size_of
from wnsense.recovery.evidence.restricted_singular_value import null_space_test
from wnsense.running.loop import solve
from wnsense.running.stop import Stop
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.ensembles.entries import EntrySensing
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.problem import Problem, low_rank
from wnsense.solvers.conjugate import ConjugateWN
from wnsense.solvers.objective import SensingObjective
from wnsense.solvers.row_blocks import RowBlocks, blocks_cost, row_blocks
from wnsense.solvers.tangent import Tangent, tangent_part

real_flavors = pytest.mark.parametrize("flavor", [PSD, SYMMETRIC, RECTANGULAR], ids=str)
RANK = 2


def objective_of(flavor, *, off_diagonal: bool = False) -> SensingObjective:
    """Weighted entries, of which some are held out; each row has more fitted ones than the rank."""
    size = size_of(flavor, 9, 7)
    g = generator(3)
    operator = EntrySensing.draw(43, size, kind=flavor.kind, generator=g)
    if off_diagonal:
        operator = operator.select_rows(torch.nonzero(operator.rows != operator.columns).flatten())
    truth = low_rank(size, RANK, 3.0, kind=flavor.kind, generator=g)
    weights = torch.rand(operator.count, generator=g, dtype=torch.float64) + 0.5
    fitted = (torch.rand(operator.count, generator=g) > 0.1).double()
    return SensingObjective(Problem(operator, operator.measure(truth), truth, weights=weights), fitted)


def drawn_tangent(point: LowRank, seed: int) -> Tangent:
    g = generator(seed)

    def normal(rows: int) -> torch.Tensor:
        return torch.randn(rows, point.width, generator=g, dtype=torch.float64)

    part = tangent_part(point, normal(point.shape[0]), None)
    if point.Y is None:
        return Tangent((part.S + part.S.mT) / 2, part.P, None)
    Q = normal(point.shape[1])
    return Tangent(part.S, part.P, Q - point.Y @ (point.Y.mT @ Q))


def blocks_of(objective: SensingObjective, point: LowRank, penalty: float = 0.0) -> RowBlocks:
    core = torch.full((RANK, RANK), penalty, dtype=torch.float64)
    return row_blocks(objective, point, 1.0, core, core[0])


@real_flavors
def test_each_block_is_the_normal_operator_on_one_row(flavor):
    """`e^T G_i e'` is the inner product of the images of two changes of row `i` alone, per squared norm of a change."""
    objective = objective_of(flavor, off_diagonal=flavor.kind.is_symmetric)
    point = objective.from_user(objective.problem.truth).orthonormal()
    blocks = blocks_of(objective, point)

    def image(row: int, column: int, side: int) -> torch.Tensor:
        rows = point.shape[side]
        E = torch.zeros(rows, RANK, dtype=torch.float64)
        E[row, column] = 1
        eye = torch.eye(RANK, dtype=torch.float64)
        if point.Y is None:
            both = torch.cat([torch.cat([0 * eye, eye], 1), torch.cat([eye, 0 * eye], 1)])
            change = LowRank(torch.cat([point.X, E], 1), both)
        else:
            change = LowRank(E, eye, point.Y) if side == 0 else LowRank(point.X, eye, E)
        return objective.calibration.balance(objective.problem.operator.measure(change))

    sides = [blocks.left] if blocks.right is None else [blocks.left, blocks.right]
    share = 2 if flavor.kind.is_symmetric else 1
    for side, inverse in enumerate(sides):
        for row in range(point.shape[side]):
            J = torch.stack([image(row, column, side) for column in range(RANK)])
            G = torch.linalg.inv(inverse[row])
            assert torch.allclose(G, J @ J.mT / share, rtol=0, atol=2e-6)


@real_flavors
def test_the_preconditioner_is_symmetric_positive_and_stays_tangent(flavor):
    objective = objective_of(flavor)
    point = objective.from_user(objective.problem.truth).orthonormal()
    blocks = blocks_of(objective, point, 0.1)
    u, v = drawn_tangent(point, 1), drawn_tangent(point, 2)
    Tu, Tv = blocks.applied(u), blocks.applied(v)
    assert float(u.inner(Tv)) == pytest.approx(float(Tu.inner(v)), rel=1e-10)
    assert float(u.inner(Tu)) > 0
    assert float((point.X.mT @ Tu.P).abs().max()) < 1e-12
    if Tu.Q is not None:
        assert float((point.Y.mT @ Tu.Q).abs().max()) < 1e-12


@real_flavors
def test_frames_may_be_rotated(flavor):
    """Equality of preconditioned vectors over rotated frames."""
    objective = objective_of(flavor)
    point = objective.from_user(objective.problem.truth).orthonormal()
    blocks, vector = blocks_of(objective, point), drawn_tangent(point, 4)
    turn = torch.linalg.qr(torch.randn(RANK, RANK, generator=generator(5), dtype=torch.float64)).Q
    Y = None if point.Y is None else point.Y @ turn
    turned = LowRank(point.X @ turn, turn.mT @ point.Theta @ turn, Y)
    rotated = Tangent(turn.mT @ vector.S @ turn, vector.P @ turn, None if vector.Q is None else vector.Q @ turn)
    seen = blocks.applied_at(rotated, turned).at(turned).dense()
    expected = blocks.applied(vector).at(point).dense()
    assert float((seen - expected).norm()) < 1e-11 * float(expected.norm())


def test_rows_without_blocks_get_one_for_all():
    operator = GaussianSensing.draw(40, (6, 5), kind="rectangular", generator=generator(1))
    objective = SensingObjective(Problem.measure(operator, low_rank((6, 5), RANK, kind="rectangular")))
    point = objective.from_user(objective.problem.truth).orthonormal()
    blocks, vector = blocks_of(objective, point, 3.0), drawn_tangent(point, 1)
    seen = blocks.applied(vector)
    assert torch.allclose(seen.P, vector.P / 4)
    assert torch.allclose(seen.Q, vector.Q / 4)
    assert torch.allclose(seen.S, vector.S / 4)
    assert blocks_cost(objective, point) == 0


def test_complex_entries_have_no_blocks():
    flavor = COMPLEX_RECTANGULAR
    operator = EntrySensing.draw(60, (6, 5), kind=flavor.kind, dtype=torch.complex128, generator=generator(1))
    truth = low_rank((6, 5), RANK, kind=flavor.kind, dtype=torch.complex128, generator=generator(2))
    objective = SensingObjective(Problem.measure(operator, truth))
    assert blocks_cost(objective, objective.from_user(truth)) == 0


def scarce(seed: int) -> SensingObjective:
    """Entries of which some rows have hardly more than the rank."""
    g = generator(seed)
    operator = EntrySensing.draw(660, (60, 50), kind="rectangular", generator=g)
    return SensingObjective(Problem.measure(operator, low_rank((60, 50), 3, 10.0, kind="rectangular", generator=g)))


class Plain(EntrySensing):
    """Entries that do not tell their squares."""

    squares_times = None
    squares_transpose_times = None


def without_blocks(objective: SensingObjective) -> SensingObjective:
    entries = objective.problem.operator
    places = entries.rows, entries.columns, entries.shape, entries.kind, entries.dtype
    plain = Plain(*places, entries.weights, None, entries.second_moment)
    return SensingObjective(Problem(plain, objective.problem.measurements, objective.problem.truth))


def test_blocks_save_steps():
    stop = Stop(residual=1e-11, max_steps=2000)
    aided_steps, plain_steps = 0, 0
    for seed in (1, 2, 3):
        objective = scarce(seed)
        away = low_rank((60, 50), 3, kind="rectangular", generator=generator(9)).scaled(0.02)
        start = objective.from_user(objective.problem.truth).plus(away).truncate(3)
        aided = solve(objective, ConjugateWN(), start, stop=stop)
        plain = solve(without_blocks(objective), ConjugateWN(), start, stop=stop)
        assert max(float(aided.residual), float(plain.residual)) <= 1e-11
        assert aided.applications < plain.applications
        aided_steps, plain_steps = aided_steps + aided.steps, plain_steps + plain.steps
    assert aided_steps < 0.7 * plain_steps


def test_a_row_with_too_few_entries_leaves_a_null_space_with_blocks_too():
    objective = scarce(1)
    entries = objective.problem.operator
    kept = torch.ones(entries.count, dtype=torch.bool)
    kept[torch.nonzero(entries.rows == 7).flatten()[2:]] = False
    fewer = entries.select_rows(torch.nonzero(kept).flatten())
    for operator, expected in ((entries, True), (fewer, False)):
        given = SensingObjective(Problem.measure(operator, objective.problem.truth))
        at = given.evaluate(given.from_user(objective.problem.truth).orthonormal())
        test, _ = null_space_test(given, at, seed=0)
        assert test.is_trivial is expected
