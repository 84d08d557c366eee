"""The least restricted gain beside dense eigenvalues."""

import pytest
import torch

from cases.draws import generator
from cases.flavors import FOUR_KINDS
from wnsense.recovery.evidence.restricted_singular_value import NULL_SPACE_GAIN, least_restricted_gain
from wnsense.sensing.ensembles.dense import GaussianSensing
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
def test_the_gain_lies_above_the_least_eigenvalue_and_finds_the_null_space(flavor, n):
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
    gain, cost = least_restricted_gain(objective, at, seed=0)
    # It ends early once the remainder of the vector is tiny, which a null space does not allow.
    assert cost == 32 if n == 60 else cost < 32
    assert gain >= float(values[0]) - 1e-9
    assert gain <= float(values[-1])
    assert (gain < NULL_SPACE_GAIN) == (n == 60)
    assert (float(values[0]) < 1e-9) == (n == 60)
