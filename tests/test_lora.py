"""LoRA and freezing by name: the equation, the same numbers as peft, what is trained, and nothing lost by a kill."""

import json
import re

import interrupted
import keras
import numpy as np
import pytest
import small_world
import tiny_bert
from keras import ops
from safetensors.numpy import load_file, save_file

import bertedu as be
from bertedu import lora
from bertedu.checkpoints import adapters
from bertedu.checkpoints.common import weights
from bertedu.classifier import matching_layers
from bertedu.fine_tuning import fine_tune, state
from bertedu.fine_tuning import run as running
from bertedu.fine_tuning.low_rank import LowRankModel, adaptable_layers
from bertedu.fine_tuning.trainable import only

RNG = np.random.default_rng(11)
TEXTS = [" ".join(RNG.choice(small_world.VOCABULARY[5:], RNG.integers(1, 24))) for _ in range(40)]
LABELS = [int("cat" in text.split()) for text in TEXTS]
IDS = np.array([[2, 5, 6, 7, 3], [2, 11, 12, 3, 0]], "int32")
INPUTS = {"input_word_ids": IDS, "input_mask": np.int32(IDS > 0), "input_type_ids": IDS * 0}
NAMES = ["query", "key", "value", "attention_output", "intermediate", "output"]
GATED = {"attention_cls": be.TalkingHeadsAttention, "feedforward_cls": be.GatedFeedforward}


def small(num_layers=2, seed=0, **options):
    """A classifier of random weights on the small world, and its preprocessor."""
    keras.utils.set_random_seed(seed)
    sizes = {"hidden_size": 14, "num_attention_heads": 2, "inner_dim": 23, "max_sequence_length": 29}
    encoder = be.BertEncoder(len(small_world.VOCABULARY), num_layers=num_layers, **sizes | options)
    return be.BertClassifier(encoder, 2), be.BertPreprocessor(be.BertTokenizer(small_world.VOCABULARY), 29)


def run(classifier=None, **options):
    own, preprocessor = small()
    classifier = classifier or own
    options = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-2, "progress": False} | options
    return classifier, fine_tune(classifier, preprocessor, (TEXTS, LABELS), **options)


def numpy(tensor):
    array = np.array(ops.convert_to_numpy(tensor))
    return array.astype(np.promote_types(array.dtype, "float32"))  # NumPy knows little of bfloat16


def bits(variables):
    return {path: ops.convert_to_numpy(variable).tobytes() for path, variable in variables.items()}


def changed(classifier, before):
    """The paths of the weights whose bits have changed."""
    after = bits(state.named(classifier))
    return {path for path, value in before.items() if after[path] != value}


def randomize(model, seed=5):
    rng = np.random.default_rng(seed)
    for update in model.updates:
        update.up.assign(rng.normal(0, 0.3, update.up.shape).astype("float32"))


# -- the equation ------------------------------------------------------------------------------------------------------


def test_the_update_by_hand():
    update = lora.LowRankUpdate(output_dim=3, rank=2, alpha=6)
    x = RNG.normal(size=(5, 4)).astype("float32")
    assert numpy(update(x)).tolist() == np.zeros((5, 3)).tolist()  # `up` starts at 0
    down, up = RNG.normal(size=(4, 2)).astype("float32"), RNG.normal(size=(2, 3)).astype("float32")
    update.set_weights([down, up])
    pairs = [(i, r) for i in range(4) for r in range(2)]
    expected = [[3 * sum(row[i] * down[i, r] * up[r, j] for i, r in pairs) for j in range(3)] for row in x]
    np.testing.assert_allclose(numpy(update(x)), expected, rtol=1e-5)


def test_down_starts_like_a_linear_layer_of_torch():
    update = lora.LowRankUpdate(output_dim=3, rank=50)
    update.build((None, 64))
    values = [numpy(update.down)]
    update.reset(np.random.default_rng(0))
    values.append(numpy(update.down))
    for value in values:
        assert 0.12 < np.abs(value).max() <= 64**-0.5
        assert np.std(value) == pytest.approx((1 / 3 / 64) ** 0.5, rel=0.05)
    assert not np.array_equal(*values)


@pytest.mark.parametrize("layer", [be.attention.HeadProjection((2, 3)), lora.Dense(6)])
def test_a_layer_adds_its_own_update_only_inside_the_block(layer):
    x = RNG.normal(size=(7, 5)).astype("float32")
    layer.build((None, 5))
    update, other = lora.LowRankUpdate(6, rank=2), lora.LowRankUpdate(6, rank=2)
    update.build((None, 5))
    update.up.assign(RNG.normal(size=(2, 6)).astype("float32"))
    plain = numpy(layer(x))
    assert layer.matrix_shape == (5, 6)
    with lora.applied({layer: update, object(): other}):
        adapted = numpy(layer(x))
    product = x @ numpy(update.down) @ numpy(update.up)
    np.testing.assert_allclose(adapted, plain + product, atol=1e-5)
    assert np.array_equal(numpy(layer(x)), plain)
    lora.merge(layer.kernel, numpy(update.down), numpy(update.up))
    np.testing.assert_allclose(numpy(layer(x)), adapted, atol=1e-5)


