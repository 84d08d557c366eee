"""Pictures of sparse recovery: maps of the success rate, and an image from some of its pixels."""

import numpy as np
from matplotlib.figure import Figure

from wnsense.checks import InputError
from wnsense.files.tables import Table
from wnsense.pages.style import INK, METHODS, TEXT, TITLE, curve, dress, legend, new_figure

_WIDTH = 9.0
# Numbers on cells with a smaller share than this are white.
_DARK = 0.55


def transition_picture(table: Table) -> Figure:
    """Draw the share of vectors that each method finds, in cells of `M/N` and `s/M`.

    Args:
        table: Table with the array `found`, of shape (methods, `M/N`, `s/M`), its axes `measured` and `filled`, and
            the facts `methods`, `size` and `problems`.
    """
    figure = new_figure(_WIDTH, 3.3)
    methods = table.header["methods"]
    names = methods if isinstance(methods, list) else []
    panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    measured, filled = table.arrays["measured"], table.arrays["filled"]
    for panel, name, shares in zip(panels, names, table.arrays["found"], strict=True):
        panel.imshow(shares.T, origin="lower", cmap="cividis", vmin=0, vmax=1, aspect="auto")
        for i, j in np.ndindex(shares.shape):
            color = INK if shares[i, j] > _DARK else "white"
            panel.text(i, j, f"{shares[i, j]:.0%}", ha="center", va="center", fontsize=TEXT - 2, color=color)
        panel.set_xticks(range(len(measured)), [f"{value:g}" for value in measured])
        panel.set_yticks(range(len(filled)), [f"{value:g}" for value in filled])
        dress(panel, title=str(name), x="measurements / unknowns, M / N")
        panel.grid(visible=False)
    panels[0].set_ylabel("nonzeros / measurements, s / M", fontsize=TEXT, color=INK)
    title = f"share found exactly; N = {table.header['size']}, {table.header['problems']} problems a cell"
    figure.suptitle(title, fontsize=TITLE, color=INK, x=0.01, ha="left")
    return figure


def samples_picture(table: Table) -> Figure:
    """Draw an image, its sampled pixels, the answer of each method, and the coefficients in order of size.

    Args:
        table: Table with the arrays `image`, `sampled` (NaN elsewhere), `answers` of shape (methods, height, width),
            `true_coefficients`, and `coefficients` of shape (methods, `N`). Its facts are `methods`, `errors` (of the
            pixels that were not sampled) and `share`.

    Raises:
        InputError: If the methods or the errors are not lists.
    """
    header = table.header
    methods, errors = (header[name] for name in ("methods", "errors"))
    if not isinstance(methods, list) or not isinstance(errors, list):
        raise InputError("needed lists of methods and errors in the table's header, got others")
    figure = new_figure(_WIDTH, 2.2)
    *panels, right = figure.subplots(1, 3 + len(methods), width_ratios=[*[1] * (2 + len(methods)), 1.5])
    titles = ["image", f"{header['share']:.0%} of the pixels", *methods]
    images = [table.arrays["image"], table.arrays["sampled"], *table.arrays["answers"]]
    notes = ["", "", *(f"error {error:.1%}" for error in errors)]
    low, high = float(images[0].min()), float(images[0].max())
    for panel, image, title, note in zip(panels, images, titles, notes, strict=True):
        panel.set_facecolor("#2f4b7c")
        panel.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        panel.set_title(title, fontsize=TITLE - 2, color=INK, loc="left")
        panel.set_xlabel(note, fontsize=TEXT, color=INK)
        panel.set_xticks([])
        panel.set_yticks([])
    coefficients = [table.arrays["true_coefficients"], *table.arrays["coefficients"]]
    looks = ("truth", "recover", "wn", "preconditioned-wn")
    for name, key, values in zip(["truth", *methods], looks, coefficients, strict=False):
        sizes = np.sort(np.abs(values).ravel())[::-1]
        sizes = sizes[sizes > 0]
        curve(right, METHODS[key], np.arange(1, len(sizes) + 1), sizes, label=name)
    right.set_xscale("log")
    right.set_yscale("log")
    dress(right, title="cosine coefficients", x="rank by size", y="size")
    legend(right)
    return figure
