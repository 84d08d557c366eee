"""Pictures of the covariance demo, from the table of `run_demo()`."""

import io
import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from wnsense.atomic import write_bytes
from wnsense.files.tables import Table, read_table
from wnsense.pages.recovery_picture import APPLICATIONS
from wnsense.pages.style import (
    FAINT,
    INK,
    METHODS,
    TEXT,
    curve,
    dress,
    legend,
    legend_below,
    log_if_wide,
    logarithmic,
    new_figure,
    whole_numbers,
)

EIGENVALUE = "eigenvalue [brightness²]"
# The picture of the README is shown at half its width, so that it is sharp on fine screens.
_README_WIDTH, _README_HEIGHT, _README_DOTS = 8.0, 6.4, 200


def eigen_images(table: Table) -> Figure:
    """Draw the leading eigenvectors as images, the true ones above the recovered ones."""
    figure = new_figure(6.2, 2.0)
    draw_eigen_images(figure, table)
    return figure


def errors(table: Table) -> Figure:
    """Draw the error of each method against applications, with the error of the best matrix of the recovered rank."""
    figure = new_figure(6.2, 4.4)
    axes = figure.add_subplot()
    draw_errors(axes, table)
    legend_below(figure, axes, 2)
    return figure


def spectra(table: Table) -> Figure:
    """Draw the true and recovered eigenvalues with the recovered rank."""
    figure = new_figure(6.2, 3.4)
    draw_spectra(figure.add_subplot(), table)
    return figure


def readme_picture(table: Table) -> Figure:
    """Draw the eigen-images above the errors and spectra."""
    figure = new_figure(_README_WIDTH, _README_HEIGHT)
    halves = figure.subfigures(2, 1, squeeze=False, height_ratios=(2.0, 3.4))
    draw_eigen_images(halves[0, 0], table)
    left, right = halves[1, 0].subplots(1, 2, width_ratios=(1.25, 1.0))
    draw_errors(left, table)
    draw_spectra(right, table)
    legend_below(halves[1, 0], left, 3)
    return figure


def write_readme_picture(table: Table, path: Path | str) -> None:
    """Write `readme_picture` as a PNG of 1600 pixels in width, which is shown at 800.

    After `make demo`, this command draws the picture of the README again:

        python -m wnsense.lab.demos.covariance.covariance_picture demo/demo.npz docs/images/demo.png

    Raises:
        InputError: If the file cannot be written.
    """
    figure = readme_picture(table)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_README_DOTS)
    write_bytes(Path(path), buffer.getvalue())


def draw_eigen_images(figure: Figure | SubFigure, table: Table) -> None:
    """Draw two rows of images into a figure, each image with its eigenvalue."""
    arrays = table.arrays
    rows = (
        ("true", arrays["eigen_images_true"], arrays["true_eigenvalues"]),
        ("recovered", arrays["eigen_images_recovered"], arrays["eigenvalues"]),
    )
    count = len(arrays["eigen_images_true"])
    axes = figure.subplots(2, count, squeeze=False)
    for row, (name, images, values) in zip(axes, rows, strict=True):
        for k, (place, image) in enumerate(zip(row, images, strict=True)):
            # Limits are symmetric, so that zero is grey; the sign of an eigenvector is arbitrary.
            limit = float(np.abs(image).max()) or 1.0
            place.imshow(image, cmap="gray", vmin=-limit, vmax=limit, interpolation="nearest")
            place.set(xticks=[], yticks=[])
            place.set_xlabel(f"{values[k]:.2f}", fontsize=TEXT - 1, color=INK, labelpad=2)
            for spine in place.spines.values():
                spine.set_visible(False)
        row[0].set_ylabel(name, fontsize=TEXT, color=INK)


def draw_errors(axes: Axes, table: Table) -> None:
    """Draw curves of the error into axes, without a legend."""
    arrays, header = table.arrays, table.header
    last, look = _number(header["applications"]), METHODS["recover"]
    axes.plot(
        [last],
        [_number(header["relative_error"])],
        linestyle="none",
        marker=look.marker,
        markersize=13,
        color=look.color,
        markeredgecolor="white",
        label=look.label,
        zorder=4,
    )
    for name in method_names(table):
        x, y = arrays[f"{name}_applications"].astype(float), arrays[f"{name}_error"]
        if name == "least-squares":
            # Least squares has converged; its line goes on without a change.
            x, y = np.append(x, max(last, x[-1])), np.append(y, y[-1])
        curve(axes, METHODS[name], x, y)
    best = _number(header["best_error"])
    axes.axhline(best, color=METHODS["truth"].color, linewidth=1.0, linestyle=(0, (1, 2)))
    axes.annotate(
        f"best matrix of rank {header.get('judged_rank') or header['rank']}: {best:.2f}",
        (1, best),
        xycoords=("axes fraction", "data"),
        xytext=(-2, -3),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=TEXT - 1,
        color=INK,
    )
    logarithmic(axes, best * 0.8, 1.15)
    axes.set_xlim(left=0)
    dress(axes, title="Error during the run", x=APPLICATIONS, y="relative error, Frobenius norm")


def draw_spectra(axes: Axes, table: Table) -> None:
    """Draw both spectra into axes."""
    arrays = table.arrays
    rank = len(arrays["eigenvalues"])
    true = arrays["true_eigenvalues"][: max(2 * rank, rank + 10)]
    look, recovered = METHODS["truth"], METHODS["recover"]
    index = np.arange(1, len(true) + 1)
    shown = true > 1e-6 * true[0]
    axes.plot(index[shown], true[shown], marker=look.marker, linestyle="none", color=look.color, label="true")
    axes.plot(
        index[:rank],
        arrays["eigenvalues"],
        marker="o",
        markersize=6,
        linestyle="none",
        color=recovered.color,
        markerfacecolor="none",
        markeredgewidth=1.3,
        label="recovered",
    )
    log_if_wide(axes, true[shown])
    axes.axvline(rank + 0.5, color=FAINT, linewidth=1.0, linestyle="--", zorder=1)
    axes.annotate(
        f"rank found: {rank}",
        (rank + 0.5, 0.02),
        xycoords=("data", "axes fraction"),
        xytext=(-4, 0),
        textcoords="offset points",
        ha="right",
        fontsize=TEXT - 1,
        color=INK,
    )
    axes.set_xlim(0, len(true) + 1)
    whole_numbers(axes)
    dress(axes, title="Spectrum", x="index, the largest first", y=EIGENVALUE)
    legend(axes)


def method_names(table: Table) -> list[str]:
    """Return the methods that the table has a curve of, in the order of every legend."""
    return [name for name in METHODS if f"{name}_error" in table.arrays]


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


if __name__ == "__main__":
    write_readme_picture(read_table(Path(sys.argv[1])), sys.argv[2])
