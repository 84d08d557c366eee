"""`wnsense simulate`: a random problem in a file."""

import math
import os
import re
import shlex

import torch

from wnsense.checks import require, require_level, require_rank, size_text
from wnsense.cli.commands.choices import Ensemble
from wnsense.cli.commands.simulate import SimulateOptions
from wnsense.cli.ensembles import DRAWINGS, Drawing, Target
from wnsense.cli.inputs import require_seed, require_writable
from wnsense.cli.terminal import say, say_command
from wnsense.files.containers import container_suffix
from wnsense.files.problem_file import write_problem
from wnsense.files.problem_writer import LARGEST_TRUTH
from wnsense.sensing.ensembles.fast_transforms import is_power_of_two
from wnsense.sensing.kinds import Kind
from wnsense.sensing.problem import Problem, low_rank

_BYTES = 8
# Copies in memory: the operator, and while it is written an array of the file and the file.
_COPIES = 3
# Entries of a larger matrix cannot be numbered by 64 bits.
_PLACES = 2**62


def simulate(options: SimulateOptions) -> int:
    """Draw a problem and write it; returns the exit code.

    Raises:
        InputError: If an option is out of range, the ensemble has no such measurements, or the file cannot be written.
    """
    _check(options)
    drawing = DRAWINGS[options.ensemble]
    target = _target(options, drawing)
    count = _count(options, drawing, target)
    _require_memory(drawing, target, count)
    rng = torch.Generator().manual_seed(options.seed)
    truth = low_rank(
        target.shape, target.rank, options.condition, spectrum=options.spectrum, kind=target.kind, generator=rng
    )
    operator = drawing.draw(target, count, rng)
    problem = Problem.measure(operator, truth, options.noise, generator=rng)
    write_problem(options.out, problem, hdf5=options.matlab_73)

    size, groups = drawing.group_size(target), ""
    if drawing.group:
        groups = f" ({count // size} {drawing.group}s of {size})"
    noise = f", noise {options.noise:g}" if options.noise else ""
    say(f"{options.out}: {count} {options.ensemble} measurements{groups}{noise}")
    say(f"  of {target} of rank {target.rank} and condition number {options.condition:g}")
    say_command(f"wnsense recover {shlex.quote(str(options.out))}")
    return 0


def _check(options: SimulateOptions) -> None:
    """Check the options that do not depend on the ensemble."""
    suffix = container_suffix(options.out)
    right = suffix == ".mat" or not options.matlab_73
    require(right, "--out FILE ending in .mat with --v7.3", options.out, "leave out --v7.3")
    require_level("a --noise", options.noise)
    require_level("a --condition", options.condition)
    require_seed(options.seed)
    require_writable(options.out.parent, [options.out.name])


def _target(options: SimulateOptions, drawing: Drawing) -> Target:
    """Return the matrix to draw, of a kind and size that the ensemble measures."""
    sides = drawing.sides if options.size is None else _sides(options.size)
    size = size_text(sides)
    if drawing.of_images:
        shape = (math.prod(sides), math.prod(sides))
    else:
        require(
            len(sides) <= 2, "one or two sides in --size", size, f"only --ensemble {Ensemble.DIFFRACTION} takes more"
        )
        shape = (sides[0], sides[-1])
    require(
        math.prod(shape) < _PLACES,
        f"a matrix with fewer entries than {_PLACES}",
        size_text(shape),
        "take a smaller --size",
    )
    kind = _kind(options, drawing, shape)
    if kind.is_symmetric:
        square = f"the same sides in --size for kind {kind}"
        require(shape[0] == shape[1], square, size, "leave out --kind, or give --kind rectangular")
    least = f"sides of at least {drawing.least_side} in --size for {options.ensemble} measurements"
    require(min(shape) >= drawing.least_side, least, size)
    if drawing.other_sizes:
        _require_powers_of_two(sides, options.ensemble, drawing.other_sizes)
    require_rank("--rank", options.rank, min(shape))
    return Target(sides, shape, kind, options.rank)


def _sides(size: str) -> tuple[int, ...]:
    # Python refuses to read numbers of thousands of digits.
    require(re.fullmatch(r"\d{1,18}(x\d{1,18})*", size, re.ASCII), "--size as 50 or 40x60", repr(size[:40]))
    sides = tuple(int(side) for side in size.split("x"))
    require(min(sides) >= 1, "sides of at least 1 in --size", size_text(sides))
    return sides


def _kind(options: SimulateOptions, drawing: Drawing, shape: tuple[int, int]) -> Kind:
    if options.kind is not None:
        kind, came = Kind(options.kind), str(options.kind)
    elif shape[0] != shape[1]:
        kind, came = Kind.RECTANGULAR, f"rectangular, as a matrix of {size_text(shape)} is"
    else:
        kind, came = drawing.kinds[0], ""
    needed = f"a kind that is {' or '.join(drawing.kinds)} for {options.ensemble} measurements"
    others = [ensemble for ensemble, other in DRAWINGS.items() if kind in other.kinds]
    advice = f"the ensembles that measure {kind} matrices are {', '.join(others)}"
    require(kind in drawing.kinds, needed, came, advice)
    return kind


def _require_powers_of_two(sides: tuple[int, ...], ensemble: Ensemble, other: str) -> None:
    below = "x".join(str(1 << side.bit_length() - 1) for side in sides)
    above = "x".join(str(1 << (side - 1).bit_length()) for side in sides)
    needed = f"powers of two in --size for {ensemble} measurements"
    advice = f"take {below} or {above}, or --ensemble {other}, which takes any size"
    require(all(is_power_of_two(side) for side in sides), needed, size_text(sides), advice)


def _count(options: SimulateOptions, drawing: Drawing, target: Target) -> int:
    """Return the number of measurements, after a check that the ensemble has as many."""
    if options.measurements is None:
        return drawing.default_count(target)
    count = options.measurements
    require(count >= 1, "--measurements of at least 1", count)
    if drawing.distinct:
        most = f"--measurements of at most {target.dimension}, as many {drawing.distinct} as {target} has"
        require(count <= target.dimension, most, count, "each is drawn at most once, take fewer")
    if drawing.group:
        size = drawing.group_size(target)
        below = max(1, count // size) * size
        needed = f"--measurements in multiples of {size}, the number in each {drawing.group}"
        require(count % size == 0, needed, count, f"take {below} or {below + size}")
    return count


def _require_memory(drawing: Drawing, target: Target, count: int) -> None:
    """Check that the file and the memory of this machine can hold the problem, before it is drawn."""
    places = math.prod(target.shape)
    in_full = target.kind in {Kind.SYMMETRIC, Kind.RECTANGULAR}
    limit = f"a {target.kind} matrix of at most {LARGEST_TRUTH} entries, since it is written in full"
    require(not in_full or places <= LARGEST_TRUTH, limit, size_text(target.shape), "take a smaller --size")
    if hasattr(os, "sysconf"):
        measured = count * (1 + drawing.width(target))
        truth = places if in_full else target.parts * target.rank * target.shape[0]
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
        needed = _COPIES * _BYTES * (measured + truth) / 2**30
        fewer = "take fewer measurements, or an ensemble that stores less, as rank-one and entries do"
        advice = fewer if measured > truth else "take a smaller --size"
        require(needed <= memory, f"at most the {memory:.1f} GiB of memory here", f"a problem of {needed:.1f}", advice)
