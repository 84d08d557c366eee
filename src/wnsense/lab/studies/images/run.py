"""Parts of the study of images, each kept in a file of its own as it ends, and the content of its table."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from wnsense.files.tables import Table
from wnsense.lab.studies.frame.ledger import PartContent, PartLedger
from wnsense.lab.studies.frame.specification import file_key
from wnsense.lab.studies.frame.store import Store, StudyResult
from wnsense.lab.studies.frame.study_head import read_head
from wnsense.lab.studies.images.measure import (
    as_bytes,
    measure,
    oracle,
    recovered,
    reference,
    seconds_a_step,
    steps_within,
)
from wnsense.lab.studies.images.quality import signal_to_noise, structural_similarity
from wnsense.lab.studies.images.specification import (
    ImagePlan,
    ImageRun,
    ImageSetting,
    ImageSpecification,
    Scene,
)
from wnsense.lab.studies.study_methods import PAPER_METHODS, StudyMethod
from wnsense.running.progress import ProgressCallback

# Applications that a recovery without a limit is expected to take; progress is reported in shares of them.
_EXPECTED = 1200
# Name of the array of a part that holds its time.
_SPENT = "spent"

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class _RecoveryHead:
    """Entries of the head of a recovery's part."""

    status: str
    rank: int


def run_images(specification: ImageSpecification, store: Store, progress: ProgressCallback) -> StudyResult:
    """Make every missing part, and return the content of the study's table; see `Study.measure`."""
    store.prepare()
    plan = specification.plan(store.scale)
    ledger = PartLedger(store, progress, _work_of_all(plan), lambda part: float(part.arrays[_SPENT]))
    scenes = [_scene(ledger, plan, scene) for scene in plan.scenes]
    arrays = {f"{place}_{name}": array for place, (_, part) in enumerate(scenes) for name, array in part.items()}
    facts = {"scenes": [facts for facts, _ in scenes], "budgets": plan.budgets, "groups": specification.groups}
    return ledger.result(arrays, facts)


def _scene(ledger: PartLedger, plan: ImagePlan, scene: Scene) -> tuple[dict[str, object], Arrays]:
    """Return the content of the table for a scene: the entry of its head, and arrays."""
    scores = {method: _scores(ledger, plan, scene, method) for method in PAPER_METHODS}
    settings = {method: plan.grid[int(np.argmax(score))] for method, score in scores.items()}
    times = _times(ledger, plan, scene, settings)
    arrays: Arrays = {}
    for method, shown in _shown_steps(plan, scene, times).items():
        run = _run(plan, scene, method, settings[method], shown)
        columns = _course(ledger, plan, run, len(shown))
        columns |= {"seconds_a_step": np.array(times[method]), "scores": scores[method]}
        arrays |= {f"{method}_{name}": array for name, array in columns.items()}
    recoveries = _recoveries(ledger, plan, scene)
    names = ("picture", "psnr", "ssim", "applications", "seconds")
    arrays |= {f"recover_{name}": np.stack([part.arrays[name] for part in recoveries]) for name in names}
    heads = [read_head(part, _RecoveryHead, "images") for part in recoveries]
    facts: dict[str, object] = {
        **asdict(scene),
        "unknowns": scene.unknowns,
        "settings": {str(method): setting.text for method, setting in settings.items()},
        "grid": [setting.text for setting in plan.grid],
        "recover_status": [head.status for head in heads],
        "recover_rank": [head.rank for head in heads],
    }
    return facts, arrays | _references(scene)


def _references(scene: Scene) -> Arrays:
    target, best = reference(scene), oracle(scene)
    return {
        "reference": as_bytes(target),
        "oracle": as_bytes(best),
        "oracle_psnr": np.array(signal_to_noise(best, target)),
        "oracle_ssim": np.array(structural_similarity(best, target)),
    }


def _shown_steps(plan: ImagePlan, scene: Scene, times: Mapping[StudyMethod, float]) -> dict[StudyMethod, list[int]]:
    """Return for each method the steps whose pictures are shown.

    These are the steps within each budget. WN also has the steps for which the time of GD within each budget is enough.
    """
    steps = {method: [steps_within(scene, method, budget) for budget in plan.budgets] for method in PAPER_METHODS}
    ratio = times[StudyMethod.GD] / times[StudyMethod.WN]
    steps[StudyMethod.WN] += [int(count * ratio) for count in steps[StudyMethod.GD]]
    return steps


def _run(plan: ImagePlan, scene: Scene, method: StudyMethod, setting: ImageSetting, shown: Sequence[int]) -> ImageRun:
    """Return the run of a method, to as many steps as GD takes within the largest budget.

    Beside the steps that are shown it measures the steps of GD, at which both methods are compared by numbers alone.
    """
    equal_steps = [steps_within(scene, StudyMethod.GD, budget) for budget in plan.budgets]
    wanted = tuple(min(step, equal_steps[-1]) for step in (*shown, *equal_steps))
    return ImageRun(scene, method, setting, plan.seeds, equal_steps[-1], wanted)


