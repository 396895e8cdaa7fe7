"""Count the lines of code of Python files: `python -m tools.code_lines [PATH ...]`.

Annotations, and the imports that only they need, are removed, and ruff formats what is left: neither annotations
nor layout change the count. A line counts if it holds a token that is neither a comment nor part of a docstring.
Without arguments, the package without its exercises is counted.
"""

import argparse
import ast
import io
import pathlib
import subprocess
import sys
import tokenize

ROOT = pathlib.Path(__file__).parent.parent
IGNORED = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
TYPING = {"__future__", "typing", "numpy.typing", "bertedu.typing"}
FORMAT = ("format", "--isolated", "--line-length=120", "--config=format.skip-magic-trailing-comma=true", "-")

UNUSED = ("check", "--isolated", "--select=F401", "--fix-only", "--quiet")  # imports that only annotations needed


class WithoutAnnotations(ast.NodeVisitor):
    """The pieces of a syntax tree that exist for annotations alone, as spans ((line, column), (line, column))."""

    def __init__(self):
        self.spans = []

    def visit_arg(self, node):
        """An argument's annotation, with its colon."""
        if node.annotation:
            start = (node.lineno, node.col_offset + len(node.arg.encode()))
            self.spans.append((start, (node.annotation.end_lineno, node.annotation.end_col_offset)))

    def visit_AnnAssign(self, node):
        """An assignment's annotation, with its colon; without a value it declares a field, and stays."""
        if node.value:
            start = (node.target.end_lineno, node.target.end_col_offset)
            self.spans.append((start, (node.annotation.end_lineno, node.annotation.end_col_offset)))
        self.generic_visit(node)

    def visit_ImportFrom(self, node):
        """An import from a module of types."""
        if node.module in TYPING:
            self.spans.append(((node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset), "pass"))

    def visit_If(self, node):
        """`if TYPE_CHECKING:` with all that is in it."""
        if ast.unparse(node.test).endswith("TYPE_CHECKING"):
            self.spans.append(((node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset), "pass"))
        else:
            self.generic_visit(node)


def without_annotations(source):
    """Return `source`, a string, without annotations; what they leave behind is code that still parses."""
    visitor = WithoutAnnotations()
    tree = ast.parse(source)
    visitor.visit(tree)
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()))
    data = source.encode()
    spans = [(starts[a[0] - 1] + a[1], starts[b[0] - 1] + b[1], *rest) for a, b, *rest in visitor.spans]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns:
            end = starts[node.returns.end_lineno - 1] + node.returns.end_col_offset
            spans.append((data.rindex(b"->", 0, starts[node.returns.lineno - 1] + node.returns.col_offset), end))
    for start, end, *rest in sorted(spans, reverse=True):
        data = data[:start] + b"".join(text.encode() for text in rest) + data[end:]
    return data.decode()


def docstrings(tree):
    """Return the spans ((line, column), (line, column)) of all docstrings."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    nodes = [node.body[0] for node in ast.walk(tree) if isinstance(node, documented) and ast.get_docstring(node)]
    return [((node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)) for node in nodes]


def ruff(source, *arguments):
    """Return what ruff makes of `source`, a string."""
    command = [sys.executable, "-m", "ruff", *arguments]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=True, encoding="utf-8").stdout


def count(source, name="module.py"):
    """Return the number of lines of code in `source`, a string; what `__init__.py` imports is its code."""
    bare = ruff(ruff(without_annotations(source), *UNUSED, f"--stdin-filename={name}", "-"), *FORMAT)
    spans = docstrings(ast.parse(bare))
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(bare).readline):
        if token.type in IGNORED or any(start <= token.start < end for start, end in spans):
            continue
        lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines) - bare.splitlines().count("pass")


def package_files(root):
    """Return the Python files of the package below `root`, without the exercises."""
    return [path for path in sorted((root / "bertedu").rglob("*.py")) if "exercises" not in path.parts]


def main():
    """Print one line per file, the longest last, and the total."""
    parser = argparse.ArgumentParser(prog="python -m tools.code_lines", description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=pathlib.Path, help="files; default: the package")
    parser.add_argument("--root", type=pathlib.Path, default=ROOT, help="another checkout")
    options = parser.parse_args()
    paths = options.paths or package_files(options.root)
    counts = {path: count(path.read_text(encoding="utf-8"), path.name) for path in paths}
    for path, number in sorted(counts.items(), key=lambda item: item[1]):
        print(f"{number:6,}  {path.relative_to(options.root) if path.is_relative_to(options.root) else path}")
    print(f"{sum(counts.values()):6,}  in {len(counts)} files")


if __name__ == "__main__":
    main()
