"""What a study's page says in words: the source's sentence with its verdicts, the choices, and what made it."""

import json
from html import escape

from wnsense.files.tables import Table
from wnsense.lab.studies.forms import caption, findings
from wnsense.pages import html
from wnsense.pages.words import number, versions

_CLASSES = {True: "as-said", False: "not-as-said"}
_ITEM = "- "


def caption_parts(table: Table) -> tuple[list[str], list[str]]:
    """The caption as HTML: what stands above the curves (what was claimed and seen) and what stands below.

    Raises:
        InputError: When no caption is made of tables of this form.
    """
    # The first paragraph is the page's title; the last says what made it, which has a section of its own.
    blocks = [block.splitlines() for block in caption(table).strip().split("\n\n")][1:-1]
    verdicts = {of.text: _CLASSES.get(of.holds) if of.holds is not None else None for of in findings(table)}
    parts = [_block(lines, verdicts) for lines in blocks]
    # The claim, and what is seen of it.
    seen = 1 + sum(lines[0].startswith("Seen") for lines in blocks)
    return parts[:seen], parts[seen:]


def _block(lines: list[str], verdicts: dict[str, str | None]) -> str:
    if not any(line.startswith(_ITEM) for line in lines):
        return html.paragraph(" ".join(lines))
    items = "\n".join(_item(line.removeprefix(_ITEM), verdicts) for line in lines if line.startswith(_ITEM))
    return html.section(lines[0].rstrip(":"), f"<ul>\n{items}\n</ul>")


def _item(text: str, verdicts: dict[str, str | None]) -> str:
    """A line of a list; of a finding the verdict stands out, by words first and by colour besides."""
    for finding, kind in verdicts.items():
        if text.endswith(finding):
            verdict = escape(text.removesuffix(finding).strip())
            marked = f'<strong class="{kind}">{verdict}</strong>' if kind else f"<strong>{verdict}</strong>"
            return f"<li>{marked} {escape(finding)}</li>"
    return f"<li>{escape(text)}</li>"


def study_facts(table: Table) -> list[str]:
    """The specification, the versions, the machine and what it took; the whole head of the table to be opened."""
    header, arrays = table.header, table.arrays
    spent, memory = arrays.get("spent_seconds"), arrays.get("peak_memory")
    rows = [
        ("Study", str(header["name"])),
        ("Scale", str(header["scale"])),
        ("Specification, SHA-256", str(header.get("fingerprint", ""))),
        ("Format of the table", str(header.get("format", ""))),
        ("Versions", versions(header.get("versions"))),
        ("Machine", str(header.get("machine", ""))),
        ("Threads", str(header.get("threads", ""))),
        ("Seconds in all", "" if spent is None else number(float(spent[0]))),
        ("Memory at most", "" if memory is None else f"{float(memory[0]) / 1e9:.2g} GB"),
    ]
    facts = html.facts([(name, value) for name, value in rows if value], "What was run, with what and where")
    whole = escape(json.dumps(dict(header), indent=1, sort_keys=True))
    return [
        facts,
        f'<details><summary>All that the table says of itself</summary>\n<pre class="whole">{whole}</pre>\n</details>',
    ]
