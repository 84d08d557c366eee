"""Picture files: a figure as a small PNG."""

import io
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from wnsense.atomic import write_bytes

# Largest palette of a PNG, with less than half of the bytes of full color and the same look.
_COLORS = 256


def save(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG file, whole or not at all."""
    full, small = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png", dpi=150)
    pixels = Image.open(full).convert("RGB")
    palette = pixels.quantize(_COLORS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    palette.save(small, "png", optimize=True)
    write_bytes(path, small.getvalue())
