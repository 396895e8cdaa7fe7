"""Check bertedu on a GPU in under 8 minutes: `python -m tools.gpu_check [--output FILE.md]`.

For each Keras backend of this machine that has a GPU, and for transformers on the same card:

outputs    attention and hidden states of float32 within 1e-4 of those of the CPU
training   examples per second of `be.fine_tune` in float32 and bfloat16, after the first epoch and as a whole, with the
           peak memory of the card; transformers trains in a plain PyTorch loop, padded as bertedu does it
resume     a training that is killed with -9 and resumed, beside one in one piece: the largest difference of a weight

Each part is a process of its own. Parts that no longer fit into `--minutes` are listed as not run. With `--cpu`, the
same runs on the CPU, which tests this script. Without the offline model, MiniLM's sizes with random weights are used.
"""

import argparse
import contextlib
import importlib.util
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import common

BACKENDS = ("tensorflow", "jax", "torch")
BATCH, EPOCHS, RATE, MAX_LENGTH = 64, 3, 5e-5, 128
TOLERANCE = 1e-4
CPU_ONLY = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}


def labels_of(texts):
    """Return a label for each text, which a model can learn: whether it has more than 100 characters."""
    return [int(len(text) > 100) for text in texts]


def bert():
    """Return MiniLM, or a model of its sizes with random weights if the offline model is missing."""
    import keras

    import bertedu as be
    from bertedu import presets

    if presets.offline_model_directory() is not None:
        return be.load("minilm")
    words = sorted({word.lower() for sentence in common.sentences() for word in sentence.split() if word.isalpha()})
    tokenizer = be.BertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words[:30_000]])
    keras.utils.set_random_seed(0)
    encoder = be.BertEncoder(
        tokenizer.vocab_size, hidden_size=384, num_layers=6, num_attention_heads=12, inner_dim=1536
    )
    return be.Bert(tokenizer, encoder, name="random weights")


def device_memory():
    """Return the peak memory of the card so far, in MiB; None if the backend does not tell, or has no card."""
    import keras

    with contextlib.suppress(Exception):
        if keras.backend.backend() == "jax":
            import jax

            return jax.devices()[0].memory_stats()["peak_bytes_in_use"] / 2**20
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            return tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20
        import torch

        return torch.cuda.max_memory_allocated() / 2**20 or None
    return None


# ---- parts, each in a process of its own -----------------------------------------------------------------------------


def device(_):
    """Print whether the backend has a GPU."""
    from bertedu.backend import devices

    return {"has_gpu": devices.has_accelerator()}


def outputs(options):
    """Store the outputs of texts up to 128 tokens."""
    model, arrays = bert(), {}
    for i, text in enumerate([*common.spread_sentences(12), " ".join(common.spread_sentences(12))]):
        reading = model.read(text, max_length=MAX_LENGTH)
        arrays |= {f"attention {i}": reading.attention, f"encoder_outputs {i}": reading.encoder_outputs}
    np.savez(options.file, **arrays)
    return {"name": model.name}


def training(options):
    """Fine-tune, in `--run` if that is given, and print speed and memory, or store the weights."""
    import keras

    import bertedu as be

    texts = common.short_texts(options.texts, **common.REVIEWS)
    model = bert()
    keras.utils.set_random_seed(0)  # of the head
    classifier = model.classifier_for(2)
    start = time.perf_counter()
    history = be.fine_tune(classifier, model.preprocessor, (texts, labels_of(texts)), epochs=EPOCHS, batch_size=BATCH,
                           learning_rate=RATE, precision=options.precision, max_length=MAX_LENGTH, progress=False,
                           output_dir=options.run)  # fmt: skip
    whole = time.perf_counter() - start
    if options.file:
        np.savez(options.file, *classifier.get_weights())
    later = [epoch["seconds"] for epoch in history.epochs[1:]]
    return {
        "speed": len(texts) * len(later) / sum(later),
        "whole": len(texts) * EPOCHS / whole,
        "memory": device_memory(),
        "loss": history.epochs[-1]["loss"],
    }


