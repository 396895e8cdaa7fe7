"""The parent: hands inputs to workers, two at a time, ends those that hang or grow, and writes every result down."""

import collections
import contextlib
import json
import os
import queue
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 10
"""Seconds of processor time for one input; a busy machine makes no finding."""

WAIT = 60
"""Seconds by the clock for one input, which catch what waits for ever."""

START = 300
GROWTH = 1_000_000_000
BATCH = 50
CONFIRMED = ("slow", "hang", "memory")
"""What may be the machine's fault, and is a finding only if the input does it again, alone."""

ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "PYTHONDONTWRITEBYTECODE": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "HF_HUB_OFFLINE": "1",
}


class Child:
    """A worker process and the watch over it."""

    def __init__(self, family, seed, numbers):
        self.family, self.numbers, self.current, self.rest = family, numbers, None, list(numbers)
        self.folder = tempfile.TemporaryDirectory(prefix="fuzz-")
        self.work = Path(self.folder.name)
        (self.work / "tmp").mkdir()
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        command = [
            sys.executable,
            "-m",
            "tests.fuzz.worker",
            family,
            str(seed),
            str(self.work),
            json.dumps(numbers),
        ]
        self.errors = open(self.work / "stderr", "wb")  # noqa: SIM115 (closed in `results`, with the process)
        environment = os.environ | ENVIRONMENT | {"PYTHONPATH": path, "TMPDIR": str(self.work / "tmp")}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.errors, env=environment, cwd=ROOT)

    def results(self):
        """Yield the result of every input; of the last one also where the process did not survive it."""
        try:
            yield from self._results()
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.errors.close()
            self.folder.cleanup()

    def _results(self):
        buffer, limit, size, used = b"", time.monotonic() + START, 0, 0
        while True:
            readable, _, _ = select.select([self.process.stdout], [], [], 0.05)
            if readable:
                received = os.read(self.process.stdout.fileno(), 1 << 16)
                if not received:
                    yield from self._ended("crash")
                    return
                *lines, buffer = (buffer + received).split(b"\n")
                for line in map(json.loads, lines):
                    limit, size, used = time.monotonic() + WAIT, self._size(), self._seconds()
                    if "start" in line:
                        self.current = line["start"]
                    elif "index" in line:
                        self.rest.remove(line["index"])
                        self.current = None
                        yield line
            elif time.monotonic() > limit or (self.current is not None and self._seconds() - used > TIMEOUT):
                yield from self._ended("hang")
                return
            elif self.current is not None and self._size() - size > GROWTH:
                yield from self._ended("memory")
                return

    def _size(self):
        try:
            return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError):
            return 0

    def _seconds(self):
        """Return the processor time that the child has used."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
            return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
        except (OSError, IndexError):
            return 0

    def _ended(self, kind):
        """Yield the result of the input at which the process ended, or was ended."""
        if kind != "crash":
            self.process.send_signal(signal.SIGUSR1)  # which lets it write where it is
            time.sleep(0.2)
            self.process.kill()
        status = self.process.wait()
        said = (self.work / "stderr").read_text(errors="replace")
        if self.current is None:
            if self.rest:
                raise RuntimeError(f"a worker for {self.family} ended ({status}) outside of an input:\n{said[-3000:]}")
            return
        self.rest.remove(self.current)
        frames = [line.strip().rpartition("/bertedu/")[2] for line in said.splitlines() if "/bertedu/" in line]
        reasons = [line for line in said.splitlines() if line.startswith("Fatal") or "Check failed" in line]
        result = {"family": self.family, "index": self.current, "input": "", "outcome": "finding", "kind": kind}
        yield result | {
            "message": f"status {status}; {'; '.join(reasons)[:200]}",
            "where": frames[:2],
            "ms": None,
            "mb": None,
        }


class Run:
    """A run of the fuzzer, whose results stand in a folder, one line of JSON each.

    Args:
        families: names, in order.
        count: int, inputs of each family.
        seed: int.
        output: folder; a run that stands in it is continued.
        workers: int, processes at a time.
    """

    def __init__(self, families, count, seed, output, workers=2):
        self.seed, self.output, self.workers = seed, Path(output), workers
        self.output.mkdir(parents=True, exist_ok=True)
        self.path = self.output / f"seed_{seed}.jsonl"
        done = {(result["family"], result["index"]) for result in self.results()}
        self.batches, self.lock, self.failed = queue.SimpleQueue(), threading.Lock(), []
        for family in families:
            left = [number for number in range(count) if (family, number) not in done]
            for start in range(0, len(left), BATCH):
                self.batches.put((family, left[start : start + BATCH]))

    def results(self):
        """Return the results so far, a list of dicts; a last line that was cut off is left out."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        by_input = {}
        for line in lines:
            with contextlib.suppress(json.JSONDecodeError):
                result = json.loads(line)
                by_input[result["family"], result["index"]] = result
        return list(by_input.values())

    def go(self):
        """Open all inputs that have no result yet, then those again whose fault may have been the machine's."""
        lines = [f"{json.dumps(result)}\n" for result in self.results()]
        self.path.write_text("".join(lines))  # without a last line that was cut off
        threads = [threading.Thread(target=self._work) for _ in range(self.workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for result in self.results():
            if result.get("kind") in CONFIRMED and "confirmed" not in result and not self.failed:
                again = self.open_alone(result["family"], result["index"])
                self._keep(again | {"confirmed": True})
        if self.failed:
            raise self.failed[0]

    def open_alone(self, family, number):
        """Return the result of one input in a process of its own."""
        (result,) = Child(family, self.seed, [number]).results()
        return result

    def _work(self):
        try:
            while not self.failed:
                family, numbers = self.batches.get_nowait()
                while numbers:
                    child = Child(family, self.seed, numbers)
                    for result in child.results():
                        self._keep(result)
                    numbers = child.rest
        except queue.Empty:
            return
        except Exception as error:
            self.failed.append(error)

    def _keep(self, result):
        with self.lock, open(self.path, "a") as file:
            file.write(json.dumps(result) + "\n")


def summary(results):
    """Return the rows of the table: family, inputs, opened, refused, findings, median ms, largest MB."""
    families = collections.defaultdict(list)
    for result in results:
        families[result["family"]].append(result)
    rows = []
    for family, members in families.items():
        counts = collections.Counter(result["outcome"] for result in members)
        times = sorted(result["ms"] for result in members if result["ms"] is not None)
        largest = max((result["mb"] for result in members if result["mb"] is not None), default=0)
        median = times[len(times) // 2] if times else 0
        rows.append((family, len(members), counts["opened"], counts["refused"], counts["finding"], median, largest))
    return rows


def findings(results):
    """Return the findings grouped by family, kind and location: a list of lists, the largest group first."""
    groups = collections.defaultdict(list)
    for result in results:
        if result["outcome"] == "finding":
            groups[result["family"], result["kind"], tuple(result["where"])].append(result)
    return sorted(groups.values(), key=len, reverse=True)
