"""Caption of figure 4."""

from collections.abc import Sequence
from itertools import product

import numpy as np

from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.lab.studies.images.table import ROUNDING, Equal, ImageScene, ImageTable


def findings(study: ImageTable) -> list[Finding]:
    """Return for each setting findings that compare WN with GD, and `recover()` with the better of them."""
    groups = study.groups
    compared = [_compared(name, scenes, equal) for name, scenes in groups.items() for equal in Equal]
    return [*compared, *(_recover_lead(name, scenes) for name, scenes in groups.items())]


def paragraphs(study: ImageTable) -> list[Paragraph]:
    """Return the settings, the scenes in numbers, and the step sizes that were tried."""
    lines = tuple(line for scene in study.entries for line in _scene_lines(scene))
    grids = tuple(_grid_line(scene, method) for scene, method in product(study.entries, ("wn", "gd")))
    return [
        Paragraph("Settings:", tuple(f"{name}: {words}" for name, words in study.head.groups)),
        Paragraph("Scene by scene (PSNR in dB and SSIM, median over starts, at each budget in turn):", lines),
        Paragraph("Step sizes (mean PSNR over the budgets, at half the side):", grids),
    ]


def _compared(group: str, scenes: Sequence[ImageScene], equal: Equal) -> Finding:
    """Return a finding that compares WN with GD; it holds if WN is visibly better in all scenes at the last budget."""
    budgets = range(len(scenes[0].budgets))
    parts = []
    for budget in budgets:
        gains = np.array([scene.gain(equal, budget) for scene in scenes])
        parts.append(
            f"{scenes[0].budgets[budget]}: {_span(gains[:, 0], '+.1f')} dB and {_span(gains[:, 1], '+.2f')} in SSIM"
        )
    count = len(scenes) * len(budgets)
    better, worse = (
        sum(scene.is_visibly_better(equal, budget, sign=sign) for scene, budget in product(scenes, budgets))
        for sign in (1, -1)
    )
    at_last = all(scene.is_visibly_better(equal, budgets[-1]) for scene in scenes)
    text = (
        f"{group}, {equal}: WN is visibly better in {better} and GD in {worse} of {count} comparisons; WN over GD at "
        f"GD's budgets, {'; '.join(parts)}"
    )
    return Finding(text, at_last)


def _span(values: np.ndarray, form: str) -> str:
    low, high = float(values.min()), float(values.max())
    return f"{low:{form}}" if f"{low:{form}}" == f"{high:{form}}" else f"{low:{form}} to {high:{form}}"


def _recover_lead(group: str, scenes: Sequence[ImageScene]) -> Finding:
    """Return the PSNR of `recover()` over that of the better of WN and GD at the same applications."""
    parts = []
    for budget, applications in enumerate(scenes[0].budgets):
        leads = []
        for scene in scenes:
            best = max(scene.quality(method, Equal.APPLICATIONS, budget)[0] for method in ("wn", "gd"))
            leads.append(scene.recovered(budget)[0] - best)
        parts.append(f"{applications}: {_span(np.array(leads), '+.1f')} dB")
    text = f"{group}: recover(), which is not given the rank, over the better of the two at the same applications, "
    return Finding(text + "; ".join(parts), None)


def _scene_lines(scene: ImageScene) -> list[str]:
    budgets = range(len(scene.budgets))

    def row(method: str, equal: Equal) -> str:
        return ", ".join(_quality(*scene.quality(method, equal, budget)) for budget in budgets)

    best = _quality(scene.number("oracle_psnr"), scene.number("oracle_ssim"))
    recovered = ", ".join(f"{_quality(*scene.recovered(place))} ({scene.recovery_rank(place)})" for place in budgets)
    lines = [
        f"{scene.label} ({scene.sizes}); oracle of rank r: {best}",
        f"  GD: {row('gd', Equal.APPLICATIONS)}",
        *(f"  WN, {equal}: {row('wn', equal)}" for equal in Equal),
        f"  recover(): {recovered}",
    ]
    if len(scene.arrays["recover_psnr"]) > len(budgets):
        spent, seconds = (float(scene.arrays[f"recover_{name}"][-1]) for name in ("applications", "seconds"))
        end = f"{_quality(*scene.recovered(-1))}, {scene.recovery_text(-1)}, {spent:,.0f} applications, {seconds:.1f} s"
        lines.append(f"  recover() without a limit: {end}")
    return [*lines, f"  {_sooner(scene)}", f"  {_times(scene)}"]


def _quality(psnr: float, ssim: float) -> str:
    return f"{psnr:.1f}/{ssim:.2f}" if psnr < ROUNDING else "exact"


def _sooner(scene: ImageScene) -> str:
    """Return the applications at which each method reaches the last PSNR of the other."""
    parts = []
    last = len(scene.budgets) - 1
    for method, other in (("wn", "gd"), ("gd", "wn")):
        goal, _ = scene.quality(other, Equal.APPLICATIONS, last)
        course = scene.course(method)
        place = course.first_at(goal)
        reached = "not reached" if place is None else f"reached at {int(course.applications[place])} applications"
        parts.append(f"{other.upper()}'s last {goal:.1f} dB {reached} by {method.upper()}")
    wn, gd = (int(scene.course(method).applications[-1]) for method in ("wn", "gd"))
    return f"of {wn} applications of WN and {gd} of GD: {'; '.join(parts)}"


def _times(scene: ImageScene) -> str:
    wn, gd = (scene.course(method).seconds_a_step for method in ("wn", "gd"))
    return f"processor time a step: WN {wn * 1e3:.2g} ms, GD {gd * 1e3:.2g} ms"


def _grid_line(scene: ImageScene, method: str) -> str:
    trials = zip(scene.head.grid, scene.arrays[f"{method}_scores"], strict=True)
    tried = "; ".join(f"{setting}: {score:.1f}" for setting, score in trials)
    return f"{method.upper()}, {scene.label}: {scene.head.settings[method]} ({tried})"
