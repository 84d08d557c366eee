"""Pictures of the large recoveries, from their tables."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wnsense.files.tables import Table
from wnsense.pages import style
from wnsense.pages.recovery_picture import APPLICATIONS

_WIDTH = 9.0


def photograph_picture(table: Table) -> Figure:
    """Draw the photograph, true and recovered, and the error during the run."""
    figure = style.new_figure(_WIDTH, 3.2)
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.25))
    header = table.header
    image, recovered = table.arrays["photograph"], table.arrays["recovered"]
    for axes, pixels, title in ((left, image, "photograph"), (middle, recovered, f"from {header['masks']} patterns")):
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=1, interpolation="antialiased")
        axes.set_title(title, fontsize=style.TEXT + 1, color=style.INK, loc="left")
        axes.set_xticks([])
        axes.set_yticks([])
    middle.set_xlabel(f"relative error {header['image_error']:.0e}", fontsize=style.TEXT, color=style.INK)
    left.set_xlabel(f"{image.shape[0]} x {image.shape[1]} pixels", fontsize=style.TEXT, color=style.INK)
    _draw_course(right, table)
    return figure


def distances_picture(table: Table) -> Figure:
    """Draw the points, true and recovered, in a side view, and the error during the run."""
    figure = style.new_figure(_WIDTH, 3.4)
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.25))
    true, recovered, header = table.arrays["true"], table.arrays["found"], table.header
    shade = np.hypot(true[:, 0], true[:, 2])
    for axes, points, title in ((left, true, "true positions"), (middle, recovered, "from sampled distances")):
        axes.scatter(points[:, 0], points[:, 2], c=shade, s=1.5, cmap="cividis", linewidths=0, rasterized=True)
        axes.set_aspect("equal")
        style.dress(axes, title=title, x="position, first axis", y="third axis" if axes is left else "")
    share = f"{header['share_of_pairs']:.2%} of the pairs, noise {header['noise']:.0%}"
    figure.suptitle(share, fontsize=style.TEXT, color=style.INK, x=0.01, ha="left")
    _draw_course(right, table)
    return figure


def state_picture(table: Table) -> Figure:
    """Draw the eigenvalues of the state, true and recovered, and the error during the run."""
    figure = style.new_figure(_WIDTH, 3.2)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
    true, recovered = table.arrays["true_eigenvalues"], table.arrays["found_eigenvalues"]
    shown = min(8, len(recovered))
    places = np.arange(1, shown + 1)
    left.bar(places[: len(true)] - 0.2, true, 0.4, color=style.METHODS["truth"].color, label="true", zorder=2)
    left.bar(places + 0.2, recovered[:shown], 0.4, color=style.METHODS["recover"].color, label="recovered", zorder=2)
    style.dress(left, title=f"fidelity {table.header['fidelity']:.4f}", x="index", y="eigenvalue")
    left.set_yscale("log")
    style.whole_numbers(left)
    style.legend(left)
    _draw_course(right, table)
    return figure


def _draw_course(axes: Axes, table: Table) -> None:
    """Draw the error and the held-out residual against applications, with a line where each stage begins."""
    arrays = table.arrays
    x = arrays["trace_applications"]
    style.curve(axes, style.QUANTITIES["error"], x, arrays["trace_error"])
    if "trace_holdout_residual" in arrays:
        style.curve(axes, style.QUANTITIES["holdout_residual"], x, arrays["trace_holdout_residual"])
    for start in np.flatnonzero(np.diff(arrays["trace_stage"])) + 1:
        axes.axvline(x[start], color=style.FAINT, linewidth=0.6, linestyle=":")
    style.log_if_wide(axes, arrays["trace_error"])
    style.dress(axes, title=f"rank found: {table.header['rank']}", x=APPLICATIONS, y="relative error")
    style.legend(axes)
