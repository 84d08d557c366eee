"""Rooms that import the libraries that draw."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "wnsense"
DRAWING_ROOMS = {"pages", "lab", "cli"}
OTHERS = [
    path.relative_to(PACKAGE)
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.relative_to(PACKAGE).parts[0] not in DRAWING_ROOMS
]


def imports_at_import_time(tree: ast.Module) -> set[str]:
    """Names of the packages that a module imports outside of its functions."""
    names: set[str] = set()
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            names.add(node.module.split(".")[0])
        waiting += ast.iter_child_nodes(node)
    return names


def test_only_pages_the_laboratory_and_the_command_line_import_matplotlib():
    drawing = [
        path for path in OTHERS if "matplotlib" in imports_at_import_time(ast.parse((PACKAGE / path).read_text()))
    ]
    assert len(OTHERS) > 100
    assert drawing == []


def test_an_import_is_found_wherever_it_runs_at_import_time():
    late = "def draw():\n    import matplotlib\n"
    early = "if True:\n    from matplotlib.figure import Figure\n"
    assert imports_at_import_time(ast.parse(late)) == set()
    assert imports_at_import_time(ast.parse(early)) == {"matplotlib"}
