"""Random problems of the studies of curves."""

from collections.abc import Callable, Mapping
from functools import lru_cache

import torch
from torch import Tensor

from wnsense.lab.studies.curves.specification import CurveCase, CurveEnsemble, Rows
from wnsense.running.loop import solve
from wnsense.running.stop import Stop
from wnsense.running.trace import Trace
from wnsense.sensing.combining.compression import compress
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.ensembles.entries import EntrySensing
from wnsense.sensing.ensembles.rademacher import RademacherSensing
from wnsense.sensing.ensembles.rank_one import PairedRankOneSensing, RankOneSensing
from wnsense.sensing.ensembles.transforms import DCTSensing
from wnsense.sensing.ensembles.triangular import TriangularSensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.low_rank import LowRank
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import Problem, low_rank, require_truth
from wnsense.solvers.calibration import Calibration
from wnsense.solvers.gauss_newton import GaussNewton
from wnsense.solvers.objective import SensingObjective

# Problems and starts are drawn from different seeds, so that starts are independent of the truth.
_DATA_SEEDS = 1_000_000


def _gaussian(case: CurveCase, dtype: torch.dtype, generator: torch.Generator) -> Operator:
    if case.rows is Rows.FACTOR:
        return TriangularSensing.draw(case.measurements, case.size, kind=case.kind, generator=generator, dtype=dtype)
    return GaussianSensing.draw(
        case.measurements, (case.size, case.size), kind=case.kind, generator=generator, dtype=dtype
    )


_DRAWS: Mapping[CurveEnsemble, Callable[[CurveCase, torch.dtype, torch.Generator], Operator]] = {
    CurveEnsemble.GAUSSIAN: _gaussian,
    CurveEnsemble.RADEMACHER: lambda case, dtype, generator: RademacherSensing.draw(
        case.measurements, case.size, kind=case.kind, generator=generator, dtype=dtype
    ),
    CurveEnsemble.DCT: lambda case, dtype, generator: DCTSensing.draw(
        case.measurements, case.size, kind=case.kind, generator=generator, dtype=dtype
    ),
    CurveEnsemble.PAIRED: lambda case, dtype, generator: PairedRankOneSensing.draw(
        case.measurements, case.size, kind=case.kind, generator=generator, dtype=dtype
    ),
    CurveEnsemble.RANK_ONE: lambda case, dtype, generator: RankOneSensing.draw(
        case.measurements, case.size, kind=case.kind, generator=generator, dtype=dtype
    ),
    CurveEnsemble.ENTRIES: lambda case, dtype, generator: EntrySensing.draw(
        case.measurements, (case.size, case.size), kind=case.kind, generator=generator, dtype=dtype
    ),
}

# Ensembles with E M*M = 1 on the space of the unknown keep the units of the paper; the others are calibrated.
_ISOTROPIC = {CurveEnsemble.GAUSSIAN, CurveEnsemble.RADEMACHER, CurveEnsemble.DCT, CurveEnsemble.ENTRIES}


# Runs of one problem follow one another, so that one problem in memory is enough.
@lru_cache(maxsize=1)
def drawn(case: CurveCase) -> SensingObjective:
    """Return the objective of a case; it is in the units of the paper, without calibration, if E M*M = 1."""
    generator = torch.Generator().manual_seed(_DATA_SEEDS + case.seed)
    real = torch.float64 if case.dtype == "float64" else torch.float32
    dtype = real.to_complex() if case.kind is Kind.HERMITIAN else real
    truth = low_rank(case.size, case.rank, case.condition, kind=case.kind, generator=generator, dtype=dtype)
    operator = _DRAWS[case.ensemble](case, dtype, generator)
    problem = Problem.measure(operator, truth, case.noise, generator=generator)
    if case.rows is Rows.COMPRESSED:
        problem = compress(problem).problem
    if case.ensemble not in _ISOTROPIC:
        return SensingObjective(problem)
    return SensingObjective(problem, given=Calibration(torch.ones_like(problem.measurements), None, 1.0, 1.0, 0))


def squared_error(objective: SensingObjective, point: LowRank) -> Tensor:
    """Return the squared error `||Z - A||_F^2`.

    Raises:
        InputError: If the problem has no truth.
    """
    truth = require_truth(objective.problem)
    return objective.to_user(point).distance(truth).square()


@lru_cache(maxsize=64)
def oracle_error(case: CurveCase) -> float:
    """Return the squared error `||Z - A||_F^2` of the least-squares fit of rank `r_A`, started at the truth."""
    objective = drawn(case)
    truth = require_truth(objective.problem)
    stop = Stop(stagnation=3, gain=1e-8, max_steps=100)
    result = solve(objective, GaussNewton(), truth, stop=stop, trace=Trace(error=squared_error))
    return float(result.trace["error"][-1])
