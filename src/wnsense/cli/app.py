"""The commands and their options."""

import importlib
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from wnsense.cli.options import (
    BenchOptions,
    CheckOptions,
    DemoOptions,
    Ensemble,
    GridName,
    NetworkDemoOptions,
    Options,
    Precision,
    RecoverOptions,
    ReportFormat,
    ReportOptions,
    SimulateOptions,
    SparseOptions,
    Spectrum,
    StudyListOptions,
    StudyName,
    StudyRunOptions,
    StudyScale,
    StudyShowOptions,
    Unknown,
)

EXIT_BAD_INPUT = 2

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

studies = typer.Typer(help="Repeat the figures of the paper on weight normalization.")
app.add_typer(studies, name="study")

ProblemFile = Annotated[
    Path,
    typer.Argument(
        metavar="PROBLEM",
        help="A .npz, MATLAB .mat (v5 or v7.3) or .safetensors file with y and what measured it: matrices, svec, "
        "vectors, left_vectors, blocks, entries, paulis, effects or masks.",
        show_default=False,
    ),
]
Seed = Annotated[int, typer.Option(help="What everything random is drawn from.")]


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """The program `wnsense`: ends the process with the exit code of the command."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        code = app(words, prog_name="wnsense", standalone_mode=False)
    except typer.TyperException as error:
        # "Value error" says nothing that "invalid value" has not said.
        line = " ".join(error.format_message().split()).rstrip(".").replace("Value error, ", "")
        typer.echo(f"wnsense: {line}; {_help_command(words)} tells more", err=True)
        code = EXIT_BAD_INPUT
    except KeyboardInterrupt:
        typer.echo("wnsense: interrupted", err=True)
        code = 130
    sys.exit(code)


def _help_command(words: list[str]) -> str:
    known = {command.callback.__name__ for command in app.registered_commands if command.callback is not None}
    known |= {group.name for group in app.registered_groups if group.name is not None}
    return f"wnsense {words[0]} --help" if words and words[0] in known else "wnsense --help"


def _execute(options: Options) -> NoReturn:
    # Imported now and not above: torch takes seconds, which nobody should wait for --help.
    execute: Callable[[Options], int] = importlib.import_module("wnsense.cli.commands").execute
    raise typer.Exit(execute(options))


@app.callback(invoke_without_command=True)
def wnsense(
    *,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Recover a low-rank matrix from linear measurements when nobody knows its rank.

    Begin with `wnsense demo`, or with `wnsense simulate --out problem.npz` and `wnsense recover problem.npz`.
    """
    if version:
        typer.echo(f"wnsense {metadata.version('wnsense')}")
        raise typer.Exit


@app.command(
    epilog="Exit codes: 0 converged or at the noise floor; 2 bad input; 3 finished without converging; 130 interrupted."
)
def recover(
    problem: ProblemFile,
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where to write result.npz, result.json and report.html, and a checkpoint when interrupted. "
            "Without it only the summary is shown and nothing is written.",
        ),
    ] = None,
    rank: Annotated[int | None, typer.Option(help="A bound on the rank returned. Nobody need know the rank.")] = None,
    noise_level: Annotated[
        float | None,
        typer.Option(help="||noise|| / ||y|| where it is known (0.01 is 1%), in place of the one in the file."),
    ] = None,
    solver: Annotated[
        str,
        typer.Option(help="Of the first run: conjugate-wn, preconditioned-wn, wn, gd, gauss-newton or a baseline."),
    ] = "conjugate-wn",
    max_applications: Annotated[
        int | None, typer.Option(help="A budget in applications of the operator or its adjoint.")
    ] = None,
    max_seconds: Annotated[float | None, typer.Option(help="A budget in seconds.")] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="The relative residual at which the answer counts as exact: 1e-10, or 1e-5 with --dtype float32, "
            "unless given."
        ),
    ] = None,
    holdout: Annotated[
        float | None,
        typer.Option(
            help="The fraction of measurements to hold out, from 0 to below 1: about a tenth unless given, and none "
            "where the noise level is known."
        ),
    ] = None,
    seed: Seed = 0,
    device: Annotated[str, typer.Option(help="Where to compute: cpu, or a GPU such as cuda or cuda:1.")] = "cpu",
    dtype: Annotated[Precision, typer.Option(help="The precision to compute in.")] = Precision.FLOAT64,
    robust: Annotated[
        bool,
        typer.Option(
            "--robust",
            help="Leave out measurements that are grossly wrong, and list them in outliers.txt by row, from 0. Several "
            "recoveries, without a checkpoint.",
        ),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint in DIR; give the options of that run again.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show neither summary nor progress.")] = False,
) -> None:
    """Recover the matrix of PROBLEM and say whether it can be trusted.

    Ctrl-C stops the run; with --out a checkpoint is kept and the command that goes on from it is shown.
    """
    _execute(
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
        )
    )


