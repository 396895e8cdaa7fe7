"""Print the templates of all errors and warnings of the package: `python -m tools.list_messages [PATH ...]`.

Each line is file, line number and message, with the expressions of f-strings in braces.
"""

import argparse
import ast
import pathlib

ROOT = pathlib.Path(__file__).parent.parent


def template(node):
    """Return the text of a string expression, with the expressions of f-strings in braces; None for other nodes."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(template(part) or f"{{{ast.unparse(part.value)}}}" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return (template(node.left) or ast.unparse(node.left)) + (template(node.right) or ast.unparse(node.right))
    return None


def messages(tree):
    """Yield (line number, kind, template) of all exceptions and warnings."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called.endswith(("Error", "Exception")) or called in ("warn", "WrongAnswer", "fail"):
            text = template(node.args[0])
            if text:
                yield node.lineno, called, " ".join(text.split())


def main():
    """Print the messages of some files, or of the package."""
    parser = argparse.ArgumentParser(prog="python -m tools.list_messages", description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=pathlib.Path, default=sorted((ROOT / "bertedu").rglob("*.py")))
    for path in parser.parse_args().paths:
        for number, kind, text in messages(ast.parse(path.read_text(encoding="utf-8"))):
            print(f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}:{number}: {kind}: {text}")


if __name__ == "__main__":
    main()
