"""Writes small models with KerasHub itself to `checkpoints/keras_hub_*.zip`, and what KerasHub computes from them.

    python tests/golden/make_keras_hub.py

It needs an environment of its own (Python 3.11): `pip install tensorflow==2.21.0 keras==3.15.1 keras-hub==0.32.0`.
bertedu is neither needed nor imported.

One folder a form: a masked language model in shards, a classifier with its optimizer's slots, an embedder in bfloat16,
a backbone in float16, and a task's bare weights. `expected.npz` in each holds the inputs and what KerasHub computes
from that very file, read back (as float32), and, where there is a tokenizer, what its preprocessor makes of `TEXTS`
and `PAIRS`. They are zipped because HDF5 keeps a kilobyte for each of Keras' empty groups: 700 kB become 100.
"""

import sys
import tempfile
import zipfile
from pathlib import Path

import keras
import keras_hub
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from small_world import SENTENCE, VOCABULARY  # tests/small_world.py, which imports nothing

HERE = Path(__file__).resolve().parent / "checkpoints"
models = keras_hub.models
SIZES = {"vocabulary_size": len(VOCABULARY), "num_layers": 2, "num_heads": 3, "hidden_dim": 21, "intermediate_dim": 13}
SIZES |= {"max_sequence_length": 17, "num_segments": 2}
LENGTH = 11
SHARD = 1e-5  # gigabytes: three files
TEXTS = [SENTENCE, "The Cat sat.", "thé cät, warm", "unwanted\tunwarm dog", "", "the. , (mat)", "cat " * 20]
PAIRS = [(SENTENCE, SENTENCE), ("the cat", "it was warm. " * 5), ("the dog ran " * 5, "warm"), ("", "it")]


def inputs():
    """Two rows: a pair that fills its row, and a single text with padding; and positions to predict."""
    rng = np.random.default_rng(3)
    return {
        "token_ids": rng.integers(0, len(VOCABULARY), (2, LENGTH)).astype("int32"),
        "padding_mask": np.array([[1] * LENGTH, [1] * 7 + [0] * (LENGTH - 7)], "int32"),
        "segment_ids": np.array([[0] * 5 + [1] * (LENGTH - 5), [0] * LENGTH], "int32"),
        "mask_positions": np.array([[1, 5, 10], [0, 6, 3]], "int32"),
    }


INPUTS = inputs()
ROWS = {name: INPUTS[name] for name in ("token_ids", "padding_mask", "segment_ids")}


def strong(model, seed):
    """Weights so large that a wrong activation, order or epsilon shows in the outputs."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if "seed_generator" not in variable.path:
            variable.assign(rng.normal(variable.path.endswith("gamma"), 0.3, variable.shape).astype("float32"))
    return model


def tokenizer(lowercase):
    return models.BertTokenizer(VOCABULARY, lowercase=lowercase)


def backbone(dtype="float32", dropout=0.1):
    return models.BertBackbone(**SIZES, dropout=dropout, dtype=dtype)


def tokens(lowercase):
    """What KerasHub's preprocessor makes of the texts, on which a masked-LM preprocessor would draw lots."""
    preprocessor = models.BertTextClassifierPreprocessor(tokenizer(lowercase), sequence_length=LENGTH)
    pairs = tuple(np.array(texts) for texts in zip(*PAIRS, strict=True))
    made = {
        "texts": preprocessor(np.array(TEXTS)),
        "pairs": preprocessor(x=pairs),
    }
    found = {f"{kind}_{key}": np.asarray(value, "int32") for kind, x in made.items() for key, value in x.items()}
    return found | {"texts": np.array(TEXTS), "pairs": np.array(PAIRS)}


def outputs(read_back):
    return {name: numpy(value) for name, value in read_back(ROWS).items()}


def numpy(value):
    return keras.ops.convert_to_numpy(keras.ops.cast(value, "float32"))


def finish(directory, expected):
    """`expected.npz`, and the zip of everything in `directory`."""
    np.savez_compressed(directory / "expected.npz", **INPUTS, **expected)
    with zipfile.ZipFile(HERE / f"{directory.name}.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target:
        for path in sorted(path for path in directory.rglob("*") if path.is_file()):
            name = str(path.relative_to(directory.parent))
            info = zipfile.ZipInfo(name)  # without the time of day
            target.writestr(info, path.read_bytes(), zipfile.ZIP_DEFLATED, 9)
    print(directory.name, (HERE / f"{directory.name}.zip").stat().st_size)


def masked_lm(directory):
    preprocessor = models.BertMaskedLMPreprocessor(tokenizer(True), sequence_length=LENGTH, mask_selection_length=3)
    strong(models.BertMaskedLM(backbone(), preprocessor), 5).save_to_preset(directory, max_shard_size=SHARD)
    again = models.BertMaskedLM.from_preset(str(directory))
    finish(directory, outputs(again.backbone) | {"mlm_logits": numpy(again(INPUTS))} | tokens(True))


def classifier(directory):
    preprocessor = models.BertTextClassifierPreprocessor(tokenizer(False), sequence_length=LENGTH)
    model = strong(models.BertTextClassifier(backbone(dropout=0.2), 3, preprocessor, dropout=0.4), 7)
    model.compile(optimizer=keras.optimizers.Adam(), loss="mse")
    model.optimizer.build(model.trainable_variables)
    model.save_to_preset(directory)
    again = models.BertTextClassifier.from_preset(str(directory))
    finish(directory, outputs(again.backbone) | {"logits": numpy(again(ROWS))} | tokens(False))


def embedder(directory):
    preprocessor = models.BertTextEmbedderPreprocessor(tokenizer(True), sequence_length=LENGTH)
    model = models.BertTextEmbedder(strong(backbone("bfloat16"), 11), preprocessor, pooling_mode="max", normalize=True)
    model.save_to_preset(directory)
    again = models.BertTextEmbedder.from_preset(str(directory), dtype="float32")
    native = models.BertBackbone.from_preset(str(directory))
    expected = {f"native_{name}": value for name, value in outputs(native).items()}
    finish(directory, outputs(again.backbone) | {"embedding": numpy(again(ROWS))} | expected | tokens(True))


def half(directory):
    strong(backbone("float16"), 13).save_to_preset(directory)
    native = models.BertBackbone.from_preset(str(directory))
    expected = {f"native_{name}": value for name, value in outputs(native).items()}
    finish(directory, outputs(models.BertBackbone.from_preset(str(directory), dtype="float32")) | expected)


def bare_weights(directory):
    directory.mkdir()
    model = strong(models.BertMaskedLM(backbone()), 17)
    model.save_weights(directory / "bert.weights.h5")
    (directory / "vocab.txt").write_text("".join(f"{word}\n" for word in VOCABULARY), encoding="utf-8")
    again = models.BertMaskedLM(backbone())
    again.load_weights(directory / "bert.weights.h5")
    finish(directory, outputs(again.backbone) | {"mlm_logits": numpy(again(INPUTS))})


FOLDERS = {
    "keras_hub_masked_lm": masked_lm,
    "keras_hub_classifier": classifier,
    "keras_hub_embedder": embedder,
    "keras_hub_half": half,
    "keras_hub_weights_uncased": bare_weights,
}

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for name, write in FOLDERS.items():
            write(Path(folder) / name)
