"""A child process that opens inputs of one family, one after another, and reports each as a line of JSON."""

import faulthandler
import importlib
import json
import os
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path

from . import guard, mutate, outcome, seeds, tree

MEGABYTE = 1_000_000


def memory(field):
    """Return a field of this process's memory (`VmRSS`, or its peak `VmHWM`) in MB."""
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith(field))
    return int(line.split()[1]) * 1024 / MEGABYTE


def forget_peak():
    """Let the peak of this process's memory start from what it is now (Linux)."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


class Worker:
    """Opens inputs of one family.

    Args:
        family: str, one of `seeds.FAMILIES`, or "planted".
        seed: int, of the run.
        work: an empty folder of its own.
        report: function of a dict, called before and after every input.
    """

    def __init__(self, family, seed, work, report):
        self.family, self.seed, self.work, self.report = family, seed, Path(work).resolve(), report
        planted = family == "planted"
        self.targets = importlib.import_module(f"{__package__}.{'planted' if planted else 'targets'}")
        self.seeds = self.targets.SEEDS if planted else seeds.FAMILIES[family]()
        self.package = str(Path(sys.modules["bertedu"].__file__).parent) if not planted else self.targets.PACKAGE
        self.guard = guard.Guard(self.work)
        self.guard.prepare()
        if not planted:  # the first model of a process costs memory and time that are not its own
            self.open(0)

    def run(self, number):
        """Open input `number` and report what became of it."""
        self.report({"start": number})
        self.report(self.open(number))

    def open(self, number, keep=False):
        """Return what became of input `number`: a dict, as it stands in the results."""
        seed, description = mutate.make(self.seeds, self.seed, self.family, number)
        result = {"family": self.family, "index": number, "input": description[:500]}
        root, out = self.work / "fuzzed", self.work / "out"
        tree.write(seed.tree, root)
        state = self.targets.process_state()
        forget_peak()
        before, start, used, refusals = memory("VmRSS"), time.perf_counter(), time.process_time(), []
        try:
            with self.guard:
                verdict, error = self._evaluate(seed, root, out, refusals)
                seconds = min(time.perf_counter() - start, time.process_time() - used)  # on a busy machine, the latter
                grown = memory("VmHWM") - before
            result |= self._checked(verdict, error, seconds, grown, state, number < len(self.seeds) and refusals)
        finally:
            if not keep:
                shutil.rmtree(root, ignore_errors=True)
                for folder in (out, self.work / "tmp"):
                    shutil.rmtree(folder, ignore_errors=True)
                    folder.mkdir(exist_ok=True)
        result |= {"ms": round(seconds * 1000, 1), "mb": round(grown, 1)}
        return result | ({"message": refusals[0][:300]} if refusals and "message" not in result else {})

    def _evaluate(self, seed, root, out, refusals):
        """Return (outcome, exception): the exception is what makes it a finding, or None."""

        def refused(error):
            outcome.check_refusal(error, root, seed.tree, self.package)
            refusals.append(str(error))

        try:
            return self.targets.open_input(self.family, root / seed.target, seed, out, refused), None
        except Exception as error:
            return "finding", error

    def _checked(self, verdict, error, seconds, grown, state, refused):
        """Return the outcome as fields of the result, after the checks that do not depend on the family."""
        try:
            self.guard.check()
            if self.targets.process_state() != state:
                raise outcome.Finding("process changed", self.targets.process_state())
            if error is not None:
                raise error
            if verdict == "refused" and grown > 200:
                raise outcome.Finding("memory", f"{grown:.0f} MB before it was refused")
            if seconds > 2:
                raise outcome.Finding("slow", f"{seconds:.1f} s")
            if refused:
                raise outcome.Finding("valid input refused", refused[0])
        except outcome.Finding as finding:
            cause = finding.__cause__ or finding
            kind, detail = finding.kind, finding.detail
        except Exception as problem:
            cause, kind, detail = problem, f"{type(problem).__name__} in use", str(problem)
        else:
            return {"outcome": verdict}
        self.traceback = "".join(traceback.format_exception(cause))
        return {"outcome": "finding", "kind": kind, "message": detail[:300], "where": outcome.frames(cause)}


def main(family, seed, work, numbers):
    """Open inputs and report each on the standard output, from which everything else is kept away."""
    lines = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)

    def report(content):
        lines.write(json.dumps(content) + "\n")

    os.chdir(work)
    worker = Worker(family, seed, work, report)
    report({"ready": True})
    for number in numbers:
        worker.run(number)
    lines.close()
    os._exit(0)  # TensorFlow's own threads have nothing to put away


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4]))
