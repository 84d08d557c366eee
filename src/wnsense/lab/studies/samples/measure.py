"""Search for the smallest count of measurements that recovers a matrix, and for the restricted isometry constant."""

import math
from collections.abc import Callable
from dataclasses import replace

import torch

from wnsense.lab.analysis.isometry import isometry_bound
from wnsense.lab.analysis.reduced_population import in_own_units
from wnsense.lab.studies.samples.specification import CountSearch, IsometrySearch, Recoverer, SampleCase
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

# Problems and starts have different seeds, so that starts and truths are independent.
_DATA_SEEDS = 3_000_000
_MAGNITUDE_STEP_SIZE = 2.0
# Residual at which Algorithm 1 stops, over the tolerance of the error.
_MARGIN = 0.01
_LOOK_EVERY = 10
# Largest count over the dimension of symmetric matrices.
_BEYOND = 1.5
# Largest number of entries of all rows as full matrices at which these are faster than packed rows.
_FULL_NUMBERS = 2**17


def counts_to_try(case: SampleCase, ratio: float) -> list[int]:
    """Return the information limit times powers of the ratio, to somewhat beyond `m (m + 1) / 2`."""
    least = case.information_limit
    last = math.ceil(math.log(_BEYOND * case.unknowns / least) / math.log(ratio))
    return sorted({math.ceil(least * ratio**power) for power in range(last + 1)})


def smallest_success(tried: list[int], succeeds: Callable[[int], bool]) -> float:
    """Return the count at which bisection passes from failure to success; NaN if the largest count fails.

    Bisection assumes that success is monotone in the count; otherwise it returns one of several passages.
    """
    low, high = -1, len(tried)
    while high - low > 1:
        middle = (low + high) // 2
        if succeeds(tried[middle]):
            high = middle
        else:
            low = middle
    return float(tried[high]) if high < len(tried) else math.nan


def smallest_count(sought: CountSearch) -> float:
    """Return the smallest count of a seed.

    Raises:
        KeyboardInterrupt: If interrupted.
    """
    tried = counts_to_try(sought.case, sought.effort.ratio)
    return smallest_success(tried, lambda count: recovers(sought, count))


def recovers(sought: CountSearch, count: int) -> bool:
    """Return True if a count is enough.

    Raises:
        KeyboardInterrupt: If interrupted.
    """
    problem = draw_problem(sought.case, count, sought.seed)
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
        status, matrix = result.status, result.answer
    if status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    # The status of Algorithm 1 is no criterion: its residual may vanish at a wrong matrix, or its budget end too early.
    claims = status is Status.CONVERGED or sought.recoverer is Recoverer.WN
    return claims and float(relative_distance(matrix, problem.truth)) <= sought.effort.tolerance


def _stored_in_full(problem: Problem) -> Problem:
    """Return the problem with rows as full matrices, which are faster than packed ones at sizes of a few tens."""
    operator = problem.operator
    if isinstance(operator, UnpackedSensing) or operator.count * math.prod(operator.shape) > _FULL_NUMBERS:
        return problem
    rows = operator.space.unpack(packed_rows(operator, 0, operator.count))
    return replace(problem, operator=UnpackedSensing.from_matrices(rows, operator.kind))


def draw_problem(case: SampleCase, count: int, seed: int) -> Problem:
    """Draw Gaussian measurements of the truth of a seed."""
    generator = torch.Generator().manual_seed(_DATA_SEEDS + seed)
    truth = low_rank(case.size, case.true_rank, case.condition, generator=generator)
    return Problem.measure(GaussianSensing.draw(count, case.size, generator=generator), truth)


def isometry_constant(sought: IsometrySearch) -> float:
    """Return the lower bound of the restricted isometry constant that the search finds."""
    # The compressed rows have the same norms.
    operator = compress(draw_problem(sought.case, sought.count, sought.seed)).problem.operator
    generator = torch.Generator().manual_seed(sought.seed)
    return isometry_bound(operator, sought.rank, steps=sought.steps, gain=1.0, generator=generator).delta
