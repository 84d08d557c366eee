"""The public names: few in the package itself, loaded when they are used, and each of them documented."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import wnsense as wn

ROOT = Path(__file__).parents[1]
MODULES = ("files", "manifolds", "networks", "operators", "recovery", "running", "solvers", "sparse", "trust")
HEAVY = ("matplotlib", "PIL", "pandas", "scipy.stats")


def loaded_modules(program: str) -> set[str]:
    """The modules that a new process has loaded at the end of a program."""
    command = [sys.executable, "-c", f"{program}\nimport sys\nprint(*sys.modules, sep='\\n')"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_the_package_has_about_thirty_names():
    modules = {name for name in wn.__all__ if isinstance(getattr(wn, name), type(wn))}
    assert len(modules) <= 12
    assert 20 <= len(set(wn.__all__) - modules) <= 30
    assert set(dir(wn)) == set(wn.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nonsense"):
        wn.nonsense


def test_names_of_the_package_are_those_of_its_modules():
    for name in set(wn.__all__) & set(wn.operators.__all__):
        assert getattr(wn, name) is getattr(wn.operators, name)


@pytest.mark.parametrize("module", ["", *MODULES])
def test_every_public_name_is_in_the_docstring_of_its_module_and_in_the_documentation(module):
    room = importlib.import_module(f"wnsense.{module}".rstrip("."))
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
    documentation = "\n".join(page.read_text() for page in pages)
    for name in room.__all__:
        assert hasattr(room, name), name
        assert re.search(rf"\b{name}\b", room.__doc__), f"{name} is not in the docstring of {room.__name__}"
        assert re.search(rf"\b{name}\b", documentation), f"{name} is in no page of the documentation"


def test_importing_the_package_loads_none_of_its_parts():
    loaded = loaded_modules("import wnsense")
    assert "wnsense" in loaded
    assert not loaded & {*HEAVY, "torch", "numpy", "scipy"}


def test_names_of_the_package_load_no_library_for_pictures_or_tables():
    light = [name for name in wn.__all__ if name not in {"lab", "networks"}]
    loaded = loaded_modules(f"import wnsense\nfor name in {light}: getattr(wnsense, name)")
    assert {"torch", "wnsense.recovery.recover"} <= loaded
    assert not loaded & set(HEAVY)