@pytest.mark.parametrize("parts", [{}, GATED], ids=["bert", "talking heads, gated"])
def test_every_matrix_of_an_encoder_can_have_an_update(parts):
    classifier, _ = small(**parts, initializer=keras.initializers.RandomNormal(stddev=0.4))
    paths = list(adaptable_layers(classifier.network))
    names = NAMES + ["gate"] * bool(parts)
    assert {path.rpartition("/")[2] for path in paths} == {*names} and len(paths) == 2 * len(names)
    before = numpy(classifier(INPUTS))
    model = LowRankModel(classifier, 3, paths, alpha=6)
    assert np.array_equal(numpy(model(INPUTS)), before)
    for path in paths:  # each of them has an effect
        single = LowRankModel(classifier, 3, [path])
        randomize(single)
        assert np.abs(numpy(single(INPUTS)) - before).max() > 1e-5, path
    randomize(model)
    adapted = numpy(model(INPUTS))
    assert np.abs(adapted - before).max() > 1e-3 and np.array_equal(numpy(classifier(INPUTS)), before)
    model.merge()
    np.testing.assert_allclose(numpy(classifier(INPUTS)), adapted, atol=1e-6)
    np.testing.assert_allclose(numpy(model(INPUTS)), adapted, atol=1e-6)  # the updates are 0 now
    merged = bits(state.named(classifier))
    model.merge()
    assert bits(state.named(classifier)) == merged


def test_a_model_with_updates_is_saved_by_keras(tmp_path):
    classifier, _ = small()
    model = LowRankModel(classifier, 3, ["layer_1/self_attention/key", "layer_0/feedforward/output"], alpha=6)
    randomize(model)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert np.array_equal(numpy(again(INPUTS)), numpy(model(INPUTS)))


# -- which weights are trained -----------------------------------------------------------------------------------------

HEAD = {"encoder/pooler_transform/kernel", "encoder/pooler_transform/bias", "head/logits/kernel", "head/logits/bias"}


def chosen(trainable, path):
    """The specification, word by word."""
    if trainable == "all" or path in HEAD:
        return True
    if trainable == "bias":
        return path.endswith(("/bias", "/beta"))
    last = int(trainable.partition(" ")[2] or 0)
    return any(path.startswith(f"encoder/layer_{i}/") for i in range(3 - last, 3))


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("trainable", ["all", "head", "last 0", "last 1", "last 2", "last 3", "bias"])
def test_all_other_weights_keep_all_bits(trainable, precision):
    classifier, _ = small(num_layers=3)
    classifier.network.embeddings.trainable = False  # `trainable` goes before flags
    flags = [weight.trainable for weight in classifier.weights]
    before = bits(state.named(classifier))
    _, history = run(classifier, trainable=trainable, precision=precision, epochs=1)
    expected = {path for path in before if chosen(trainable, path)}
    # The gradient of a key's bias is 0, because the softmax ignores it; it changes by rounding, or not at all.
    noise = {path for path in expected if path.endswith("key/bias")}
    assert changed(classifier, before) | noise == expected | noise
    assert [weight.trainable for weight in classifier.weights] == flags
    assert not classifier.network.embeddings.trainable and classifier.network.transformer_layers[0].trainable
    assert history.run["arguments"]["trainable"] == trainable
    sizes = {path: np.prod(variable.shape) for path, variable in state.named(classifier).items()}
    assert history.run["trainable_parameters"] == sum(sizes[path] for path in expected)


def test_without_a_name_the_flags_of_the_layers_decide():
    classifier, _ = small()
    classifier.network.transformer_layers[0].trainable = False
    before = bits(state.named(classifier))
    run(classifier, epochs=1)
    assert {path for path in before if "layer_0" in path}.isdisjoint(changed(classifier, before))


@pytest.mark.parametrize("trainable", ["last", "last 3", "last -1", "last two", "LAST 1", "pooler", "", 2, ["head"]])
def test_an_unknown_name_is_refused(trainable):
    classifier, _ = small()
    flags = [weight.trainable for weight in classifier.weights]
    expected = r"trainable: .*'all', 'head', 'bias' or 'last N' .*2, got "
    with pytest.raises(ValueError, match=expected + re.escape(repr(trainable))):
        run(classifier, trainable=trainable)
    assert [weight.trainable for weight in classifier.weights] == flags


def test_a_head_with_its_own_pooler_does_not_train_the_encoder_s():
    encoder = small()[0].network
    classifier = be.BertClassifier(encoder, 2, use_encoder_pooler=False)
    before = bits(state.named(classifier))
    run(classifier, trainable="head", epochs=1)
    assert all(path.startswith("head/") for path in changed(classifier, before))


