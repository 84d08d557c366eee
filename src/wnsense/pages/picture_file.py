"""Pictures on disk: a figure as a small PNG file."""

import io
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from wnsense.atomic import write_bytes

# The largest palette of a PNG. It needs less than half of the bytes of full color, and looks the same.
_COLORS = 256


def save(figure: Figure, path: Path) -> None:
    """Write a picture as a PNG for pages and the README, whole or not at all."""
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=150)
    pixels = Image.open(drawn).convert("RGB")
    palette = pixels.quantize(_COLORS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    palette.save(small, "png", optimize=True)
    write_bytes(path, small.getvalue())
