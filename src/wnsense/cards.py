"""Small self-contained HTML by which a notebook shows a value."""

from collections.abc import Mapping, Sequence
from html import escape

# Beside the words, as on the pages of recoveries.
_GOOD, _POOR, _NEITHER = "#009e73", "#d55e00", "#888"


def card(
    title: str, lines: Sequence[str] = (), facts: Mapping[str, str] | None = None, *, good: bool | None = None
) -> str:
    """Return a value as HTML, made of plain texts, which are escaped.

    Args:
        title: First line.
        lines: Further lines.
        facts: Values by name, for a table.
        good: True for a good result, False for a poor one, None for neither.
    """
    color = _NEITHER if good is None else _GOOD if good else _POOR
    rows = "".join(
        f'<tr><td style="text-align: left">{escape(name)}</td><td style="text-align: left">{escape(value)}</td></tr>'
        for name, value in (facts or {}).items()
    )
    table = f"<table>{rows}</table>" if rows else ""
    texts = "".join(f"<div>{escape(line)}</div>" for line in lines)
    return (
        f'<div style="border-left: .3rem solid {color}; padding-left: .8rem; max-width: 60rem">'
        f"<strong>{escape(title)}</strong>{texts}{table}</div>"
    )