@app.command(epilog="Exit codes: 0 usable; 2 bad input; 3 the adjoint is wrong.")
def check(problem: ProblemFile, *, seed: Seed = 0) -> None:
    """Look at PROBLEM without solving it: its operator, its measurements, and the ranks that can be hoped for."""
    _execute(CheckOptions(problem, seed))


@app.command(
    epilog="Exit codes: 0 converged or at the noise floor; 2 bad input; 3 finished without either; 130 interrupted."
)
def sparse(
    problem: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A .npz, .mat or .safetensors file with y and A, or with the nonzeros of A: A_values, A_rows, "
            "A_columns, or SciPy's A_data, A_indices, A_indptr, and A_shape beside them.",
            show_default=False,
        ),
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where to write solution.npz and solution.json. Without it only the summary is shown.",
        ),
    ] = None,
    seed: Seed = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show neither summary nor progress.")] = False,
) -> None:
    """Find a sparse z with A z = y, and say whether it can be trusted.

    Ctrl-C stops the search; with --out the last solution is kept.
    """
    _execute(SparseOptions(problem, out, seed, quiet))


@app.command(
    epilog="Ensembles: gaussian and rademacher, <M, Z> of random matrices; rank-one, a^H Z a, or a^H Z b where "
    "rectangular; paired, a^H Z a - b^H Z b, and block-rank, the trace of A^H Z A, neither rectangular; entries, and "
    "sub-blocks of 4 x 4 of them; dct, hadamard and fourier, entries of a transform of the matrix; diffraction, "
    "intensities behind random masks, not rectangular; pauli, expectation values of Pauli strings, and povm, outcomes "
    "of tetrahedral measurements of single qubits, both hermitian."
)
def simulate(
    *,
    out: Annotated[
        Path,
        typer.Option(metavar="FILE", help="The file to write, .npz, .mat or .safetensors.", show_default=False),
    ],
    ensemble: Annotated[Ensemble, typer.Option(help="What measures; they are explained below.")] = Ensemble.GAUSSIAN,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="M|M1xM2",
            help="The matrix is M x M, or M1 x M2 and then rectangular. With diffraction it is the image that has M or "
            "M1 x M2 pixels, and the matrix is pixels x pixels. 50 unless given, 32 for hadamard, pauli and povm, "
            "which need powers of two.",
        ),
    ] = None,
    rank: Annotated[int, typer.Option(help="Its rank.")] = 3,
    condition: Annotated[float, typer.Option(help="Its largest singular value over the smallest nonzero one.")] = 10.0,
    spectrum: Annotated[
        Spectrum, typer.Option(help="Singular values evenly spaced (linear) or in equal ratios (geometric).")
    ] = Spectrum.LINEAR,
    measurements: Annotated[
        int | None,
        typer.Option(
            help="How many numbers are measured: 6 times the degrees of freedom of such a matrix unless given, 10 "
            "times for entries, dct, hadamard and fourier, 20 times for sub-blocks, which overlap; no more than there "
            "are different ones. With diffraction it is masks times pixels, with sub-blocks blocks times 16 (32 where "
            "hermitian)."
        ),
    ] = None,
    noise: Annotated[
        float, typer.Option(help="The noise's standard deviation over the root mean square of the measurements.")
    ] = 0.0,
    kind: Annotated[
        Unknown | None,
        typer.Option(
            help="Positive semidefinite, symmetric with every second eigenvalue negative, hermitian (complex), or "
            "rectangular (real). psd unless given; hermitian for pauli and povm, rectangular where the sides differ.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
    matlab_73: Annotated[bool, typer.Option("--v7.3", help="Write a .mat file as MATLAB's v7.3, not as v5.")] = False,
) -> None:
    """Draw a random low-rank matrix, measure it, and write a problem file with the truth in it."""
    _execute(
        SimulateOptions(
            out=out,
            ensemble=ensemble,
            size=size,
            rank=rank,
            condition=condition,
            spectrum=spectrum,
            measurements=measurements,
            noise=noise,
            kind=kind,
            seed=seed,
            matlab_73=matlab_73,
        )
    )


@app.command()
def demo(
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write the table and the page.")] = Path("demo"),
    seed: Seed = 0,
) -> None:
    """Recover the covariance of handwritten digits from random sketches, and write a page that shows how."""
    _execute(DemoOptions(out, seed))


@app.command("demo-networks")
def demo_networks(
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write the table and the page.")] = Path("demo"),
    seed: Seed = 0,
) -> None:
    """Learn real digits with weight normalization and without, and write a page that shows what happens."""
    _execute(NetworkDemoOptions(out, seed))


@app.command(
    epilog="Grids: quick, seconds, to see that all is well; full, about half an hour with two processes; transition, "
    "minutes, where recovery begins to succeed; limit and noise, minutes, recover() alone, with n 1.5 and 2 times the "
    "degrees of freedom, and under noise. Exit codes: 0 done; 2 bad input; 130 interrupted."
)
def bench(
    *,
    grid: Annotated[GridName, typer.Option(help="What is run; they are explained below.")] = GridName.QUICK,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the table, the page and the picture are written.")
    ] = Path("bench"),
    jobs: Annotated[
        int | None,
        typer.Option(help="How many processes, of one thread each. 2 unless given, 1 on a single core."),
    ] = None,
    rerun: Annotated[
        list[str] | None,
        typer.Option(metavar="METHOD", help="Make the runs of this method again; can be given more than once."),
    ] = None,
) -> None:
    """Run the published methods and recover() on a grid of problems, and write what each of them needed.

    Rows are kept as they come. The same command goes on where an interrupted one stopped, and runs nothing that is in
    the table.
    """
    _execute(BenchOptions(grid, out, jobs, tuple(rerun or ())))


