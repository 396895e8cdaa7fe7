"""The page without a kernel: folder, command, worker in node. The rest: tests/browser/test_page_in_browser.py."""

import functools
import json

import keras
import numpy as np
import pytest
from page_worker import ask, results, run_script
from small_world import VOCABULARY

import bertedu as be
from bertedu import analysis, page
from bertedu.bert_reader import MAX_CHARACTERS, BertReader
from bertedu.checkpoints import common
from bertedu.cli import main
from bertedu.views import bundle

FILES = {"index.html", "explorer.js", "explorer.css", "worker.js", "kernels.wasm", "weights.safetensors"}
FILES |= {"vocabulary.txt", "model.json", "LICENSE", "NOTICE"}
EDITS = {"heads": [[0, 1], [2, 0]], "attention": [1], "layers": [2]}
NO_EDITS = {"heads": [], "attention": [], "layers": []}
TEXT, PAIR = "The unwanted cat sat, on the [MASK] .", "It was warm"


def small_bert(seed=1, with_head=True, tokenizer=None, preprocessor=None, embed_settings=None, **options):
    keras.utils.set_random_seed(seed)
    sizes = {"hidden_size": 12, "num_layers": 3, "num_attention_heads": 2, "inner_dim": 16, "max_sequence_length": 40}
    encoder = be.BertEncoder(**{"vocab_size": 20, "inner_activation": "gelu", **sizes, **options})
    head = be.BertPretrainer(encoder, encoder.inner_activation) if with_head else None
    random = np.random.default_rng(5)
    for weight in (head or encoder).weights:
        weight.assign(random.normal(0, 0.5, weight.shape) + ("gamma" in weight.path))
    tokenizer = tokenizer or be.BertTokenizer(VOCABULARY)
    preprocessor = preprocessor or be.BertPreprocessor(tokenizer, truncation="longest_first")
    return be.Bert(tokenizer, encoder, preprocessor, masked_lm=head, embed_settings=embed_settings, name="small")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A checkpoint of a small model."""
    path = tmp_path_factory.mktemp("model") / "small"
    be.save_checkpoint(small_bert(), path)
    return str(path)


@pytest.fixture(scope="module")
def folder(small, tmp_path_factory):
    """A page of it, with float32 weights."""
    return page.build(tmp_path_factory.mktemp("page") / "page", small, "float32")


@functools.cache
def reader():
    return BertReader(small_bert())


# ---- the folder ------------------------------------------------------------------------------------------------------


def test_a_page_has_its_files_and_no_others(folder):
    assert {path.name for path in folder.iterdir()} == FILES
    assert (folder / "vocabulary.txt").read_text().split("\n") == [*VOCABULARY, ""]
    assert "Apache License" in (folder / "LICENSE").read_text()


def test_two_builds_are_equal_to_the_byte(folder, small, tmp_path):
    again = page.build(tmp_path / "again", small, "float32")
    assert all((again / name).read_bytes() == (folder / name).read_bytes() for name in FILES)


def test_every_change_of_a_file_is_a_new_build(small, folder, tmp_path):
    half = page.build(tmp_path / "half", small)
    builds = [json.loads((path / "model.json").read_text())["build"] for path in (folder, half)]
    assert builds[0] != builds[1]
    for path, build in zip((folder, half), builds, strict=True):
        text = (path / "index.html").read_text()
        assert f'data-build="{build}"' in text and f"explorer.js?{build}" in text and f"explorer.css?{build}" in text


def test_the_html_refers_to_no_other_site(folder):
    text = (folder / "index.html").read_text()
    assert "http://localhost:8000" in text  # how to serve it, as text
    assert "https://" not in text and 'src="http' not in text and 'href="http' not in text
    assert "script-src 'self';" in text and "default-src 'none'" in text


def test_the_sizes_add_up_to_the_folder(folder):
    sizes = page.sizes(folder)
    assert sum(sizes.values()) == sum(path.stat().st_size for path in folder.iterdir())
    encoder = small_bert().encoder
    assert sizes["weights.safetensors: word embeddings"] == 4 * 20 * 12
    pooler = 12 * 13
    assert sizes["weights.safetensors: other weights of the encoder"] == 4 * (encoder.count_params() - 20 * 12 - pooler)


def test_float16_weights_are_those_of_the_model_rounded(small, tmp_path):
    from safetensors.numpy import load_file

    tensors = load_file(page.build(tmp_path / "half", small) / "weights.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype("float16")}
    kernel = np.asarray(common.weights(small_bert().encoder)["layer_1/self_attention/query/kernel"])  # [D, N, H]
    np.testing.assert_array_equal(tensors["layer_1/query/kernel"], kernel.reshape(12, 12).astype("float16"))


# ---- what is refused -------------------------------------------------------------------------------------------------


def test_an_earlier_page_is_replaced(small, tmp_path):
    path = page.build(tmp_path / "page", small)
    (path / "old.js").write_text("")
    page.build(path, small, "float32")
    assert {file.name for file in path.iterdir()} == FILES
    assert [file.name for file in tmp_path.iterdir()] == ["page"]


@pytest.mark.parametrize("content", [None, "not JSON", '{"format": "something else"}', "[]"])
def test_a_folder_of_something_else_is_left_alone(content, small, tmp_path):
    name = "notes.txt" if content is None else "model.json"
    (tmp_path / name).write_text(content or "")
    with pytest.raises(FileExistsError, match="expected a new folder, or an earlier page"):
        page.build(tmp_path, small)
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_failed_build_leaves_the_earlier_page_as_it_was(small, tmp_path, monkeypatch):
    path = page.build(tmp_path / "page", small)
    before = {file.name: file.read_bytes() for file in path.iterdir()}

    def fail(*_):
        raise OSError("no space")

    monkeypatch.setattr("pathlib.Path.write_bytes", fail)
    with pytest.raises(OSError, match="no space"):
        page.build(path, small, "float32")
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before
    assert [file.name for file in tmp_path.iterdir()] == ["page"]


UNSUPPORTED = {
    "exact GELU": {"inner_activation": "relu"},
    "attention_cls": {"attention_cls": be.TalkingHeadsAttention},
    "type_vocab_size": {"type_vocab_size": 1},
    "max_sequence_length": {"max_sequence_length": 1100},
    "vocab_size": {"vocab_size": 24},
    "added_tokens": {"tokenizer": be.BertTokenizer(VOCABULARY, added_tokens=["[NEW]"]), "vocab_size": 21},
    "pooling": {"embed_settings": be.pooling.EmbedSettings(pooling="max")},
    "prompt": {"embed_settings": be.pooling.EmbedSettings(prompt="query: ")},
}


@pytest.mark.filterwarnings("ignore:tokenizer. expected 24 tokens")
@pytest.mark.parametrize("setting", UNSUPPORTED)
def test_a_model_that_the_page_cannot_run_is_refused(setting, tmp_path, monkeypatch):
    bert = small_bert(with_head=False, **UNSUPPORTED[setting])
    monkeypatch.setattr("bertedu.checkpoints.loading.load", lambda name: bert)
    with pytest.raises(ValueError, match=f"expected .*{setting}|got .*{setting}"):
        page.build(tmp_path / "page", "small")
    assert list(tmp_path.iterdir()) == []


def test_weights_beyond_float16_are_named(tmp_path, monkeypatch):
    bert = small_bert()
    kernel = common.weights(bert.encoder)["layer_1/self_attention/query/kernel"]
    kernel.assign(np.full(kernel.shape, 1e5, "float32"))
    monkeypatch.setattr("bertedu.checkpoints.loading.load", lambda name: bert)
    with pytest.raises(ValueError, match="layer_1/query/kernel: expected values that are finite as float16"):
        page.build(tmp_path / "page", "small")
    page.build(tmp_path / "page", "small", "float32")


def test_unknown_weights_are_refused(tmp_path):
    with pytest.raises(ValueError, match="weights: expected .*, got 'int8'"):
        page.build(tmp_path / "page", weights="int8")


# ---- the command -----------------------------------------------------------------------------------------------------


def test_the_command_prints_sizes_and_how_to_serve(small, tmp_path, capsys):
    assert main(["page", str(tmp_path / "site"), "--model", small]) == 0
    output = capsys.readouterr().out
    assert "masked-LM head" in output and "total" in output and "MiB" in output
    assert f"python3 -m http.server -d {tmp_path / 'site'}" in output


def test_the_command_reports_errors_in_one_line(small, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("")
    assert main(["page", str(tmp_path), "--model", small]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"bertedu: {tmp_path}: expected") and error.count("\n") == 1


# ---- numbers ---------------------------------------------------------------------------------------------------------

STATISTICS = bundle.script("statistics.js", folder=bundle.HERE.parent / "page")
FROM_INPUT = 'const input = JSON.parse(require("fs").readFileSync(0, "utf8"));'


def call(expression, value=None):
    """Return the value of a JavaScript expression; `input` is `value`."""
    return run_script(f"{STATISTICS}\n{FROM_INPUT}\nconsole.log(JSON.stringify({expression}));", value)


def random_attention(count, seed=0, layers=2, heads=3):
    weights = np.random.default_rng(seed).dirichlet(np.full(count, 0.3), size=(layers, heads, count))
    return weights.astype("float32")


@pytest.mark.parametrize(
    "tokens",
    [
        ["[CLS]", "the", "cat", ",", "the", "cat", "...", "un", "##want", "##ed", "!", "[SEP]"],
        ["[CLS]", "the", "[SEP]", "the", "cat", "[SEP]", "[PAD]", "[PAD]"],
        ["[CLS]", "[SEP]"],
        ["[CLS]", "’", "$", "日", "。", "[MASK]", "[SEP]"],
    ],
)
def test_head_statistics_are_those_of_analysis(tokens):
    attention = random_attention(len(tokens))
    attention[0, 0] = np.eye(len(tokens), k=-1) + np.eye(len(tokens))[:1].T * np.eye(len(tokens))[0]
    attention[1, 2] = 1 / len(tokens)
    statistics = call(
        "headStatistics(Float32Array.from(input[0]), 2, 3, input[1])", [attention.ravel().tolist(), tokens]
    )
    expected = analysis.head_statistics(attention, tokens)
    for name, values in statistics["values"].items():
        np.testing.assert_allclose(values, getattr(expected, name), atol=1e-5, err_msg=name)
    assert set(statistics["values"]) == {name for name, *_ in reader().describe()["measures"]}
    assert statistics["labels"] == expected.labels.tolist()


def vectors_of_rank(count, size, rank, seed=0):
    random = np.random.default_rng(seed)
    return (random.normal(size=(count, rank)) * 0.8 ** np.arange(rank)) @ random.normal(size=(rank, size))


@pytest.mark.parametrize(
    ("count", "size", "rank"), [(3, 7, 3), (7, 3, 3), (24, 384, 24), (300, 40, 40), (130, 200, 130), (9, 11, 1)]
)
def test_principal_components_are_those_of_analysis(count, size, rank):
    vectors = vectors_of_rank(count, size, rank).astype("float32")
    result = call(
        "principalComponents(Float32Array.from(input[0]), input[1], input[2])", [vectors.ravel().tolist(), count, size]
    )
    points, ratio = analysis.principal_components(vectors)
    np.testing.assert_allclose(result["points"], points, atol=1e-5 * np.abs(points).max())
    np.testing.assert_allclose(result["ratio"], ratio, atol=1e-6)


def test_equal_vectors_have_no_variance():
    assert call("principalComponents(new Float32Array(20).fill(3), 5, 4)") == {"points": [[0, 0]] * 5, "ratio": [0, 0]}


# ---- the worker, against bert_reader.py ------------------------------------------------------------------------------


def assert_close(value, expected, where="", atol=1e-5):
    """Compare JSON, numbers to a tolerance."""
    if isinstance(expected, dict):
        assert set(value) == set(expected), where
        for name in expected:
            assert_close(value[name], expected[name], f"{where}.{name}", atol)
    elif isinstance(expected, list | tuple):
        assert len(value) == len(expected), where
        for index, (one, other) in enumerate(zip(value, expected, strict=True)):
            assert_close(one, other, f"{where}[{index}]", atol)
    elif isinstance(expected, float):
        assert value == pytest.approx(expected, abs=atol), where
    else:
        assert value == expected, where


TEXTS = [
    (TEXT, PAIR),
    ("", ""),
    ("the\r\ncat\rsat", "ran\ud800"),
    ("\u202ecat \x07 [SEP] [PAD] [UNK] dog", ""),
    ("the cat " * 30, "it was warm " * 5),
    ("c" * (MAX_CHARACTERS + 3), ""),
]


@pytest.mark.parametrize("edits", [NO_EDITS, EDITS], ids=["", "edited"])
@pytest.mark.parametrize("texts", TEXTS, ids=range(len(TEXTS)))
def test_messages_are_those_of_bert_reader(texts, edits, folder):
    read = reader().read(*texts, edits)
    questions = [("projection", {"number": 1, "hidden_state": state}) for state in range(4)]
    layers = [("layer", {"number": 1, "original": False, "layer": layer}) for layer in range(3)]
    read_question = {"text": texts[0], "pair": texts[1], "edits": edits}
    message, *answers = results(folder, [("read", read_question), *questions, *layers, ("similarity", {"number": 1})])
    assert message.pop("number") == 1 and message.pop("milliseconds") >= 0
    expected = {name: value for name, value in read.message.items() if name != "milliseconds"}
    assert_close(message, expected)
    for state in range(4):
        assert_close(answers[state], read.projection(state), f"projection {state}", 5e-5)
    np.testing.assert_allclose(answers[4:7], read.attention.reshape(3, -1), atol=1e-5)
    assert_close(answers[7], read.similarity())


def test_the_original_and_exact_weights_are_those_of_bert_reader(folder):
    read = reader().read(TEXT, PAIR, EDITS)
    exact = {"number": 1, "layer": 2, "index": 4}
    questions = [
        ("read", {"text": TEXT, "pair": PAIR, "edits": EDITS}),
        ("layer", {"number": 1, "original": True, "layer": 2}),
        ("exact", exact | {"original": False, "side": "query"}),
        ("exact", exact | {"original": True, "side": "key"}),
    ]
    _, original, query, key = results(folder, questions)
    np.testing.assert_allclose(original, read.original[2].ravel(), atol=1e-5)
    np.testing.assert_allclose(query, read.attention[2][:, 4].ravel(), atol=1e-5)
    np.testing.assert_allclose(key, read.original[2][:, :, 4].ravel(), atol=1e-5)
    assert np.abs(read.original[2] - read.attention[2]).max() > 0.01


@pytest.mark.parametrize("edits", [NO_EDITS, EDITS], ids=["", "edited"])
@pytest.mark.parametrize("texts", [(TEXT, PAIR), ("the cat " * 30, "it was warm " * 5)], ids=["", "truncated"])
def test_predictions_are_those_of_bert_reader(texts, edits, folder):
    read = reader().read(*texts, edits)
    words = [index for index, offset in enumerate(read.message["offsets"]) if offset]
    questions = [("fill_mask", {"number": 1, "token": token}) for token in words]
    _, *predictions = results(folder, [("read", {"text": texts[0], "pair": texts[1], "edits": edits}), *questions])
    for token, prediction in zip(words, predictions, strict=True):
        assert_close(prediction, reader().fill_mask(read, token))


def test_special_tokens_and_dropped_texts_are_errors(folder):
    read = {"text": TEXT, "pair": "", "edits": NO_EDITS}
    requests = [("read", read)] * 5 + [
        ("layer", {"number": 1, "original": False, "layer": 0}),
        ("fill_mask", {"number": 5, "token": 0}),
    ]
    *_, layer, special = ask(folder, requests)
    assert "no longer cached" in layer["error"]
    assert special["error"] == "token: expected the position of a word, got 0, the special token [CLS]. Choose a word."


def test_readers_do_not_drop_the_texts_of_another(folder):
    read = {"text": TEXT, "pair": "", "edits": NO_EDITS}
    requests = [("read", read, 1), *[("read", read, 2)] * 6, ("layer", {"number": 1, "original": False, "layer": 0}, 1)]
    assert len(results(folder, requests)[-1]) == 2 * 13**2


def test_a_model_without_a_head_predicts_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("bertedu.checkpoints.loading.load", lambda name: small_bert(with_head=False))
    path = page.build(tmp_path / "page", "small")
    assert results(path, [("describe", {})])[0]["can_fill_mask"] is False


def test_the_description_is_that_of_bert_reader(folder):
    assert_close(results(folder, [("describe", {})])[0], reader().describe())