def test_the_flags_are_restored_when_a_run_fails():
    classifier, _ = small()
    with pytest.raises(RuntimeError), only(classifier, "head"):
        assert not classifier.network.transformer_layers[0].attention.query_dense.kernel.trainable
        raise RuntimeError
    assert all(weight.trainable for weight in classifier.weights)


# -- fine-tuning with LoRA ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_only_the_targets_and_the_head_change(precision):
    classifier, _ = small()
    before = bits(state.named(classifier))
    matrices = {path: numpy(variable) for path, variable in state.named(classifier).items()}
    _, history = run(classifier, lora_rank=3, precision=precision, learning_rate=0.05)
    targets = {f"encoder/layer_{i}/self_attention/{name}/kernel" for i in (0, 1) for name in ("query", "value")}
    assert changed(classifier, before) == targets | HEAD
    for path in targets:
        difference = numpy(state.named(classifier)[path]) - matrices[path]
        singular = np.linalg.svd(difference.reshape(14, 14), compute_uv=False)
        assert singular[2] > 20 * singular[3]  # of rank 3, up to the rounding of the sum
    assert all(weight.trainable for weight in classifier.weights)
    arguments = history.run["arguments"]
    assert [arguments[f"lora_{name}"] for name in ("rank", "alpha", "targets")] == [3, 3.0, ["query", "value"]]
    assert history.run["trainable_parameters"] == 4 * 3 * (14 + 14) + 14 * 14 + 14 + 14 * 2 + 2
    assert history.epochs[1]["loss"] < history.epochs[0]["loss"]


def test_the_default_learning_rate_is_ten_times_as_high():
    classifier, preprocessor = small()
    history = fine_tune(classifier, preprocessor, (TEXTS, LABELS), lora_rank=2, epochs=1, progress=False)
    assert history.run["arguments"]["learning_rate"] == pytest.approx(10 * 2e-4)


def test_updates_only_in_the_last_layers_and_in_chosen_matrices():
    classifier, _ = small()
    before = bits(state.named(classifier))
    run(classifier, lora_rank=2, lora_targets=["output", "key"], trainable="last 1", epochs=1)
    assert changed(classifier, before) == HEAD | {
        "encoder/layer_1/self_attention/key/kernel",
        "encoder/layer_1/feedforward/output/kernel",
    }


