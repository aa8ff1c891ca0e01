"""The house has floors: every import points down. An unknown module fails, so none is ever built outside the plan."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "cotrain"

# Top floor first. Parts on one floor stand side by side: neither imports the other.
FLOORS = [
    {"__main__"},
    {"cli"},
    {"jobs"},
    {"report"},
    {"bundle", "model_selection"},
    {"estimators"},
    {"rounds", "ensemble"},
    {"learners", "views"},
    {"predictions", "table"},
    {"engine", "ops"},
    {"settings", "tasks", "frozen"},
    {"errors"},
]
DEPTH = {part: depth for depth, floor in enumerate(FLOORS) for part in floor}

# Inside learners/deep: terms of one step, which never import one another.
TERMS = {"joint", "adversarial", "distillation"}

MODULES = sorted(PACKAGE.rglob("*.py"))


def imported_modules(path: Path) -> Iterator[list[str]]:
    """Every `cotrain...` module that a file imports anywhere in it, as a list of name parts."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the full name."
            assert node.module is not None
            base = node.module.split(".")
            yield base
            yield from ([*base, alias.name] for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".") for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    part = path.relative_to(PACKAGE).with_suffix("").parts[0]
    if part == "__init__":
        return  # the public face may import everything
    assert part in DEPTH, f"`{part}` has no floor yet; place it in FLOORS and in the README's map."
    for package, *target in imported_modules(path):
        if package != "cotrain" or not target or target[0] == part:
            continue
        # `from cotrain import X` names the face, which sits above everybody.
        assert target[0] in DEPTH, f"{part} imports cotrain.{target[0]}, which has no floor."
        assert DEPTH[target[0]] > DEPTH[part], f"{part} imports {target[0]}, which is not below it."


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_terms_of_the_step_never_import_one_another(path: Path) -> None:
    own = TERMS.intersection(path.relative_to(PACKAGE).parts)
    for target in imported_modules(path):
        if own and target[:3] == ["cotrain", "learners", "deep"]:
            assert not (TERMS - own).intersection(target), f"{path.name} reaches into a sister term."


def test_ops_knows_only_torch() -> None:
    for path in (PACKAGE / "ops").rglob("*.py"):
        for package, *target in imported_modules(path):
            assert package != "sklearn", f"{path}: the operators know torch only."
            assert package != "cotrain" or not target or target[0] in {"ops", "errors"}, path


def test_there_is_no_utils() -> None:
    assert not [path for path in MODULES if path.stem in {"utils", "helpers", "misc", "common"}]
