"""`wnsense recover`: its options."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import typer

from wnsense.cli.commands.choices import Precision
from wnsense.cli.commands.execution import execute
from wnsense.cli.commands.parameters import ProblemFile, Quiet, Seed

EPILOG = (
    "Exit codes: 0 converged or at the noise floor; 2 bad input; "
    "3 finished without converging; 130 interrupted (143 by SIGTERM, 129 by SIGHUP)."
)


@dataclass(frozen=True)
class RecoverOptions:
    """Options of `wnsense recover`; its help explains each."""

    problem: Path
    out: Path | None = None
    rank: int | None = None
    noise_level: float | None = None
    solver: str = "conjugate-wn"
    max_applications: int | None = None
    max_seconds: float | None = None
    tolerance: float | None = None
    holdout: float | None = None
    seed: int = 0
    device: str = "cpu"
    dtype: Precision = Precision.FLOAT64
    robust: bool = False
    resume: bool = False
    quiet: bool = False

    def words(self) -> list[str]:
        """Return the words to type for these options, with the command's name and without defaults."""
        # A file name that begins with a dash would be read as an option.
        name = f"./{self.problem}" if str(self.problem).startswith("-") else str(self.problem)
        words = ["recover", name]
        for option in fields(self)[1:]:
            value: object = getattr(self, option.name)
            if value != option.default:
                words.append(f"--{option.name.replace('_', '-')}")
                words += [] if value is True else [str(value)]
        return words


def recover(
    problem: ProblemFile,
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Directory for result.npz, result.json and report.html, and for a checkpoint after an interruption. "
            "Without it only the summary is shown and nothing is written.",
        ),
    ] = None,
    rank: Annotated[
        int | None, typer.Option(help="Upper bound on the rank of the result. The rank need not be known.")
    ] = None,
    noise_level: Annotated[
        float | None,
        typer.Option(help="||noise|| / ||y|| if it is known (0.01 is 1%). It replaces the level in the file."),
    ] = None,
    solver: Annotated[
        str,
        typer.Option(
            help="Solver of the first run: conjugate-wn, preconditioned-wn, wn, gd, gauss-newton or a published method."
        ),
    ] = "conjugate-wn",
    max_applications: Annotated[
        int | None, typer.Option(help="Budget in applications of the operator or its adjoint.")
    ] = None,
    max_seconds: Annotated[float | None, typer.Option(help="Budget in seconds.")] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="Relative residual at which the answer counts as exact: by default 1e-10, or 1e-5 with --dtype "
            "float32."
        ),
    ] = None,
    holdout: Annotated[
        float | None,
        typer.Option(
            help="Fraction of the measurements to hold out, at least 0 and below 1: by default about a tenth, or 0 if "
            "the noise level is known."
        ),
    ] = None,
    seed: Seed = 0,
    device: Annotated[str, typer.Option(help="Device to compute on: cpu, or a GPU such as cuda or cuda:1.")] = "cpu",
    dtype: Annotated[Precision, typer.Option(help="Precision to compute in.")] = Precision.FLOAT64,
    robust: Annotated[
        bool,
        typer.Option(
            "--robust",
            help="Leave out measurements that are grossly wrong, and list their rows, from 0, in outliers.txt. This "
            "takes several recoveries and keeps no checkpoint.",
        ),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume from the checkpoint in DIR; repeat the options of that run.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Recover the matrix of PROBLEM and say whether it can be trusted.

    Ctrl-C stops the run. With --out a checkpoint is kept, and the command that resumes from it is shown.
    """
    from wnsense.cli.recover import recover as work

    execute(
        work,
        RecoverOptions(
            problem=problem,
            out=out,
            rank=rank,
            noise_level=noise_level,
            solver=solver,
            max_applications=max_applications,
            max_seconds=max_seconds,
            tolerance=tolerance,
            holdout=holdout,
            seed=seed,
            device=device,
            dtype=dtype,
            robust=robust,
            resume=resume,
            quiet=quiet,
        ),
    )