def test_all_targets_of_other_classes_learn():
    classifier, _ = small(**GATED)
    before = bits(state.named(classifier))
    run(classifier, lora_rank=2, lora_targets="all", epochs=1)
    names = {path.split("/")[-2] for path in changed(classifier, before) - HEAD}
    assert names == {*NAMES, "gate"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lora_rank": 0}, "lora_rank: .*got 0"),
        ({"lora_rank": 2.5}, "lora_rank: .*got 2.5"),
        ({"lora_rank": 15}, "lora_rank: expected a whole number from 1 to 14, got 15"),
        ({"lora_rank": 2, "lora_alpha": -1}, "lora_alpha: .*got -1"),
        ({"lora_alpha": 8}, "lora_alpha: .*without lora_rank.*got 8"),
        ({"lora_targets": "all"}, "lora_targets: .*without lora_rank"),
        ({"lora_rank": 2, "lora_targets": ["query", "dense"]}, "lora_targets: .*'query'.*got 'dense'"),
        ({"lora_rank": 2, "lora_targets": []}, "trainable: .*LoRA, got None"),
        ({"lora_rank": 2, "trainable": "head"}, "trainable: .*LoRA, got 'head'"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        run(**options)


def test_the_optimizer_has_moments_only_of_what_is_trained():
    classifier, _ = small()
    seen = []

    class Remember(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            seen.append(self.model)

    run(classifier, lora_rank=2, callbacks=[Remember()], epochs=1)
    trained = 4 * 2 * 28 + 14 * 14 + 14 + 14 * 2 + 2  # the updates, the pooler, the head
    moments = sum(int(np.prod(variable.shape)) for variable in seen[0].optimizer.variables if len(variable.shape))
    assert moments == 2 * trained and trained < classifier.count_params() / 3


def test_several_seeds_each_start_from_the_same_weights(tmp_path):
    classifier, _ = small()
    untouched = {path: value for path, value in bits(state.named(classifier)).items() if "key" in path}
    options = {"lora_rank": 2, "epochs": 1, "output_dir": tmp_path, "class_weight": "balanced"}
    classifier, runs = run(classifier, seeds=[1, 2], **options)
    alone, history = run(seeds=[2], **options | {"output_dir": tmp_path / "alone"})
    assert runs.histories[2].final == history.histories[2].final  # the run before has left nothing behind
    assert runs.histories[1].final != runs.histories[2].final
    best = be.load(tmp_path / f"seed_{runs.best}" / "model").classifier
    assert np.array_equal(numpy(best(INPUTS)), numpy(classifier(INPUTS)))
    assert {path: value for path, value in bits(state.named(classifier)).items() if "key" in path} == untouched
    again, repeated = run(seeds=[1, 2], **options)  # finished: nothing is trained, nothing is merged twice
    assert repeated.best == runs.best and bits(state.named(again)) == bits(state.named(classifier))


def test_a_resumed_run_must_have_the_same_settings(tmp_path):
    run(lora_rank=2, epochs=1, output_dir=tmp_path)
    for options in ({"lora_rank": 3}, {"lora_rank": 2, "lora_alpha": 4}, {"trainable": "last 1", "lora_rank": 2}, {}):
        with pytest.raises(ValueError, match="output_dir.*(lora_|trainable)"):
            run(epochs=1, output_dir=tmp_path, **options)


def test_a_run_of_an_earlier_version_resumes(tmp_path):
    run(epochs=1, output_dir=tmp_path)
    path = tmp_path / "state.safetensors"
    content, arrays = state.read_metadata(path), load_file(path)
    del content["run"]["trainable_parameters"]
    for name in ("trainable", "lora_rank", "lora_alpha", "lora_targets"):
        del content["run"]["arguments"][name]
    save_file(arrays, path, metadata={"state": json.dumps(content | {"format": 2})})
    _, history = run(epochs=1, output_dir=tmp_path)
    assert history.finished


def test_the_saved_model_is_the_merged_one(tmp_path):
    classifier, history = run(lora_rank=3, output_dir=tmp_path / "run")
    logits = numpy(classifier(INPUTS))
    bert = be.load(tmp_path / "run" / "model")
    assert np.array_equal(numpy(bert.classifier(INPUTS)), logits)
    be.save_checkpoint(bert, tmp_path / "model.keras", format="keras")
    np.testing.assert_allclose(numpy(be.load(tmp_path / "model.keras").classifier(INPUTS)), logits, atol=1e-6)
    assert json.loads((tmp_path / "run" / "history.json").read_text())["run"] == json.loads(json.dumps(history.run))


def test_a_model_that_peft_lacks_has_no_adapter_file(tmp_path):
    with pytest.warns(UserWarning, match="adapter: not written.*TalkingHeadsAttention"):
        run(small(**GATED)[0], lora_rank=2, epochs=1, output_dir=tmp_path)
    assert (tmp_path / "model").is_dir() and not (tmp_path / "adapter").exists()


def test_keras_saves_and_stops_as_ever(tmp_path):
    saver = keras.callbacks.ModelCheckpoint(str(tmp_path / "{epoch}.keras"))
    stopper = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=1e9, restore_best_weights=True)
    classifier, history = run(lora_rank=2, epochs=5, callbacks=[saver, stopper])
    assert len(history.epochs) == 2 and history.best_epoch == 0
    first = keras.models.load_model(tmp_path / "1.keras", compile=False)  # the flags of weights are not saved
    np.testing.assert_allclose(numpy(first(INPUTS)), numpy(classifier(INPUTS)), atol=1e-6)


# -- killed and resumed ------------------------------------------------------------------------------------------------

EPOCHS = 12
PROGRAM = """
import test_lora as t
t.running.SEGMENT = 2
options = dict(lora_rank=3, lora_targets="all", validation=(t.TEXTS, t.LABELS), epochs=t.EPOCHS, precision=sys.argv[3])
classifier, history = t.run(output_dir=sys.argv[1], **options)
np.savez(sys.argv[2], *classifier.get_weights(), losses=[segment["loss"] for segment in history.segments])
"""


@interrupted.needs_kill
@pytest.mark.parametrize("precision", ["float32", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)])
def test_a_killed_training_resumes_with_the_same_bits(precision, tmp_path):
    whole, killed = interrupted.whole_and_killed(PROGRAM, tmp_path, arguments=[precision])
    assert len(whole["losses"]) == 3 * EPOCHS
    interrupted.check_same_bits(whole, killed)
    adapters_ = [load_file(tmp_path / name / "adapter" / adapters.WEIGHTS) for name in ("whole", "killed")]
    assert all(np.array_equal(array, adapters_[1][name]) for name, array in adapters_[0].items())


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_a_training_stopped_at_every_segment_has_the_same_bits(precision, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "SEGMENT", 2)
    options = {"validation": (TEXTS, LABELS), "precision": precision, "lora_rank": 3}
    whole, _ = run(**options)
    (again, _), stops = interrupted.stopped_at_every_save(monkeypatch, lambda: run(**options, output_dir=tmp_path))
    assert stops > 3 and bits(state.named(whole)) == bits(state.named(again))
    repeated, _ = run(**options, output_dir=tmp_path)  # finished: merged once only
    assert bits(state.named(whole)) == bits(state.named(repeated))


# -- peft --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A tiny BERT in Hugging Face's format."""
    return tiny_bert.write(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def peft():
    pytest.importorskip("torch")
    return pytest.importorskip("peft")


def torch_inputs():
    import torch

    return {
        "input_ids": torch.tensor(IDS.astype("int64")),
        "attention_mask": torch.tensor((IDS > 0).astype("int64")),
        "token_type_ids": torch.tensor((IDS * 0).astype("int64")),
    }


def of_peft(peft, directory, kind, seed=1, **options):
    """A model of transformers with an adapter of random numbers, in float64."""
    import torch
    import transformers

    torch.manual_seed(seed)
    options = {"r": 3, "lora_alpha": 12, "target_modules": ["query", "value"]} | options
    base = getattr(transformers, kind).from_pretrained(directory)
    model = peft.get_peft_model(base, peft.LoraConfig(**options)).double().eval()
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return model


TARGETS = [
    {},
    {"target_modules": "all-linear"},
    {"target_modules": ["key", "dense"], "use_rslora": True},
    {"layers_to_transform": [1]},
    {"modules_to_save": ["pooler"]},
]


@pytest.mark.peers
@pytest.mark.parametrize("options", TARGETS, ids=str)
def test_an_adapter_of_peft_gives_peft_s_outputs(options, peft, directory, tmp_path):
    import torch

    model = of_peft(peft, directory, "BertModel", **options)
    if "modules_to_save" in options:
        with torch.no_grad():
            model.base_model.model.pooler.modules_to_save["default"].dense.weight.add_(0.1)
    model.save_pretrained(tmp_path)
    with torch.no_grad():
        expected = model(**torch_inputs())
    bert = be.load(directory, dtype="float64")
    before = bits(weights(bert.encoder))
    adapted = be.load_adapter(bert, tmp_path)
    assert bits(weights(bert.encoder)) == before
    outputs = adapted.encoder(INPUTS)
    real = IDS > 0
    np.testing.assert_allclose(numpy(outputs["sequence_output"])[real], expected[0].numpy()[real], atol=1e-6, rtol=1e-6)
    np.testing.assert_allclose(numpy(outputs["pooled_output"]), expected[1].numpy(), atol=1e-6)
    merged = model.merge_and_unload()
    ours = {adapters.hf_name(path): variable for path, variable in weights(adapted.encoder).items()}
    for name, tensor in merged.state_dict().items():
        if name in ours:
            value = tensor.numpy()
            value = value if "embeddings." in name or value.ndim == 1 else value.T
            np.testing.assert_allclose(numpy(ours[name]).reshape(value.shape), value, atol=1e-6, err_msg=name)


@pytest.mark.peers
def test_the_forward_pass_with_the_same_matrices_is_peft_s(peft, directory):
    import torch

    modules = ["query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense"]
    model = of_peft(peft, directory, "BertModel", target_modules=modules, lora_alpha=6)
    classifier = be.BertClassifier(be.load(directory, dtype="float64").encoder, 2)
    paths = list(adaptable_layers(classifier.network))
    ours = LowRankModel(classifier, 3, paths, alpha=6)
    copy_matrices(model, ours)
    layers = adaptable_layers(ours.network)
    with lora.applied({layers[path]: update for path, update in zip(paths, ours.updates, strict=True)}):
        pooled = ours.network(INPUTS)["pooled_output"]
    with torch.no_grad():
        expected = model(**torch_inputs())[1].numpy()
    np.testing.assert_allclose(numpy(pooled), expected, atol=1e-6)


def copy_matrices(model, ours):
    """Set the updates of a `LowRankModel` to the matrices of a model of peft."""
    theirs = dict(model.named_parameters())
    prefix = "base_model.model." + "bert." * any(".bert.encoder" in name for name in theirs)
    for path, update in zip(ours.targets, ours.updates, strict=True):
        module = prefix + adapters.hf_name(f"{path}/kernel").removesuffix(".weight")
        update.down.assign(theirs[f"{module}.lora_A.default.weight"].detach().numpy().T)
        update.up.assign(theirs[f"{module}.lora_B.default.weight"].detach().numpy().T)


@pytest.mark.peers
def test_a_few_training_steps_are_peft_s(peft, directory, tmp_path):
    """Ten steps of plain AdamW, without dropout: the matrices agree to 1e-5, a thousandth of their change."""
    import torch

    options = {"task_type": "SEQ_CLS", "modules_to_save": ["pooler"]}
    model = of_peft(peft, directory, "BertForSequenceClassification", **options)
    model.save_pretrained(tmp_path)
    bert = be.load(directory, dtype="float64")
    adapted, encoder = be.load_adapter(bert, tmp_path), bert.encoder
    classifier = be.BertClassifier(encoder, 2, dropout_rate=0.0)
    classifier.classifier.set_weights(adapted.classifier.classifier.get_weights())
    no_dropout(classifier)
    targets = [path for path in adaptable_layers(encoder) if path.endswith(("query", "value"))]
    labels = np.array([0, 1])
    with only(classifier, None, ["query", "value"]) as paths:
        assert sorted(paths) == sorted(targets)
        ours = LowRankModel(classifier, 3, paths, alpha=12)
        copy_matrices(model, ours)
        start_matrices = ours.matrices()
        adam = keras.optimizers.AdamW(1e-2, weight_decay=0.01, epsilon=1e-12)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        ours.compile(adam, loss)
        losses = [step(ours, labels) for _ in range(10)]
    theirs = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 1e-2, weight_decay=0.01, eps=1e-12)
    expected = []
    for _ in range(10):
        output = model(**torch_inputs(), labels=torch.tensor(labels))
        output.loss.backward()
        theirs.step()
        theirs.zero_grad()
        expected.append(output.loss.item())
    np.testing.assert_allclose(losses, expected, atol=1e-5)
    ours_after = ours.matrices()
    copy_matrices(model, ours)
    for path, (down, up) in ours.matrices().items():
        np.testing.assert_allclose(ours_after[path][0], down, atol=1e-5)
        np.testing.assert_allclose(ours_after[path][1], up, atol=1e-5)
        assert np.abs(down - start_matrices[path][0]).max() > 0.01


def step(model, labels):
    model.reset_metrics()
    return float(model.train_on_batch(INPUTS, labels))


def no_dropout(model):
    for layer, _ in matching_layers(model, model):
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0


@pytest.mark.peers
def test_an_adapter_with_a_head_gives_peft_s_logits(peft, directory, tmp_path):
    import torch

    model = of_peft(peft, directory, "BertForSequenceClassification", task_type="SEQ_CLS")
    model.save_pretrained(tmp_path)
    with torch.no_grad():
        expected = model(**torch_inputs()).logits.numpy()
    np.testing.assert_allclose(
        numpy(be.load_adapter(be.load(directory), tmp_path).classifier(INPUTS)), expected, atol=1e-6
    )


@pytest.mark.peers
@pytest.mark.parametrize("options", [{}, {"lora_targets": "all", "lora_alpha": 5}, {"trainable": "last 1"}], ids=str)
def test_peft_and_transformers_open_what_was_trained(options, peft, directory, tmp_path):
    import torch
    import transformers

    bert = be.load(directory)
    classifier = bert.classifier_for(2)
    fine_tune(
        classifier,
        bert.preprocessor,
        (TEXTS, LABELS),
        lora_rank=3,
        epochs=2,
        batch_size=8,
        learning_rate=1e-2,
        output_dir=tmp_path / "run",
        progress=False,
        **options,
    )
    logits = numpy(classifier(INPUTS))
    base = transformers.BertForSequenceClassification.from_pretrained(directory)
    model = peft.PeftModel.from_pretrained(base, str(tmp_path / "run" / "adapter")).eval()
    with torch.no_grad():
        np.testing.assert_allclose(model(**torch_inputs()).logits.numpy(), logits, atol=1e-5)
    again = be.load_adapter(bert, tmp_path / "run" / "adapter")
    np.testing.assert_allclose(numpy(again.classifier(INPUTS)), logits, atol=1e-6)
    be.save_checkpoint(be.load(tmp_path / "run" / "model"), tmp_path / "hf", format="huggingface")
    exported = transformers.BertForSequenceClassification.from_pretrained(tmp_path / "hf").eval()
    with torch.no_grad():
        np.testing.assert_allclose(exported(**torch_inputs()).logits.numpy(), logits, atol=1e-5)


SENTENCES = [text.split()[:9] for text in TEXTS]
TAGS = [["B-A" if word == "cat" else "O" for word in words] for words in SENTENCES]


def logits_of(token_classifier):
    """The logits of the real tokens of `INPUTS`."""
    return numpy(token_classifier(INPUTS)["logits"])[IDS > 0]


@pytest.mark.peers
def test_an_adapter_of_a_token_classifier_gives_peft_s_logits(peft, directory, tmp_path):
    import torch

    model = of_peft(peft, directory, "BertForTokenClassification", task_type="TOKEN_CLS")
    with torch.no_grad():
        model.base_model.model.classifier.modules_to_save["default"].weight.add_(0.1)
        expected = model(**torch_inputs()).logits.numpy()[IDS > 0]
    model.save_pretrained(tmp_path)
    bert = be.load(directory)
    adapted = be.load_adapter(bert, tmp_path)
    assert adapted.classifier is None and adapted.token_classifier.labels == ("LABEL_0", "LABEL_1")
    np.testing.assert_allclose(logits_of(adapted.token_classifier), expected, atol=1e-6)
    bert.token_classifier = be.BertTokenClassifier(bert.encoder, 2, class_names=["O", "B-A"])
    again = be.load_adapter(bert, tmp_path)  # of the same size: its names are kept
    assert again.token_classifier.class_names == ("O", "B-A") and again.token_classifier.network is again.encoder
    np.testing.assert_allclose(logits_of(again.token_classifier), expected, atol=1e-6)


@pytest.mark.peers
def test_peft_and_transformers_open_a_trained_token_classifier(peft, directory, tmp_path):
    import torch
    import transformers

    bert = be.load(directory)
    tagger = bert.token_classifier_for(2)
    before = bits(state.named(tagger))
    options = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-2, "output_dir": tmp_path / "run", "progress": False}
    fine_tune(tagger, bert.preprocessor, (SENTENCES, TAGS), (SENTENCES, TAGS), lora_rank=3, **options)
    assert {path.split("/")[-2] for path in changed(tagger, before)} == {"query", "value", "head"}
    fields = json.loads((tmp_path / "run" / "adapter" / adapters.CONFIG).read_text())
    assert (fields["task_type"], fields["modules_to_save"]) == ("TOKEN_CLS", ["classifier"])
    assert not any("pooler" in name for name in load_file(tmp_path / "run" / "adapter" / adapters.WEIGHTS))
    base = transformers.AutoModelForTokenClassification.from_pretrained(directory)
    model = peft.PeftModel.from_pretrained(base, str(tmp_path / "run" / "adapter")).eval()
    with torch.no_grad():
        theirs = model(**torch_inputs()).logits.numpy()[IDS > 0]
    np.testing.assert_allclose(theirs, logits_of(tagger), atol=1e-5)
    again = be.load_adapter(bert, tmp_path / "run" / "adapter").token_classifier
    np.testing.assert_allclose(logits_of(again), logits_of(tagger), atol=1e-6)
    saved = be.load(tmp_path / "run" / "model").token_classifier
    np.testing.assert_allclose(logits_of(saved), logits_of(tagger), atol=1e-6)
    assert saved.class_names == ("O", "B-A")


