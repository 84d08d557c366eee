"""Figures of the code's structure: sizes, repeated names and bookkeeping.

    python benchmarks/structure.py [FOLDER]

The folder is the package, `src/wnsense` by default. The table of an older state comes from a checkout of that state.
"""

import ast
import statistics
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "wnsense"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def functions(trees: list[ast.Module]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function and method of the package."""
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, FUNCTIONS):
                yield node


def repeated(names: list[str]) -> int:
    """Return the number of names that occur more than once."""
    return sum(count > 1 for count in Counter(names).values())


def is_uninitialized_field(node: ast.AST) -> bool:
    """Return True for the argument `init=False` of a dataclass field."""
    return isinstance(node, ast.keyword) and node.arg == "init" and ast.unparse(node.value) == "False"


def is_forced_assignment(node: ast.AST) -> bool:
    """Return True for a call of `object.__setattr__`."""
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "object.__setattr__"


def exported(package: Path) -> int:
    """Return the number of names in the package: those of `__all__`, or of the stub where names load lazily."""
    stub = package / "__init__.pyi"
    if stub.exists():
        return sum(len(node.names) for node in ast.parse(stub.read_text()).body if isinstance(node, ast.ImportFrom))
    for node in ast.parse((package / "__init__.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return len(ast.literal_eval(node.value))
    return 0


def rows(package: Path) -> list[tuple[str, str]]:
    """Return the table, a name and a figure a row."""
    paths = sorted(package.rglob("*.py"))
    texts = [path.read_text(encoding="utf-8") for path in paths]
    trees = [ast.parse(text) for text in texts]
    lines = [text.count("\n") for text in texts]
    lengths = [node.end_lineno - node.lineno + 1 for node in functions(trees) if node.end_lineno is not None]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    classes = [node.name for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)]
    return [
        ("files", f"{len(paths)}"),
        ("lines", f"{sum(lines):,}"),
        ("lines of a file, median and longest", f"{statistics.median(lines):g}, {max(lines)}"),
        ("lines of a function, median and longest", f"{statistics.median(lengths):g}, {max(lengths)}"),
        ("functions over 40 lines", f"{sum(length > 40 for length in lengths)}"),
        ("field(init=False)", f"{sum(map(is_uninitialized_field, nodes))}"),
        ("object.__setattr__", f"{sum(map(is_forced_assignment, nodes))}"),
        ("names in __init__", f"{exported(package)}"),
        ("class names used twice", f"{repeated(classes)}"),
        ("file names used twice", f"{repeated([path.name for path in paths if path.name != '__init__.py'])}"),
    ]


def main() -> None:
    """Print the table."""
    package = Path(sys.argv[1]) if len(sys.argv) > 1 else PACKAGE
    for name, figure in rows(package):
        print(f"| {name} | {figure} |")


if __name__ == "__main__":
    main()