def _course(ledger: PartLedger, plan: ImagePlan, run: ImageRun, shown: int) -> Arrays:
    """Return the arrays of a run, with as many of its pictures as are shown."""
    key, words = file_key(run.method, run), f"running {run.method}, {_name(run.scene)}"
    work = _running_work(plan, run.scene)

    def make() -> PartContent:
        def report(steps: int) -> None:
            ledger.report(words, work * steps / run.steps)

        return measure(run, ledger.store.checkpoint(key), progress=report), {}

    arrays = _arrays(_timed_part(ledger, key, words, make, work))
    return arrays | {"pictures": arrays["pictures"][:shown], "wanted": np.array(run.wanted)}


def _scores(ledger: PartLedger, plan: ImagePlan, scene: Scene, method: StudyMethod) -> np.ndarray:
    """Return the mean PSNR over all budgets with each setting, at half the side."""
    small = scene.halved()
    words = f"choosing step sizes of {method}, {_name(scene)}"
    work = _tuning_work(plan, scene)

    def make() -> PartContent:
        wanted = tuple(steps_within(small, method, budget) for budget in plan.budgets)
        scores = []
        for place, setting in enumerate(plan.grid):
            ledger.report(words, work * place / len(plan.grid))
            course = measure(ImageRun(small, method, setting, plan.tuning_seeds, wanted[-1], wanted))
            rows = np.searchsorted(course["step"], wanted)
            scores.append(float(np.median(course["psnr"][rows], axis=1).mean()))
        return {"scores": np.array(scores)}, {}

    return _timed_part(ledger, _key(f"tune_{method}", plan, scene), words, make, work).arrays["scores"]


def _times(
    ledger: PartLedger, plan: ImagePlan, scene: Scene, settings: Mapping[StudyMethod, ImageSetting]
) -> dict[StudyMethod, float]:
    """Return the median time of a step of each method, in seconds."""

    def make() -> PartContent:
        times = seconds_a_step(scene, settings, plan.timed_steps)
        return {str(method): np.array(seconds) for method, seconds in times.items()}, {}

    part = _timed_part(ledger, _key("time", plan, scene), f"timing steps, {_name(scene)}", make, 0.0)
    return {method: float(part.arrays[str(method)]) for method in PAPER_METHODS}


def _recoveries(ledger: PartLedger, plan: ImagePlan, scene: Scene) -> list[Table]:
    """Return the results of `recover()` within each budget, and without a limit if the plan has it."""
    limits = [*plan.budgets, *([None] if plan.unlimited else [])]
    return [_recovery(ledger, plan, scene, limit) for limit in limits]


def _recovery(ledger: PartLedger, plan: ImagePlan, scene: Scene, limit: int | None) -> Table:
    key, words = _key(f"recover_{limit or 'whole'}", plan, scene), f"running recover(), {_name(scene)}"
    expected = limit or _EXPECTED

    def make() -> PartContent:
        def report(applications: int) -> None:
            ledger.report(words, _work(scene, min(applications, expected)))

        recovery, arrays = recovered(scene, limit, ledger.store.checkpoint(key), progress=report)
        return arrays, {"status": str(recovery.status), "rank": recovery.rank}

    return _timed_part(ledger, key, words, make, _work(scene, expected))


def _timed_part(ledger: PartLedger, key: str, words: str, make: Callable[[], PartContent], work: float) -> Table:
    """Return a part, from its file if it has been made; its time is kept with it."""

    def timed() -> PartContent:
        ledger.report(words)
        began = time.perf_counter()
        arrays, facts = make()
        return {**arrays, _SPENT: np.array(time.perf_counter() - began)}, facts

    return ledger.part(key, words, timed, work)


def _arrays(part: Table) -> Arrays:
    return {name: array for name, array in part.arrays.items() if name != _SPENT}


def _key(prefix: str, plan: ImagePlan, scene: Scene) -> str:
    """Return the name of the file of a part of a scene in this plan."""
    return file_key(prefix, replace(plan, scenes=(scene,)))


def _name(scene: Scene) -> str:
    return f"{scene.photograph.name}, {scene.model}, {scene.group}"


def _work_of_all(plan: ImagePlan) -> float:
    return sum(
        (_tuning_work(plan, scene) + _running_work(plan, scene)) * len(PAPER_METHODS) + _recovering_work(plan, scene)
        for scene in plan.scenes
    )


def _tuning_work(plan: ImagePlan, scene: Scene) -> float:
    return _work(scene.halved(), plan.budgets[-1]) * len(plan.grid)


def _running_work(plan: ImagePlan, scene: Scene) -> float:
    # WN is run to as many steps as GD.
    return _work(scene, 3 * plan.budgets[-1]) / len(PAPER_METHODS)


def _recovering_work(plan: ImagePlan, scene: Scene) -> float:
    return _work(scene, sum(plan.budgets) + _EXPECTED * plan.unlimited)


def _work(scene: Scene, applications: int) -> float:
    """Return the numbers of the operator that are read, in millions."""
    return scene.measurements * scene.unknowns * applications / 1e6
