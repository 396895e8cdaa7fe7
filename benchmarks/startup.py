"""Time from the start of a process to the first attention array, compared with transformers; and time of `--help`.

    python -m benchmarks.startup [--repeats 5]

Every run is a fresh process; the contestants alternate. The child prints a line when its framework (TensorFlow, torch)
is imported and when it has the attention of one sentence as NumPy. The parent measures the time, from before the child
starts. The files are read once before, so that no contestant reads from a cold disk.
"""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks import common

BERTEDU = """
import tensorflow
print("framework", flush=True)
import bertedu as be
attention = be.load("minilm").read("The cat sat on the mat.").attention
print("attention", attention.shape, flush=True)
"""
TRANSFORMERS = """
import sys
import torch
print("framework", flush=True)
import numpy as np
from transformers import AutoTokenizer, BertModel
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1], local_files_only=True)
model = BertModel.from_pretrained(sys.argv[1], attn_implementation="eager", local_files_only=True).eval()
with torch.no_grad():
    outputs = model(**tokenizer("The cat sat on the mat.", return_tensors="pt"), output_attentions=True)
attention = np.stack([scores[0].numpy() for scores in outputs.attentions])
print("attention", attention.shape, flush=True)
"""


def start(code):
    """Run `code` in a process; return the seconds to each line that it prints, by the line's first word."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", code, common.model_directory()],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=common.ROOT,
        env=common.quiet_environment(),
    )
    marks = {line.split()[0]: time.perf_counter() - began for line in process.stdout if line.strip()}
    if process.wait():
        raise RuntimeError(f"A start-up run failed. Run it by hand to see why:\n{code}")
    return marks


def help_seconds():
    """Return the seconds that `bertedu --help` takes."""
    command = str(Path(sys.executable).with_name("bertedu"))
    return common.seconds(lambda: subprocess.run([command, "--help"], stdout=subprocess.DEVNULL, check=True))


def rows(repeats=5):
    """Return the benchmark's rows of the table."""
    common.model_directory()  # imports what it needs before the measurement
    codes = {"bertedu": BERTEDU, "transformers": TRANSFORMERS}
    for code in codes.values():
        start(code)
    runs = []
    for turn in range(repeats):
        runs.append({name: start(codes[name]) for name in list(codes)[:: -1 if turn % 2 else 1]})
    bertedu, peer = ({mark: np.array([run[who][mark] for run in runs]) for mark in runs[0][who]} for who in codes)

    def line(what, left, right, target="", met=None):
        return common.row(what, f"{np.median(left):.2f} s", f"{np.median(right):.2f} s", left / right, target, met)

    def met(ratio):
        return ratio <= 1.5

    helps = [help_seconds() for _ in range(max(repeats, 5))]
    return [
        line("start to first attention, time / transformers'", bertedu["attention"], peer["attention"], "<= 1.5", met),
        line("of which `import tensorflow` and `import torch`", bertedu["framework"], peer["framework"]),
        line("the rest of it", *(times["attention"] - times["framework"] for times in (bertedu, peer))),
        common.row("`bertedu --help`, seconds", f"{np.median(helps):.2f} s", "", helps, "< 0.3", lambda x: x < 0.3),
    ]


def main():
    """Run the benchmark and print its table."""
    options = common.parsed(common.parser(__doc__, repeats=5))
    print(common.machine(), "\n")
    print(common.table(rows(options.repeats)))


if __name__ == "__main__":
    main()