@app.command(epilog="Exit codes: 0 done; 2 bad input.")
def report(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_OR_STUDY",
            help="What `wnsense study run` or `wnsense recover --out` wrote: a table, .npz, or a directory with one.",
            show_default=False,
        ),
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="The file to write, over one that is there; further pictures stand beside it.",
            show_default=False,
        ),
    ],
    kind: Annotated[
        ReportFormat | None,
        typer.Option(
            "--format",
            help="html: one interactive page that needs no network; png, svg, pdf: pictures; csv: a row for each curve "
            "and step. What FILE ends in unless given.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Show a study or a recovery as an interactive page, as pictures, or as one long table."""
    _execute(ReportOptions(source, out, kind))


StudyArgument = Annotated[StudyName, typer.Argument(help="Which; `wnsense study list` tells of each.")]
ScaleOption = Annotated[
    StudyScale,
    typer.Option(help="quick: smaller problems, seconds each; paper: the paper's own sizes, up to hours and 10 GB."),
]
StudyDirectory = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Where tables, pictures and finished runs are kept.")
]


@studies.command("list")
def study_list() -> None:
    """List the studies, and what the paper says of each."""
    _execute(StudyListOptions())


@studies.command("run", epilog="Exit codes: 0 done; 2 bad input; 130 interrupted.")
def study_run(
    name: StudyArgument,
    *,
    scale: ScaleOption = StudyScale.QUICK,
    out: StudyDirectory = Path("studies"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Refuse to begin anew: there must be something in DIR to go on from.")
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="For networks-* at paper scale: the folder with the official files of MNIST (mnist/) and CIFAR-10 "
            "(cifar-10-batches-bin/).",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run what is missing of a study, and write its table, its picture and its caption.

    Every run is kept as it ends, and each half minute on its way. The same command goes on where an interrupted one
    stopped, and repeats no finished run.
    """
    _execute(StudyRunOptions(name, scale, out, resume, data))


@studies.command("show", epilog="Exit codes: 0 done; 2 bad input.")
def study_show(
    name: StudyArgument,
    *,
    scale: ScaleOption = StudyScale.QUICK,
    out: StudyDirectory = Path("studies"),
) -> None:
    """Tell what a study has found, and draw its picture anew from its table."""
    _execute(StudyShowOptions(name, scale, out))
