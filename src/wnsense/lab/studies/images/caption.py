"""What stands under the pictures of figure 4, in numbers of the table."""

from collections.abc import Sequence
from itertools import product

import numpy as np

from wnsense.files.tables import Table
from wnsense.lab.studies.frame.findings import Finding, Paragraph
from wnsense.lab.studies.images.table import ROUNDING, Equal, ImageScene, scenes_of


def findings(table: Table) -> list[Finding]:
    """Whether WN reaches a visibly better image than GD, setting by setting, whatever they are given alike.

    Raises:
        InputError: When it is no table of a study of images.
    """
    scenes = scenes_of(table)
    groups = list(dict.fromkeys(scene.group for scene in scenes))
    found = []
    for group in groups:
        members = [scene for scene in scenes if scene.group == group]
        found += [_compared(group, members, equal) for equal in Equal]
    return [*found, *(_default(group, [of for of in scenes if of.group == group]) for group in groups)]


def paragraphs(table: Table) -> list[Paragraph]:
    """The settings, scene by scene, and how step sizes were chosen.

    Raises:
        InputError: When it is no table of a study of images.
    """
    scenes = scenes_of(table)
    groups = table.header["groups"]
    told = tuple(f"{name}: {words}" for name, words in groups) if isinstance(groups, list) else ()
    lines = tuple(line for scene in scenes for line in _scene_lines(scene))
    return [
        Paragraph("Settings:", told),
        Paragraph("Scene by scene (PSNR in dB and SSIM, median over starts, at each budget in turn):", lines),
        Paragraph("Step sizes (mean PSNR over the budgets, at half the side):", tuple(map(_grid_line, _each(scenes)))),
    ]


def _compared(group: str, scenes: Sequence[ImageScene], equal: Equal) -> Finding:
    """Who is ahead, budget by budget; as the paper says where WN is visibly better everywhere at the last budget."""
    budgets = range(len(scenes[0].budgets))
    parts = []
    for budget in budgets:
        gains = np.array([scene.gain(equal, budget) for scene in scenes])
        parts.append(
            f"{scenes[0].budgets[budget]}: {_span(gains[:, 0], '+.1f')} dB and {_span(gains[:, 1], '+.2f')} in SSIM"
        )
    count = len(scenes) * len(budgets)
    better, worse = (
        sum(of.is_visibly_better(equal, budget, sign=sign) for of, budget in product(scenes, budgets))
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


def _default(group: str, scenes: Sequence[ImageScene]) -> Finding:
    """Where `recover()` stands beside the better of the two at the same applications, and in the end."""
    parts = []
    for budget, applications in enumerate(scenes[0].budgets):
        leads = []
        for scene in scenes:
            best = max(scene.quality(method, Equal.APPLICATIONS, budget)[0] for method in ("wn", "gd"))
            leads.append(scene.recovered(budget)[0] - best)
        parts.append(f"{applications}: {_span(np.array(leads), '+.1f')} dB")
    text = f"{group}: recover(), which knows no rank, over the better of the two at the same applications, "
    return Finding(text + "; ".join(parts), None)


def _scene_lines(scene: ImageScene) -> list[str]:
    budgets = range(len(scene.budgets))

    def row(method: str, equal: Equal) -> str:
        return ", ".join(_quality(*scene.quality(method, equal, budget)) for budget in budgets)

    best = _quality(scene.number("oracle_psnr"), scene.number("oracle_ssim"))
    recovered = ", ".join(
        f"{_quality(*scene.recovered(place))} ({scene.recovery_text(place).split(',')[0]})" for place in budgets
    )
    lines = [
        f"{scene.label} ({scene.sizes}); oracle of rank r: {best}",
        f"  GD: {row('gd', Equal.APPLICATIONS)}",
        *(f"  WN, {equal}: {row('wn', equal)}" for equal in Equal),
        f"  recover(): {recovered}",
    ]
    if len(scene.arrays["recover_psnr"]) > len(budgets):
        spent, seconds = (float(scene.arrays[f"recover_{name}"][-1]) for name in ("applications", "seconds"))
        told = (
            f"{_quality(*scene.recovered(-1))}, {scene.recovery_text(-1)}, {spent:,.0f} applications, {seconds:.1f} s"
        )
        lines.append(f"  recover() without a limit: {told}")
    return [*lines, f"  {_sooner(scene)}", f"  {_times(scene)}"]


def _quality(psnr: float, ssim: float) -> str:
    return f"{psnr:.1f}/{ssim:.2f}" if psnr < ROUNDING else "exact"


def _sooner(scene: ImageScene) -> str:
    """When each reaches what the other has in the end at the last budget."""
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


def _each(scenes: Sequence[ImageScene]) -> list[tuple[ImageScene, str]]:
    return list(product(scenes, ("wn", "gd")))


def _grid_line(of: tuple[ImageScene, str]) -> str:
    scene, method = of
    grid = scene.facts["grid"]
    scores = scene.arrays[f"{method}_scores"]
    tried = zip(grid, scores, strict=True) if isinstance(grid, list) else ()
    told = "; ".join(f"{setting}: {score:.1f}" for setting, score in tried)
    return f"{method.upper()}, {scene.label}: {scene.setting(method)} ({told})"