def transformers(options):
    """Fine-tune transformers' model in a PyTorch loop; print the same."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    model = bert()
    texts = common.short_texts(options.texts, **common.REVIEWS)
    card = "cuda" if torch.cuda.is_available() else "cpu"
    sizes = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
    peer = (
        BertForSequenceClassification(BertConfig(vocab_size=model.tokenizer.vocab_size, **sizes, num_labels=2))
        .to(card)
        .train()
    )
    start = time.perf_counter()
    rows = [model.preprocessor.encode(text, max_length=MAX_LENGTH).ids for text in texts]
    labels = torch.tensor(labels_of(texts), device=card)
    adam = torch.optim.AdamW(peer.parameters(), RATE, weight_decay=0.01)
    bfloat16 = torch.autocast(card, torch.bfloat16, enabled=options.precision != "float32")
    rng, seconds = np.random.default_rng(0), []
    from bertedu.fine_tuning import plan_batches

    for _ in range(EPOCHS):
        began = time.perf_counter()
        for batch in plan_batches([len(ids) for ids in rows], BATCH, rng):
            length = max(len(rows[i]) for i in batch)
            ids = torch.tensor([rows[i] + [0] * (length - len(rows[i])) for i in batch], device=card)
            with bfloat16:
                loss = peer(
                    input_ids=ids, attention_mask=ids != 0, labels=labels[torch.from_numpy(batch).to(card)]
                ).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(peer.parameters(), 1.0)
            adam.step()
            adam.zero_grad()
        loss = float(loss)  # waits for the card
        seconds.append(time.perf_counter() - began)
    memory = torch.cuda.max_memory_allocated() / 2**20 if card == "cuda" else None
    whole = time.perf_counter() - start
    return {"speed": len(texts) * (EPOCHS - 1) / sum(seconds[1:]), "whole": len(texts) * EPOCHS / whole,
            "memory": memory, "loss": loss}  # fmt: skip


PARTS = {part.__name__: part for part in (device, outputs, training, transformers)}


# ---- the whole -------------------------------------------------------------------------------------------------------


class Check:
    """Runs the parts and collects the lines of the table."""

    def __init__(self, options, folder):
        self.options, self.folder, self.rows = options, folder, []
        self.deadline = time.monotonic() + 60 * options.minutes

    def start(self, part, backend, environment=None, **arguments):
        """Start a part on a backend."""
        command = [sys.executable, "-m", "tools.gpu_check", "--part", part, "--texts", str(self.options.texts)]
        for name, value in arguments.items():
            command += [f"--{name}", str(value)]
        on_cpu = CPU_ONLY if self.options.cpu else {}
        # JAX takes three quarters of the card at once, which would hide what it needs
        own = {"KERAS_BACKEND": backend, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        env = common.quiet_environment() | own | on_cpu | (environment or {})
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=common.ROOT, env=env)

    def run(self, what, part, backend, environment=None, **arguments):
        """Run a part to its end; return its answer, or None, with a row that says why."""
        left = self.deadline - time.monotonic()
        if left < 5:
            return self.add(what, "not run: no time left")
        process = self.start(part, backend, environment, **arguments)
        try:
            out, err = process.communicate(timeout=left)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return self.add(what, f"stopped after {left:.0f} seconds, at the end of the time")
        if process.returncode:
            last = err.strip().splitlines()[-1:] or [f"status {process.returncode}"]
            return self.add(what, f"**failed:** {last[0][:200]}")
        return json.loads(out.strip().splitlines()[-1])

    def add(self, what, result):
        """Add a row, and print it."""
        self.rows.append([what, result])
        print(f"{what}: {result}", file=sys.stderr, flush=True)

    def outputs(self, backends):
        """Compare the outputs of each backend with those of the first on the CPU."""
        reference = self.folder / "reference.npz"
        if self.run("outputs, CPU", "outputs", backends[0], CPU_ONLY, file=reference) is None:
            return
        expected = np.load(reference)
        for backend in backends:
            file, what = self.folder / f"{backend}.npz", f"outputs, {backend}, float32"
            if self.run(what, "outputs", backend, file=file) is not None:
                found = np.load(file)
                difference = max(float(np.abs(found[name] - expected[name]).max()) for name in expected.files)
                verdict = "yes" if difference <= TOLERANCE else "**no**"
                self.add(what, f"largest difference {difference:.1e}; within {TOLERANCE:g}: {verdict}")

    def training(self, backends):
        """Train in both precisions."""
        for precision in ("float32", "mixed_bfloat16"):
            for backend in backends:
                what = f"training, {backend}, {precision}"
                self.add_speed(what, self.run(what, "training", backend, precision=precision))
            if all(map(importlib.util.find_spec, ("torch", "transformers"))):
                what = f"training, transformers, {precision}"
                self.add_speed(what, self.run(what, "transformers", "torch", precision=precision))

    def add_speed(self, what, answer):
        if answer is not None:
            memory = "unknown" if answer["memory"] is None else f"{answer['memory']:,.0f} MiB"
            speeds = f"{answer['speed']:,.0f} examples/s, {answer['whole']:,.0f} with the start"
            self.add(what, f"{speeds}; memory {memory}; last loss {answer['loss']:.3f}")

    def resume(self, backend):
        """Kill a training and resume it."""
        what = f"killed and resumed, {backend}, float32"
        names = {name: {"run": self.folder / name, "file": self.folder / f"{name}.npz"} for name in ("whole", "killed")}
        if self.run(what, "training", backend, precision="float32", **names["whole"]) is None:
            return
        process, path = self.start("training", backend, precision="float32", **names["killed"]), names["killed"]["run"]
        while process.poll() is None and time.monotonic() < self.deadline and epochs_done(path) < 1:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        was_killed = not (path / "history.json").exists()
        if self.run(what, "training", backend, precision="float32", **names["killed"]) is None:
            return
        one, other = (np.load(arguments["file"]) for arguments in names.values())
        difference = max(float(np.abs(one[name] - other[name]).max()) for name in one.files)
        self.add(
            what, f"largest difference of a weight {difference:.1e}" + ("" if was_killed else "; ended before the kill")
        )


def epochs_done(folder):
    """Return how many epochs the training checkpoint of a run has."""
    from bertedu.fine_tuning import state

    content = state.read_metadata(folder / "state.safetensors")
    return len(content["epochs"]) if content else 0


def machine():
    """Return a line with the cards and the versions."""
    cards = "no nvidia-smi"
    with contextlib.suppress(OSError):
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
        cards = subprocess.run(query, capture_output=True, text=True).stdout.strip().replace("\n", "; ")
    packages = [name for name in (*BACKENDS, "keras", "transformers", "numpy") if importlib.util.find_spec(name)]
    return f"{cards}. {time.strftime('%Y-%m-%d')}. {common.machine(packages)}"


def main():
    """Run the check and print its table; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", help="file for the table")
    parser.add_argument("--minutes", type=float, default=7.5, help="(default: %(default)s)")
    parser.add_argument("--texts", type=int, default=6400, help="examples of the training (default: %(default)s)")
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, help="(default: those that have a GPU)")
    parser.add_argument("--cpu", action="store_true", help="run on the CPU, to test this script")
    for name in ("part", "precision", "run", "file"):
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(PARTS[options.part](options)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        check = Check(options, Path(folder))
        backends = options.backends or [name for name in BACKENDS if importlib.util.find_spec(name)]
        if not options.cpu:
            backends = [name for name in backends if (check.run(name, "device", name) or {}).get("has_gpu")]
        if not backends:
            print("No Keras backend of this machine has a GPU. --cpu runs the same on the CPU.", file=sys.stderr)
            return 1
        check.outputs(backends)
        check.training(backends)
        check.resume(backends[0])
    lines = [
        machine(),
        "",
        "| what | result |",
        "| --- | --- |",
        *(f"| {what} | {result} |" for what, result in check.rows),
    ]
    print("\n".join(lines))
    if options.output:
        Path(options.output).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return int(any("**" in result for _, result in check.rows))


if __name__ == "__main__":
    sys.exit(main())
