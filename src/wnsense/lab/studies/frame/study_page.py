"""Words on the page of a study: the claim with its verdicts, the choices, and how the table was made."""

import json
from collections.abc import Iterable
from html import escape

from wnsense.files.tables import Table
from wnsense.lab.studies.frame.findings import Finding
from wnsense.lab.studies.frame.study_caption import VERDICTS, Caption
from wnsense.pages import html
from wnsense.pages.words import number, versions

_CLASSES = {True: ' class="as-said"', False: ' class="not-as-said"', None: ""}


def words_above(caption: Caption) -> list[str]:
    """Return as HTML what stands above the curves: the claim of the source, and the findings."""
    return [html.paragraph(caption.claim), _section("Seen here", map(_item, caption.findings))]


def words_below(caption: Caption) -> list[str]:
    """Return as HTML what stands below the curves: the further lists of the caption."""
    lists = [one for one in (*caption.paragraphs, caption.choices) if one.lines]
    return [_section(one.heading.rstrip(":"), map(escape, one.lines)) for one in lists]


def _section(heading: str, items: Iterable[str]) -> str:
    points = "\n".join(f"<li>{item}</li>" for item in items)
    return html.section(heading, f"<ul>\n{points}\n</ul>")


def _item(finding: Finding) -> str:
    """Return a finding as HTML; its verdict stands out by words, and by colour besides."""
    return f"<strong{_CLASSES[finding.holds]}>{VERDICTS[finding.holds]}:</strong> {escape(finding.text)}"


def study_facts(caption: Caption, table: Table) -> list[str]:
    """Return as HTML how a table was made: versions, machine, time and memory, and its whole head, folded."""
    head = caption.head
    rows = [
        ("Study", head.name),
        ("Scale", str(head.scale)),
        ("Specification, SHA-256", head.fingerprint),
        ("Format of the table", "" if head.format is None else str(head.format)),
        ("Versions", versions(head.versions)),
        ("Machine", head.machine),
        ("Threads", "" if head.threads is None else str(head.threads)),
        ("Seconds in all", number(caption.seconds)),
        ("Memory at most", f"{caption.memory / 1e9:.2g} GB"),
    ]
    facts = html.facts([(name, value) for name, value in rows if value], "What was run, with what and where")
    whole = escape(json.dumps(dict(table.header), indent=1, sort_keys=True))
    return [
        facts,
        f'<details><summary>All that the table says of itself</summary>\n<pre class="whole">{whole}</pre>\n</details>',
    ]
