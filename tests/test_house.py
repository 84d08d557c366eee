"""Rules of CONTRIBUTING that a program can check: one name for one thing, frozen values, clear first lines."""

import ast
import functools
import re
from collections import Counter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "wnsense"
PATHS = sorted(PACKAGE.rglob("*.py"))
NAMES = [path.relative_to(PACKAGE).as_posix() for path in PATHS]

# A study is a folder of parts that are called alike in every study; a command is called like what it starts.
STUDY_ROLES = {"cases", "caption", "measure", "page", "picture", "run", "specification", "study", "table"}
UNCLEAR_VARIABLES = {"of", "found", "told", "chosen", "known", "tell"}
UNCLEAR_BEGINNING = re.compile(r"(What|Of|Which|Whether|The same|As|Where|How)\b")
# Nouns that end in "ing": rooms of the layout, and terms of the field.
NOUNS_IN_ING = {
    "sensing",
    "combining",
    "checking",
    "measuring",
    "running",
    "training",
    "centring",
    "scaling",
    "smoothing",
    "learning",
}
# Names that tables store.
STORED_NAMES = {("lab/studies/frame/study_head.py", "chosen")}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@functools.cache
def trees():
    """Return the parsed files by name; parsed at the first use, as one of the tests' processes uses them."""
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in zip(NAMES, PATHS, strict=True)}


def nodes(*kinds):
    """Yield each node of these kinds with the place it stands at."""
    for path, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, kinds):
                yield f"{path}:{getattr(node, 'lineno', 1)}", node


def repeated(names):
    return sorted(name for name, count in Counter(names).items() if count > 1)


def test_every_folder_says_what_it_is_about():
    folders = {path.parent for path in PATHS}
    for folder in folders:
        assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))), folder


def test_a_class_name_means_one_thing():
    classes = [node for tree in trees().values() for node in tree.body if isinstance(node, ast.ClassDef)]
    assert repeated(node.name for node in classes) == []


def test_a_file_name_means_one_thing():
    names = []
    for path in NAMES:
        folder, _, name = path.removesuffix(".py").rpartition("/")
        is_role = folder.startswith("lab/studies/") and name in STUDY_ROLES
        if name not in {"__init__", "__main__"} and not is_role and not folder.startswith("cli"):
            names.append(name)
    assert repeated(names) == []


def test_file_names_are_nouns():
    stems = {Path(path).stem for path in NAMES} | {Path(path).parent.name for path in NAMES}
    assert {stem for stem in stems if re.fullmatch(r"[a-z]+ing", stem)} <= NOUNS_IN_ING


def test_values_are_not_forced_into_frozen_objects():
    assert [place for place, call in nodes(ast.Call) if ast.unparse(call.func) == "object.__setattr__"] == []
    assert [
        place
        for place, call in nodes(ast.Call)
        if any(word.arg == "init" and ast.unparse(word.value) == "False" for word in call.keywords)
    ] == []


def test_functions_name_their_arguments():
    # torch's modules and Python's exceptions ask for it.
    allowed = {"super().__init__()", "super().__init__(str(status))"}
    assert [place for place, node in nodes(*FUNCTIONS) if node.args.kwarg is not None] == []
    assert {
        ast.unparse(call) for _, call in nodes(ast.Call) if ast.unparse(call.func).startswith("super().")
    } - allowed == set()


@pytest.mark.parametrize("room", sorted({path.split("/")[0] for path in NAMES}))
def test_first_lines_stand_alone_and_variables_are_nouns(room):
    unclear = []
    for path, tree in trees().items():
        if path.split("/")[0] != room:
            continue
        for node in ast.walk(tree):
            line = getattr(node, "lineno", 1)
            if isinstance(node, (ast.Module, ast.ClassDef, *FUNCTIONS)):
                docstring = ast.get_docstring(node) or ""
                if UNCLEAR_BEGINNING.match(docstring):
                    unclear.append(f"{path}:{line}: {docstring.splitlines()[0]}")
            stored = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in UNCLEAR_VARIABLES
            argument = isinstance(node, ast.arg) and node.arg in UNCLEAR_VARIABLES
            name = node.id if stored else node.arg if argument else ""
            if name and (path, name) not in STORED_NAMES:
                unclear.append(f"{path}:{line}: a variable called {name}")
    assert unclear == []
