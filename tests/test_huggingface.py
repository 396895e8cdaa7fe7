"""Hugging Face directories: against transformers' own models as it writes them, and what can be wrong with one."""

import json
import shutil
import warnings

import keras
import numpy as np
import pytest
import tiny_bert
from safetensors.numpy import load_file, save_file
from small_world import VOCABULARY

import bertedu as be
from bertedu.checkpoints import huggingface

WITHIN = 1e-5


def strong(model):
    """Weights large enough that a wrong activation, epsilon or transposition shows; transformers starts from 0.02."""
    import torch

    torch.manual_seed(11)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(name.endswith("LayerNorm.weight"), 0.3)
    return model.eval()


def torch_config(**changes):
    from transformers import BertConfig

    return BertConfig(**tiny_bert.CONFIG | changes, attn_implementation="eager")


def saved(model, directory, **options):
    model.save_pretrained(directory, **options)
    tiny_bert.write_vocabulary(directory)
    return directory


def example():
    """Two rows: a pair that fills its row, and a single text with padding."""
    rng = np.random.default_rng(3)
    ids = rng.integers(0, tiny_bert.V, (2, 13)).astype("int32")  # [B, T]
    mask = np.array([[1] * 13, [1] * 7 + [0] * 6], "int32")  # [B, T]
    types = np.array([[0] * 5 + [1] * 8, [0] * 13], "int32")  # [B, T]
    return ids, mask, types


def assert_equal_outputs(bert, model, pooled=True):
    """Embeddings, every layer, every attention and the pooled output within 1e-5 of the torch `BertModel`."""
    import torch

    ids, mask, types = example()
    with torch.no_grad():
        names = dict(
            zip(("input_ids", "attention_mask", "token_type_ids"), map(torch.from_numpy, example()), strict=True)
        )
        hf_outputs = model(**names, output_hidden_states=True, output_attentions=True)
    inputs = {"input_word_ids": ids, "input_mask": mask, "input_type_ids": types}
    outputs = bert.encoder(inputs, return_attention_scores=True, return_embedding_output=True)
    pairs = {"embedding": (outputs["embedding_output"], hf_outputs.hidden_states[0])}
    for i in range(tiny_bert.L):
        pairs[f"layer {i}"] = outputs["encoder_outputs"][i], hf_outputs.hidden_states[i + 1]
        pairs[f"attention {i}"] = outputs["attention_scores"][i], hf_outputs.attentions[i]
    if pooled:
        pairs["pooled"] = outputs["pooled_output"], hf_outputs.pooler_output
    for name, (our, their) in pairs.items():
        our, their = keras.ops.convert_to_numpy(our), their.numpy()
        assert np.isfinite(our).all() and np.ptp(their) > 0.1, name
        np.testing.assert_allclose(our, their, rtol=0, atol=WITHIN, err_msg=name)


CLS = ["cls.predictions.bias", "cls.predictions.transform.LayerNorm.bias", "cls.predictions.transform.LayerNorm.weight"]
CLS += ["cls.predictions.transform.dense.bias", "cls.predictions.transform.dense.weight"]
NSP = ["cls.seq_relationship.bias", "cls.seq_relationship.weight"]
CLASSIFIER = ["classifier.bias", "classifier.weight"]
KINDS = {  # the class in transformers: arguments, whether it has a pooler, the head that is read, unread tensors
    "BertModel": ({}, True, None, []),
    "BertModel without pooler": ({"add_pooling_layer": False}, False, None, []),
    "BertForMaskedLM": ({}, False, "masked_lm", []),
    "BertForPreTraining": ({}, True, "masked_lm", NSP),
    "BertForSequenceClassification": ({}, True, "classifier", []),
    "BertForTokenClassification": ({}, False, "token_classifier", []),
    "BertForMultipleChoice": ({}, True, None, CLASSIFIER),
    "BertForQuestionAnswering": ({}, False, None, ["qa_outputs.bias", "qa_outputs.weight"]),
    "BertForNextSentencePrediction": ({}, True, None, NSP),
    "BertLMHeadModel": ({}, False, None, CLS),
}


