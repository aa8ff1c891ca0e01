"""What `import cotrain` offers: the names it lists and no other, and nothing heavy before it is asked for."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import cotrain

NAMES = [name for name in cotrain.__all__ if name != "__version__"]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_that_is_listed_is_there_and_lives_where_the_table_says(name: str) -> None:
    assert getattr(cotrain, name) is getattr(import_module(cotrain._HOMES[name]), name)


def test_what_is_listed_is_sorted_and_exactly_what_is_public() -> None:
    for name in NAMES:
        getattr(cotrain, name)
    public = {
        name for name, value in vars(cotrain).items() if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public - {"import_module", "TYPE_CHECKING", "Any"} == set(NAMES) == set(cotrain._HOMES)
    assert cotrain.__all__ == sorted(cotrain.__all__)
    assert dir(cotrain) == cotrain.__all__


def test_type_checkers_are_told_the_same_names_from_the_same_homes() -> None:
    tree = ast.parse(Path(cotrain.__file__).read_text())
    guarded = [node for node in tree.body if isinstance(node, ast.If)]
    told = {
        alias.name: node.module
        for block in guarded
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert told == cotrain._HOMES


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'CotrainClassifier'"):
        cotrain.CotrainClassifier  # noqa: B018


def test_importing_the_package_and_its_command_line_loads_nothing_heavy() -> None:
    code = "import sys, cotrain, cotrain.cli; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "sklearn", "scipy", "numpy", "pyarrow", "pandas", "pydantic", "skops"}
    assert not heavy & set(done.stdout.split())


def test_the_version_is_that_of_the_distribution() -> None:
    from importlib.metadata import version

    assert cotrain.__version__ == version("cotrain")
