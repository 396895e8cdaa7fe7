"""Everything public in the package has type annotations; mypy (`bertedu test --lint`) says whether they are true."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "bertedu"
MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if "exercises" not in path.parts]
WRITTEN_INTO_NOTEBOOKS = {"setup_cell.py"}  # code for a cell, not an API


def public_functions(body, prefix=""):
    """Yield (name, node, whether it is a method) of public functions, methods and constructors."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node.body, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (
            not node.name.startswith("_") or node.name in ("__init__", "__call__")
        ):
            yield prefix + node.name, node, bool(prefix)


def lacking(node, method):
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in node.decorator_list)
    arguments = arguments[1:] if method and not static else arguments
    names = [argument.arg for argument in arguments if argument.annotation is None]
    return names + (["return"] if node.returns is None and node.name != "__init__" else [])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_everything_public_is_annotated(path):
    if path.name in WRITTEN_INTO_NOTEBOOKS:
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    missing = {name: lacking(node, method) for name, node, method in public_functions(tree.body)}
    assert {name: names for name, names in missing.items() if names} == {}


def test_the_annotations_are_shipped():
    assert (PACKAGE / "py.typed").is_file()
