"""Mutation tests: `python -m tools.mutate [--sample 300] [--seed 0] [--workers 2] [--modules NAME ...] [--report]`.

A mutant is a small change of a module that should make its tests fail. A random sample of the mutants of all modules in
`TESTS` is run, each with the test files of its module. A mutant is "killed" if they fail, has "survived" if they pass,
and "timed out" if they take three times as long as without it. `tests/equivalent_mutants.toml` lists survivors that are
equivalent to the original, with the reason.

Importing TensorFlow takes seconds, and a fork after its first operation hangs. So each worker imports Keras and
TensorFlow once, runs no operation, and forks a child per mutant, which imports `bertedu` with the changed module. No
file of the checkout is changed. Results are appended to build/mutation/results.jsonl; a run that was stopped continues
there. When the source of a module changes, its results become invalid.
"""

import argparse
import ast
import collections
import hashlib
import importlib.machinery
import json
import multiprocessing
import os
import random
import signal
import sys
import time
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "build" / "mutation"
EQUIVALENT = ROOT / "tests" / "equivalent_mutants.toml"

TESTS = {  # module -> its own test files
    "attention": ("test_attention.py", "test_contract.py"),
    "transformer": ("test_transformer.py", "test_contract.py"),
    "encoder": ("test_encoder.py", "test_contract.py"),  # the slowest
    "text": ("test_text.py", "test_contract.py"),
    "tokenizer": ("test_text.py", "test_contract.py"),
    "vocabulary": ("test_text.py", "test_contract.py"),
    "pooling": ("test_pooling.py", "test_contract.py"),
    "masked_lm": ("test_masked_lm.py", "test_contract.py"),
    "masking": ("test_masked_lm.py", "test_contract.py"),
    "checkpoints.strict": ("test_strict.py", "test_checkpoints.py"),
}
SLOWEST = 3.0  # a mutant times out after this factor of the time without mutation, plus `GRACE` seconds
GRACE = 10.0

