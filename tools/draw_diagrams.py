"""Draw the course's diagrams: `python -m tools.draw_diagrams [--check]`.

Writes notebooks/diagrams/NAME.svg and alt.json, the alt texts by name. With `--check` nothing is written, and the exit
status is 1 if a file differs from what the code draws, or if a text does not fit.
"""

import argparse
import json
import sys
from pathlib import Path

from tools.diagrams import ALT, DIAGRAMS

FOLDER = Path(__file__).resolve().parent.parent / "notebooks" / "diagrams"


def files():
    """Return the content of every file: dict, name -> text."""
    drawings = {f"{name}.svg": function().svg() for name, function in DIAGRAMS.items()}
    return drawings | {"alt.json": json.dumps(ALT, indent=2, ensure_ascii=False) + "\n"}


def problems():
    """Return descriptions of texts that do not fit, and of files that are not what the code draws."""
    result = [problem for function in DIAGRAMS.values() for problem in function().problems()]
    expected = files()
    for name, text in expected.items():
        path = FOLDER / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            result.append(f"{name}: differs from what the code draws. Run python -m tools.draw_diagrams.")
    unknown = {path.name for path in FOLDER.glob("*")} - expected.keys()
    return result + [f"{name}: no code draws this file. Delete it." for name in sorted(unknown)]


def main():
    """Write or check the files; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.draw_diagrams", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, compare with the files")
    if not parser.parse_args().check:
        FOLDER.mkdir(parents=True, exist_ok=True)
        for name, text in files().items():
            (FOLDER / name).write_text(text, encoding="utf-8", newline="\n")
    messages = problems()
    print("\n".join(messages) or f"{len(DIAGRAMS)} diagrams: in order")
    return int(bool(messages))


if __name__ == "__main__":
    sys.exit(main())
