"""Loading a checkpoint of BERT-Base's size, compared with transformers; and one pass of models of published sizes.

    python -m benchmarks.load [--repeats 5]

The weights are random (419 MiB of safetensors, written to a temporary directory by `be.save_checkpoint`); the time and
memory of reading do not depend on them. Every run is a fresh process and the contestants alternate. A process imports
its library, loads the model, and reads a sentence twice: what the first reading takes beyond the second is TensorFlow's
tracing. transformers maps the file into memory and reads a weight when it is first used, so it loads in the first
reading too. Times are processor times, of all threads, which other work changes little; one row is elapsed time.
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
TEXT = "The cat sat on the mat."
answer = {}
def memory(field):
    line = next(line for line in open("/proc/self/status") if line.startswith(field))
    return int(line.split()[1]) / 1024
def timed(phase, function):
    def run(*arguments):
        processor, elapsed = time.process_time(), time.perf_counter()
        result = function(*arguments)
        answer[phase] = time.process_time() - processor
        answer[phase + ", elapsed"] = time.perf_counter() - elapsed
        answer[phase + ", peak"] = memory("VmHWM")
        return result
    return run
"""
BERTEDU = (
    MEASURE
    + """
def imports():
    global be, assembly, strict
    import bertedu as be
    from bertedu.checkpoints import assembly, strict
timed("import", imports)()
assembly.build = timed("build", assembly.build)
strict.fill = timed("fill", strict.fill)
bert = timed("load", be.load)(sys.argv[1])
for phase in ("first", "second"):
    timed(phase, bert.read)(TEXT)
print(json.dumps(answer))
"""
)
TRANSFORMERS = (
    MEASURE
    + """
def imports():
    global np, torch, AutoTokenizer, BertModel
    import numpy as np, torch
    from transformers import AutoTokenizer, BertModel
def load(directory):
    model = BertModel.from_pretrained(directory, attn_implementation="eager").eval()
    return AutoTokenizer.from_pretrained(directory), model
def read(text):
    with torch.no_grad():
        outputs = model(**tokenizer(text, return_tensors="pt"), output_attentions=True)
    return np.stack([scores[0].numpy() for scores in outputs.attentions])
timed("import", imports)()
tokenizer, model = timed("load", load)(sys.argv[1])
for phase in ("first", "second"):
    timed(phase, read)(TEXT)
print(json.dumps(answer))
"""
)
PASS = (
    MEASURE
    + """
import bertedu as be, numpy as np
ids = np.random.default_rng(0).integers(999, 20000, (1, 128)).astype("int32")
inputs = {"input_word_ids": ids, "input_mask": ids * 0 + 1, "input_type_ids": ids * 0}
encoder = be.build(sys.argv[1])
outputs = timed("pass", lambda: encoder(inputs, return_attention_scores=True))()
assert np.isfinite(outputs["pooled_output"]).all() and len(outputs["attention_scores"]) == encoder.num_layers
print(json.dumps(answer | {"parameters": encoder.count_params()}))
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
            run(code, directory)  # so that the file is in memory and the modules' bytecode is written
        turns = []
        for turn in range(repeats):
            order = list(codes)[:: -1 if turn % 2 else 1]
            turns.append({who: run(codes[who], directory) for who in order})
    return [*compared(turns), *(full_size(name) for name in FULL_SIZE)]


def compared(turns):
    """Return the rows of the runs, a list of dicts, name of a contestant -> its phases: times and peak memory."""

    def line(text, value, unit="s", most=None):
        left, right = (np.array([value(turn[who]) for turn in turns]) for who in ("bertedu", "transformers"))
        cells = [f"{np.median(side):,.{2 if unit == 's' else 0}f} {unit}" for side in (left, right)]
        return common.row(text, *cells, left / right, *((f"<= {most}", lambda x: x <= most) if most else ()))

    def part(text, value):
        values = [value(turn["bertedu"]) for turn in turns]
        return common.row(text, f"{np.median(values):.2f} s", "", values)

    return [
        line("import the library, processor time", lambda run: run["import"]),
        line("load BERT-Base", lambda run: run["load"]),
        part("of which build the layers (median and range: seconds)", lambda run: run["build"]),
        part("of which assign the weights (seconds)", lambda run: run["fill"]),
        part("first reading of a sentence, less a second one (seconds)", lambda run: run["first"] - run["second"]),
        line("load and read a sentence, processor time", lambda run: run["load"] + run["first"], most=5),
        line("the same, elapsed", lambda run: run["load, elapsed"] + run["first, elapsed"], most=5),
        line("peak memory after the import", lambda run: run["import, peak"], "MiB"),
        line("after loading", lambda run: run["load, peak"], "MiB"),
        line("after reading", lambda run: run["first, peak"], "MiB", most=1.6),
    ]


def full_size(name):
    """Return the row of a published size: one pass of a text of 128 tokens with random weights."""
    result = run(PASS, name)
    what = f"`{name}`, {result['parameters']:,} parameters: one pass of 128 tokens (peer column: peak memory)"
    return common.row(
        what, f"{result['pass, elapsed']:.2f} s", f"({result['pass, peak']:,.0f} MiB)", [result["pass, elapsed"]]
    )


def main():
    """Run the benchmark and print its table."""
    options = common.parsed(common.parser(__doc__, repeats=5))
    print(common.machine(), "\n")
    print(common.table(rows(options.repeats)))


if __name__ == "__main__":
    main()
