"""`wnsense recover`: a problem file in, a directory of results out."""

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
from wnsense.cli.commands.choices import Precision
from wnsense.cli.commands.recover import RecoverOptions
from wnsense.cli.exit_codes import EXIT_NOT_CONVERGED
from wnsense.cli.inputs import require_seed, require_writable
from wnsense.cli.interrupts import Interrupts, interruptible
from wnsense.cli.streams import complain, complain_command
from wnsense.cli.terminal import say, say_command
from wnsense.files.problem_file import read_problem
from wnsense.recovery import Recovery
from wnsense.running.progress_display import Display, display
from wnsense.running.status import Status
from wnsense.running.stop import Progress
from wnsense.solvers.catalogue import make_solver

_RESULTS = ("result.npz", "result.json", "report.html")
_OUTLIERS = "outliers.txt"
_CHECKPOINT = "checkpoint.npz"
_DTYPES = {Precision.FLOAT64: torch.float64, Precision.FLOAT32: torch.float32}
# In single precision a residual falls to some hundred roundings.
_TOLERANCES = {Precision.FLOAT64: 1e-10, Precision.FLOAT32: 1e-5}


def recover(options: RecoverOptions) -> int:
    """Recover the matrix, write the results and summarize them; returns the exit code.

    Raises:
        InputError: If the file or an option cannot be used; nothing has been written then.
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
            # The summary is shown even if the results could not be written.
            if recovery is not None:
                _summarize(options, recovery)
            raise
    if recovery is None or recovery.status is Status.INTERRUPTED:
        _complain_of_interruption(options, resumable=options.resume or _written_at(checkpoint) != before)
        return interrupts.exit_code
    _summarize(options, recovery)
    if options.out is not None and not options.quiet:
        say(f"  written to {options.out}: {', '.join(_results(options))}")
        if recovery.status is Status.OUT_OF_BUDGET and not options.robust:
            say("  resume with a larger budget, or without one:")
            say_command(_resume_command(dataclasses.replace(options, max_applications=None, max_seconds=None)))
    return 0 if recovery.status.is_success else EXIT_NOT_CONVERGED


def _check(options: RecoverOptions) -> None:
    """Check the options before anything is read."""
    require_level("a --tolerance", options.tolerance or 0.0)
    require_level("a --noise-level", options.noise_level or 0.0)
    require_level("a --max-seconds", options.max_seconds or 0.0)
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
        require(
            checkpoint.exists(),
            f"a checkpoint at {checkpoint}",
            "none",
            "leave out --resume to start from the beginning",
        )
    elif checkpoint.exists() and not options.quiet:
        complain(f"starts from the beginning, although {checkpoint} exists; --resume resumes from it")


def _results(options: RecoverOptions) -> tuple[str, ...]:
    return (*_RESULTS, _OUTLIERS) if options.robust else _RESULTS


def _refuse_beside_robust(options: RecoverOptions) -> None:
    """Refuse the options that mean nothing in repeated recoveries from the agreeing measurements."""
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
    """Return the recovery with all warnings in words, and with --robust the rows that were left out."""

    def watch(progress: Progress) -> None:
        interrupts.raise_again()
        shown.show(progress)

    solver = make_solver(options.solver)
    with _warning_texts() as words:
        loaded = read_problem(options.problem, dtype=_DTYPES[options.dtype], device=options.device)
        shown.stage("preparing")
        problem = loaded.problem
        tolerance = _TOLERANCES[options.dtype] if options.tolerance is None else options.tolerance
        if options.robust:
            robust = library.recover_robustly(
                problem,
                max_rank=options.rank,
                tolerance=tolerance,
                seed=options.seed,
                max_applications=options.max_applications,
                max_seconds=options.max_seconds,
                callback=watch,
            )
            outliers = [int(row) for row in robust.outliers.nonzero()]
            texts = (*loaded.warnings, *words, *robust.recovery.warnings, _outlier_warning(outliers, robust.rounds))
            return dataclasses.replace(robust.recovery, applications=robust.applications, warnings=texts), outliers
        recovery = library.recover(
            problem,
            max_rank=options.rank,
            noise_level=options.noise_level,
            solver=solver,
            tolerance=tolerance,
            holdout=options.holdout,
            seed=options.seed,
            max_applications=options.max_applications,
            max_seconds=options.max_seconds,
            callback=watch,
            checkpoint=checkpoint,
            resume=options.resume,
        )
    return dataclasses.replace(recovery, warnings=(*loaded.warnings, *words, *recovery.warnings)), None


def _outlier_warning(outliers: list[int], rounds: int) -> str:
    sentences = {0: "all measurements agree", 1: "1 measurement does not agree"}
    agreement = sentences.get(len(outliers), f"{len(outliers)} measurements do not agree")
    return f"{agreement} with the matrix, after {rounds} {'round' if rounds == 1 else 'rounds'}"


@contextmanager
def _warning_texts() -> Iterator[list[str]]:
    """Collect the texts of Python's warnings in a block; the list is filled when the block ends."""
    words: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        yield words
        words.extend(str(warning.message) for warning in caught)


def _save(recovery: Recovery, outliers: list[int] | None, directory: Path) -> None:
    recovery.save(directory)
    if outliers is not None:
        write_text(directory / _OUTLIERS, "".join(f"{row}\n" for row in outliers))
    # Only after a spent budget can a resumed run find a better answer.
    if recovery.status is not Status.OUT_OF_BUDGET:
        (directory / _CHECKPOINT).unlink(missing_ok=True)


def _summarize(options: RecoverOptions, recovery: Recovery) -> None:
    if not options.quiet:
        style = "green" if recovery.status.is_success else "yellow"
        first, _, details = str(recovery).partition("\n")
        say(first, style=style)
        say(details)


def _complain_of_interruption(options: RecoverOptions, *, resumable: bool) -> None:
    """Report what an interrupted run has kept, and the command that resumes it."""
    if options.robust:
        complain("interrupted; nothing was written, since --robust keeps no checkpoint")
    elif options.out is None:
        complain("interrupted; nothing was written, since only --out DIR keeps a checkpoint")
    elif not resumable:
        complain("interrupted before the first checkpoint; nothing was written")
    else:
        complain(f"interrupted; {options.out / _CHECKPOINT} holds what was computed, resume with")
        complain_command(_resume_command(options))


def _resume_command(options: RecoverOptions) -> str:
    """Return the command that resumes the run, ready for a shell."""
    return shlex.join([*_program(), *dataclasses.replace(options, resume=True).words()])


def _program() -> list[str]:
    """Return the words that start this program, in the shortest form that the shell accepts."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return [_short_name(Path(sys.executable)), "-m", "wnsense"]
    return [_short_name(called)]


def _short_name(program: Path) -> str:
    path = shutil.which(program.name)
    return program.name if path is not None and Path(path).absolute() == program.absolute() else str(program)


def _written_at(path: Path | None) -> int | None:
    """Return the time when a file was last written, in nanoseconds; None without a file."""
    return path.stat().st_mtime_ns if path is not None and path.exists() else None
