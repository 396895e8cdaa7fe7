"""Sizes of the chapters: `python -m tools.course_numbers [--root CHECKOUT] [--sentences N --seed S]`.

Prints words (`\\w+` in Markdown cells), code cells, figures (PNG outputs) and diagrams (SVG files in Markdown) for each
chapter. With `--sentences`, prints N random sentences instead: the same cells for the same seed in two checkouts, as
long as their ids are in both, so that a reading of one can be compared with the other.
"""

import argparse
import json
import random
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOT_PROSE = re.compile(r"^\s*([#|<>$-]|\d+\.|```)")


def cells(path, kind):
    """Yield id, text and outputs of the cells of one kind."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == kind:
            yield cell["id"], "".join(cell["source"]), cell.get("outputs", [])


def row(path):
    """Return words, code cells, figures and diagrams of a chapter."""
    texts = [text for _, text, _ in cells(path, "markdown")]
    code = list(cells(path, "code"))
    figures = sum("image/png" in output.get("data", {}) for _, _, outputs in code for output in outputs)
    words = sum(len(re.findall(r"\w+", text)) for text in texts)
    return words, len(code), figures, sum(text.count("](diagrams/") for text in texts)


def sentences(text):
    """Return the sentences of the paragraphs of a cell, without headings, tables, lists and formulas."""
    paragraphs = [part for part in re.split(r"\n\s*\n", text) if not NOT_PROSE.match(part)]
    return [s for part in paragraphs for s in re.split(r"(?<=[.!?])\s+", " ".join(part.split())) if len(s) > 20]


def sample(paths, number, seed):
    """Print random sentences, chosen by hashes of the ids of their cells."""
    found = []
    for path in paths:
        for ident, text, _ in cells(path, "markdown"):
            rng = random.Random(f"{seed} {path.stem[3:]} {ident}")
            order, position = rng.random(), rng.random()
            prose = sentences(text)
            if prose:
                found.append((order, path.stem, ident, prose[int(position * len(prose))]))
    for _, chapter, ident, sentence in sorted(found)[:number]:
        print(f"{chapter} ({ident}): {sentence}")


def main(arguments=None):
    """Print the table or the sentences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=__doc__.split("\n\n", 1)[1])
    parser.add_argument("--root", type=Path, default=ROOT, help="checkout (default: this one)")
    parser.add_argument("--sentences", type=int, help="print this many random sentences")
    parser.add_argument("--seed", type=int, default=0, help="of the random sentences (default: 0)")
    options = parser.parse_args(arguments)
    paths = sorted((options.root / "notebooks").glob("*.ipynb"))
    if not paths:
        parser.error(f"--root: expected a checkout with notebooks/*.ipynb, got {options.root}")
    if options.sentences:
        return sample(paths, options.sentences, options.seed)
    print("| chapter | words | code cells | figures | diagrams |\n|---|---|---|---|---|")
    rows = [row(path) for path in paths]
    for path, numbers in zip(paths, rows, strict=True):
        print(f"| {path.stem} | {' | '.join(map(str, numbers))} |")
    print(f"| all | {' | '.join(str(sum(column)) for column in zip(*rows, strict=True))} |")


if __name__ == "__main__":
    main()
