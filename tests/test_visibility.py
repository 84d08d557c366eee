"""Test of the restricted null space beside dense eigenvalues."""

import pytest
import torch

from cases.draws import generator
from cases.flavors import FOUR_KINDS
from wnsense.recovery.evidence.restricted_singular_value import null_space_test
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.ensembles.entries import EntrySensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.problem import Problem, low_rank
from wnsense.solvers.objective import SensingObjective


def tangent_eigenvalues(objective, point) -> torch.Tensor:
    """Of M*M restricted to the tangent space, from the packed matrices of everything."""
    operator = objective.problem.operator
    kind, d = operator.kind, operator.dimension
    units = kind.unpack(torch.eye(d, dtype=torch.float64), operator.shape, is_complex=operator.is_complex)
    P, Q = point.X @ point.X.mH, point.right @ point.right.mH
    projected = kind.pack(P @ units + units @ Q - P @ units @ Q)
    values, vectors = torch.linalg.eigh((projected + projected.mT) / 2)
    basis = vectors[:, values > 0.5]
    weighted = objective.calibration.row_scale.unsqueeze(-1) * kind.pack(
        operator.adjoint(torch.eye(operator.count, dtype=torch.float64))
    )
    return torch.linalg.eigvalsh((weighted @ basis).mT @ (weighted @ basis))


@pytest.mark.parametrize("n", [60, 400])
@pytest.mark.parametrize("flavor", FOUR_KINDS, ids=str)
def test_a_null_space_is_found_where_the_least_eigenvalue_is_zero(flavor, n):
    """For rank 3 in 12 x 12, 60 rows leave a restricted null space and 400 do not."""
    size = (12, 12) if not flavor.kind.is_symmetric else 12
    operator = GaussianSensing.draw(n, size, kind=flavor.kind, generator=generator(1))
    # Weight moves from half of the rows to nothing where there shall be too few.
    kept = torch.ones(n, dtype=torch.float64)
    if n == 60:
        kept[24:] = 0
    truth = low_rank(size, 3, 3.0, kind=flavor.kind, generator=generator(2))
    objective = SensingObjective(Problem.measure(operator, truth), kept)
    at = objective.evaluate(objective.from_user(truth).orthonormal())
    values = tangent_eigenvalues(objective, at.point)
    assert len(values) == operator.degrees_of_freedom(3)
    test, cost = null_space_test(objective, at, seed=0)
    assert test.is_trivial == (n == 400)
    assert (float(values[0]) < 1e-9) == (n == 60)
    assert float(values[0]) - 1e-9 <= test.gain <= float(values[-1])
    assert 4 <= cost <= 100


@pytest.mark.parametrize("seed", range(6))
def test_masks_of_few_entries_are_told_apart_by_their_least_singular_value(seed):
    """Half of these masks have a row with one entry, and rank 2 needs two of each."""
    operator = EntrySensing.draw(100, 20, kind=Kind.PSD, generator=generator(seed))
    truth = low_rank(20, 2, kind=Kind.PSD, generator=generator(seed + 50))
    objective = SensingObjective(Problem.measure(operator, truth))
    at = objective.evaluate(objective.from_user(truth).orthonormal())
    least = float(tangent_eigenvalues(objective, at.point)[0])
    test, _ = null_space_test(objective, at, seed=seed)
    assert test.is_trivial == (least > 1e-9)
