"""Writes tests/golden/v0_1: what version 0.1 wrote, in every format, and what it computed from it.

    git worktree add ../bertedu-0.1 4725396
    cp tests/golden/make_v0_1.py tests/small_world.py ../bertedu-0.1/tests/golden/
    cd ../bertedu-0.1 && python tests/golden/make_v0_1.py OUTPUT

Only that commit may write these files, which later versions have to open. `expected.npz` beside each model holds
its outputs on `inputs.npz`. In `training/` lies a run that was stopped after its first state of the second epoch, and
what the same run, not stopped, ended with.
"""

import contextlib
import json
import shutil
import sys
from pathlib import Path

import keras
import numpy as np

import bertedu as be
from bertedu.checkpoints.common import EmbedSettings
from bertedu.fine_tuning import run as run_module

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from small_world import VOCABULARY

SIZES = {"vocab_size": len(VOCABULARY), "hidden_size": 6, "num_layers": 2, "num_attention_heads": 2}
SIZES |= {"max_sequence_length": 13, "type_vocab_size": 2, "inner_dim": 7}
TALKING = {"attention_cls": be.TalkingHeadsAttention, "feedforward_cls": be.GatedFeedforward, "embedding_width": 5}
FORMATS = ("bertedu", "huggingface", "keras", "saved_model")
TEXTS = ["the cat sat on the mat", "the dog ran", "it was warm", "the cat was unwanted", "the mat was warm", "it sat"]
LABELS = [0, 1, 0, 1, 0, 1]


def strong(model, seed):
    """Weights so large that every one of them shows in the outputs."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        variable.assign(rng.normal(variable.name == "gamma", 0.3, variable.shape).astype("float32"))
    return model


def encoder(**options):
    return strong(be.BertEncoder(**{**SIZES, **options}, name="bert"), 7)


def bert_of(network, **heads):
    tokenizer = be.BertTokenizer(VOCABULARY)
    preprocessor = be.BertPreprocessor(tokenizer, 11, truncation="longest_first")
    return be.Bert(tokenizer, network, preprocessor, embed_settings=EmbedSettings("max", True, 7), **heads)


def berts():
    network = encoder()
    yield "encoder", bert_of(network)
    network = encoder()
    yield "classifier", bert_of(network, classifier=strong(be.BertClassifier(network, 3), 8))
    network = encoder()
    pretrainer = strong(be.BertPretrainer(network, network.inner_activation), 9)
    yield "masked_lm", bert_of(network, masked_lm=pretrainer)
    network = encoder(**TALKING)
    yield "talking_heads", bert_of(network)
    network = encoder()
    head = keras.layers.Dense(5)
    classifier = strong(be.BertClassifier(network, 5, cls_head=head), 8)
    yield "classifier_with_a_dense_head", bert_of(network, classifier=classifier)
    network = encoder()
    classifier = strong(be.BertClassifier(network, 3, use_encoder_pooler=False), 8)
    yield "classifier_with_its_own_pooler", bert_of(network, classifier=classifier)


def keras_models():
    """What `model.save` makes of models that are put together by hand."""
    network = encoder()
    preprocessor = be.BertPreprocessor(be.BertTokenizer(VOCABULARY), 11)
    text = keras.Input(shape=(), dtype="string")
    yield "from_texts", keras.Model(text, network(preprocessor(text))["pooled_output"])
    table = keras.layers.Embedding(len(VOCABULARY), 6, name="table")
    table.build()
    network = encoder(embedding_layer=table)
    yield "with_an_embedding_layer", keras.Model(network.inputs, network(network.inputs))


def inputs():
    rng = np.random.default_rng(3)
    return {
        "input_word_ids": rng.integers(5, len(VOCABULARY), (2, 9)).astype("int32"),
        "input_mask": np.array([[1] * 9, [1] * 5 + [0] * 4], "int32"),
        "input_type_ids": np.array([[0] * 4 + [1] * 5, [0] * 9], "int32"),
    }


POSITIONS = np.array([[1, 5], [0, 3]], "int32")


def outputs_of(bert, batch):
    outputs = bert.encoder(batch)
    found = {name: outputs[name] for name in ("sequence_output", "pooled_output")}
    if bert.classifier is not None:
        found["logits"] = bert.classifier(batch)
    if bert.masked_lm is not None:
        found["mlm_logits"] = bert.masked_lm(batch | {"masked_lm_positions": POSITIONS})["mlm_logits"]
    found["embedding"] = bert.embed(TEXTS[:2])
    return {name: np.asarray(value) for name, value in found.items()}


def write_models(folder):
    batch = inputs()
    np.savez(folder / "inputs.npz", **batch, masked_lm_positions=POSITIONS)
    for name, bert in berts():
        (folder / name).mkdir()
        np.savez(folder / name / "expected.npz", **outputs_of(bert, batch))
        for form in FORMATS:
            path = folder / name / ("model.keras" if form == "keras" else form)
            if form == "saved_model" and bert.classifier is not None:
                continue  # the encoder's once more
            try:
                be.export_saved_model(bert, path) if form == "saved_model" else be.save_checkpoint(bert, path, form)
            except ValueError as error:
                print(name, form, "refused:", error)
    for name, model in keras_models():
        (folder / name).mkdir()
        model.save(folder / name / "model.keras")
        value = model(batch) if name != "from_texts" else model(np.array(TEXTS[:2]))
        value = value if name == "from_texts" else value["sequence_output"]
        np.savez(folder / name / "expected.npz", output=np.asarray(value))


class Stop(Exception):
    """What ends a run in the middle."""


class StopInTheSecondEpoch(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations.numpy() == 5:  # 3 steps an epoch; the state after step 4 is on disk
            raise Stop


def train(folder, callbacks=()):
    classifier = strong(be.BertClassifier(encoder(), 2), 8)
    preprocessor = be.BertPreprocessor(be.BertTokenizer(VOCABULARY), 11)
    data = {"train": (TEXTS, LABELS), "validation": (TEXTS[:2], LABELS[:2])}
    options = {"epochs": 2, "batch_size": 2, "learning_rate": 1e-2, "precision": "float32"}
    be.fine_tune(classifier, preprocessor, **data, **options, output_dir=folder, progress=False, callbacks=callbacks)
    return classifier


def write_training(folder):
    run_module.SEGMENT = 1  # steps between two states on disk, so that one is in the middle of an epoch
    classifier = train(folder / "finished")
    (folder / "run").mkdir()
    with contextlib.suppress(Stop):
        train(folder / "run", [StopInTheSecondEpoch()])
    shutil.copy(folder / "finished" / "history.json", folder / "history.json")
    weights = {weight.path: np.asarray(weight) for weight in classifier.weights}
    np.savez(folder / "expected.npz", **{str(i): value for i, value in enumerate(weights.values())})
    (folder / "expected_paths.json").write_text(json.dumps(list(weights), indent=1) + "\n")
    shutil.rmtree(folder / "finished")


def write_view(folder):
    bert = next(berts())[1]
    bert.read("the cat sat on the mat").view("head").save(folder / "head_view.html")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    write_models(target)
    (target / "training").mkdir()
    write_training(target / "training")
    write_view(target)