@pytest.mark.peers
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_that_transformers_writes(kind, tmp_path):
    transformers = pytest.importorskip("transformers")
    options, pooler, head, unread = KINDS[kind]
    model = strong(getattr(transformers, kind.split()[0])(torch_config(), **options))
    directory = saved(model, tmp_path)
    assert sorted(t.name for t in huggingface.tensors(directory) if t.weight_path is None) == unread
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        bert = be.load(directory)
    told = [str(warning.message) for warning in caught if kind.split()[0] in str(warning.message)]
    assert len(told) == bool(unread and head is None)  # one warning for a head that is not read
    assert bert.has_pooler == pooler
    for name in ("masked_lm", "classifier", "token_classifier"):
        assert (getattr(bert, name) is not None) == (head == name)
    assert_equal_outputs(bert, getattr(model, "bert", model), pooled=pooler)


@pytest.mark.peers
@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_act": "gelu_new"},
        {"hidden_act": "gelu_pytorch_tanh"},
        {"hidden_act": "relu"},
        {"hidden_act": "silu"},
        {"layer_norm_eps": 1e-5},
        {"layer_norm_eps": 0.2},  # far from any default, so that it must have been read
        {"type_vocab_size": 3},
    ],
    ids=str,
)
def test_what_config_says_is_done(changes, tmp_path):
    transformers = pytest.importorskip("transformers")
    model = strong(transformers.BertModel(torch_config(**changes)))
    assert_equal_outputs(be.load(saved(model, tmp_path)), model)


def test_the_two_gelus_differ(tmp_path):
    ids, mask, types = example()
    inputs = {"input_word_ids": ids, "input_mask": mask, "input_type_ids": types}
    exact, tanh = (
        be.load(tiny_bert.write(tmp_path / act, config={"hidden_act": act})).encoder(inputs)["sequence_output"]
        for act in ("gelu", "gelu_new")
    )
    difference = np.abs(keras.ops.convert_to_numpy(exact) - keras.ops.convert_to_numpy(tanh)).max()
    assert 10 * WITHIN < difference < 0.1  # so the comparisons above tell them apart


@pytest.mark.peers
def test_shards(tmp_path):
    transformers = pytest.importorskip("transformers")
    model = strong(transformers.BertForPreTraining(torch_config()))
    directory = saved(model, tmp_path, max_shard_size="5KB")
    shards = sorted(directory.glob("*.safetensors"))
    assert len(shards) > 3 and not (directory / "model.safetensors").exists()
    assert_equal_outputs(be.load(directory), model.bert)
    shards[1].unlink()
    with pytest.raises(FileNotFoundError, match=f"index.json: expected {shards[1].name} beside it") as caught:
        be.load(directory)
    assert_one_error(caught.value)


@pytest.mark.peers
def test_names_from_before_2019(tmp_path):
    transformers = pytest.importorskip("transformers")
    model = strong(transformers.BertForPreTraining(torch_config()))
    file = saved(model, tmp_path) / "model.safetensors"
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    renamed = {}
    for name, array in load_file(file).items():
        for new_name, old_name in old.items():
            name = name.replace(new_name, old_name)
        renamed[name] = array
    renamed["bert.embeddings.position_ids"] = np.arange(tiny_bert.POSITIONS)[None]  # a buffer that was saved then
    save_file(renamed, file)
    unread = [tensor.name for tensor in huggingface.tensors(tmp_path) if tensor.weight_path is None]
    assert sorted(unread) == ["bert.embeddings.position_ids", *NSP]
    bert = be.load(tmp_path)
    assert bert.masked_lm is not None
    assert_equal_outputs(bert, model.bert)


@pytest.mark.peers
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_precisions_become_float32_exactly_when_asked_for(dtype, tmp_path):
    transformers, torch = pytest.importorskip("transformers"), pytest.importorskip("torch")
    model = strong(transformers.BertModel(torch_config())).to(getattr(torch, dtype))
    bert = be.load(saved(model, tmp_path), dtype="float32")
    model = model.float()
    table = bert.encoder.get_embedding_table()
    assert table.dtype == "float32"
    expected = model.embeddings.word_embeddings.weight.detach().numpy()
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(table), expected)
    assert_equal_outputs(bert, model)


