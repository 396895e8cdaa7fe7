"""Opening a checkpoint of BERT-Base's size, against transformers; and the published sizes at full size, one pass each.

    python -m benchmarks.load [--repeats 5]

The weights are random (419 MiB of safetensors, written to a temporary directory by `be.save_checkpoint`); the time and
memory of reading do not depend on them. Every run is a fresh process and the contestants alternate; the clock and the
memory run from after the imports to a model that is ready. transformers maps the file into memory and reads nothing of
it until a weight is used; so the table says besides what it takes to open the model and read a first sentence with it.
Memory is the process' peak (VmHWM, Linux), libraries and mapped pages included.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import common

MEASURE = """
import json, sys, time
def memory(field):
    line = next(line for line in open("/proc/self/status") if line.startswith(field))
    return int(line.split()[1]) / 1024
def report(work):
    start = time.perf_counter()
    kept = work()
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "peak": memory("VmHWM")}))
"""
OURS = (
    MEASURE
    + """
import bertedu as be
read = lambda: be.load(sys.argv[1]).read("The cat sat on the mat.")
report({"load": lambda: be.load(sys.argv[1]), "read": read}[sys.argv[2]])
"""
)
THEIRS = (
    MEASURE
    + """
import numpy as np, torch
from transformers import AutoTokenizer, BertModel
def load():
    model = BertModel.from_pretrained(sys.argv[1], attn_implementation="eager").eval()
    return AutoTokenizer.from_pretrained(sys.argv[1]), model
def read():
    tokenizer, model = load()
    with torch.no_grad():
        outputs = model(**tokenizer("The cat sat on the mat.", return_tensors="pt"), output_attentions=True)
    return model, np.stack([scores[0].numpy() for scores in outputs.attentions])
report({"load": load, "read": read}[sys.argv[2]])
"""
)
PASS = (
    MEASURE
    + """
import bertedu as be, numpy as np
ids = np.random.default_rng(0).integers(999, 20000, (1, 128)).astype("int32")
inputs = {"input_word_ids": ids, "input_mask": ids * 0 + 1, "input_type_ids": ids * 0}
def whole():
    encoder = be.build(sys.argv[1])
    start = time.perf_counter()
    outputs = encoder(inputs, return_attention_scores=True)
    assert np.isfinite(outputs["pooled_output"]).all() and len(outputs["attention_scores"]) == encoder.num_layers
    print(json.dumps({"pass": time.perf_counter() - start, "parameters": encoder.count_params()}))
    return encoder
report(whole)
"""
)
FULL_SIZE = ("bert_en_uncased", "talkheads_ggelu_bert_en_large")


def run(code, *arguments):
    """What a process that runs `code` prints, JSON objects a line, as one dict."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=common.ROOT,
        env=common.quiet_environment(),
    )
    if done.returncode:
        raise RuntimeError(f"A run failed:\n{done.stderr[-2000:]}")
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {key: value for answer in answers for key, value in answer.items()}


def write_base(directory):
    """A Hugging Face directory of BERT-Base's size with random weights."""
    import bertedu as be

    tokenizer = be.load("minilm").tokenizer
    return be.save_checkpoint(be.Bert(tokenizer, be.build("bert_en_uncased")), directory / "base", "huggingface")


def rows(repeats=5):
    """The benchmark's lines of the table."""
    with tempfile.TemporaryDirectory() as folder:
        directory = write_base(Path(folder))
        codes = {"ours": OURS, "theirs": THEIRS}
        for code in codes.values():
            run(code, directory, "read")  # the file is in memory, and the modules' bytecode is written
        turns = []
        for turn in range(repeats):
            order = list(codes)[:: -1 if turn % 2 else 1]
            turns.append({(who, what): run(codes[who], directory, what) for what in ("load", "read") for who in order})

    def line(text, what, key, unit, target="", met=None):
        left, right = (np.array([turn[who, what][key] for turn in turns]) for who in codes)
        digits = 2 if unit == "s" else 0
        cells = (f"{np.median(side):,.{digits}f} {unit}" for side in (left, right))
        return common.row(text, *cells, left / right, target, met)

    return [
        line("open BERT-Base, time / transformers'", "load", "seconds", "s", "<= 1.5", lambda x: x <= 1.5),
        line("the same, peak memory of the process", "load", "peak", "MiB", "<= 1.3", lambda x: x <= 1.3),
        line("open it and read a sentence, time / transformers'", "read", "seconds", "s"),
        line("the same, peak memory of the process", "read", "peak", "MiB"),
        *(full_size(name) for name in FULL_SIZE),
    ]


def full_size(name):
    """A line on one published size: built with random weights, one text of 128 tokens through it."""
    found = run(PASS, name)
    what = (
        f"`{name}`, {found['parameters']:,} parameters: one pass of 128 tokens (peak memory of the process beside it)"
    )
    return common.row(what, f"{found['pass']:.2f} s", f"({found['peak']:,.0f} MiB)", [found["pass"]])


def main():
    """Runs the benchmark and prints its table."""
    options = common.parsed(common.parser(__doc__, repeats=5))
    print(common.machine(), "\n")
    print(common.table(rows(options.repeats)))


if __name__ == "__main__":
    main()
