"""`wnsense recover`: from a problem file to a directory of results."""

import dataclasses
import shlex
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from wnsense import recovery as library
from wnsense.atomic import write_text
from wnsense.checks import InputError, require, require_level
from wnsense.cli.inputs import require_seed, require_writable
from wnsense.cli.interrupts import EXIT_INTERRUPTED, Interrupts, interruptible
from wnsense.cli.options import Precision, RecoverOptions
from wnsense.cli.terminal import Display, complain, display, say, say_command
from wnsense.files.problem_file import read_problem
from wnsense.recovery import Recovery
from wnsense.running.status import Status
from wnsense.running.stop import Progress
from wnsense.solvers.catalogue import make_solver

EXIT_NOT_CONVERGED = 3

_RESULTS = ("result.npz", "result.json", "report.html")
_OUTLIERS = "outliers.txt"
_CHECKPOINT = "checkpoint.npz"
_DTYPES = {Precision.FLOAT64: torch.float64, Precision.FLOAT32: torch.float32}
# In single precision a residual falls no further than some hundred roundings.
_TOLERANCES = {Precision.FLOAT64: 1e-10, Precision.FLOAT32: 1e-5}


def recover(options: RecoverOptions) -> int:
    """Recover, write, and say how it went; returns the exit code.

    Raises:
        InputError: When something handed in cannot be used; nothing has been written then.
    """
    _check(options)
    checkpoint = None if options.out is None else options.out / _CHECKPOINT
    before = _written_at(checkpoint)
    recovery: Recovery | None = None
    with interruptible() as interrupts:
        try:
            with display(f"reading {options.problem}", quiet=options.quiet, budget=options.max_applications) as shown:
                recovery, outliers = _recovered(options, checkpoint, interrupts, shown)
                if recovery.status is not Status.INTERRUPTED and options.out is not None:
                    shown.stage(f"writing {options.out}")
                    with interrupts.held():
                        _save(recovery, outliers, options.out)
        except KeyboardInterrupt:
            recovery = None
        except InputError:
            # What was found is told even where it could not be written.
            if recovery is not None:
                _tell(options, recovery)
            raise
    if recovery is None or recovery.status is Status.INTERRUPTED:
        _tell_interrupted(options, resumable=options.resume or _written_at(checkpoint) != before)
        return EXIT_INTERRUPTED
    _tell(options, recovery)
    if options.out is not None and not options.quiet:
        say(f"  written to {options.out}: {', '.join(_results(options))}")
        if recovery.status is Status.OUT_OF_BUDGET and not options.robust:
            say("  go on, with a larger budget or none:")
            say_command(_resume_command(dataclasses.replace(options, max_applications=None, max_seconds=None)))
    return 0 if recovery.status.is_success else EXIT_NOT_CONVERGED


def _check(options: RecoverOptions) -> None:
    """Refuse what can be seen to be wrong before anything is read."""
    require_level("--tolerance", options.tolerance or 0.0)
    require_level("--noise-level", options.noise_level or 0.0)
    require_level("--max-seconds", options.max_seconds or 0.0)
    applications = options.max_applications
    require(applications is None or applications >= 1, "--max-applications of at least 1", applications)
    require_seed(options.seed)
    _require_device(options.device)
    if options.robust:
        _refuse_beside_robust(options)
    if options.out is None:
        require(not options.resume, "--out DIR with --resume", "none", "name the directory of the interrupted run")
        return
    require_writable(options.out, _results(options))
    checkpoint = options.out / _CHECKPOINT
    if options.resume:
        require(checkpoint.exists(), f"a checkpoint at {checkpoint}", "none", "leave out --resume to begin anew")
    elif checkpoint.exists() and not options.quiet:
        complain(f"begins anew, though {checkpoint} is there; --resume would go on from it")


def _results(options: RecoverOptions) -> tuple[str, ...]:
    return (*_RESULTS, _OUTLIERS) if options.robust else _RESULTS


def _refuse_beside_robust(options: RecoverOptions) -> None:
    """Refuse what means nothing where recoveries are made again and again of what is believed."""
    for name, given in (
        ("--noise-level", options.noise_level is not None),
        ("--holdout", options.holdout is not None),
        ("--solver", options.solver != RecoverOptions.solver),
        ("--resume", options.resume),
    ):
        require(not given, f"--robust without {name}", "both", f"leave out {name}, or --robust")


def _require_device(name: str) -> None:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"needed a device such as cpu or cuda, got {name!r}") from error
    require(device.type in {"cpu", "cuda"}, "a device such as cpu or cuda", repr(name))
    if device.type == "cuda":
        require(torch.cuda.is_available(), "a GPU that CUDA can use", "none", "leave out --device")
        count = torch.cuda.device_count()
        require((device.index or 0) < count, f"one of {count} GPUs, counted from 0", repr(name))