@pytest.mark.parametrize("value", [np.nan, 1e38])
def test_numbers_that_are_not_finite_are_told(value, directory, tmp_path):
    tensors = {A: np.full((3, 31), value), B: np.full((22, 3), value)}
    with pytest.warns(UserWarning, match="NaN or infinity in encoder.layer.1.output.dense.weight"):
        adapted = be.load_adapter(be.load(directory), adapter(tmp_path, tensors=tensors))
    merged = adaptable_layers(adapted.encoder)["layer_1/feedforward/output"].kernel
    assert not np.isfinite(numpy(merged)).all()


def test_an_adapter_keeps_the_heads_of_the_model(directory, tmp_path):
    bert = be.load(directory)
    bert.classifier = be.BertClassifier(bert.encoder, 3, class_names=["a", "b", "c"])
    bert.token_classifier = be.BertTokenClassifier(bert.encoder, 2, class_names=["O", "B-A"])
    adapted = be.load_adapter(bert, adapter(tmp_path))
    for name in ("classifier", "token_classifier"):
        head, before = getattr(adapted, name), getattr(bert, name)
        assert head.network is adapted.encoder and head.class_names == before.class_names
        for weight, own in zip(head.classifier.weights, before.classifier.weights, strict=True):
            assert np.array_equal(numpy(weight), numpy(own))


