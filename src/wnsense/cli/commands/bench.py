"""`wnsense bench`: its options."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from wnsense.cli.commands.choices import GridName
from wnsense.cli.commands.execution import execute

EPILOG = (
    "Grids: quick takes seconds and checks that everything works. full takes about half an hour with two processes. "
    "transition takes minutes and shows from how many measurements on recovery succeeds. limit and noise take minutes "
    "and run recover() alone: with n at 1.5 and 2 times the degrees of freedom, and under noise. users takes hours, "
    "one run at a time: entries, phase retrieval and Pauli strings, judged by success, CPU seconds and memory. "
    "users-quick takes seconds. Exit codes: 0 done; 2 bad input; 130 interrupted (143 by SIGTERM, 129 by SIGHUP)."
)


@dataclass(frozen=True)
class BenchOptions:
    """Options of `wnsense bench`; None for jobs is two, or one on a single core."""

    grid: GridName
    out: Path
    jobs: int | None
    rerun: tuple[str, ...]


def bench(
    *,
    grid: Annotated[GridName, typer.Option(help="Grid to run; the list below explains each.")] = GridName.QUICK,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Directory for the table, the page and the picture.")] = Path(
        "bench"
    ),
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Number of processes, of one thread each: by default 2, or 1 on a single core. The users grids take 1."
        ),
    ] = None,
    rerun: Annotated[
        list[str] | None,
        typer.Option(metavar="METHOD", help="Repeat the runs of this method; can be given more than once."),
    ] = None,
) -> None:
    """Run the published methods and recover() on a grid of problems, and write what each of them needed.

    Each row is stored when its run ends. After an interruption the same command continues, and repeats no run that is
    in the table.
    """
    from wnsense.cli.bench import bench as work

    execute(work, BenchOptions(grid, out, jobs, tuple(rerun or ())))
