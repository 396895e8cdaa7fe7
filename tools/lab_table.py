"""Write docs/labs.md from the verdicts stored in the labs' notebooks: `python -m tools.lab_table`.

A lab shows its verdicts as `course.labs.Verdicts`, whose output holds the measured values.
"""

import math
import re
from pathlib import Path

import nbformat

from bertedu.course.labs import MIME, Verdicts

ROOT = Path(__file__).resolve().parents[1]
LABS = ROOT / "notebooks" / "labs"
PAGE = ROOT / "docs" / "labs.md"
TOP = """# Labs: published findings, recomputed

In a lab you recompute a published finding on your own machine and read what was published, what you measured, and
whether the finding holds. The bands were set from the published values before the labs were run
(`bertedu/course/findings.py`); a finding that does not hold is reported and discussed in its lab, not
tuned until it does. Values are those stored in the notebooks; yours differ in the last digits, with another version of
Python or another machine. `python -m tools.lab_table` writes this page.

"""
HEAD = f"| finding | published | yours | band | holds? | source | what differs |\n{'| --- ' * 7}|"


def verdicts_of(path):
    """Return the `Verdicts` that a lab's notebook stores, or None."""
    notebook = nbformat.read(path, as_version=4)
    bundles = (output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", ()))
    stored = [bundle[MIME] for bundle in bundles if MIME in bundle]
    return Verdicts(stored[-1]["lab"], stored[-1]["values"], stored[-1]["model"]) if stored else None


def title_of(path):
    """Return the title of a notebook and its question."""
    first = nbformat.read(path, as_version=4).cells[0].source
    question = re.search(r"\*\*(.+?)\*\*", first, re.DOTALL)
    return first.splitlines()[0].removeprefix("# "), " ".join(question.group(1).split()) if question else ""


def section(path):
    """Return the section of a lab."""
    title, question = title_of(path)
    verdicts = verdicts_of(path)
    lines = [f"## [{title}](../{path.relative_to(ROOT).as_posix()})", "", question, ""]
    if verdicts is None:
        raise SystemExit(f"{path}: expected stored verdicts, got none. Run: tools/run_notebooks.py {path.name}")
    rows = [
        (*row, finding.source, finding.differs)
        for row, finding in zip(verdicts.rows(), verdicts.findings.values(), strict=True)
    ]
    held = sum(verdicts.holds(name) for name in verdicts.findings)
    missing = sum(math.isnan(value) for value in verdicts.values.values())
    rest = f"; {missing} not measured" if missing else ""
    lines += [f"{held} of {len(rows) - missing} hold for `{verdicts.model}`{rest}.", "", HEAD]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows), ""])


def page():
    """Return the whole page."""
    return "\n".join([TOP, *map(section, sorted(LABS.glob("*.ipynb")))])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE.relative_to(ROOT))
