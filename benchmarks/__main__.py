"""Run all benchmarks and write the results into benchmarks/README.md.

python -m benchmarks [--repeats 5]
"""

import datetime
import sys
from pathlib import Path

from benchmarks import common, embed, load, read, startup

README = Path(__file__).with_name("README.md")
START, END = "<!-- results: written by the command below -->\n", "<!-- end of results -->"


def main():
    """Run the benchmarks, print the results, and replace the text between the two comments of the README."""
    arguments = common.parser(__doc__, repeats=5)
    arguments.add_argument("--dry-run", action="store_true", help="print the results without writing them")
    options = common.parsed(arguments)
    machine = common.machine()
    lines = []
    for benchmark in (read, embed, startup, load):
        print(f"{benchmark.__name__} ...", file=sys.stderr, flush=True)
        lines += benchmark.rows(options.repeats)
    command = f"python -m benchmarks --repeats {options.repeats}" + (
        f" --threads {options.threads}" if options.threads else ""
    )
    results = f"\n`{command}`, {datetime.date.today()}, on {machine}\n\n{common.table(lines)}\n\n{common.note()}"
    print(results)
    if not options.dry_run:
        before, rest = README.read_text(encoding="utf-8").split(START)
        after = rest.split(END)[1]
        README.write_text(before + START + results + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()
