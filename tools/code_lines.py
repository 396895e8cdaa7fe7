"""Count the lines of code of Python files: `python -m tools.code_lines [PATH ...]`.

A line counts if it holds a token that is neither a comment, nor part of a docstring, nor of a type annotation. So that
annotations really count for nothing, a signature that they break into several lines is one line, and imports from
`typing` and `collections.abc` are none. Without arguments, the package without its exercises is counted.
"""

import argparse
import ast
import io
import pathlib
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


def left_out(tree):
    """Return the spans ((line, column), (line, column)) of all docstrings and annotations of a syntax tree."""
    spans = []
    for node in ast.walk(tree):
        parts = []
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if documented and ast.get_docstring(node, clean=False) is not None:
            parts.append(node.body[0])
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            parts.append(node.returns)
        if isinstance(node, (ast.arg, ast.AnnAssign)):
            parts.append(node.annotation)
        if isinstance(node, ast.ImportFrom) and node.module in ("__future__", "typing", "collections.abc"):
            parts.append(node)
        spans += [((part.lineno, part.col_offset), (part.end_lineno, part.end_col_offset)) for part in parts if part]
    return spans


def signatures(tree):
    """Return the first line of the signature that each line is part of: line -> line."""
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return {line: node.lineno for node in functions for line in range(node.lineno, node.body[0].lineno)}


def count(source):
    """Return the number of lines of code in `source`, a string."""
    tree = ast.parse(source)
    spans, first_line = left_out(tree), signatures(tree)
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in IGNORED or any(start <= token.start < end for start, end in spans):
            continue
        lines.update(first_line.get(line, line) for line in range(token.start[0], token.end[0] + 1))
    return len(lines)


def package_files():
    """Return the Python files of the package, without the exercises."""
    return [path for path in sorted((ROOT / "bertedu").rglob("*.py")) if "exercises" not in path.parts]


def main():
    """Print one line per file, the longest last, and the total."""
    parser = argparse.ArgumentParser(prog="python -m tools.code_lines", description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    paths = options.paths or package_files()
    counts = {path: count(path.read_text(encoding="utf-8")) for path in paths}
    for path, number in sorted(counts.items(), key=lambda item: item[1]):
        print(f"{number:6,}  {path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}")
    print(f"{sum(counts.values()):6,}  in {len(counts)} files")


if __name__ == "__main__":
    main()
