"""Pictures of figure 4: images side by side, and their quality along the runs."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from wnsense.lab.studies.images.table import ROUNDING, Equal, ImageScene, ImageTable
from wnsense.pages.style import INK, METHODS, TEXT, dress, legend_below, new_figure

_WIDTH = 9.6
_ROW = 1.95
_CURVES = 2.9
_SMALL = TEXT - 2
_QUALITIES = (("psnr", "PSNR, dB"), ("ssim", "SSIM"))
# Words for `recover()` at a budget of time before any of its runs has ended.
_NOTHING_YET = "none has ended yet"

Quality = tuple[float, float]


def pictures(study: ImageTable) -> Mapping[str, Figure]:
    """Return a figure of all scenes at one budget, and a figure of each scene at all budgets."""
    scale = study.head.scale_words
    return {"": overview(study.entries, scale)} | {
        suffix(scene): scene_picture(scene, scale) for scene in study.entries
    }


def suffix(scene: ImageScene) -> str:
    """Return the suffix of the file of a scene's picture."""
    return re.sub(r"[^a-z0-9]+", "-", f"_{scene.photograph}-{scene.model}-{scene.group}".lower()).replace("-", "_", 1)


def overview(scenes: Sequence[ImageScene], scale: str) -> Figure:
    """Return a figure with a row for each scene: the photograph, every method at one budget, and the oracle."""
    budget = len(scenes[0].budgets) // 2
    figure = new_figure(_WIDTH, _ROW * len(scenes) + 0.6)
    grid = np.atleast_2d(figure.subplots(len(scenes), 6))
    count = scenes[0].budgets[budget]
    heads = ("measured", "GD", "WN, equal cost", "WN, equal time", "recover()", "oracle, rank r")
    for row, scene in zip(grid, scenes, strict=True):
        _show(row[0], scene.arrays["reference"], None, f"n = {scene.head.measurements}, r = {scene.head.width}")
        _show_method(row[1], scene, "gd", Equal.APPLICATIONS, budget)
        _show_method(row[2], scene, "wn", Equal.APPLICATIONS, budget)
        _show_method(row[3], scene, "wn", Equal.TIME, budget)
        _show(row[4], scene.arrays["recover_picture"][budget], scene.recovered(budget))
        _show(row[5], scene.arrays["oracle"], _oracle_quality(scene))
        row[0].set_ylabel(f"{scene.photograph}, {scene.model}\n{scene.group}", fontsize=_SMALL, color=INK)
    for axes, head in zip(grid[0], heads, strict=True):
        axes.set_title(head, fontsize=TEXT, color=INK)
    figure.suptitle(f"After {count} applications of M and M*{scale}", fontsize=TEXT + 3, color=INK, x=0.01, ha="left")
    return figure


def scene_picture(scene: ImageScene, scale: str) -> Figure:
    """Return a figure whose rows are methods and columns budgets; below them PSNR and SSIM along the runs."""
    rows = 5
    figure = new_figure(_WIDTH, rows * _ROW + 2 * _CURVES)
    heights = (rows * _ROW, 2 * _CURVES)
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0]
    _draw_images(upper, scene, rows)
    _draw_curves(lower, scene)
    figure.suptitle(f"{scene.label}{scale}\n{scene.sizes}", fontsize=TEXT + 2, color=INK, x=0.01, ha="left")
    return figure


def _draw_images(figure: SubFigure, scene: ImageScene, rows: int) -> None:
    count = len(scene.budgets)
    grid = figure.subplots(rows, count + 1)
    labels = (
        "GD",
        "WN\nequal applications",
        "WN\nequal time",
        "recover()\nequal applications",
        "recover()\nequal time",
    )
    for row, label in zip(grid, labels, strict=True):
        row[0].set_ylabel(label, fontsize=TEXT - 1, color=INK)
    for budget, applications in enumerate(scene.budgets):
        column = grid[:, budget]
        column[0].set_title(
            f"{applications} applications\n{_time(scene.seconds(budget))}", fontsize=TEXT - 1, color=INK
        )
        _show_method(column[0], scene, "gd", Equal.APPLICATIONS, budget)
        _show_method(column[1], scene, "wn", Equal.APPLICATIONS, budget)
        _show_method(column[2], scene, "wn", Equal.TIME, budget)
        for axes, equal in zip(column[3:], (Equal.APPLICATIONS, Equal.TIME), strict=True):
            _show_recovery(axes, scene, scene.recovery_at(equal, budget))
    last = grid[:, count]
    for axes in last:
        _bare(axes)
        axes.axis("off")
    _show(last[0], scene.arrays["reference"], None)
    last[0].set_title("measured", fontsize=TEXT - 1, color=INK)
    _show(last[1], scene.arrays["oracle"], _oracle_quality(scene))
    last[1].set_title("oracle, rank r", fontsize=TEXT - 1, color=INK)
    if len(scene.arrays["recover_psnr"]) > count:
        _show_recovery(last[3], scene, count)
        last[3].set_title("recover(), no limit", fontsize=TEXT - 1, color=INK)