@pytest.mark.peers
def test_the_table_has_every_field_of_peft(peft):
    assert peft.LoraConfig().to_dict().keys() - adapters.FIELDS.keys() == set()


# -- adapter files that are refused ------------------------------------------------------------------------------------


def adapter(folder, config=None, tensors=None):
    """An adapter of rank 3 on one matrix, written with NumPy alone."""
    folder.mkdir(parents=True, exist_ok=True)
    fields = {"peft_type": "LORA", "r": 3, "lora_alpha": 6, "task_type": None} | (config or {})
    (folder / adapters.CONFIG).write_text(json.dumps(fields))
    module = "base_model.model.encoder.layer.1.output.dense"
    rng = np.random.default_rng(0)
    arrays = {
        f"{module}.lora_A.weight": rng.normal(size=(3, tiny_bert.F)),
        f"{module}.lora_B.weight": rng.normal(size=(tiny_bert.D, 3)),
    }
    arrays = {name: array.astype("float32") for name, array in (arrays | (tensors or {})).items() if array is not None}
    save_file(arrays, folder / adapters.WEIGHTS)
    return folder


def test_a_merged_adapter_by_hand(directory, tmp_path):
    bert = be.load(directory)
    adapted = be.load_adapter(bert, adapter(tmp_path))
    down, up = (array for _, array in sorted(load_file(tmp_path / adapters.WEIGHTS).items()))
    path = "layer_1/feedforward/output/kernel"
    difference = numpy(weights(adapted.encoder)[path]) - numpy(weights(bert.encoder)[path])
    np.testing.assert_allclose(difference, 2 * np.einsum("ri,or->io", down, up), atol=1e-5)
    others = bits(weights(bert.encoder))
    assert {name for name, value in bits(weights(adapted.encoder)).items() if value != others[name]} == {path}
    assert adapted.classifier is None and adapted.tokenizer is bert.tokenizer