@pytest.mark.peers
@pytest.mark.parametrize("dtype, tolerance", [("float16", 1e-2), ("bfloat16", 1e-1)])
def test_half_precision_is_kept(dtype, tolerance, tmp_path):
    transformers, torch = pytest.importorskip("transformers"), pytest.importorskip("torch")
    model = strong(transformers.BertForMaskedLM(torch_config())).to(getattr(torch, dtype))
    bert = be.load(saved(model, tmp_path))
    assert {str(variable.dtype) for variable in bert.masked_lm.weights} == {dtype}
    expected = model.bert.embeddings.word_embeddings.weight.float().detach().numpy()
    table = keras.ops.convert_to_numpy(bert.encoder.get_embedding_table()).astype("float32")
    np.testing.assert_array_equal(table, expected)
    exact = be.load(tmp_path, dtype="float32")
    half, full = bert.read("the cat sat"), exact.read("the cat sat")
    assert half.attention.dtype == half.encoder_outputs.dtype == bert.embed("the cat").dtype == "float32"
    np.testing.assert_allclose(half.attention, full.attention, atol=tolerance)


@pytest.mark.peers
def test_tokenizers_as_transformers_writes_them(tmp_path):
    transformers = pytest.importorskip("transformers")
    words = [*VOCABULARY, "The", "CAT", "[unused0]"]
    texts = ["The CAT sat", "thé cat [MASK] unwanted", ""]
    for lowercase in (True, False):
        directory = tiny_bert.write(tmp_path / str(lowercase), words=words)
        reference = transformers.BertTokenizerFast(vocab=str(directory / "vocab.txt"), do_lower_case=lowercase)
        (directory / "vocab.txt").unlink()
        reference.save_pretrained(directory)
        assert (directory / "tokenizer.json").is_file() and not (directory / "vocab.txt").exists()
        tokenizer = be.load(directory).tokenizer
        for text in texts:
            assert tokenizer.tokenize(text) == reference.tokenize(text)


def test_vocabulary_alone(tmp_path):
    directory = tiny_bert.write(tmp_path, words=[*VOCABULARY, "The", "thé", "[unused0]"])
    assert be.load(directory).tokenizer.tokenize("The thé") == ["the", "the"]  # without settings: uncased, no accents
    settings = directory / "tokenizer_config.json"
    settings.write_text('{"do_lower_case": false}')
    assert be.load(directory).tokenizer.tokenize("The thé cat") == ["The", "thé", "cat"]
    settings.write_text('{"do_lower_case": true, "strip_accents": false}')
    assert be.load(directory).tokenizer.tokenize("The Thé") == ["the", "thé"]
    settings.write_text('{"do_lower_case": true, "tokenize_chinese_chars": false}')
    assert be.load(directory).tokenizer.tokenize("the中cat") == ["[UNK]"]


def test_a_pair_is_cut_as_hugging_face_cuts_it(tmp_path):
    reading = be.load(tiny_bert.write(tmp_path)).preprocessor.encode("the cat sat on the mat", "it ran", max_length=9)
    assert reading.segments.count(0) == 4 and reading.segments.count(1) == 2  # the longer one alone loses tokens


def test_sources_are_strings_or_paths_and_give_the_name(tmp_path, monkeypatch):
    directory = tiny_bert.write(tmp_path / "deep" / "tiny")
    monkeypatch.chdir(directory.parent)
    monkeypatch.setenv("HOME", str(directory.parent))
    monkeypatch.setenv("USERPROFILE", str(directory.parent))  # HOME, on Windows
    for source in (directory, str(directory), f"{directory}/", "tiny", "./tiny", "~/tiny"):
        assert be.load(source).name == "tiny"
    assert be.load(directory, name="mine").name == "mine"


# What can be wrong: (how it is damaged, the error's type, what its message must say)


def change_config(**fields):
    return lambda directory: tiny_bert.write(directory, config=fields)


def without_field(name):
    def damage(directory):
        config = {key: value for key, value in tiny_bert.CONFIG.items() if key != name}
        (directory / "config.json").write_text(json.dumps(config))

    return damage


def change_tensors(change):
    def damage(directory):
        weights = tiny_bert.tensors()
        change(weights)
        save_file(
            {name: np.ascontiguousarray(array) for name, array in weights.items()}, directory / "model.safetensors"
        )

    return damage


def overwrite(name, content):
    def damage(directory):
        old = (directory / name).read_bytes()
        (directory / name).write_bytes(content(old) if callable(content) else content)

    return damage


def only_a_pickle(directory):
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")


def broken_index(directory):
    (directory / "model.safetensors").unlink()
    (directory / "model.safetensors.index.json").write_text('{"metadata": {}}')


def swap(weights, name, value):
    weights[name] = value(weights[name])


