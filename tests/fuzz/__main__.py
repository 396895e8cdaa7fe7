"""Open thousands of damaged and hostile files with every reader, and report what is neither opened nor refused.

Every input follows from the seed, the family and its number alone. Results are appended to OUTPUT/seed_N.jsonl as they
come; the same command continues a run that was interrupted. Use another OUTPUT for another state of the code.
"""

import argparse
import importlib.util
import shutil
import sys
import tempfile
import time

from . import run, seeds


def report(results, file=sys.stdout):
    """Print the table, and one example of each group of findings."""
    head = ("family", "inputs", "opened", "refused", "findings", "median ms", "max MB")
    rows = run.summary(results)
    total = ("all", *(sum(row[i] for row in rows) for i in range(1, 5)), "", "")
    print("| " + " | ".join(head) + " |\n|---" + "|---:" * 6 + "|", file=file)
    for row in (*rows, total):
        print(
            "| " + " | ".join(f"{cell:.0f}" if isinstance(cell, float) else str(cell) for cell in row) + " |", file=file
        )
    for group in run.findings(results):
        first = group[0]
        numbers = " ".join(str(result["index"]) for result in group[:8])
        print(
            f"\n{first['family']}: {first['kind']}, {len(group)} x ({numbers}) at {' <- '.join(first['where'])}",
            file=file,
        )
        print(f"    {first['message'][:300]!a}\n    input: {first['input'][:200]!a}", file=file)


def replay(family, number, seed, keep):
    """Open one input in this process, show the traceback of a finding, and keep the files if a folder is given."""
    from .worker import Worker

    with tempfile.TemporaryDirectory(prefix="fuzz-") as work:
        worker = Worker(family, seed, work, print)
        result = worker.open(number, keep=keep is not None)
        if keep is not None:
            shutil.copytree(f"{work}/fuzzed", keep, symlinks=True)
    for name, value in result.items():
        print(f"{name:8} {value!a}" if isinstance(value, str) else f"{name:8} {value}")
    if result["outcome"] == "finding":
        print(worker.traceback)


def main(arguments=None):
    """Run the fuzzer; return 1 if there are findings."""
    parser = argparse.ArgumentParser("python -m tests.fuzz", description=__doc__)
    parser.add_argument("--output", default="build/fuzz", help="folder of the results (default: %(default)s)")
    parser.add_argument("--count", type=int, default=400, help="inputs of each family (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    parser.add_argument("--families", nargs="+", choices=seeds.FAMILIES, default=list(seeds.FAMILIES), metavar="NAME")
    parser.add_argument("--workers", type=int, default=2, help="processes at a time (default: %(default)s)")
    parser.add_argument("--report", action="store_true", help="only report on the results that are there")
    parser.add_argument("--replay", nargs=2, metavar=("FAMILY", "NUMBER"), help="open one input, with its traceback")
    parser.add_argument("--keep", metavar="FOLDER", help="with --replay: a new folder for the input's files")
    options = parser.parse_args(arguments)
    if options.replay:
        return replay(options.replay[0], int(options.replay[1]), options.seed, options.keep)
    if "parquet" in options.families and importlib.util.find_spec("pyarrow") is None:
        print("parquet: left out, as pyarrow is not installed", file=sys.stderr)
        options.families = [name for name in options.families if name != "parquet"]
    fuzzing = run.Run(
        options.families, 0 if options.report else options.count, options.seed, options.output, options.workers
    )
    start = time.monotonic()
    if not options.report:
        fuzzing.go()
    results = [result for result in fuzzing.results() if result["family"] in options.families]
    report(results)
    print(f"\n{len(results)} inputs in {(time.monotonic() - start) / 60:.1f} minutes (seed {options.seed})")
    return int(any(result["outcome"] == "finding" for result in results))


if __name__ == "__main__":
    sys.exit(main())
