"""Specification of figure 4 of arXiv 2510.01175."""

from collections.abc import Sequence
from dataclasses import replace

from wnsense.lab.studies.images.photographs import Photograph
from wnsense.lab.studies.images.specification import MODELS, ImagePlan, ImageSetting, ImageSpecification, Scene
from wnsense.sensing.kinds import Kind

FEW, EXACT, FULL = "few measurements", "exactly low rank", "r = m"

# The grid reaches the limits of stability for M*M the identity: 1 for GD, 2 for WN.
_GRID = tuple(ImageSetting(eta, start) for start in (0.1, 1e-3) for eta in (0.25, 0.5, 0.75, 1.0, 1.5, 2.0))
_ROWS_FOR_FREEDOM = 2.5


def _few(photograph: Photograph) -> list[Scene]:
    """Return scenes of the photograph itself, `r = m/8`, `n` 2.5 times the rectangular degrees of freedom."""
    m1, m2 = photograph.rows, photograph.columns
    width = min(m1, m2) // 8
    n = int(_ROWS_FOR_FREEDOM * width * (m1 + m2 - width))
    return [Scene(FEW, photograph, model, width, n) for model in MODELS]


def _exact(photograph: Photograph) -> list[Scene]:
    """Return scenes of the best approximation of rank 3, `r = m/4`, `n` half the unknowns."""
    scenes = [Scene(EXACT, photograph, model, photograph.rows // 4, 1, kept=3) for model in MODELS]
    return [_measured(scene, 0.5) for scene in scenes]


def _full(photograph: Photograph) -> list[Scene]:
    """Return scenes of the photograph itself, `r = m`, `n` twice the unknowns."""
    sides = {Kind.RECTANGULAR: photograph.rows, Kind.PSD: photograph.rows + photograph.columns}
    # (1 + sqrt(1/2))^2 = 2.9 is the largest eigenvalue of M*M on all matrices, and mu must stay below 4 / 2.9.
    scenes = [Scene(FULL, photograph, model, side, 1, magnitude_step_size=1.0) for model, side in sides.items()]
    return [_measured(scene, 2.0) for scene in scenes]


def _measured(scene: Scene, share: float) -> Scene:
    return replace(scene, measurements=int(share * scene.unknowns))


def _plan(scenes: Sequence[Scene], budgets: tuple[int, ...], grid: tuple[ImageSetting, ...], starts: int) -> ImagePlan:
    return ImagePlan(tuple(scenes), budgets, grid, tuple(range(starts)), (101,))


def _size(photograph: Photograph) -> str:
    return f"{photograph.name} {photograph.rows} x {photograph.columns} (blocks of {photograph.block})"


_SMALL, _SMALLER = Photograph("camera", 16, 32, 32), Photograph("camera", 21, 24, 24)
_QUICK = _plan(
    [*_few(_SMALL), _exact(_SMALLER)[0], _full(_SMALLER)[0]],
    (60, 120, 240),
    tuple(setting for setting in _GRID if setting.step_size in {0.5, 0.75, 1.0}),
    2,
)
_PHOTOGRAPHS = (
    Photograph("camera", 8, 64, 64),
    Photograph("astronaut", 8, 64, 64),
    Photograph("coins", 6, 50, 64),
)
_SIDE = Photograph("camera", 12, 40, 40)
_PAPER = replace(
    _plan(
        [*(scene for photograph in _PHOTOGRAPHS for scene in _few(photograph)), *_exact(_SIDE), *_full(_SIDE)],
        (60, 120, 240, 480),
        _GRID,
        3,
    ),
    unlimited=True,
)

FIGURE_4 = ImageSpecification(
    "figure-4",
    "Photographs recovered by WN, by GD and by recover()",
    "WN reaches a visibly better image than GD, sooner.",
    quick=_QUICK,
    paper=_PAPER,
    groups=(
        (FEW, "the photograph itself, of full rank with falling singular values; r = m/8; n = 2.5 r (m1 + m2 - r)"),
        (EXACT, "the photograph's best approximation of rank 3; r = m/4; n half the unknowns"),
        (
            FULL,
            "the photograph itself; r = m, all directions open; n twice the unknowns, so that no low rank is needed",
        ),
    ),
    choices=(
        "photographs: the middle of scikit-image's camera, astronaut (grey) and coins, each pixel the mean of a block",
        (
            f"sizes: {', '.join(_size(photograph) for photograph in (*_PHOTOGRAPHS, _SIDE))}, the last where it is "
            f"exactly low rank or r = m; at quick scale {_size(_SMALL)} and {_size(_SMALLER)}"
        ),
        "all settings: r, n, what is measured; mu = 2, the theorem's, and 1 where r = m, where 2 is not stable",
        "measurements: Gaussian, without noise, single precision",
        "rectangular: the picture B is measured, and GD moves L and Q of B = L Q^T",
        (
            "psd: A = [U; V] S [U; V]^T is measured, of B = U S V^T: B is its corner, its eigenvalues are 2 S, and it "
            "has about the same degrees of freedom; a measurement has twice the numbers, and sees more than the picture"
        ),
        (
            "WN and GD begin at the same matrix; eta and the size of the start are chosen from one grid for both: the "
            "highest PSNR, mean over all budgets, of the same picture and model at half the side from another start"
        ),
        "equal steps, equal applications (a step of WN costs 4, one of GD 2) and equal time",
        (
            "time is processor time (other programs disturb it less than a clock, through shared memory and caches): "
            "the median of steps of WN and GD taken in turn, one start, times the number of steps; of recover() all "
            "that it spent"
        ),
        (
            "budgets include what finds the scale; recover() is run anew with each as its limit, knowing neither rank "
            "nor step sizes, and at equal time the last of these is shown that had ended"
        ),
        "curves are medians over starts, pictures those of the first; brightness is cut to 0 to 1 before it is judged",
        "visibly better: at least 1 dB in PSNR, and more SSIM (Wang and others, 2004)",
        "oracle: the best approximation of rank r of what was measured",
    ),
)