def _recovered(
    options: RecoverOptions, checkpoint: Path | None, interrupts: Interrupts, shown: Display
) -> tuple[Recovery, list[int] | None]:
    """What the library makes of the problem, with all warnings in words; the rows left out where that was asked for."""

    def watch(progress: Progress) -> None:
        interrupts.raise_again()
        shown.show(progress)

    solver = make_solver(options.solver)
    with _told_warnings() as words:
        loaded = read_problem(options.problem, dtype=_DTYPES[options.dtype], device=options.device)
        shown.stage("preparing")
        problem = loaded.problem
        tolerance = _TOLERANCES[options.dtype] if options.tolerance is None else options.tolerance
        if options.robust:
            found = library.recover_robustly(
                problem.operator,
                problem.measurements,
                max_rank=options.rank,
                weights=problem.weights,
                tolerance=tolerance,
                seed=options.seed,
                truth=problem.truth,
                max_applications=options.max_applications,
                max_seconds=options.max_seconds,
                callback=watch,
            )
            outliers = [int(row) for row in found.outliers.nonzero()]
            said = (*loaded.warnings, *words, *found.recovery.warnings, _told_outliers(outliers, found.rounds))
            return dataclasses.replace(found.recovery, applications=found.applications, warnings=said), outliers
        recovery = library.recover(
            problem.operator,
            problem.measurements,
            max_rank=options.rank,
            noise_level=problem.noise_level if options.noise_level is None else options.noise_level,
            weights=problem.weights,
            solver=solver,
            tolerance=tolerance,
            holdout=options.holdout,
            seed=options.seed,
            truth=problem.truth,
            max_applications=options.max_applications,
            max_seconds=options.max_seconds,
            callback=watch,
            checkpoint=checkpoint,
            resume=options.resume,
        )
    return dataclasses.replace(recovery, warnings=(*loaded.warnings, *words, *recovery.warnings)), None


def _told_outliers(outliers: list[int], rounds: int) -> str:
    told = {0: "all measurements agree", 1: "1 measurement does not agree"}
    agreement = told.get(len(outliers), f"{len(outliers)} measurements do not agree")
    return f"{agreement} with the matrix, after {rounds} {'round' if rounds == 1 else 'rounds'}"


@contextmanager
def _told_warnings() -> Iterator[list[str]]:
    """Python's warnings as words, filled in once the block has ended."""
    words: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        yield words
        words.extend(str(warning.message) for warning in caught)


def _save(recovery: Recovery, outliers: list[int] | None, directory: Path) -> None:
    recovery.save(directory)
    if outliers is not None:
        write_text(directory / _OUTLIERS, "".join(f"{row}\n" for row in outliers))
    # A spent budget is the one ending that a resumed run could better.
    if recovery.status is not Status.OUT_OF_BUDGET:
        (directory / _CHECKPOINT).unlink(missing_ok=True)


def _tell(options: RecoverOptions, recovery: Recovery) -> None:
    if not options.quiet:
        style = "green" if recovery.status.is_success else "yellow"
        first, _, rest = str(recovery).partition("\n")
        say(first, style=style)
        say(rest)


def _tell_interrupted(options: RecoverOptions, *, resumable: bool) -> None:
    """Say what is left of an interrupted run, and how to go on."""
    if options.robust:
        complain("interrupted; nothing was written, since --robust keeps no checkpoint")
    elif options.out is None:
        complain("interrupted; nothing was written, --out DIR would have kept a checkpoint to go on from")
    elif not resumable:
        complain("interrupted before there was anything to keep")
    else:
        complain(f"interrupted; {options.out / _CHECKPOINT} keeps what was computed, go on with")
        sys.stderr.write(f"{_resume_command(options)}\n")


def _resume_command(options: RecoverOptions) -> str:
    """The command to go on with, to be pasted into a shell."""
    return shlex.join([*_program(), *dataclasses.replace(options, resume=True).words()])


def _program() -> list[str]:
    """How this program was called, as short as the shell understands it."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return [_short_name(Path(sys.executable)), "-m", "wnsense"]
    return [_short_name(called)]


def _short_name(program: Path) -> str:
    found = shutil.which(program.name)
    return program.name if found is not None and Path(found).absolute() == program.absolute() else str(program)


def _written_at(path: Path | None) -> int | None:
    """When a file was last written; None when there is none."""
    return path.stat().st_mtime_ns if path is not None and path.exists() else None
