"""Loading a checkpoint of BERT-Base's size, compared with transformers; and one pass of models of published sizes.

    python -m benchmarks.load [--repeats 5]

The weights are random (419 MiB of safetensors, written to a temporary directory by `be.save_checkpoint`); the time and
memory of reading do not depend on them. Every run is a fresh process and the contestants alternate; time and memory are
measured from after the imports until the model is loaded. transformers maps the file into memory and reads a weight
when it is first used, so the table also has the time to load the model and read a first sentence. Memory is the
process' peak (VmHWM, Linux), libraries and mapped pages included.
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
    result = work()  # kept alive, for the memory
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "peak": memory("VmHWM")}))
"""
BERTEDU = (
    MEASURE
    + """
import bertedu as be
read = lambda: be.load(sys.argv[1]).read("The cat sat on the mat.")
report({"load": lambda: be.load(sys.argv[1]), "read": read}[sys.argv[2]])
"""
)
TRANSFORMERS = (
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
def build_and_run():
    encoder = be.build(sys.argv[1])
    start = time.perf_counter()
    outputs = encoder(inputs, return_attention_scores=True)
    assert np.isfinite(outputs["pooled_output"]).all() and len(outputs["attention_scores"]) == encoder.num_layers
    print(json.dumps({"pass": time.perf_counter() - start, "parameters": encoder.count_params()}))
    return encoder
report(build_and_run)
"""
)
FULL_SIZE = ("bert_en_uncased", "talkheads_ggelu_bert_en_large")


def run(code, *arguments):
    """Run `code` in a process; return the JSON objects that it prints, one per line, merged into a dict."""
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
    """Write a Hugging Face directory of BERT-Base's size with random weights."""
    import bertedu as be

    tokenizer = be.load("minilm").tokenizer
    return be.save_checkpoint(be.Bert(tokenizer, be.build("bert_en_uncased")), directory / "base", "huggingface")


def rows(repeats=5):
    """Return the benchmark's rows of the table."""
    with tempfile.TemporaryDirectory() as folder:
        directory = write_base(Path(folder))
        codes = {"bertedu": BERTEDU, "transformers": TRANSFORMERS}
        for code in codes.values():
            run(code, directory, "read")  # so that the file is in memory and the modules' bytecode is written
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
        line("load BERT-Base, time / transformers'", "load", "seconds", "s", "<= 1.5", lambda x: x <= 1.5),
        line("the same, peak memory of the process", "load", "peak", "MiB", "<= 1.3", lambda x: x <= 1.3),
        line("load it and read a sentence, time / transformers'", "read", "seconds", "s"),
        line("the same, peak memory of the process", "read", "peak", "MiB"),
        *(full_size(name) for name in FULL_SIZE),
    ]


def full_size(name):
    """Return the row of a published size: one pass of a text of 128 tokens with random weights."""
    result = run(PASS, name)
    what = f"`{name}`, {result['parameters']:,} parameters: one pass of 128 tokens (peer column: peak memory)"
    return common.row(what, f"{result['pass']:.2f} s", f"({result['peak']:,.0f} MiB)", [result["pass"]])


def main():
    """Run the benchmark and print its table."""
    options = common.parsed(common.parser(__doc__, repeats=5))
    print(common.machine(), "\n")
    print(common.table(rows(options.repeats)))


if __name__ == "__main__":
    main()
