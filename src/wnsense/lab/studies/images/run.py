"""All parts of the study of images, each kept in a file of its own as it ends, and the one table that they become."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace

import numpy as np

from wnsense.checks import InputError
from wnsense.files.tables import Table
from wnsense.lab.studies.frame.store import Store, Tell
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
from wnsense.lab.studies.images.specification import ImageRun, ImageStudy, Method, Plan, Scene, Setting, digest

# What a recovery without a limit is expected to take, for the share of the work that is told.
_EXPECTED = 1200

Arrays = dict[str, np.ndarray]


def run_images(store: Store, tell: Tell) -> Table:
    """Make every part that has not been made, and merge all into the table.

    Args:
        store: Which study, how large, and where everything is kept.
        tell: Told of progress.

    Returns:
        The table that was written.

    Raises:
        InputError: When what is there is of another specification or version, or cannot be written.
        KeyboardInterrupt: When interrupted.
    """
    study = store.study
    if not isinstance(study, ImageStudy):
        raise InputError(f"needed a study of images, got {study.name} of form {study.form}")
    finished = store.finished()
    if finished is not None:
        return finished
    store.prepare()
    making = _Making(store, study.plan(store.scale), tell)
    told = []
    arrays: Arrays = {}
    for place, scene in enumerate(making.plan.scenes):
        facts, part = making.scene(scene)
        told.append(facts)
        arrays |= {f"{place}_{name}": array for name, array in part.items()}
    facts = {"scenes": told, "budgets": making.plan.budgets, "groups": study.groups}
    return store.finish(arrays, facts, seconds=making.seconds, memory=making.memory)


class _Making:
    """Parts under way, and how much of all is done."""

    def __init__(self, store: Store, plan: Plan, tell: Tell) -> None:
        self.store = store
        self.plan = plan
        self.tell = tell
        self.done = 0.0
        self.seconds = 0.0
        self.memory = 0
        self.total = sum(
            (self._tuning_work(scene) + self._running_work(scene)) * len(Method) + self._recovering_work(scene)
            for scene in plan.scenes
        )

    def scene(self, scene: Scene) -> tuple[dict[str, object], Arrays]:
        """All that the table holds of a scene: facts for its head, and arrays."""
        scores = {method: self._tuned(scene, method) for method in Method}
        settings = {method: self.plan.grid[int(np.argmax(of))] for method, of in scores.items()}
        times = self._timed(scene, settings)
        steps = {m: [steps_within(scene, m, budget) for budget in self.plan.budgets] for m in Method}
        ratio = times[Method.GD] / times[Method.WN]
        # At equal time WN takes what GD's time at the same budget pays for; at equal steps, as many as GD.
        wanted = {
            Method.GD: steps[Method.GD],
            Method.WN: [*steps[Method.WN], *(int(s * ratio) for s in steps[Method.GD])],
        }
        last = steps[Method.GD][-1]
        arrays: Arrays = {}
        for method in Method:
            run = ImageRun(scene, method, settings[method], self.plan.seeds, last, ())
            run = replace(run, wanted=tuple(min(step, last) for step in [*wanted[method], *steps[Method.GD]]))
            course = self._ran(run)
            count = len(wanted[method])
            arrays |= {f"{method}_{name}": array for name, array in course.items()}
            # Those of equal steps are compared by numbers alone.
            arrays[f"{method}_pictures"] = course["pictures"][:count]
            arrays[f"{method}_wanted"] = np.array(run.wanted)
            arrays[f"{method}_seconds_a_step"] = np.array(times[method])
            arrays[f"{method}_scores"] = scores[method]
        statuses, ranks, found = self._recovered(scene)
        target, best = reference(scene), oracle(scene)
        arrays |= found | {
            "reference": as_bytes(target),
            "oracle": as_bytes(best),
            "oracle_psnr": np.array(signal_to_noise(best, target)),
            "oracle_ssim": np.array(structural_similarity(best, target)),
        }
        facts: dict[str, object] = {
            **asdict(scene),
            "unknowns": scene.unknowns,
            "settings": {str(method): setting.text for method, setting in settings.items()},
            "grid": [setting.text for setting in self.plan.grid],
            "recover_status": statuses,
            "recover_rank": ranks,
        }
        return facts, arrays

    def _tuned(self, scene: Scene, method: Method) -> np.ndarray:
        """The mean PSNR over all budgets with each setting, at half the side."""
        small = scene.halved()

        def make() -> tuple[Arrays, dict[str, object]]:
            scores = []
            for place, setting in enumerate(self.plan.grid):
                self._say(
                    f"choosing step sizes of {method}, {_name(scene)}",
                    self._tuning_work(scene) * place / len(self.plan.grid),
                )
                wanted = tuple(steps_within(small, method, budget) for budget in self.plan.budgets)
                run = ImageRun(small, method, setting, self.plan.tuning_seeds, wanted[-1], wanted)
                course = measure(run)
                at = np.searchsorted(course["step"], wanted)
                scores.append(float(np.median(course["psnr"][at], axis=1).mean()))
            return {"scores": np.array(scores)}, {}

        part = self._part(f"tune_{method}_{self._key(scene)}", make, self._tuning_work(scene))
        return part.arrays["scores"]

    def _timed(self, scene: Scene, settings: Mapping[Method, Setting]) -> dict[Method, float]:
        def make() -> tuple[Arrays, dict[str, object]]:
            times = seconds_a_step(scene, settings, self.plan.timed_steps)
            return {str(method): np.array(seconds) for method, seconds in times.items()}, {}

        part = self._part(f"time_{self._key(scene)}", make, 0.0)
        return {method: float(part.arrays[str(method)]) for method in Method}

    def _ran(self, run: ImageRun) -> Arrays:
        key = f"{run.method}_{digest(run)[:20]}"
        work = self._running_work(run.scene)

        def tell(steps: int) -> None:
            self._say(f"running {run.method}, {_name(run.scene)}", work * steps / run.steps)

        def make() -> tuple[Arrays, dict[str, object]]:
            return measure(run, self.store.checkpoint(key), tell=tell), {}

        return dict(self._part(key, make, work).arrays)

    def _recovered(self, scene: Scene) -> tuple[list[object], list[object], Arrays]:
        """What `recover()` gives within each budget, and perhaps without any."""
        limits = [*self.plan.budgets, *([None] if self.plan.unlimited else [])]
        parts = [self._recovered_within(scene, limit) for limit in limits]
        columns = {
            f"recover_{name}": np.stack([part.arrays[name] for part in parts])
            for name in ("picture", "psnr", "ssim", "applications", "seconds")
        }
        return [part.header["status"] for part in parts], [part.header["rank"] for part in parts], columns

    def _recovered_within(self, scene: Scene, limit: int | None) -> Table:
        key = f"recover_{limit or 'whole'}_{self._key(scene)}"
        expected = limit or _EXPECTED

        def tell(applications: int) -> None:
            self._say(f"running recover(), {_name(scene)}", _work(scene, min(applications, expected)))

        def make() -> tuple[Arrays, dict[str, object]]:
            recovery, arrays = recovered(scene, limit, self.store.checkpoint(key), tell=tell)
            return arrays, {"status": str(recovery.status), "rank": recovery.rank}

        return self._part(key, make, _work(scene, expected))

    def _part(self, key: str, make: Callable[[], tuple[Arrays, dict[str, object]]], work: float) -> Table:
        """A part from its file where it has been made."""
        part = self.store.kept(key)
        if part is None:
            began = time.perf_counter()
            arrays, facts = make()
            spent = np.array(time.perf_counter() - began)
            part = self.store.keep(key, {**arrays, "spent": spent}, facts)
        self.done += work
        self.seconds += float(part.arrays["spent"])
        self.memory = max(self.memory, int(str(part.header["peak_memory"])))
        self._say("going on", 0.0)
        arrays = {name: array for name, array in part.arrays.items() if name != "spent"}
        return Table(part.header, arrays)

    def _key(self, scene: Scene) -> str:
        """Parts of a scene in this plan, and of no other."""
        return digest(replace(self.plan, scenes=(scene,)))[:20]

    def _say(self, words: str, under_way: float) -> None:
        self.tell(words, round(self.done + under_way), round(self.total))

    def _tuning_work(self, scene: Scene) -> float:
        return _work(scene.halved(), self.plan.budgets[-1]) * len(self.plan.grid)

    def _running_work(self, scene: Scene) -> float:
        # WN is run to as many steps as GD.
        return _work(scene, 3 * self.plan.budgets[-1]) / len(Method)

    def _recovering_work(self, scene: Scene) -> float:
        return _work(scene, sum(self.plan.budgets) + _EXPECTED * self.plan.unlimited)


def _work(scene: Scene, applications: int) -> float:
    """Numbers of the operator that are read, in millions."""
    return scene.measurements * scene.unknowns * applications / 1e6


def _name(scene: Scene) -> str:
    return f"{scene.photograph.name}, {scene.model}, {scene.group}"
