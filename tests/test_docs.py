"""Every Python snippet of the documentation runs, in order, in the namespace that its page has built up."""

import ast
import importlib
import importlib.util
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


# Whole recoveries, seconds each: of these pages the fast suite checks the names alone.
LONG = {"sparse.md", "benchmark.md", "trust.md", "recovery.md", "diagonal.md", "report.md"}
PROGRAMS = [
    pytest.param(
        "\n".join(parts),
        id=f"{page.name}-{name}" if name else page.name,
        marks=pytest.mark.slow if page.name in LONG else (),
    )
    for page in PAGES
    for name, parts in snippets(page).items()
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_snippets_run(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A page's programs run from its first line to its last without an error or a warning."""
    exec(compile(program, "<docs>", "exec"), {"__name__": "docs"})
    capsys.readouterr()


def attribute_chain(node: ast.AST) -> list[str]:
    """The names of `a.b.c`, or nothing if it does not begin with a name."""
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [node.id, *reversed(names)] if isinstance(node, ast.Name) else []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_in_snippets_exist(page: Path) -> None:
    """Every import is found, and every name that is taken from an imported module."""
    modules: dict[str, object] = {}
    trees = [ast.parse(code) for _, code in FENCE.findall(page.read_text())]
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Import):
            for name in node.names:
                whole = importlib.import_module(name.name)
                modules[name.asname or name.name] = whole
        elif isinstance(node, ast.ImportFrom) and node.module:
            source = importlib.import_module(node.module)
            for name in node.names:
                is_module = (
                    importlib.util.find_spec(f"{node.module}.{name.name}") if hasattr(source, "__path__") else None
                )
                assert is_module or hasattr(source, name.name), f"{node.module}.{name.name}"
    for node in (node for tree in trees for node in ast.walk(tree)):
        chain = attribute_chain(node)
        if chain and chain[0] in modules:
            value = modules[chain[0]]
            for name in chain[1:]:
                assert hasattr(value, name), ".".join(chain)
                value = getattr(value, name)


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


def anchors(page: Path) -> set[str]:
    """The names by which links reach the headings of a page: small letters, hyphens for spaces, no punctuation."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    """Every relative link leads to a file, and to a heading in it if it names one; results may not be shipped."""
    for target in re.findall(r"\]\(([^)\s:]+)\)", page.read_text()):
        name, _, heading = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        if "results" not in linked.parts or (ROOT / "studies" / "results").is_dir():
            assert linked.exists(), target
        if heading:
            assert heading in anchors(linked), target
