"""Compare fine-tuning on one device and on two: `python tools/several_devices.py mirrored|jax`.

mirrored   two devices of one machine, with TensorFlow's `MirroredStrategy`, as for several GPUs
jax        two processes, as for two machines, with Keras' JAX backend and `keras.distribution` (TensorFlow's
           MultiWorkerMirroredStrategy does not work with `fit` of Keras 3)

With `--virtual`, the devices are parts of the CPU. Each device processes a part of each batch, and the losses must
equal those of a single device. The model is small, with random weights. The number of texts is a multiple of the batch
size: a short last batch is filled up with texts of weight 0, which would all be on the last device, so that the texts
of this batch had a smaller weight on several devices than on one.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

SUBJECTS, VERBS = ("the cat", "a dog", "it", "the old man"), ("sat", "ran", "slept")
ADVERBIALS = ("on the mat", "here", "in the house by the sea", "")
TEXTS = [f"{who} {what} {where}" for who in SUBJECTS for what in VERBS for where in ADVERBIALS]
LABELS = [int("cat" in text or "sea" in text) for text in TEXTS]
EPOCHS, BATCH = 3, 8


def losses(scope):
    """Return [loss, val_loss] of each epoch of a small fine-tuning without dropout, inside the context `scope()`."""
    import keras

    import bertedu as be

    words = sorted({word for text in TEXTS for word in text.split()})
    tokenizer = be.BertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words])
    keras.utils.set_random_seed(0)
    with scope():
        sizes = {"hidden_size": 16, "num_layers": 2, "num_attention_heads": 2, "inner_dim": 32}
        encoder = be.BertEncoder(
            tokenizer.vocab_size, max_sequence_length=32, output_dropout=0.0, attention_dropout=0.0, **sizes
        )
        classifier = be.BertClassifier(encoder, num_classes=2, dropout_rate=0.0)
        history = be.fine_tune(classifier, be.BertPreprocessor(tokenizer, 32), (TEXTS, LABELS), (TEXTS, LABELS),
                               epochs=EPOCHS, batch_size=BATCH, learning_rate=1e-3, precision="float32",
                               progress=False)  # fmt: skip
    return [[epoch["loss"], epoch["val_loss"]] for epoch in history.epochs]


def mirrored(devices):
    """Return `losses` on several devices of this machine, with MirroredStrategy."""
    import contextlib

    import tensorflow as tf

    if devices == 1:
        return losses(contextlib.nullcontext)
    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    strategy = tf.distribute.MirroredStrategy([f"/{kind.lower()}:{i}" for i in range(devices)])
    return losses(strategy.scope)


def split_cpu(devices):
    """Split the CPU into several devices of TensorFlow."""
    import tensorflow as tf

    parts = [tf.config.LogicalDeviceConfiguration() for _ in range(devices)]
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)


def distributed(rank, processes, port):
    """Return `losses` in one of several processes of the JAX backend, each with its own rank."""
    import contextlib

    import jax
    import keras

    if processes > 1:
        if jax.config.jax_platforms == "cpu":
            jax.config.update("jax_cpu_collectives_implementation", "gloo")
        keras.distribution.initialize(f"127.0.0.1:{port}", num_processes=processes, process_id=rank)
        devices = keras.distribution.list_devices()
        # each process reads all batches, and uses its part
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False))
    return losses(contextlib.nullcontext)


def run(*arguments, backend):
    """Start this script in a separate process."""
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if backend == "jax":
        environment |= {"JAX_PLATFORMS": "cpu"}
    command = [sys.executable, str(Path(__file__).resolve()), *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def result(process, seconds=600):
    """Return the losses that a process printed.

    Raises:
        RuntimeError: it failed; the message contains the end of its output.
    """
    out, err = process.communicate(timeout=seconds)
    if process.returncode:
        raise RuntimeError(f"{' '.join(process.args[1:])} failed:\n{err[-2000:]}")
    return json.loads(out.strip().splitlines()[-1])


def free_port():
    """Return an unused port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def compare(way, virtual=True):
    """Return the losses of one device and of two: two lists, with [training, validation] per epoch."""
    if way == "mirrored":
        extra = ["--virtual"] if virtual else []
        return [result(run("mirrored", "--devices", n, *extra, backend="tensorflow")) for n in (1, 2)]
    one = result(run("jax", "--rank", 0, "--processes", 1, backend="jax"))
    port = free_port()
    both = [run("jax", "--rank", rank, "--processes", 2, "--port", port, backend="jax") for rank in (0, 1)]
    try:
        return [one, [result(process) for process in both][0]]
    finally:
        for process in both:
            process.kill()


def main():
    """Compare, or run one of the processes that are compared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", choices=("mirrored", "jax"))
    parser.add_argument("--devices", type=int, help="run on this number of devices, and print the losses")
    parser.add_argument("--virtual", action="store_true", help="split the CPU into devices")
    parser.add_argument("--rank", type=int, help="run this process of the JAX backend, and print the losses")
    parser.add_argument("--processes", type=int, default=2, help="number of processes (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port of rank 0")
    options = parser.parse_args()
    if options.devices:
        if options.virtual:
            split_cpu(options.devices)
        return print(json.dumps(mirrored(options.devices)))
    if options.rank is not None:
        return print(json.dumps(distributed(options.rank, options.processes, options.port)))
    one, two = compare(options.way, options.virtual)
    print("epoch   one device: training, validation   two devices")
    for number, (single, double) in enumerate(zip(one, two, strict=True), 1):
        print(f"{number:5}   {single[0]:.6f}  {single[1]:.6f}               {double[0]:.6f}  {double[1]:.6f}")
    difference = max(
        abs(a - b) for single, double in zip(one, two, strict=True) for a, b in zip(single, double, strict=True)
    )
    print(f"maximum difference: {difference:.1e}")


if __name__ == "__main__":
    main()
