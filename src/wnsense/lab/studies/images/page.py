"""Charts of the study of images (figure 4 of arXiv 2510.01175), and a slider through the pictures at each budget."""

import numpy as np

from wnsense.lab.studies.images.table import Equal, ImageScene, ImageTable
from wnsense.pages.style import METHODS
from wnsense.pages.view import APPLICATIONS, SECONDS, STEPS, Chart, Line, Moments, Panel, View
from wnsense.pages.words import number

_X_TITLES = {APPLICATIONS: "applications of M and M*", SECONDS: "processor time, seconds", STEPS: "steps"}
_QUALITIES = (("psnr", "Signal to noise", "PSNR, dB"), ("ssim", "Structural similarity", "SSIM"))


def images_view(study: ImageTable) -> View:
    """Return for each scene charts of PSNR and SSIM along the runs, and a slider through the pictures."""
    scenes = study.entries
    charts = [chart for place, scene in enumerate(scenes) for chart in _charts(place, scene)]
    return View(tuple(charts), tuple(_moments(scene) for scene in scenes))


def _charts(place: int, scene: ImageScene) -> list[Chart]:
    return [
        Chart(
            f"{quality}{place}",
            f"{title} ({scene.label})",
            _X_TITLES,
            words,
            lines := (*(_course(scene, method, quality) for method in ("gd", "wn")), _recoveries(scene, quality)),
            f"{words} against applications. {_ends(lines)}.",
            band="least to most over starts",
            log_x=True,
            log_y=False,
            run=place,
        )
        for quality, title, words in _QUALITIES
    ]


def _course(scene: ImageScene, method: str, quality: str) -> Line:
    course, look = scene.course(method), METHODS[method]
    values = course.psnr if quality == "psnr" else course.ssim
    x = {STEPS: course.step, APPLICATIONS: course.applications, SECONDS: course.seconds}
    return Line(look.label, look.label, look, x, np.median(values, axis=1), values.min(axis=1), values.max(axis=1))


def _recoveries(scene: ImageScene, quality: str) -> Line:
    """Return one point for each budget, in the order of their cost; steps of a recovery cannot be compared."""
    look, arrays = METHODS["recover"], scene.arrays
    spent = np.argsort(arrays["recover_applications"], kind="stable")
    x = {
        STEPS: np.full(len(spent), np.nan),
        APPLICATIONS: arrays["recover_applications"][spent],
        SECONDS: arrays["recover_seconds"][spent],
    }
    return Line(look.label, look.label, look, x, arrays[f"recover_{quality}"][spent])


def _ends(lines: tuple[Line, ...]) -> str:
    return "; ".join(f"{line.name}: {number(float(line.y[-1]))} at the end" for line in lines)


def _moments(scene: ImageScene) -> Moments:
    budgets = range(len(scene.budgets))
    x = {
        APPLICATIONS: np.array(scene.budgets),
        SECONDS: np.array([scene.seconds(budget) for budget in budgets]),
    }
    measured = np.repeat(scene.arrays["reference"][None], len(budgets), axis=0)
    panels = (
        _panel("Measured", measured, "What is to be recovered."),
        _panel("GD", np.stack([scene.picture("gd", Equal.APPLICATIONS, budget) for budget in budgets]), "First start."),
        _panel(
            "WN, equal applications",
            np.stack([scene.picture("wn", Equal.APPLICATIONS, budget) for budget in budgets]),
            "First start, for as many applications as GD had.",
        ),
        _panel(
            "WN, equal time",
            np.stack([scene.picture("wn", Equal.TIME, budget) for budget in budgets]),
            "First start, for as much processor time as GD had.",
        ),
        _panel(
            "recover()", scene.arrays["recover_picture"][: len(budgets)], "With this many applications as its limit."
        ),
    )
    return Moments(scene.label, x, tuple(_words(scene, budget) for budget in budgets), panels)


def _panel(title: str, pictures: np.ndarray, caption: str) -> Panel:
    # Black is 0 and white 255 in every picture, whatever its range.
    return Panel(title, pictures, "rows", "columns", caption, is_image=True, ends=(0.0, 255.0))


def _words(scene: ImageScene, budget: int) -> str:
    qualities = [
        (name, scene.first_start(method, equal, budget))
        for name, method, equal in (
            ("GD", "gd", Equal.APPLICATIONS),
            ("WN, equal applications", "wn", Equal.APPLICATIONS),
            ("WN, equal time", "wn", Equal.TIME),
        )
    ]
    qualities.append(("recover()", scene.recovered(budget)))
    words = "; ".join(f"{name} {psnr:.1f} dB, SSIM {ssim:.2f}" for name, (psnr, ssim) in qualities)
    return f"{words} ({scene.recovery_text(budget)})"
