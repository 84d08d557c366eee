"""All runs of a study, each kept in a file of its own as it ends, and the one table that they become."""

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from wnsense.checks import InputError, require
from wnsense.files.tables import Table
from wnsense.lab.studies.curves.measure import Course, measure, measure_together
from wnsense.lab.studies.curves.specification import Curve, CurveStudy, Rows, Run, StepSizes, Tuning
from wnsense.lab.studies.frame.store import Store, Tell

# From this m on reading the rows is what a step costs, and runs share it.
_LARGE = 200


def run_curves(store: Store, *, tell: Tell = lambda *_: None) -> Table:
    """Make every run of a study that has not been made, and merge all into its table.

    Each run is kept when it ends, and every half minute on its way: whatever stops the study, the same call goes on and
    repeats no finished run.

    Args:
        store: Which study, how large, and where everything is kept.
        tell: Told of progress.

    Returns:
        The table that was written.

    Raises:
        InputError: When what is there is of another specification or version, or cannot be written.
        KeyboardInterrupt: When interrupted.
    """
    study = curve_study(store)
    finished = store.finished()
    if finished is not None:
        return finished
    store.prepare()
    making = _Making(store, tell)
    curves = study.curves(store.scale)
    choices = [making.choose(curve.tuning) for curve in curves]
    making.share([run for curve, choice in zip(curves, choices, strict=True) for run in _all_runs(curve, choice)])
    confirmed = [None if curve.confirming is None else making.choose(curve.confirming) for curve in curves]
    parts = [_merged(curve, choice, making) for curve, choice in zip(curves, choices, strict=True)]
    arrays = {f"{place}_{name}": array for place, part in enumerate(parts) for name, array in part.items()}
    facts = {"beside": study.beside, "against": study.against, "curves": _told(curves, choices, confirmed)}
    return store.finish(arrays, facts, seconds=making.seconds, memory=making.memory)


def curve_study(store: Store) -> CurveStudy:
    """The study of a store, as one of curves.

    Raises:
        InputError: When it is of another form.
    """
    if not isinstance(store.study, CurveStudy):
        raise InputError(f"needed a study of curves, got {store.study.name} of form {store.study.form}")
    return store.study


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
        self.seconds = 0.0
        self.memory = 0
        curves = curve_study(store).curves(store.scale)
        tunings = [of for curve in curves for of in (curve.tuning, curve.confirming) if of is not None]
        self.total = sum(run.steps for run in {run for tuning in tunings for run in tuning.runs()})
        self.total += sum(curve.run.steps * len(curve.data_seeds) for curve in curves)
        self.courses: dict[Run, Course] = {}

    def make(self, run: Run, words: str) -> Course:
        """What a run gives, from its file where it has been made."""
        if run not in self.courses:
            part = self.store.kept(run.key)
            if part is None:
                began = time.perf_counter()
                course = measure(
                    run,
                    self.store.checkpoint(run.key),
                    tell=lambda steps: self.tell(words, self.done + steps, self.total),
                )
                part = self._keep(run, course, time.perf_counter() - began)
            self.done += run.steps
            self.seconds += float(str(part.header["wall_seconds"]))
            self.memory = max(self.memory, int(str(part.header["peak_memory"])))
            self.courses[run] = Course(part.arrays, tuple(bool(of) for of in part.arrays["diverged"]))
            self.tell(words, self.done, self.total)
        return self.courses[run]

    def share(self, runs: Sequence[Run]) -> None:
        """Make those whose rows take long to read, all of a problem in the same sweeps."""
        needed = [run for run in dict.fromkeys(runs) if run.case.rows is Rows.FACTOR and run.case.size >= _LARGE]
        for case in dict.fromkeys(run.case for run in needed):
            missing = [run for run in needed if run.case == case and self.store.kept(run.key) is None]
            if missing:
                self._share(missing)

    def _share(self, runs: Sequence[Run]) -> None:
        last = time.perf_counter()

        def ended(run: Run, course: Course) -> None:
            nonlocal last
            # With a start that diverged the others of its run ended too: left to be made one by one.
            if any(course.diverged) and len(run.seeds) > 1:
                return
            # What lies between two ends counts for the later one, so that all add up to what was waited for.
            now = time.perf_counter()
            self._keep(run, course, now - last)
            last = now

        measure_together(
            runs,
            lambda run: self.store.checkpoint(run.key),
            ended,
            lambda steps: self.tell("running all at once", self.done + steps, self.total),
        )

    def _keep(self, run: Run, course: Course, seconds: float) -> Table:
        arrays = {**course.arrays, "diverged": np.array(course.diverged)}
        return self.store.keep(run.key, arrays, {"run": asdict(run), "wall_seconds": seconds})

    def choose(self, tuning: Tuning) -> _Choice:
        """The step sizes with the least median of the last squared error."""
        runs = tuning.runs()
        if not runs:
            return _Choice(tuning.grid[0], ())
        scores = []
        for run in runs:
            course = self.make(run, f"choosing step sizes of {run.method}")
            scores.append(_score(course, run.case.rounding))
        errors = tuple(error for error, _ in scores)
        # What lies below rounding says nothing of the method.
        best = min(range(len(runs)), key=lambda place: (max(errors[place], tuning.run.case.rounding), scores[place][1]))
        require(math.isfinite(errors[best]), "a step size in the grid with which no start diverges", "none")
        return _Choice(tuning.grid[best], errors)


def _score(course: Course, rounding: float) -> tuple[float, float]:
    """The median last squared error, and the step at which the median was first at rounding."""
    if any(course.diverged):
        return math.inf, math.inf
    medians = np.median(course.arrays["error"], axis=1)
    there = course.arrays["step"][medians <= rounding]
    return float(medians[-1]), float(there[0]) if len(there) else math.inf


def _all_runs(curve: Curve, choice: _Choice) -> list[Run]:
    """What a curve still needs once its step sizes are chosen."""
    return [*curve.runs(choice.sizes), *([] if curve.confirming is None else curve.confirming.runs())]


def _merged(curve: Curve, choice: _Choice, making: _Making) -> dict[str, np.ndarray]:
    """All starts on all problems of a curve side by side."""
    courses = [making.make(run, f"running {run.method}, {curve.label}") for run in curve.runs(choice.sizes)]
    arrays = dict(courses[0].arrays)
    for name in ("error", "least"):
        arrays[name] = np.concatenate([course.arrays[name] for course in courses], axis=1)
    arrays["seconds"] = np.sum([course.arrays["seconds"] for course in courses], axis=0)
    if "oracle" in arrays:
        arrays["oracle"] = np.concatenate([course.arrays["oracle"] for course in courses])
    arrays.pop("diverged", None)
    return arrays


def _told(
    curves: Sequence[Curve], choices: Sequence[_Choice], confirmed: Sequence[_Choice | None]
) -> list[dict[str, object]]:
    """What the table's head says of each curve."""
    told = []
    for curve, choice, other in zip(curves, choices, confirmed, strict=True):
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
                "grid_errors": _json(choice.tried),
                "confirmed": None if other is None else other.sizes.text(method),
                "confirmed_errors": [] if other is None else _json(other.tried),
                "tuning_steps": curve.tuning.run.steps,
                "tuning_size": curve.tuning.run.case.size,
                "tuning_seeds": curve.tuning.run.seeds,
            }
        )
    return told


def _json(errors: Sequence[float]) -> list[float | None]:
    """JSON knows no infinity."""
    return [error if math.isfinite(error) else None for error in errors]
