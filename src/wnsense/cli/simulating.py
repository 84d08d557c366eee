"""`wnsense simulate`: a random problem, as a file."""

import os
import shlex

import torch

from wnsense.checks import require, require_level, require_rank
from wnsense.cli.inputs import require_seed, require_writable
from wnsense.cli.options import Ensemble, SimulateOptions
from wnsense.cli.terminal import say, say_command
from wnsense.sensing.dense import GaussianSensing
from wnsense.sensing.files import write_problem
from wnsense.sensing.kinds import Kind
from wnsense.sensing.operator import Operator
from wnsense.sensing.problem import Problem, low_rank
from wnsense.sensing.rank_one import PairedRankOneSensing, RankOneSensing

# Several times the r (2m - r + 1) / 2 unknowns of a matrix of rank r: comfortable for every ensemble.
_MEASUREMENTS_PER_SIZE_AND_RANK = 6
_BYTES = 8
# Drawn, and once more while it is written.
_COPIES = 2


def simulate(options: SimulateOptions) -> int:
    """Draw, measure and write; returns the exit code.

    Raises:
        InputError: When a number is out of range or the file cannot be written.
    """
    require(options.out.suffix in {".npz", ".mat"}, "--out FILE ending in .npz or .mat", options.out)
    require_level("--noise", options.noise)
    require_level("--condition", options.condition)
    require(options.size >= 1, "--size of at least 1", options.size)
    require_rank("--rank", options.rank, options.size)
    require_seed(options.seed)
    require_writable(options.out.parent, [options.out.name])
    kind = Kind(options.kind)
    rng = torch.Generator().manual_seed(options.seed)
    truth = low_rank(options.size, options.rank, options.condition, spectrum=options.spectrum, kind=kind, generator=rng)
    count = options.measurements
    if count is None:
        count = _MEASUREMENTS_PER_SIZE_AND_RANK * options.size * options.rank
    require(count >= 1, "--measurements of at least 1", count)
    operator = _draw(options.ensemble, count, options.size, kind, rng)
    problem = Problem.measure(operator, truth, options.noise, generator=rng)
    write_problem(options.out, problem)

    size = f"{options.size} x {options.size}"
    noise = f", noise {options.noise:g}" if options.noise else ""
    say(f"{options.out}: {count} {options.ensemble} measurements{noise}")
    say(f"  of a {kind} {size} matrix of rank {options.rank} and condition number {options.condition:g}")
    say_command(f"wnsense recover {shlex.quote(str(options.out))}")
    return 0


def _draw(ensemble: Ensemble, count: int, size: int, kind: Kind, rng: torch.Generator) -> Operator:
    if ensemble is Ensemble.GAUSSIAN:
        advice = "take fewer measurements, or an ensemble of vectors: rank-one or paired"
        _require_memory(count * kind.dimension((size, size), is_complex=False), advice)
        return GaussianSensing.draw(count, size, kind=kind, generator=rng)
    _require_memory(2 * count * size, "take fewer measurements")
    if ensemble is Ensemble.RANK_ONE:
        return RankOneSensing.draw(count, size, kind=kind, generator=rng)
    return PairedRankOneSensing.draw(count, size, kind=kind, generator=rng)


def _require_memory(numbers: int, advice: str) -> None:
    """Refuse what this machine cannot hold, before it is brought to its knees."""
    if hasattr(os, "sysconf"):
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
        needed = _COPIES * _BYTES * numbers / 2**30
        require(needed <= memory, f"at most the {memory:.1f} GiB of memory here", f"a problem of {needed:.1f}", advice)
