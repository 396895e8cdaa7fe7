"""Check the installation, and say how to repair it."""

import json
from argparse import ArgumentParser, Namespace
from typing import Any


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of `bertedu doctor`."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: Namespace) -> int:
    """Print the report; return 1 if there is a problem, else 0."""
    from . import checks  # slow to import, so not at the top

    findings = checks.run_all()
    print(json.dumps([finding._asdict() for finding in findings], indent=2) if options.json else as_table(findings))
    return int(any(finding.mark == checks.PROBLEM for finding in findings))


def as_table(findings: list[Any]) -> str:
    """Return the findings as text: mark, subject and detail in a line, and the advice below it."""
    width = max(len(finding.subject) for finding in findings)
    lines = []
    for mark, subject, detail, advice in findings:
        lines.append(f"{mark:<8} {subject:<{width}}  {detail}")
        if advice:
            lines.append(f"{'':<8} {'':<{width}}  -> {advice}")
    marks = [finding.mark for finding in findings]
    return "\n".join([*lines, "", f"{marks.count('problem')} problem(s), {marks.count('warn')} warning(s)"])
