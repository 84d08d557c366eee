"""`wnsense check`: facts about a problem file, without solving it."""

from dataclasses import replace

import torch

from wnsense.cli.commands.check import CheckOptions
from wnsense.cli.exit_codes import EXIT_WRONG_OPERATOR
from wnsense.cli.inputs import require_seed
from wnsense.cli.terminal import say
from wnsense.files.problem_file import read_problem
from wnsense.running.progress_display import display
from wnsense.sensing.checking.operator_probes import check_operator
from wnsense.sensing.ensembles.block_rank import BlockRankSensing
from wnsense.sensing.ensembles.diffraction import CodedDiffractionSensing
from wnsense.sensing.ensembles.entries import EntrySensing
from wnsense.sensing.ensembles.pauli import PauliSensing
from wnsense.sensing.ensembles.rank_one import RankOneSensing
from wnsense.sensing.kinds import Kind
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import Problem

# Share of ||y||^2 in one measurement from which that one decides every fit.
_DOMINANT = 0.5
# Operators whose measurements are sums of a^H Z a.
_QUADRATIC = (RankOneSensing, BlockRankSensing, CodedDiffractionSensing)
# Factor and summand by which the residual of the truth may exceed the noise level.
_SURPLUS, _ROUNDING = 2.0, 1e-6


def check(options: CheckOptions) -> int:
    """Probe the operator, examine the measurements and report both; returns the exit code.

    Raises:
        InputError: If the file cannot be used.
    """
    require_seed(options.seed)
    with display(f"reading {options.problem}") as shown:
        loaded = read_problem(options.problem)
        shown.stage("probing the operator")
        problem = loaded.problem
        report = check_operator(problem.operator, seed=options.seed)
    say(str(replace(report, count=_distinct_count(problem.operator))))
    for sentence in (*_coverage(problem), *_counting(problem), *_measurements(problem), *_truth(problem)):
        say(sentence)
    for warning in loaded.warnings:
        say(f"warning: {warning}", style="yellow")
    return 0 if report.passed else EXIT_WRONG_OPERATOR


def _counting(problem: Problem) -> list[str]:
    """Return a sentence on the ranks with more degrees of freedom than measurements, if there are any."""
    operator = problem.operator
    limit = min(operator.shape)
    count = _distinct_count(operator)
    ranks = [rank for rank in range(1, limit + 1) if operator.degrees_of_freedom(rank) <= count]
    if len(ranks) == limit:
        return []
    above = len(ranks) + 1
    unknowns = f"rank {above} has {operator.degrees_of_freedom(above):,} degrees of freedom"
    if not ranks:
        return [f"So few determine no matrix at all: {unknowns}."]
    return [f"No method finds a rank above {len(ranks)} from so few: {unknowns}."]


def _coverage(problem: Problem) -> list[str]:
    """Return sentences on repeated entries, and on rows and columns without an entry."""
    operator = problem.operator
    if not isinstance(operator, EntrySensing):
        return []
    sentences = []
    distinct = _distinct_count(operator)
    if distinct < operator.count:
        sentences.append(f"Only {distinct:,} of the {operator.count:,} entries are different: n counts each once.")
    seen = {"rows": operator.rows, "columns": operator.columns}
    if operator.kind.is_symmetric:
        seen = {"rows": torch.cat([operator.rows, operator.columns])}
    for (name, places), side in zip(seen.items(), operator.shape, strict=False):
        missing = side - len(torch.unique(places))
        if missing:
            have, them = ("has", "it") if missing == 1 else ("have", "them")
            sentences.append(
                f"{missing:,} of the {side:,} {name} {have} no entry: the measurements do not determine {them}."
            )
    return sentences


def _distinct_count(operator: Operator) -> int:
    """Return the number of measurements, repeated entries counted once."""
    groups = operator.row_groups()
    return operator.count if groups is None else groups.count


def _measurements(problem: Problem) -> list[str]:
    """Return sentences on y: its size, possible outliers, and signs that do not fit the operator."""
    y = problem.measurements
    squares = y.square()
    size = float(squares.mean().sqrt())
    largest = int(squares.argmax())
    sentences = [f"The measurements have a root mean square of {size:.3g}, the largest is {float(y[largest]):.3g}."]
    share = float(squares[largest] / squares.sum())
    if len(y) > 1 and share > _DOMINANT and not _is_the_trace(problem.operator, largest):
        sentences.append(f"Number {largest} of them, from 0, makes up {share:.0%} of ||y||^2: is it an outlier?")
    if len(y) > 1 and bool((y == y[0]).all()):
        sentences.append("They are all the same number, which random measurements never are.")
    if problem.operator.kind is Kind.PSD and isinstance(problem.operator, _QUADRATIC):
        negative = int((y < 0).sum())
        if negative:
            sentences.append(
                f"{negative:,} of them are negative, but a^H Z a >= 0 for every positive semidefinite Z. "
                "The cause is noise, a background subtracted, or an indefinite matrix (then write kind = symmetric in "
                "the file)."
            )
    if problem.noise_level:
        sentences.append(f"The file says that their noise is {problem.noise_level:.2g} of ||y||.")
    return sentences


def _is_the_trace(operator: Operator, row: int) -> bool:
    """Return True if a measurement is the trace, by the identity string: it is large for every state."""
    return isinstance(operator, PauliSensing) and bool(operator.traces()[row] != 0)


def _truth(problem: Problem) -> list[str]:
    """Return a sentence on the residual of the truth in the file, if there is one."""
    if problem.truth is None:
        return []
    y = problem.measurements
    missed = torch.linalg.vector_norm(problem.operator.measure(problem.truth) - y) / torch.linalg.vector_norm(y)
    relative = float(missed)
    sentence = (
        f"The truth in the file, of rank {problem.truth.rank()}, misses the measurements by {relative:.1e} of ||y||"
    )
    if problem.noise_level is not None and relative > _SURPLUS * problem.noise_level + _ROUNDING:
        sentence += f", where the noise level says {problem.noise_level:.1e}: do they belong together?"
        return [sentence]
    return [f"{sentence}."]
