"""`wnsense study`: its commands and their options."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from wnsense.cli.commands.choices import StudyScale
from wnsense.cli.commands.execution import execute
from wnsense.lab.studies.registry import STUDY_FOLDERS

RUN_EPILOG = "Exit codes: 0 done; 2 bad input; 130 interrupted (143 by SIGTERM, 129 by SIGHUP)."
SHOW_EPILOG = "Exit codes: 0 done; 2 bad input."


@dataclass(frozen=True)
class StudyListOptions:
    """Options of `wnsense study list`: none."""


@dataclass(frozen=True)
class StudyRunOptions:
    """Options of `wnsense study run`."""

    name: str
    scale: StudyScale
    out: Path
    resume: bool
    data: Path | None = None

    def words(self) -> list[str]:
        """Return the words to type to resume."""
        words = ["study", "run", self.name, "--scale", str(self.scale), f"--out={self.out}"]
        return [*words, *([] if self.data is None else [f"--data={self.data}"]), "--resume"]


@dataclass(frozen=True)
class StudyShowOptions:
    """Options of `wnsense study show`."""

    name: str
    scale: StudyScale
    out: Path


def _study_name(text: str) -> str:
    """Return the name of a study.

    Raises:
        BadParameter: If there is no study of that name.
    """
    if text not in STUDY_FOLDERS:
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(map(repr, STUDY_FOLDERS))}")
    return text


def _study_names(incomplete: str) -> list[str]:
    """Return the names that begin with the letters typed so far."""
    return [name for name in STUDY_FOLDERS if name.startswith(incomplete)]


StudyArgument = Annotated[
    str,
    typer.Argument(
        metavar="name",
        parser=_study_name,
        autocompletion=_study_names,
        help=f"One of {', '.join(STUDY_FOLDERS)}; `wnsense study list` describes each.",
    ),
]
ScaleOption = Annotated[
    StudyScale,
    typer.Option(help="quick: smaller problems, seconds each; paper: the paper's own sizes, up to hours and 10 GB."),
]
StudyDirectory = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Directory for tables, pictures and finished runs.")
]


def study_list() -> None:
    """List the studies, with the claim of the source for each."""
    from wnsense.cli.study import list_studies as work

    execute(work, StudyListOptions())


def study_run(
    name: StudyArgument,
    *,
    scale: ScaleOption = StudyScale.QUICK,
    out: StudyDirectory = Path("studies"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume only: refuse to begin if DIR holds nothing of this study.")
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
    """Run the missing parts of a study, and write its table, its picture and its caption.

    Every run is kept when it ends, and each half minute before that. After an interruption the same command continues,
    and repeats no finished run.
    """
    from wnsense.cli.study import run_study as work

    execute(work, StudyRunOptions(name, scale, out, resume, data))


def study_show(
    name: StudyArgument,
    *,
    scale: ScaleOption = StudyScale.QUICK,
    out: StudyDirectory = Path("studies"),
) -> None:
    """Show the findings of a study, and draw its picture again from its table."""
    from wnsense.cli.study import show_study as work

    execute(work, StudyShowOptions(name, scale, out))