def _time(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds >= 0.1 else f"{seconds * 1e3:.2g} ms"


def _show_method(axes: Axes, scene: ImageScene, method: str, equal: Equal, budget: int) -> None:
    step = scene.step_of(method, equal, budget)
    _show(axes, scene.picture(method, equal, budget), scene.first_start(method, equal, budget), f"{step} steps")


def _show_recovery(axes: Axes, scene: ImageScene, place: int | None) -> None:
    if place is None:
        # As large as a picture would be, so that the rows stay in line.
        _show(axes, np.full_like(scene.arrays["reference"], 255), None)
        axes.text(
            0.5, 0.5, _NOTHING_YET, fontsize=_SMALL, color=INK, ha="center", va="center", transform=axes.transAxes
        )
        return
    spent = int(scene.arrays["recover_applications"][place])
    picture = scene.arrays["recover_picture"][place]
    below = f"{scene.recovery_rank(place)}, {spent} applications"
    _show(axes, picture, scene.recovered(place), below)


def _show(axes: Axes, picture: np.ndarray, quality: Quality | None, below: str = "") -> None:
    axes.axis("on")
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    _bare(axes)
    above = "" if quality is None else _quality_text(quality)
    axes.set_xlabel("\n".join(filter(None, (above, below))), fontsize=_SMALL, color=INK, labelpad=2)


def _quality_text(quality: Quality) -> str:
    psnr, ssim = quality
    return f"{psnr:.1f} dB, {ssim:.2f}" if psnr < ROUNDING else "exact"


def _oracle_quality(scene: ImageScene) -> Quality:
    return scene.number("oracle_psnr"), scene.number("oracle_ssim")


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)


def _draw_curves(figure: SubFigure, scene: ImageScene) -> None:
    grid = figure.subplots(2, 2, sharey="row")
    for place, (name, words) in enumerate(_QUALITIES):
        for axes, in_time in zip(grid[place], (False, True), strict=True):
            _draw_quality(axes, scene, name, in_time=in_time)
            x = "processor time, seconds" if in_time else "applications of M and M*"
            dress(axes, x=x if place == len(grid) - 1 else "", y="" if in_time else words)
    legend_below(figure, grid[0, 0], 4)


def _draw_quality(axes: Axes, scene: ImageScene, name: str, *, in_time: bool) -> None:
    count = len(scene.budgets)
    for method in ("gd", "wn"):
        course, look = scene.course(method), METHODS[method]
        values = course.psnr if name == "psnr" else course.ssim
        x = course.seconds if in_time else course.applications
        seen = course.step > 0
        low, high = values.min(axis=1)[seen], values.max(axis=1)[seen]
        axes.fill_between(x[seen], low, high, color=look.color, alpha=0.25, linewidth=0)
        median = np.median(values, axis=1)[seen]
        axes.plot(x[seen], median, color=look.color, linestyle=look.line, linewidth=1.8, label=look.label)
    look = METHODS["recover"]
    x = scene.arrays["recover_seconds" if in_time else "recover_applications"]
    qualities = scene.arrays[f"recover_{name}"]
    axes.plot(
        x[:count],
        qualities[:count],
        color=look.color,
        marker=look.marker,
        markersize=9,
        linestyle=":",
        label=look.label,
    )
    axes.plot(x[count:], qualities[count:], color=look.color, marker=look.marker, markersize=14, linestyle="none")
    best = scene.number(f"oracle_{name}")
    if scene.number("oracle_psnr") < ROUNDING:
        axes.axhline(best, color=METHODS["truth"].color, linestyle=(0, (1, 2)), linewidth=1.2, label="oracle, rank r")
    axes.set_xscale("log")
