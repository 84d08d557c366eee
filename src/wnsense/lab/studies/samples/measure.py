"""The smallest count of measurements that recovers a matrix, and how far from an isometry counts are."""

import math
from collections.abc import Callable
from dataclasses import replace

import torch

from wnsense.lab.analysis.isometry import isometry_bound
from wnsense.lab.analysis.reduced_population import in_own_units
from wnsense.lab.studies.samples.specification import Case, IsometrySearch, Recoverer, Search
from wnsense.recovery.recover import recover
from wnsense.running.loop import solve
from wnsense.running.status import Status
from wnsense.running.stop import Stop
from wnsense.running.trace import Trace
from wnsense.sensing.combining.compression import compress, packed_rows
from wnsense.sensing.ensembles.dense import GaussianSensing
from wnsense.sensing.ensembles.unpacked import UnpackedSensing
from wnsense.sensing.problem import Problem, low_rank
from wnsense.solvers.objective import relative_distance
from wnsense.solvers.starts import haar_start
from wnsense.solvers.weight_norm import WeightNormalizedGD

# Problems and starts are drawn from different seeds, so that no start knows anything of a truth.
_DATA_SEEDS = 3_000_000
_MAGNITUDE_STEP_SIZE = 2.0
# The residual at which Algorithm 1 stops, over the error that is asked for.
_MARGIN = 0.01
_LOOK_EVERY = 10
# Counts go this far beyond the number of unknowns of any symmetric matrix.
_BEYOND = 1.5
# Where full matrices have at most this many numbers together, they are faster than packed ones.
_FULL_NUMBERS = 2**17


def counts(case: Case, ratio: float) -> list[int]:
    """What is tried: the information limit times powers of the ratio, to a little beyond m (m + 1)/2."""
    least = case.information_limit
    last = math.ceil(math.log(_BEYOND * case.unknowns / least) / math.log(ratio))
    return sorted({math.ceil(least * ratio**power) for power in range(last + 1)})


def smallest(tried: list[int], succeeds: Callable[[int], bool]) -> float:
    """The count at which bisection passes from failure to success; NaN where the largest fails.

    That success is monotone in the count is assumed; where it is not, one of several passages is found.
    """
    low, high = -1, len(tried)
    while high - low > 1:
        middle = (low + high) // 2
        if succeeds(tried[middle]):
            high = middle
        else:
            low = middle
    return float(tried[high]) if high < len(tried) else math.nan


def search(sought: Search) -> float:
    """The smallest count of a seed.

    Raises:
        KeyboardInterrupt: When interrupted.
    """
    tried = counts(sought.case, sought.effort.ratio)
    return smallest(tried, lambda count: recovers(sought, count))


def recovers(sought: Search, count: int) -> bool:
    """Whether a count is enough.

    Raises:
        KeyboardInterrupt: When interrupted.
    """
    problem = drawn(sought.case, count, sought.seed)
    if sought.recoverer is Recoverer.RECOVER:
        recovery = recover(problem.operator, problem.measurements, seed=sought.seed)
        status, matrix = recovery.status, recovery.matrix
    else:
        effort = sought.effort
        objective = in_own_units(_stored_in_full(compress(problem).problem))
        start = haar_start(objective, sought.case.rank, generator=torch.Generator().manual_seed(sought.seed))
        budget = int(effort.steps * sought.case.condition**2)
        result = solve(
            objective,
            WeightNormalizedGD(effort.step_size, _MAGNITUDE_STEP_SIZE),
            start,
            stop=Stop(residual=_MARGIN * effort.tolerance, max_steps=budget, check_every=_LOOK_EVERY),
            trace=Trace(every=budget),
        )
        status, matrix = result.status, result.matrix
    if status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    # Algorithm 1 makes no claim of its own: a residual of zero at a wrong matrix, or a budget spent at the right one.
    claims = status is Status.CONVERGED or sought.recoverer is Recoverer.WN
    return claims and float(relative_distance(matrix, problem.truth)) <= sought.effort.tolerance


def _stored_in_full(problem: Problem) -> Problem:
    """The same rows as full matrices, which are faster than packed ones at sizes of a few tens."""
    operator = problem.operator
    if isinstance(operator, UnpackedSensing) or operator.count * math.prod(operator.shape) > _FULL_NUMBERS:
        return problem
    rows = operator.space.unpack(packed_rows(operator, 0, operator.count))
    return replace(problem, operator=UnpackedSensing.from_matrices(rows, operator.kind))


def drawn(case: Case, count: int, seed: int) -> Problem:
    """Gaussian measurements of the truth of a seed."""
    generator = torch.Generator().manual_seed(_DATA_SEEDS + seed)
    truth = low_rank(case.size, case.true_rank, case.condition, generator=generator)
    return Problem.measure(GaussianSensing.draw(count, case.size, generator=generator), truth)


def isometry(sought: IsometrySearch) -> float:
    """The lower bound on the restricted isometry constant that is found."""
    # The compressed rows have the same norms.
    operator = compress(drawn(sought.case, sought.count, sought.seed)).problem.operator
    generator = torch.Generator().manual_seed(sought.seed)
    return isometry_bound(operator, sought.rank, steps=sought.steps, gain=1.0, generator=generator).delta
