"""The test files that `make check` runs, one a line: those that a change concerns, or a smoke set.

A change is all that differs from the upstream branch, or from the last commit without one, untracked files included.
Changed test files come first. After them come the tests named after a changed module, those that import it, and those
that import another module of its package. The list is short, so that the check takes less than a minute; `make test`
runs everything.
"""

import ast
import functools
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
SMOKE = ("tests/test_checks.py", "tests/test_low_rank.py", "tests/test_packaging.py", "tests/test_problem_arguments.py")
MOST_FILES = 4
# A test file's name counts more than its imports, and an import of a changed module more than all from its package.
_NAMED, _DIRECT = 10_000, 100


def changed_files() -> list[str]:
    """Return the paths that differ from the upstream branch, relative to the root."""
    upstream = _git("rev-parse", "--abbrev-ref", "@{upstream}") or ["HEAD"]
    base = _git("merge-base", "HEAD", upstream[0]) or ["HEAD"]
    return sorted({*_git("diff", "--name-only", base[0]), *_git("ls-files", "--others", "--exclude-standard")})


def select(changed: Iterable[str]) -> list[str]:
    """Return the test files that a change of these paths concerns, at most `MOST_FILES`; without any, the smoke set."""
    paths = [path for path in changed if path.endswith(".py")]
    modules = {_module(path) for path in paths if path.startswith(("src/", "tests/cases/"))}
    files = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").glob("test_*.py"))
    scores = {path: _score(ROOT / path, modules) for path in files}
    selected = [path for path in files if path in paths]
    selected += sorted(
        (path for path in files if scores[path] and path not in selected), key=lambda path: -scores[path]
    )
    return selected[:MOST_FILES] or list(SMOKE)


def _score(test: Path, modules: set[str]) -> int:
    imports = _imports(test)
    named = any(test.stem == f"test_{module.rpartition('.')[2]}" for module in modules)
    packages = {module.rpartition(".")[0] for module in modules} - {"", "wnsense"}
    direct = len(imports & modules)
    near = sum(name.rpartition(".")[0] in packages or name in packages for name in imports)
    return _NAMED * named + _DIRECT * direct + near


@functools.cache
def _imports(path: Path) -> set[str]:
    """Return the names of all modules that a file imports, and of all that may be one."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def _module(path: str) -> str:
    parts = Path(path).with_suffix("").parts[1:]
    return ".".join(part for part in parts if part != "__init__")


def _git(*words: str) -> list[str]:
    ended = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return ended.stdout.split() if ended.returncode == 0 else []


if __name__ == "__main__":
    sys.stdout.write("\n".join(select(changed_files())) + "\n")