QUERY, WORDS, INNER = (
    "encoder.layer.1.attention.self.query.bias",
    "embeddings.word_embeddings.weight",
    "encoder.layer.2.intermediate.dense.weight",
)
DAMAGED = {
    "missing tensor": (change_tensors(lambda w: w.pop(QUERY)), ValueError, f"missing: {QUERY}; unexpected: none"),
    "half a pooler": (change_tensors(lambda w: w.pop("pooler.dense.bias")), ValueError, "missing: pooler.dense.bias"),
    "extra tensor": (change_tensors(lambda w: w.update({"lora.A": w[WORDS]})), ValueError, "unexpected: lora.A."),
    "an extra layer": (change_config(num_hidden_layers=2), ValueError, "unexpected: encoder.layer.2.", "and 12 more"),
    "a tensor twice": (
        change_tensors(lambda w: w.update({"bert." + WORDS: w[WORDS]})),
        ValueError,
        f"unexpected: {WORDS}.",
    ),
    "a layer short": (change_config(num_hidden_layers=4), ValueError, "missing: encoder.layer.3.", "and 12 more"),
    "transposed": (
        change_tensors(lambda w: swap(w, INNER, np.transpose)),
        *(ValueError, "model.safetensors", f"{INNER!r}: expected shape (31, 22) from config.json, got (22, 31)"),
    ),
    "transposed table": (change_tensors(lambda w: swap(w, WORDS, np.transpose)), ValueError, WORDS, "(22, 23)"),
    "other vocab_size": (change_config(vocab_size=24), ValueError, WORDS, "(23, 22)", "(24, 22)"),
    "long bias": (
        change_tensors(lambda w: swap(w, QUERY, lambda a: np.append(a, a))),
        ValueError,
        QUERY,
        "(44,)",
        "(22,)",
    ),
    "folded bias": (change_tensors(lambda w: swap(w, QUERY, lambda a: a.reshape(2, 11))), ValueError, QUERY, "(2, 11)"),
    "integers": (
        change_tensors(lambda w: swap(w, INNER, lambda a: a.astype("int8"))),
        ValueError,
        INNER,
        "I8",
        "float32",
    ),
    "cut in the header": (
        overwrite("model.safetensors", lambda b: b[:100]),
        ValueError,
        "model.safetensors is damaged",
    ),
    "cut in the length": (overwrite("model.safetensors", lambda b: b[:5]), ValueError, "model.safetensors is damaged"),
    "cut in the middle": (
        overwrite("model.safetensors", lambda b: b[: len(b) // 2]),
        *(ValueError, "model.safetensors is damaged or truncated", "download it again"),
    ),
    "a byte short": (overwrite("model.safetensors", lambda b: b[:-1]), ValueError, "model.safetensors is damaged"),
    "no safetensors": (
        overwrite("model.safetensors", b"PK\x03\x04 a zip file" * 9),
        ValueError,
        "model.safetensors is damaged",
    ),
    "empty weights": (overwrite("model.safetensors", b""), ValueError, "model.safetensors is damaged"),
    "git-lfs pointer": (
        overwrite("model.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:53aa\nsize 90868376\n"),
        *(ValueError, "model.safetensors is damaged"),
    ),
    "no weights": (lambda d: (d / "model.safetensors").unlink(), FileNotFoundError, "model.safetensors"),
    "only a pickle": (
        only_a_pickle,
        FileNotFoundError,
        "model.safetensors",
        "pytorch_model.bin",
        "save_pretrained",
    ),
    "an index without a map": (broken_index, ValueError, "model.safetensors.index.json", "weight_map"),
    "no config": (lambda d: (d / "config.json").unlink(), FileNotFoundError, "expected config.json"),
    "config is no JSON": (overwrite("config.json", b'{"vocab_size": 3'), ValueError, "config.json: expected JSON"),
    "config is no text": (overwrite("config.json", b"\xff\xfe\x00"), ValueError, "config.json: expected JSON"),
    "config is empty": (overwrite("config.json", b""), ValueError, "config.json: expected JSON"),
    "config is a list": (
        overwrite("config.json", b"[1, 2]"),
        ValueError,
        "config.json: expected a JSON object",
        "list",
    ),
    **{
        f"no {field}": (without_field(field), ValueError, f"config.json: expected the field {field!r}")
        for field in tiny_bert.CONFIG
        if field not in ("model_type", "layer_norm_eps")
    },
    **{
        kind: (change_config(model_type=kind), ValueError, "config.json: model_type", repr(kind))
        for kind in ("roberta", "distilbert", "albert")
    },
    "a decoder": (change_config(is_decoder=True), ValueError, "config.json: is_decoder", "True"),
    "relative positions": (
        change_config(position_embedding_type="relative_key"),
        *(ValueError, "config.json: position_embedding_type: expected 'absolute'", "'relative_key'"),
    ),
    "unknown activation": (
        change_config(hidden_act="mish"),
        ValueError,
        "config.json: hidden_act",
        "'mish'",
        "gelu_new",
    ),
    "heads that do not fit": (change_config(num_attention_heads=5), ValueError, "config.json: hidden_size", "5", "22"),
    "a size as text": (change_config(hidden_size="many"), ValueError, "config.json: hidden_size", "'many'"),
    "a size below one": (
        change_config(num_hidden_layers=0),
        ValueError,
        "config.json: num_hidden_layers",
        "got 0",
    ),
    "more tokens than rows": (
        lambda d: tiny_bert.write_vocabulary(d, [*VOCABULARY, "a", "b", "c", "d"]),
        *(ValueError, "tokenizer: ", "23 tokens", "got 24"),
    ),
    "no tokenizer": (
        lambda d: (d / "vocab.txt").unlink(),
        FileNotFoundError,
        "expected tokenizer.json or vocab.txt",
    ),
    "no tokenizer.json": (
        lambda d: (d / "tokenizer.json").write_text("{"),
        *(ValueError, "tokenizer.json: expected JSON"),
    ),
    "empty vocabulary": (overwrite("vocab.txt", b""), ValueError, "vocab.txt", "got 0"),
    "modules without a path": (
        lambda d: (d / "modules.json").write_text('[{"type": "models.Pooling"}]'),
        *(ValueError, "modules.json: expected a 'type' and a 'path'"),
    ),
    "modules without a Transformer": (
        lambda d: (d / "modules.json").write_text('[{"type": "sentence_transformers.Pooling", "path": "1_Pooling"}]'),
        *(ValueError, "modules.json: expected a Transformer first", "'Pooling'"),
    ),
}


def assert_one_error(error):
    """Nothing of a dependency's own traceback stands above it."""
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__


@pytest.mark.parametrize("damage", DAMAGED)
def test_errors_name_file_and_field(damage, tmp_path):
    change, kind, *sayings = DAMAGED[damage]
    directory = tiny_bert.write(tmp_path / "model")
    change(directory)
    with pytest.raises(kind) as caught:
        be.load(directory)
    assert type(caught.value) is kind
    for saying in sayings:
        assert saying in str(caught.value)
    assert str(directory) in str(caught.value)
    assert_one_error(caught.value)
    assert len(str(caught.value)) < 600


def test_missing_files_are_reported(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected an existing directory, file or prefix") as caught:
        be.load(tmp_path / "nowhere")
    assert_one_error(caught.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="empty: expected a BERT"):
        be.load(tmp_path / "empty")


def test_a_pickle_is_never_opened(tmp_path):
    directory = tiny_bert.write(tmp_path)
    poison = b"cbuiltins\nexec\n(Vraise SystemExit('executed')\ntR."
    (directory / "pytorch_model.bin").write_bytes(poison)
    assert be.load(directory).encoder.num_layers == tiny_bert.L  # beside safetensors it does not matter
    (directory / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="can execute arbitrary code"):
        be.load(directory)


def test_a_loaded_encoder_is_an_ordinary_encoder(tmp_path):
    encoder = be.load(tiny_bert.write(tmp_path)).encoder
    path = tmp_path / "model.keras"
    inputs = encoder.inputs
    keras.Model(inputs, encoder(inputs)["sequence_output"]).save(path)
    ids, mask, types = example()
    batch = {"input_word_ids": ids, "input_mask": mask, "input_type_ids": types}
    again = keras.ops.convert_to_numpy(keras.models.load_model(path)(batch))
    np.testing.assert_array_equal(again, keras.ops.convert_to_numpy(encoder(batch)["sequence_output"]))
    fresh = be.BertEncoder.from_config(encoder.get_config())
    assert np.ptp(keras.ops.convert_to_numpy(fresh.get_embedding_table())) > 0  # zeros are for reading only


def test_a_directory_is_left_as_it_was(tmp_path):
    directory = tiny_bert.write(tmp_path / "a")
    shutil.copytree(directory, tmp_path / "b")
    be.load(directory)
    for file in (tmp_path / "b").iterdir():
        assert (directory / file.name).read_bytes() == file.read_bytes()
    assert len(list(directory.iterdir())) == 3