SWAPS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.And: ast.Or, ast.Or: ast.And,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A change of a module.

    Args:
        module: str, name below `bertedu`, with dots.
        line: int, line number, from 1.
        start, end: ints, byte offsets in the source.
        before, after: str, the source there, and its replacement.
        context: str, the whole line.
        key: str, identifies mutant and source.
    """

    module: str
    line: int
    start: int
    end: int
    before: str
    after: str
    context: str
    key: str


def source_path(module):
    """Return the file of a module of the package."""
    return ROOT / "bertedu" / f"{module.replace('.', '/')}.py"


# ---- mutants ---------------------------------------------------------------------------------------------------------


def replacements(node):
    """Yield replacements of a node, as source."""
    if isinstance(node, ast.BinOp) and type(node.op) in SWAPS:
        yield f"({ast.unparse(ast.BinOp(node.left, SWAPS[type(node.op)](), node.right))})"
    elif isinstance(node, ast.BoolOp):
        yield f"({ast.unparse(ast.BoolOp(SWAPS[type(node.op)](), node.values))})"
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        yield f"({ast.unparse(ast.Compare(node.left, [SWAPS[type(node.ops[0])](), *node.ops[1:]], node.comparators))})"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield f"({ast.unparse(node.operand)})"
    elif isinstance(node, ast.Raise | ast.AugAssign):
        yield "pass"
    elif isinstance(node, ast.Constant):
        yield from constants(node.value)
    elif isinstance(node, ast.Return) and node.value is not None:
        yield "return None"
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "pass"


def constants(value):
    """Yield replacements of a constant, as source."""
    if isinstance(value, bool):
        yield str(not value)
    elif isinstance(value, int):
        yield str(value + 1)
    elif isinstance(value, float):
        yield repr(value * 2 or 1.0)
    elif isinstance(value, str) and value:
        yield repr(f"{value}X")


def left_out(tree):
    """Return the ids of nodes that are not mutated: docstrings, annotations, messages, `__all__`, parts of f-strings.

    Parts of f-strings have no positions before Python 3.12. Tests of messages check names and values, not the text.
    """
    roots = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            roots.append(node.body[0])
        if isinstance(node, ast.FunctionDef):
            roots += [*node.decorator_list, node.returns]
        if isinstance(node, ast.arg | ast.AnnAssign):
            roots.append(node.annotation)
        if isinstance(node, ast.Raise):
            roots.append(node.exc)
        if isinstance(node, ast.JoinedStr):
            roots += node.values
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):  # docstring of a constant
            roots.append(node)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            roots.append(node)
    return {id(node) for root in roots if root is not None for node in ast.walk(root)}


def mutants_of(module):
    """Return all mutants of a module, in source order."""
    source = source_path(module).read_bytes()
    digest = hashlib.sha256(source).hexdigest()[:8]
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    tree = ast.parse(source)
    ignored = left_out(tree)
    mutants = []
    for node in ast.walk(tree):
        if id(node) in ignored or not hasattr(node, "end_lineno"):
            continue
        start, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
        before, context = source[start:end].decode(), lines[node.lineno - 1].decode().strip()
        for after in filter(lambda after: after != before, replacements(node)):
            key = f"{module}:{digest}:{start}:{end}:{after}"
            mutants.append(Mutant(module, node.lineno, start, end, before, after, context, key))
    return sorted(mutants, key=lambda mutant: (mutant.start, mutant.end, mutant.after))


def mutated_source(mutant):
    """Return the source of a module with its mutation."""
    source = source_path(mutant.module).read_bytes()
    return source[: mutant.start] + mutant.after.encode() + source[mutant.end :]


# ---- running ---------------------------------------------------------------------------------------------------------


class MutatedModule(importlib.machinery.SourceFileLoader):
    """Loader, and finder on `sys.meta_path`, of a single module whose source is in memory."""

    def __init__(self, name, path, source):
        super().__init__(name, path)
        self.source = source

    def find_spec(self, name, path=None, target=None):
        """Return the spec of the module; None for other modules."""
        return importlib.machinery.ModuleSpec(name, self, origin=self.path) if name == self.name else None

    def get_code(self, fullname):
        """Compile the changed source, without a cached .pyc."""
        return compile(self.source, self.path, "exec", dont_inherit=True)


def run_child(module, source, output):
    """Run the tests of a module with another source, in a forked process, which exits with pytest's status."""
    os.setsid()  # a separate process group, so that a timeout also ends processes of the tests
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    if source is not None:
        loader = MutatedModule(f"bertedu.{module}", str(source_path(module)), source)
        sys.meta_path.insert(0, loader)
    import pytest

    tests = [str(ROOT / "tests" / name) for name in TESTS[module]]
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not slow and not browser and not peers"]
    status = 1
    try:
        status = pytest.main([*options, "--tb=line", "-W", "ignore", *tests])
    finally:
        os._exit(int(status))


def run_tests(module, source, seconds, output):
    """Run the tests of a module in a child; return pytest's status (None after a timeout) and the seconds."""
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        run_child(module, source, output)
    while time.monotonic() < started + seconds:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), time.monotonic() - started
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None, time.monotonic() - started


def import_frameworks():
    """Import slow modules, without `bertedu`, and without running an operation."""
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    import keras  # noqa: F401
    import matplotlib.pyplot  # noqa: F401
    import pytest  # noqa: F401
    import tensorflow  # noqa: F401


def work(number, tasks, results):
    """Run tasks, (module, mutant or None, time limit), from the queue `tasks` until a None; for a worker process."""
    import_frameworks()
    output = RESULTS / f"worker_{number}.log"
    for module, mutant, seconds in iter(tasks.get, None):
        if not multiprocessing.parent_process().is_alive():  # it was killed
            return
        status, took = run_tests(module, mutant and mutated_source(mutant), seconds, output)
        lines = output.read_text(errors="replace").splitlines()
        failure = next((line for line in lines if line.startswith(("FAILED", "ERROR"))), "")
        results.put((module, mutant, status, took, failure, lines[-3:]))


def run_all(tasks, count):
    """Run tasks in `count` workers, and yield their results as they are completed."""
    context = multiprocessing.get_context("spawn")
    queue, results = context.Queue(), context.Queue()
    workers = [context.Process(target=work, args=(number, queue, results)) for number in range(count)]
    for worker in workers:
        worker.start()
    for task in [*tasks, *[None] * count]:
        queue.put(task)
    try:
        for _ in tasks:
            yield results.get()
    finally:
        for worker in workers:
            worker.terminate()


