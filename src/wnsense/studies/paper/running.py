"""All runs of a study, each kept in a file of its own as it ends, and the one table that they become."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from wnsense.checks import InputError, require
from wnsense.running.tables import Table, read_table, write_table
from wnsense.studies.costs import machine, versions
from wnsense.studies.paper.measuring import Course, measure
from wnsense.studies.paper.specification import Curve, Run, Scale, StepSizes, Study, Tuning

# Told what is being done, how many steps of it are done, and of how many.
Tell = Callable[[str, int, int], None]

# What the tables mean; to be raised when arrays or the way of measuring change.
_FORMAT = 1

# Squared errors from here on are those of double precision.
_ROUNDING = 1e-24


@dataclass(frozen=True)
class Store:
    """Where a study is kept: its table, its picture, and its runs in a folder beside them.

    Attributes:
        directory: Where all are.
        study: What is run.
        scale: How large.
    """

    directory: Path
    study: Study
    scale: Scale

    @property
    def table(self) -> Path:
        """What pictures and captions are made of."""
        return self.directory / f"{self.study.name}_{self.scale}.npz"

    @property
    def picture(self) -> Path:
        """The figure."""
        return self.table.with_suffix(".png")

    @property
    def caption(self) -> Path:
        """The text under the figure."""
        return self.table.with_suffix(".txt")

    @property
    def runs(self) -> Path:
        """A folder of one file a run."""
        return self.directory / f"{self.study.name}_{self.scale}_runs"

    @property
    def has_begun(self) -> bool:
        """Whether anything is there to go on from."""
        return self.table.exists() or (self.runs.is_dir() and any(self.runs.iterdir()))

    def finished(self) -> Table | None:
        """The table, if it is there.

        Raises:
            InputError: When it cannot be read, or is of another study, specification or version.
        """
        if not self.table.exists():
            return None
        table = read_table(self.table)
        self._require_same(self.table, table.header, self.belongs())
        return table

    def belongs(self) -> dict[str, object]:
        """What a table must say of itself to be this one."""
        return {
            "format": _FORMAT,
            "name": self.study.name,
            "scale": str(self.scale),
            "fingerprint": self.study.fingerprint(self.scale),
            "versions": versions(),
        }

    def kept(self, run: Run) -> Course | None:
        """What a run gave, if it has ended.

        Raises:
            InputError: When its file cannot be read or is of other versions.
        """
        path = self.runs / f"{run.key}.npz"
        if not path.exists():
            return None
        table = read_table(path)
        self._require_same(path, table.header, _run_facts(run))
        return Course(table.arrays, tuple(bool(diverged) for diverged in table.arrays["diverged"]))

    def keep(self, run: Run, course: Course) -> None:
        """Write what a run gave, and then remove its checkpoint."""
        arrays = {**course.arrays, "diverged": np.array(course.diverged)}
        write_table(self.runs / f"{run.key}.npz", Table({**_run_facts(run), "run": asdict(run)}, arrays))
        self.checkpoint(run).unlink(missing_ok=True)

    def checkpoint(self, run: Run) -> Path:
        """Where a run under way is kept."""
        return self.runs / f"{run.key}.part.npz"

    @staticmethod
    def _require_same(path: Path, known: Mapping[str, object], needed: Mapping[str, object]) -> None:
        for name, value in needed.items():
            require(
                known.get(name) == value,
                f"{name} {value} in {path}",
                known.get(name),
                "name another directory, or remove that file to begin anew",
            )


def _run_facts(run: Run) -> dict[str, object]:
    return {"format": _FORMAT, "key": run.key, "versions": versions()}


def run_study(study: Study, scale: Scale, directory: Path, *, tell: Tell = lambda *_: None) -> Table:
    """Make every run of a study that has not been made, and merge all into its table.

    Each run is kept when it ends, and every half minute on its way: whatever stops the study, the same call goes on and
    repeats no finished run.

    Args:
        study: What is run.
        scale: How large.
        directory: Where everything is kept.
        tell: Told of progress.

    Returns:
        The table that was written.

    Raises:
        InputError: When what is there is of another specification or version, or cannot be written.
        KeyboardInterrupt: When interrupted.
    """
    store = Store(directory, study, scale)
    finished = store.finished()
    if finished is not None:
        return finished
    try:
        store.runs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"needed a directory to write to, got {directory}: {error.strerror}") from error
    making = _Making(store, tell)
    curves = study.curves(scale)
    choices = [making.choose(curve.tuning) for curve in curves]
    parts = [_merged(curve, choice, making) for curve, choice in zip(curves, choices, strict=True)]
    table = _table(store, curves, choices, parts)
    write_table(store.table, table)
    return table


@dataclass(frozen=True)
class _Choice:
    """Step sizes, and the median last error of each setting tried (none where there was no choice)."""

    sizes: StepSizes
    tried: tuple[float, ...]


class _Making:
    """Runs under way, and how many steps of all are done."""

    def __init__(self, store: Store, tell: Tell) -> None:
        self.store = store
        self.tell = tell
        self.done = 0
        curves = store.study.curves(store.scale)
        tuned = {run for curve in curves for run in curve.tuning.runs()}
        self.total = sum(run.steps for run in tuned)
        self.total += sum(curve.run.steps * len(curve.data_seeds) for curve in curves)
        self.courses: dict[Run, Course] = {}

    def make(self, run: Run, words: str) -> Course:
        """What a run gives, from its file where it has been made."""
        if run not in self.courses:
            course = self.store.kept(run)
            if course is None:
                course = measure(
                    run,
                    self.store.checkpoint(run),
                    tell=lambda steps: self.tell(words, self.done + steps, self.total),
                )
                self.store.keep(run, course)
            self.done += run.steps
            self.courses[run] = course
            self.tell(words, self.done, self.total)
        return self.courses[run]

    def choose(self, tuning: Tuning) -> _Choice:
        """The step sizes with the least median of the last squared error."""
        runs = tuning.runs()
        if not runs:
            return _Choice(tuning.grid[0], ())
        scores = []
        for run in runs:
            course = self.make(run, f"choosing step sizes of {run.method}")
            scores.append(_score(course))
        errors = tuple(error for error, _ in scores)
        # What lies below rounding says nothing of the method.
        best = min(range(len(runs)), key=lambda place: (max(errors[place], _ROUNDING), scores[place][1]))
        require(math.isfinite(errors[best]), "a step size in the grid with which no start diverges", "none")
        return _Choice(tuning.grid[best], errors)


def _score(course: Course) -> tuple[float, float]:
    """The median last squared error, and the step at which the median was first at rounding."""
    if any(course.diverged):
        return math.inf, math.inf
    medians = np.median(course.arrays["error"], axis=1)
    there = course.arrays["step"][medians <= _ROUNDING]
    return float(medians[-1]), float(there[0]) if len(there) else math.inf


def _merged(curve: Curve, choice: _Choice, making: _Making) -> dict[str, np.ndarray]:
    """All starts on all problems of a curve side by side."""
    courses = [making.make(run, f"running {run.method}, {curve.label}") for run in curve.runs(choice.sizes)]
    arrays = dict(courses[0].arrays)
    arrays["error"] = np.concatenate([course.arrays["error"] for course in courses], axis=1)
    arrays["seconds"] = np.sum([course.arrays["seconds"] for course in courses], axis=0)
    if "oracle" in arrays:
        arrays["oracle"] = np.concatenate([course.arrays["oracle"] for course in courses])
    arrays.pop("diverged", None)
    return arrays


def _table(
    store: Store, curves: Sequence[Curve], choices: Sequence[_Choice], parts: Sequence[Mapping[str, np.ndarray]]
) -> Table:
    study = store.study
    told = []
    for curve, choice in zip(curves, choices, strict=True):
        facts = asdict(curve.run)
        case = facts.pop("case")
        case.pop("seed")
        method = curve.run.method
        told.append(
            {
                **facts,
                **case,
                "label": curve.label,
                "data_seeds": curve.data_seeds,
                "step_sizes": choice.sizes.text(method),
                "grid": [sizes.text(method) for sizes in curve.tuning.grid],
                # JSON knows no infinity.
                "grid_errors": [error if math.isfinite(error) else None for error in choice.tried],
                "tuning_steps": curve.tuning.run.steps,
                "tuning_size": curve.tuning.run.case.size,
                "tuning_seeds": curve.tuning.run.seeds,
            }
        )
    header = {
        **store.belongs(),
        "title": study.title,
        "claim": study.claim,
        "chosen": study.chosen,
        "beside": study.beside,
        "machine": machine(),
        "threads": torch.get_num_threads(),
        "curves": told,
    }
    arrays = {f"{place}_{name}": array for place, part in enumerate(parts) for name, array in part.items()}
    # As it will be read back: tuples are lists in JSON.
    return Table(json.loads(json.dumps(header)), arrays)
