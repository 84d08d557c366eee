"""`wnsense study`: its commands and their options."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from wnsense.cli.commands.execution import execute

RUN_EPILOG = "Exit codes: 0 done; 2 bad input; 130 interrupted."
SHOW_EPILOG = "Exit codes: 0 done; 2 bad input."


class StudyName(StrEnum):
    """Studies that `study` runs."""

    FIGURE_1 = "figure-1"
    FIGURE_2A = "figure-2a"
    FIGURE_2B = "figure-2b"
    FIGURE_2C = "figure-2c"
    FIGURE_3A = "figure-3a"
    FIGURE_3B = "figure-3b"
    FIGURE_4 = "figure-4"
    BEYOND_CONDITION = "beyond-condition"
    BEYOND_RANK = "beyond-rank"
    BEYOND_ENSEMBLES = "beyond-ensembles"
    BEYOND_KINDS = "beyond-kinds"
    BEYOND_CONE = "beyond-cone"
    TABLE_1 = "table-1"
    EXPONENTS = "exponents"
    SAMPLES = "samples"
    DIAGONAL_RECOVERY = "diagonal-recovery"
    DIAGONAL_TRAJECTORIES = "diagonal-trajectories"
    DIAGONAL_BOUND = "diagonal-bound"
    DIAGONAL_RATIO = "diagonal-ratio"
    DIAGONAL_SPEED = "diagonal-speed"
    NETWORKS_TRAINING = "networks-training"
    NETWORKS_CURVATURE = "networks-curvature"
    NETWORKS_GENERALIZATION = "networks-generalization"
    NETWORKS_MINIMUM_NORM = "networks-minimum-norm"
    NETWORKS_ACTIVATIONS = "networks-activations"
    NETWORKS_RATES = "networks-rates"


class StudyScale(StrEnum):
    """Sizes at which `study` runs."""

    QUICK = "quick"
    PAPER = "paper"


@dataclass(frozen=True)
class StudyListOptions:
    """Options of `wnsense study list`: none."""


@dataclass(frozen=True)
class StudyRunOptions:
    """Options of `wnsense study run`."""

    name: StudyName
    scale: StudyScale
    out: Path
    resume: bool
    data: Path | None = None

    def words(self) -> list[str]:
        """Return the words to type to resume."""
        words = ["study", "run", str(self.name), "--scale", str(self.scale), f"--out={self.out}"]
        return [*words, *([] if self.data is None else [f"--data={self.data}"]), "--resume"]


@dataclass(frozen=True)
class StudyShowOptions:
    """Options of `wnsense study show`."""

    name: StudyName
    scale: StudyScale
    out: Path


StudyArgument = Annotated[StudyName, typer.Argument(help="Name of the study; `wnsense study list` describes each.")]
ScaleOption = Annotated[
    StudyScale,
    typer.Option(help="quick: smaller problems, seconds each; paper: the paper's own sizes, up to hours and 10 GB."),
]
StudyDirectory = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Directory for tables, pictures and finished runs.")
]


def study_list() -> None:
    """List the studies, with the paper's claim for each."""
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
