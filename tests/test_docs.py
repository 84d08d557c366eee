"""Every Python snippet of the documentation runs, in order, in the namespace that its page has built up."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```python(?: (\w+))?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def snippets(page: Path) -> dict[str, list[str]]:
    """The snippets of a page, grouped by the word after ```python; each group is one program."""
    groups: dict[str, list[str]] = {}
    for name, code in FENCE.findall(page.read_text()):
        groups.setdefault(name, []).append(code)
    return groups


PROGRAMS = [
    pytest.param("\n".join(parts), id=f"{page.name}-{name}" if name else page.name)
    for page in PAGES
    for name, parts in snippets(page).items()
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_snippets_run(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A page's programs run from its first line to its last without an error or a warning."""
    exec(compile(program, "<docs>", "exec"), {"__name__": "docs"})
    capsys.readouterr()


def test_readme_example_does_what_its_comments_say() -> None:
    """The ten lines recover the matrix, its rank and the verdict that the comment in the README shows."""
    space: dict[str, object] = {}
    exec(compile(snippets(ROOT / "README.md")[""][0], "<readme>", "exec"), space)
    recovery, truth = space["recovery"], space["truth"]
    assert str(recovery.status) == "converged"
    assert recovery.rank == 3
    assert float(recovery.matrix.distance(truth) / truth.norm()) < 1e-8


def test_readme_names_both_commands_and_every_link_exists() -> None:
    """`make demo` and `make test` are in the README, and what it links to is there."""
    text = (ROOT / "README.md").read_text()
    assert "make demo" in text
    assert "make test" in text
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / target).exists(), target


def test_the_tree_in_the_architecture_page_is_the_contract() -> None:
    """The rooms that the page lists are those that CI checks, in the same order."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    rooms = re.findall(r"^  (\w+)(?:\.py|/) ", page, re.MULTILINE)
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [layers] = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    assert rooms[1:] == [layer.strip("()").removeprefix("wnsense.") for layer in reversed(layers)]
