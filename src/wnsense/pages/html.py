"""Self-contained HTML pages with escaped text and embedded pictures, for screens, phones, print and screen readers."""

import base64
import io
from collections.abc import Sequence
from html import escape

from matplotlib.figure import Figure

_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 42rem; padding: 1rem 1rem 3rem; background: #fff; color: #222;
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .5rem 0 1rem; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
figure { margin: 1rem 0 0; break-inside: avoid; }
figure img { display: block; width: 100%; height: auto; }
figcaption { color: #444; font-size: .95rem; }
.verdict { border-left: .4rem solid #555; background: #f4f4f4; padding: .6rem 1rem; }
.verdict.good { border-color: #009e73; background: #effaf5; }
.verdict.poor { border-color: #d55e00; background: #fdf3ec; }
.verdict strong { font-size: 1.1rem; }
table { border-collapse: collapse; width: 100%; margin-top: 1rem; }
caption { text-align: left; color: #444; font-size: .95rem; padding-bottom: .3rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #ddd;
  overflow-wrap: break-word; }
th { font-weight: 500; }
thead th { font-weight: 600; }
.facts th { width: 45%; }
dt { font-weight: 600; } dd { margin: 0 0 .5rem; }
footer { margin-top: 2.5rem; color: #555; font-size: .85rem; }
pre { background: #f4f4f4; padding: .6rem 1rem; overflow-x: auto; font-size: .9rem; }
pre.said { white-space: pre-wrap; }
@media print { html { font-size: 10pt; } body { max-width: none; padding: 0; } h2 { break-after: avoid; }
  pre { white-space: pre-wrap; } tr { break-inside: avoid; } figure img { max-width: 14cm; }
  .verdict { print-color-adjust: exact; } }
""".strip()


def page(title: str, *parts: str, head: str = "") -> str:
    """Return a whole page made of HTML parts.

    Args:
        title: Title as plain text, for the window and the page.
        parts: Parts as HTML, in order.
        head: HTML for the end of the page's head.
    """
    top = (
        '<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_STYLE}\n</style>"
    ) + (f"\n{head}" if head else "")
    body = "\n".join(part for part in parts if part)
    heading = f"<h1>{escape(title)}</h1>"
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{top}\n</head>\n<body>\n<main>\n{heading}\n{body}\n</main>\n'
        "</body>\n</html>\n"
    )


def paragraph(text: str) -> str:
    """Return plain text as a paragraph."""
    return f"<p>{escape(text)}</p>"


def section(title: str, *parts: str, kind: str = "") -> str:
    """Return a titled section of HTML parts, with a class if one is given; empty without parts."""
    body = "\n".join(part for part in parts if part)
    marked = f' class="{escape(kind)}"' if kind else ""
    return f"<section{marked}>\n<h2>{escape(title)}</h2>\n{body}\n</section>" if body else ""


def verdict(words: str, advice: str, *, good: bool) -> str:
    """Return the verdict as words, with a colour in addition."""
    return (
        f'<div class="verdict {"good" if good else "poor"}"><strong>{escape(words)}</strong><br>{escape(advice)}</div>'
    )


def bullets(items: Sequence[str]) -> str:
    """Return plain texts as a list; empty without texts."""
    return "<ul>\n" + "\n".join(f"<li>{escape(item)}</li>" for item in items) + "\n</ul>" if items else ""


def facts(rows: Sequence[tuple[str, str]], caption: str) -> str:
    """Return a table of names and values, both plain text."""
    lines = "\n".join(f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in rows)
    return f'<table class="facts">\n<caption>{escape(caption)}</caption>\n<tbody>\n{lines}\n</tbody>\n</table>'


def grid(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """Return a table with a heading row, whose first column names the rows; plain text."""
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    lines = "\n".join(
        f'<tr><th scope="row">{escape(row[0])}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:]) + "</tr>"
        for row in rows
    )
    return (
        f"<table>\n<caption>{escape(caption)}</caption>\n<thead><tr>{top}</tr></thead>\n"
        f"<tbody>\n{lines}\n</tbody>\n</table>"
    )


def definitions(words: Sequence[tuple[str, str]]) -> str:
    """Return words with their definitions."""
    return "<dl>\n" + "\n".join(f"<dt>{escape(word)}</dt><dd>{escape(text)}</dd>" for word, text in words) + "\n</dl>"


def code(text: str) -> str:
    """Return the lines of a program."""
    return f"<pre><code>{escape(text.strip())}</code></pre>"


def program_output(text: str) -> str:
    """Return the output of a program, line by line, with long lines wrapped."""
    return f'<pre class="said">{escape(text.strip())}</pre>'


def picture(figure: Figure, *, alternative: str, caption: str) -> str:
    """Return a figure embedded as SVG, with a text alternative for screen readers.

    Args:
        figure: Figure.
        alternative: Content of the figure with its numbers, as plain text.
        caption: Caption as plain text.
    """
    data = base64.b64encode(_svg(figure)).decode("ascii")
    width, height = (round(100 * side) for side in figure.get_size_inches())
    return (
        f'<figure>\n<img src="data:image/svg+xml;base64,{data}" width="{width}" height="{height}" '
        f'alt="{escape(alternative)}">\n<figcaption>{escape(caption)}</figcaption>\n</figure>'
    )


def image(source: str, *, width: int, alternative: str, caption: str) -> str:
    """Return an embedded pixel image.

    Args:
        source: Data URI of the image.
        width: Width in pixels of the page.
        alternative: Content of the image, as plain text.
        caption: Caption as plain text.
    """
    return (
        f'<figure>\n<img class="found" style="width: {width}px" src="{source}" alt="{escape(alternative)}">\n'
        f"<figcaption>{escape(caption)}</figcaption>\n</figure>"
    )


def _svg(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    # No date, so that the same table gives the same page.
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