def outcome_of(status):
    """Return the outcome for a status of pytest; "killed" includes modules that cannot be imported."""
    return "timed out" if status is None else "survived" if status == 0 else "killed"


def baselines(modules, count):
    """Return the seconds that the tests of each module take without mutation."""
    seconds = {}
    for module, _, status, took, failure, tail in run_all([(module, None, 1800.0) for module in modules], count):
        if status != 0:
            raise SystemExit(f"the tests of {module} fail without mutation: {failure or tail}")
        print(f"{module}: {took:.0f} s without mutation", flush=True)
        seconds[module] = took
    return seconds


# ---- results ---------------------------------------------------------------------------------------------------------


def read_results():
    """Return the content of results.jsonl: dict, key -> result."""
    path = RESULTS / "results.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else ()
    return {entry["key"]: entry for entry in map(json.loads, lines)}


def equivalents():
    """Return the equivalent mutants: dict, (module, line of source, before, after) -> reason."""
    listed = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8")).get("mutant", []) if EQUIVALENT.exists() else []
    return {(entry["module"], entry["context"], entry["before"], entry["after"]): entry["reason"] for entry in listed}


def report(sample, results):
    """Print a table of outcomes by module, and the survivors."""
    known = equivalents()
    counts, survivors = collections.defaultdict(collections.Counter), []
    for mutant in sample:
        outcome = results[mutant.key]["outcome"] if mutant.key in results else "not run"
        identity = (mutant.module, mutant.context, mutant.before, mutant.after)
        if outcome == "survived" and identity in known:
            outcome = "equivalent"
        elif outcome == "survived":
            survivors.append(mutant)
        counts[mutant.module][outcome] += 1
    columns = ("killed", "survived", "timed out", "equivalent", "not run")
    print(f"| module | mutants | {' | '.join(columns)} |\n|---|---:|{'---:|' * len(columns)}")
    total = collections.Counter()
    for module in sorted(counts):
        total.update(counts[module])
        print(f"| {module} | {counts[module].total()} | {' | '.join(str(counts[module][c]) for c in columns)} |")
    print(f"| all | {total.total()} | {' | '.join(str(total[column]) for column in columns)} |")
    for mutant in survivors:
        print(f"survived: {show(mutant)}\n    {mutant.context}")


def show(mutant):
    """Return a mutant as one line of text."""
    return f"{mutant.module}:{mutant.line} {mutant.before[:60]!r} -> {mutant.after[:60]!r}"


def main(arguments=None):
    """Run the sample, without mutants that have results, and print the report."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutate", description=__doc__.split("\n\n")[1])
    parser.add_argument("--sample", type=int, default=300, help="number of mutants (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed of the sample (default: %(default)s)")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count(), help="number of processes (default: one per core)"
    )
    parser.add_argument("--modules", nargs="*", choices=TESTS, default=list(TESTS), help="default: all")
    parser.add_argument("--report", action="store_true", help="print existing results without running")
    options = parser.parse_args(arguments)
    mutants = [mutant for module in options.modules for mutant in mutants_of(module)]
    sample = random.Random(options.seed).sample(mutants, min(options.sample, len(mutants)))
    print(f"{len(mutants)} mutants, {len(sample)} in the sample", flush=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    results = read_results()
    waiting = [mutant for mutant in sample if mutant.key not in results]
    if waiting and not options.report:
        limits = baselines(sorted({mutant.module for mutant in waiting}), options.workers)
        tasks = [(mutant.module, mutant, SLOWEST * limits[mutant.module] + GRACE) for mutant in waiting]
        started = time.monotonic()
        with open(RESULTS / "results.jsonl", "a", encoding="utf-8") as file:
            for done, (_, mutant, status, took, failure, _) in enumerate(run_all(tasks, options.workers), 1):
                entry = asdict(mutant) | {"outcome": outcome_of(status), "seconds": round(took, 1), "failure": failure}
                results[mutant.key] = entry
                file.write(json.dumps(entry) + "\n")
                file.flush()
                rest = (time.monotonic() - started) / done * (len(tasks) - done) / 60
                print(f"{done}/{len(tasks)}, {rest:.0f} min left: {entry['outcome']} in {took:.0f} s: {show(mutant)}")
                sys.stdout.flush()
    report(sample, results)


if __name__ == "__main__":
    main()