B = "base_model.model.encoder.layer.1.output.dense.lora_B.weight"
A = B.replace("lora_B", "lora_A")
ZEROS = np.zeros


@pytest.mark.parametrize(
    ("config", "tensors", "message"),
    [
        ({"peft_type": "IA3"}, {}, "peft_type.*'LORA'.*'IA3'"),
        ({"r": 0}, {}, "r: .*got 0"),
        ({"r": 4}, {}, "expected shape.*got \\(3, 31\\)"),
        ({"lora_alpha": "6"}, {}, "lora_alpha.*'6'"),
        ({"use_dora": True}, {}, "use_dora"),
        ({"bias": "all"}, {}, "bias"),
        ({"rank_pattern": {"(a+)+$": 2}}, {}, "rank_pattern"),
        ({"alpha_pattern": {"query": 2}}, {}, "alpha_pattern"),
        ({"init_lora_weights": "pissa"}, {}, "init_lora_weights.*'pissa'"),
        ({"fan_in_fan_out": True}, {}, "fan_in_fan_out"),
        ({"layer_replication": [[0, 2]]}, {}, "layer_replication"),
        ({"trainable_token_indices": [1]}, {}, "trainable_token_indices"),
        ({}, {B: None}, "Is it for another"),
        ({}, {A: ZEROS((3, 30))}, r"expected shape \(3, 31\).*got \(3, 30\)"),
        ({}, {A.replace("layer.1", "layer.9"): ZEROS((3, 31))}, "layer.9"),
        ({}, {"base_model.model.embeddings.word_embeddings.lora_embedding_A": ZEROS((3, 23))}, "lora_embedding_A"),
        ({}, {"base_model.model.encoder.layer.0.output.LayerNorm.lora_A.weight": ZEROS((3, 22))}, "LayerNorm.lora_A"),
        ({}, {"base_model.model.evil": ZEROS(3)}, "evil"),
        ({}, {A.replace("model.encoder", "model.bert.encoder"): ZEROS((3, 31))}, "expected LoRA tensors"),
        ({"task_type": "SEQ_CLS"}, {"base_model.model.classifier.weight": ZEROS((2, 21))}, "head"),
        ({"task_type": "TOKEN_CLS"}, {"base_model.model.classifier.weight": ZEROS((0, 22))}, r"head.*got \(0, 22\)"),
        ({"task_type": "TOKEN_CLS"}, {"base_model.model.classifier.bias": ZEROS(2)}, "expected weights of this model"),
        ({"task_type": "TOKEN_CLS"}, {"base_model.model.qa_outputs.bias": ZEROS(2)}, "expected LoRA tensors"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused(config, tensors, message, directory, tmp_path):
    with pytest.raises(ValueError, match=message) as caught:
        be.load_adapter(be.load(directory), adapter(tmp_path, config, tensors))
    assert str(tmp_path) in str(caught.value)


def test_missing_files_are_named(directory, tmp_path):
    adapter(tmp_path)
    (tmp_path / adapters.WEIGHTS).unlink()
    with pytest.raises(FileNotFoundError, match=adapters.WEIGHTS):
        be.load_adapter(be.load(directory), tmp_path)
    with pytest.raises(FileNotFoundError, match=adapters.CONFIG):
        be.load_adapter(be.load(directory), tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="expected a model, got an adapter. Load its model"):
        be.load(adapter(tmp_path / "run" / "adapter"))
    with pytest.raises(FileNotFoundError, match=r"expected adapter_config.json, got a run. Pass .*adapter\.$"):
        be.load_adapter(be.load(directory), tmp_path / "run")


def test_unknown_fields_and_other_heads_are_told(directory, tmp_path):
    head = {"base_model.model.classifier.weight": ZEROS((5, 22)), "base_model.model.classifier.bias": ZEROS(5)}
    with pytest.warns(UserWarning) as told:
        adapted = be.load_adapter(
            be.load(directory), adapter(tmp_path, {"new_field": 1, "task_type": "QUESTION_ANS"}, head)
        )
    assert any("new_field" in str(item.message) for item in told) and any(
        "QUESTION_ANS" in str(item.message) for item in told
    )
    assert adapted.classifier is None and adapted.token_classifier is None


def test_a_head_needs_a_trained_pooler(tmp_path):
    directory = tiny_bert.write(tmp_path / "model", tiny_bert.tensors(pooler=False))
    head = {"base_model.model.classifier.weight": ZEROS((5, 22)), "base_model.model.classifier.bias": ZEROS(5)}
    with pytest.raises(ValueError, match="pooler"):
        be.load_adapter(be.load(directory), adapter(tmp_path / "adapter", {"task_type": "SEQ_CLS"}, head))


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_command_passes_the_settings_on(tmp_path, monkeypatch, capsys):
    from bertedu import cli

    (tmp_path / "train.tsv").write_text(
        "text\tlabel\n" + "".join(f"{t}\t{x}\n" for t, x in zip(TEXTS, LABELS, strict=True))
    )
    model = tiny_bert.write(tmp_path / "model")
    out = tmp_path / "run"
    arguments = ["finetune", "--train", str(tmp_path / "train.tsv"), "--model", str(model), "--output-dir", str(out)]
    assert cli.main([*arguments, "--epochs", "1", "--lora-rank", "2", "--trainable", "last", "2"]) == 0
    arguments = json.loads((out / "history.json").read_text())["run"]["arguments"]
    assert (arguments["lora_rank"], arguments["trainable"]) == (2, "last 2") and (out / "adapter").is_dir()
