"""Settings of Hugging Face and sentence-transformers directories: each is followed as there, or refused by name."""

import json
import warnings

import keras
import numpy as np
import pytest
import tiny_bert
from safetensors.numpy import load_file, save_file
from small_world import VOCABULARY

import bertedu as be
from bertedu.checkpoints import huggingface
from bertedu.checkpoints.huggingface import embedding
from bertedu.checkpoints.huggingface.settings import MODEL, TOKENIZER

MODULES = ("Transformer", "Pooling", "Normalize")
MEAN = {"word_embedding_dimension": tiny_bert.D, "pooling_mode_mean_tokens": True}
PACKAGE = "sentence_transformers.models"


def put(directory, **files):
    """Write JSON files; a name's double underscore is a folder's slash, as in `pooling`."""
    for name, content in files.items():
        path = directory / f"{name.replace('__', '/')}.json"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(json.dumps(content))
    return directory


def modules(*kinds, transformer=""):
    """Return the content of modules.json."""
    return [
        {
            "idx": i,
            "name": str(i),
            "type": kind if "." in kind else f"{PACKAGE}.{kind}",
            "path": f"{i}_{kind.rpartition('.')[2]}" if i else transformer,
        }
        for i, kind in enumerate(kinds)
    ]


def sentence_model(tmp_path, kinds=MODULES, pooling=MEAN, config=None, **files):
    directory = tiny_bert.write(tmp_path / "model", config=config)
    put(directory, **{"1_Pooling__config": pooling, "modules": modules(*kinds)} | files)
    return directory


# ----------------------------------------------------------------------------------------------- config.json

REFUSED = {
    "layer_norm_eps": "1e-12",
    "hidden_dropout_prob": None,
    "attention_probs_dropout_prob": 1.5,
    "vocab_size": 1_000_000_000,
    "num_hidden_layers": 1_000_000,
    "num_attention_heads": 2.0,
    "type_vocab_size": True,
    "hidden_act": ["gelu"],
    "position_embedding_type": "relative_key_query",
    "is_decoder": True,
    "add_cross_attention": True,
    "is_encoder_decoder": True,
    "pruned_heads": {"0": [1]},
    "quantization_config": {"bits": 8},
    "auto_map": {"AutoModel": "modeling.Model"},
    "architectures": "BertModel",
    "transformers_weights": "../other.safetensors",
    "tokenizer_class": "RobertaTokenizer",
}


@pytest.mark.parametrize("field", REFUSED)
def test_a_value_of_config_json_that_cannot_be_followed_is_refused_by_field(field, tmp_path):
    directory = tiny_bert.write(tmp_path, config={field: REFUSED[field]})
    with pytest.raises(ValueError, match=rf"config\.json: {field}: expected"):
        be.load(directory)


def test_fields_that_change_no_number_are_ignored_and_unknown_ones_listed_once(tmp_path):
    transformers = pytest.importorskip("transformers")
    written = transformers.BertConfig(**tiny_bert.CONFIG).to_dict()
    assert not written.keys() - MODEL.keys()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        be.load(tiny_bert.write(tmp_path, config=json.loads(json.dumps(written | {"new_1": 1, "new_2": None}))))
    told = [str(warning.message) for warning in caught if "unknown" in str(warning.message)]
    assert len(told) == 1 and "new_1" in told[0] and "new_2" in told[0] and "config.json" in told[0]


@pytest.mark.parametrize("name", ["gelu_python", "gelu_fast", "gelu_accurate", "gelu_python_tanh"])
def test_other_names_of_the_two_gelus(name, tmp_path):
    activations = pytest.importorskip("transformers.activations").ACT2FN
    torch = pytest.importorskip("torch")
    x = np.linspace(-4, 4, 33, dtype="float32")
    encoder = be.load(tiny_bert.write(tmp_path, config={"hidden_act": name})).encoder
    expected = activations[name](torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(keras.ops.convert_to_numpy(encoder.inner_activation(x)), expected, atol=1e-6)


def test_an_adapter_is_refused(tmp_path):
    put(tiny_bert.write(tmp_path), adapter_config={"peft_type": "LORA"})
    with pytest.raises(ValueError, match=r"adapter_config\.json"):
        be.load(tmp_path)


# ---------------------------------------------------------------------------------------------------- heads


def with_head(tmp_path, architecture, tensors, **config):
    weights = tiny_bert.tensors() | {name: np.full(shape, 0.5, "float32") for name, shape in tensors.items()}
    fields = {"architectures": architecture and [architecture]} | config
    return tiny_bert.write(tmp_path / "model", weights, fields)


CLASSIFIER = {"classifier.weight": (3, tiny_bert.D), "classifier.bias": (3,)}
LABELS = {"0": "toxic", "1": "threat", "2": "insult"}
SENTENCES = "BertForSequenceClassification"


@pytest.mark.parametrize(
    "architecture, fields, word",
    [
        ("BertForMultipleChoice", {}, "BertForMultipleChoice"),
        ("BertForAnything", {}, "BertForAnything"),
        (None, {}, "without architectures"),
        ("BertModel", {}, "classifier.weight"),
        (SENTENCES, {"problem_type": "regression"}, "regression"),
        (SENTENCES, {"problem_type": "ranking"}, "ranking"),
        (SENTENCES, {"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Sigmoid"}}, "Sigmoid"),
        (SENTENCES, {"sbert_ce_default_activation_function": "torch.nn.modules.activation.Tanh"}, "Tanh"),
    ],
)
def test_a_classifier_is_read_only_as_what_config_json_says_it_is(architecture, fields, word, tmp_path):
    directory = with_head(tmp_path, architecture, CLASSIFIER, id2label=LABELS, **fields)
    with pytest.warns(UserWarning, match=word) as caught:
        bert = be.load(directory)
    assert len(caught) == 1
    assert bert.classifier is None and bert.read("the cat").pooled_output is not None


@pytest.mark.filterwarnings("ignore:.*is loaded as an encoder")
def test_what_an_unread_head_leaves_behind_is_reported(tmp_path):
    directory = with_head(tmp_path, "BertForMultipleChoice", CLASSIFIER, id2label=LABELS)
    left = " ".join(be.convert(directory, tmp_path / "copy", "huggingface"))
    assert all(word in left for word in ("classifier.weight", "classifier.bias", "id2label", "threat"))
    assert json.loads((tmp_path / "copy" / "config.json").read_text())["architectures"] == ["BertModel"]


@pytest.mark.parametrize("form", ["bertedu", "huggingface", "keras"])
@pytest.mark.parametrize("problem", ["multi_label_classification", "single_label_classification"])
def test_classes_come_back_from_every_format(problem, form, tmp_path):
    directory = with_head(tmp_path, SENTENCES, CLASSIFIER, id2label=LABELS, problem_type=problem)
    target = tmp_path / ("copy.keras" if form == "keras" else "copy")
    assert be.convert(directory, target, form) == []
    assert be.convert(target, tmp_path / "back", "huggingface") == []
    config = json.loads((tmp_path / "back" / "config.json").read_text())
    assert config["id2label"] == LABELS and config["problem_type"] == problem
    classifier = be.load(target).classifier
    assert classifier.class_names == tuple(LABELS.values())
    assert classifier.multi_label == problem.startswith("multi")
    assert "threat" in str(be.inspect(target))


@pytest.mark.peers
def test_transformers_reads_the_classes_that_are_written(tmp_path):
    transformers = pytest.importorskip("transformers")
    fields = {"id2label": LABELS, "problem_type": "multi_label_classification", "classifier_dropout": 0.25}
    be.convert(with_head(tmp_path, SENTENCES, CLASSIFIER, **fields), tmp_path / "copy", "huggingface")
    config = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "copy").config
    assert config.id2label == {int(i): name for i, name in LABELS.items()} and config.label2id["insult"] == 2
    assert config.problem_type == "multi_label_classification" and config.classifier_dropout == 0.25


def test_the_probabilities_of_a_multi_label_classifier_and_the_labels_that_it_learns(tmp_path):
    directory = with_head(tmp_path, SENTENCES, CLASSIFIER, num_labels=3, problem_type="multi_label_classification")
    bert = be.load(directory)
    inputs = bert.preprocessor(["the cat sat"])
    logits = keras.ops.convert_to_numpy(bert.classifier(inputs))
    probabilities = be.fine_tuning.predict(bert.classifier, bert.preprocessor, ["the cat sat"])
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-logits)), atol=1e-6)
    with pytest.raises(ValueError, match="train: expected 3 numbers, 1 for each class that applies.*got 0 as label 0"):
        be.fine_tune(bert.classifier, bert.preprocessor, (["the", "cat"], [0, 1]))
    rows = [[0, 1, 1], [0, 0, 0]]
    be.fine_tune(bert.classifier, bert.preprocessor, (["the", "cat"], rows), epochs=1, progress=False)
    trained = be.fine_tuning.predict(bert.classifier, bert.preprocessor, ["the cat sat"])
    assert np.abs(trained - probabilities).max() > 1e-6


@pytest.mark.parametrize(
    "fields", [{"id2label": {"0": "a", "2": "b", "3": "c"}}, {"id2label": {"0": None, "1": "b", "2": "c"}}]
)
def test_class_names_that_name_no_class_are_refused(fields, tmp_path):
    with pytest.raises(ValueError, match=r"config\.json: id2label"):
        be.load(with_head(tmp_path, SENTENCES, CLASSIFIER, **fields))


def test_another_number_of_classes_than_the_tensor_has(tmp_path):
    with pytest.raises(ValueError, match=r"classifier\.bias.*\(2,\).*config\.json.*\(3,\)"):
        be.load(with_head(tmp_path, SENTENCES, CLASSIFIER))  # transformers takes two where nothing is said


def test_a_sentence_classifier_needs_its_pooler(tmp_path):
    weights = tiny_bert.tensors(pooler=False) | {name: np.ones(shape, "float32") for name, shape in CLASSIFIER.items()}
    directory = tiny_bert.write(tmp_path, weights, {"architectures": [SENTENCES], "num_labels": 3})
    with pytest.raises(ValueError, match=r"expected pooler\.dense"):
        be.load(directory)


HEAD = {
    "cls.predictions.transform.dense.weight": (tiny_bert.D, tiny_bert.D),
    "cls.predictions.transform.dense.bias": (tiny_bert.D,),
    "cls.predictions.transform.LayerNorm.weight": (tiny_bert.D,),
    "cls.predictions.transform.LayerNorm.bias": (tiny_bert.D,),
    "cls.predictions.bias": (tiny_bert.V,),
}


def masked_lm(tmp_path, **tensors):
    directory = with_head(tmp_path, "BertForMaskedLM", HEAD)
    weights = load_file(directory / "model.safetensors") | tensors
    save_file(weights, directory / "model.safetensors")
    return directory, weights["embeddings.word_embeddings.weight"]


def test_tensors_that_are_tied_are_read_once_and_compared(tmp_path):
    _, table = masked_lm(tmp_path)
    bias = np.full(tiny_bert.V, 0.5, "float32")
    same = {"cls.predictions.decoder.weight": table.copy(), "cls.predictions.decoder.bias": bias}
    assert be.load(masked_lm(tmp_path, **same)[0]).masked_lm is not None
    for name, array in same.items():
        other = array.copy()
        other[3] += 1e-3
        with pytest.raises(ValueError, match=name.replace(".", r"\.")):
            be.load(masked_lm(tmp_path, **same | {name: other})[0])


def test_weights_that_are_not_tied_are_refused(tmp_path):
    directory, _ = masked_lm(tmp_path)
    put(directory, config=tiny_bert.CONFIG | {"architectures": ["BertForMaskedLM"], "tie_word_embeddings": False})
    with pytest.raises(ValueError, match="tie_word_embeddings"):
        be.load(directory)
    bare = tiny_bert.write(tmp_path / "bare", config={"tie_word_embeddings": False})
    assert be.load(bare).masked_lm is None  # without the head there is nothing to tie


# -------------------------------------------------------------------------------------------------- weights


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/passwd", "a/b.safetensors", r"..\b.safetensors", 3, ""])
def test_an_index_names_files_beside_it(name, tmp_path):
    directory = tiny_bert.write(tmp_path / "model")
    (directory / "model.safetensors").rename(tmp_path / "model.safetensors")
    put(directory, **{"model.safetensors.index": {"weight_map": {"embeddings.word_embeddings.weight": name}}})
    with pytest.raises((ValueError, FileNotFoundError), match=r"index\.json"):
        be.load(directory)


def test_weights_may_be_links_as_in_the_cache_of_the_hub(tmp_path):
    directory = tiny_bert.write(tmp_path / "snapshots" / "a1b2c3")
    (tmp_path / "blobs").mkdir()
    for file in list(directory.iterdir()):
        file.rename(tmp_path / "blobs" / file.name)
        file.symlink_to(f"../../blobs/{file.name}")
    assert be.load(directory).encoder.num_layers == tiny_bert.L


# ------------------------------------------------------------------------------------------------ tokenizer

TOKENIZER_REFUSED = {
    "cls_token": "<s>",
    "mask_token": {"content": "<mask>", "lstrip": False},
    "eos_token": "</s>",
    "do_lower_case": "yes",
    "do_basic_tokenize": False,
    "never_split": ["cat"],
    "padding_side": "left",
    "truncation_side": "left",
    "tokenizer_class": "BertJapaneseTokenizer",
    "model_input_names": ["input_ids", "attention_mask"],
    "model_max_length": "long",
    "auto_map": {"AutoTokenizer": ["a.B", None]},
    "split_special_tokens": True,
    "additional_special_tokens": [{"content": "[NEW]", "lstrip": True}],
    "added_tokens_decoder": {"23": {"content": "[NEW]", "special": False, "normalized": True}},
}


@pytest.mark.parametrize("field", TOKENIZER_REFUSED)
def test_a_setting_of_the_tokenizer_that_cannot_be_followed_is_refused_by_field(field, tmp_path):
    put(tiny_bert.write(tmp_path), tokenizer_config={field: TOKENIZER_REFUSED[field]})
    with pytest.raises(ValueError, match=rf"tokenizer_config\.json.*{field}"):
        be.load(tmp_path)


@pytest.mark.parametrize("name", ["DistilBertTokenizer", "AlbertTokenizer", "TokenizersBackend", "Nonsense"])
def test_a_tokenizer_of_another_class_is_refused(name, tmp_path):
    put(tiny_bert.write(tmp_path), tokenizer_config={"tokenizer_class": name})
    with pytest.raises(ValueError, match=f"tokenizer_class.*{name}"):
        be.load(tmp_path)


def test_what_transformers_writes_of_a_tokenizer_is_all_known(tmp_path):
    transformers = pytest.importorskip("transformers")
    directory = tiny_bert.write(tmp_path)
    transformers.AutoTokenizer.from_pretrained(directory).save_pretrained(directory)
    written = json.loads((directory / "tokenizer_config.json").read_text())
    assert not written.keys() - TOKENIZER.keys()
    be.load(directory)  # warnings are errors


@pytest.mark.parametrize("lowercase", [True, False, None])
@pytest.mark.parametrize("name", ["BertTokenizer", "BertTokenizerFast", "ElectraTokenizer", "PreTrainedTokenizerFast"])
def test_the_class_decides_which_file_says_the_case(name, lowercase, tmp_path):
    auto = pytest.importorskip("transformers").AutoTokenizer
    words = [*VOCABULARY, "The", "CAT", "thé"]
    directory = tiny_bert.write(tmp_path, words=words)
    be.BertTokenizer(words, lowercase=not lowercase).save(directory / "tokenizer.json")
    case = {} if lowercase is None else {"do_lower_case": lowercase}
    put(directory, tokenizer_config={"tokenizer_class": name, **case})
    text = "The CAT thé"
    assert be.load(directory).tokenizer.tokenize(text) == auto.from_pretrained(directory).tokenize(text)


ADDED = {
    "special_tokens_map": {"special_tokens_map": {"additional_special_tokens": ["[NEW]", "[cat]"]}},
    "tokenizer_config": {"tokenizer_config": {"extra_special_tokens": ["[NEW]"]}},
    "added_tokens.json": {
        "added_tokens": {"[cat]": 20, "[NEW]": 21},
        "special_tokens_map": {"additional_special_tokens": ["[NEW]", "[cat]"]},
    },
    "added_tokens_decoder": {
        "tokenizer_config": {"added_tokens_decoder": {"20": {"content": "[NEW]", "special": True, "normalized": False}}}
    },
}


@pytest.mark.parametrize("tokenizer_json", [True, False])
@pytest.mark.parametrize("where", ADDED)
def test_added_tokens_are_found_wherever_they_stand(where, tokenizer_json, tmp_path):
    auto = pytest.importorskip("transformers").AutoTokenizer
    directory = put(tiny_bert.write(tmp_path / "model", words=VOCABULARY), **ADDED[where])
    if tokenizer_json:
        be.BertTokenizer(VOCABULARY).save(directory / "tokenizer.json")
    text = "the [NEW] [cat] sat"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "tokenizer: expected")  # the table has 23 rows
        bert = be.load(directory)
        assert bert.tokenizer.encode(text).ids == auto.from_pretrained(directory).encode(text)[1:-1]
        be.save_checkpoint(bert, tmp_path / "copy", "huggingface")
        assert be.load(tmp_path / "copy").tokenizer.encode(text).ids == bert.tokenizer.encode(text).ids
        assert auto.from_pretrained(tmp_path / "copy").encode(text)[1:-1] == bert.tokenizer.encode(text).ids


@pytest.mark.parametrize("ids", [{"[NEW]": 22}, {"[MASK]": 5}])
def test_added_tokens_with_other_ids_are_refused(ids, tmp_path):
    directory = tiny_bert.write(tmp_path, words=VOCABULARY)
    put(directory, added_tokens=ids, special_tokens_map={"additional_special_tokens": ["[NEW]"]})
    with pytest.raises(ValueError, match=r"added token.*(NEW|MASK)"):
        be.load(directory)


# -------------------------------------------------------------------------------------- sentence-transformers


def test_pooling_normalizing_and_length(tmp_path):
    directory = sentence_model(tmp_path, sentence_bert_config={"max_seq_length": 17})
    for words, expected in (
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_max_tokens": True}, "max"),
        ({"pooling_mode": "mean", "pooling_mode_cls_token": True}, "mean"),
        ({"pooling_mode": ["cls"]}, "cls"),
        ({}, "mean"),
    ):
        put(directory, **{"1_Pooling__config": words})
        assert be.load(directory).embed_settings == (expected, True, 17, "")


UNSUPPORTED = {
    "mean, cls": {"pooling": {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}},
    "max, cls": {"pooling": {"pooling_mode": ["max", "cls"]}},
    "lasttoken": {"pooling": {"pooling_mode": "lasttoken"}},
    "weightedmean": {"pooling": {"pooling_mode_weightedmean_tokens": True}},
    "Dense": {"kinds": ("Transformer", "Pooling", "Dense", "Normalize")},
    "my_code.Pooling": {"kinds": ("Transformer", "my_code.Pooling")},
    "no pooling": {"kinds": ("Transformer",)},
    "truncate_dim": {"config_sentence_transformers": {"truncate_dim": 8}},
    "include_prompt": {
        "pooling": {"pooling_mode": "mean", "include_prompt": False},
        "config_sentence_transformers": {"prompts": {"q": "query: "}, "default_prompt_name": "q"},
    },
}


@pytest.mark.parametrize("what", UNSUPPORTED)
def test_another_way_to_embed_opens_with_a_warning_and_embed_refuses_it_by_name(what, tmp_path):
    directory = sentence_model(tmp_path, **UNSUPPORTED[what])
    with pytest.warns(UserWarning, match=f"modules.json.*{what}"):
        bert = be.load(directory)
    assert bert.read("cat").tokens == ["[CLS]", "cat", "[SEP]"]
    with pytest.raises(ValueError, match=what):
        bert.embed("the cat")
    assert bert.embed("the cat", pooling="cls").shape == (tiny_bert.D,)
    with pytest.raises(ValueError, match=what):
        be.save_checkpoint(bert, tmp_path / "copy", "huggingface")
    with pytest.warns(UserWarning):
        assert what in " ".join(be.convert(directory, tmp_path / "copy"))
    assert be.load(tmp_path / "copy").embed_settings == be.Bert(bert.tokenizer, bert.encoder).embed_settings


@pytest.mark.filterwarnings("ignore:.*not supported")
@pytest.mark.parametrize(
    "file, content, word",
    [
        ("sentence_bert_config", {"max_seq_length": "17"}, "max_seq_length"),
        ("sentence_bert_config", {"tokenizer_args": {"do_lower_case": True}}, "tokenizer_args"),
        ("sentence_bert_config", {"transformer_task": "fill-mask"}, "transformer_task"),
        ("config_sentence_transformers", {"default_prompt_name": "query"}, "default_prompt_name"),
        ("config_sentence_transformers", {"model_type": "SparseEncoder"}, "model_type"),
        ("1_Pooling__config", {"pooling_mode": 3}, "pooling_mode"),
        ("modules", modules("Pooling"), "Pooling"),
        ("modules", modules("Transformer", transformer="../other"), "path"),
        ("modules", modules("Transformer", transformer="/other"), "path"),
        ("modules", [["Transformer"]], "type"),
    ],
)
def test_settings_of_sentence_transformers_that_are_refused_by_name(file, content, word, tmp_path):
    directory = sentence_model(tmp_path, **{file: content})
    with pytest.raises(ValueError, match=rf"{file.replace('__', '/')}\.json.*{word}"):
        be.load(directory)


LONG = "the cat sat on mat " * 9
VERSION_6 = (
    "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
    "sentence_transformers.base.modules.normalize.Normalize",
)
FOLLOWED = {  # text, files
    "lower case, accents kept": ("The CAT sat thé", {"sentence_bert_config": {"do_lower_case": True}}),
    "prompt": (
        "sat on",
        {"config_sentence_transformers": {"prompts": {"q": "the cat "}, "default_prompt_name": "q"}},
    ),
    "length of the tokenizer": (LONG, {"tokenizer_config": {"model_max_length": 9, "do_lower_case": False}}),
    "both lengths": (
        LONG,
        {
            "tokenizer_config": {"model_max_length": 9, "do_lower_case": False},
            "sentence_bert_config": {"max_seq_length": 12},
        },
    ),
    "dropout": ("the cat", {"modules": modules("Transformer", "Pooling", "Dropout")}),
    "other file name": (LONG, {"sentence_roberta_config": {"max_seq_length": 7}}),
    "names of version 6": ("the cat", {"modules": modules("Transformer", *VERSION_6)}),
}


@pytest.mark.peers
@pytest.mark.parametrize("name", FOLLOWED)
def test_embeddings_equal_those_of_sentence_transformers_and_survive_being_written(name, tmp_path):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    text, files = FOLLOWED[name]
    words = [*VOCABULARY, "The", "thé", "thé"[:2]]
    files = {"tokenizer_config": {"do_lower_case": False}} | files
    directory = sentence_model(tmp_path, **files)
    tiny_bert.write_vocabulary(directory, words)
    put(directory, **{"2_Dropout__config": {"dropout": 0.5}})
    bert = be.load(directory)
    be.save_checkpoint(bert, tmp_path / "copy", "huggingface")
    for path in (directory, tmp_path / "copy"):
        expected = sentence_transformers.SentenceTransformer(str(path), device="cpu").encode([text])[0]
        np.testing.assert_allclose(be.load(path).embed(text), expected, atol=1e-5)
    assert be.load(tmp_path / "copy").embed_settings == bert.embed_settings


def test_a_transformer_module_in_a_folder(tmp_path):
    whole = sentence_model(tmp_path)
    expected = be.load(whole).embed("the cat")
    inner = whole / "0_Transformer"
    inner.mkdir()
    for name in ("config.json", "model.safetensors", "vocab.txt"):
        (whole / name).rename(inner / name)
    put(whole, modules=modules(*MODULES, transformer="0_Transformer"), **{"0_Transformer__sentence_bert_config": {}})
    assert huggingface.recognizes(whole)
    np.testing.assert_array_equal(be.load(whole).embed("the cat"), expected)
    assert all(tensor.weight_path for tensor in be.inspect(whole).tensors)


def test_prompts_that_are_not_the_default_are_reported(tmp_path):
    prompts = {"prompts": {"query": "query: ", "passage": "passage: ", "none": ""}, "default_prompt_name": "query"}
    left = be.convert(sentence_model(tmp_path, config_sentence_transformers=prompts), tmp_path / "copy")
    assert len(left) == 1 and "passage" in left[0] and "query" not in left[0]
    assert be.load(tmp_path / "copy").embed_settings.prompt == "query: "


def test_the_pooled_output_is_no_pooling_of_sentence_transformers(tmp_path):
    bert = be.load(tiny_bert.write(tmp_path / "model"))
    bert.embed_settings = bert.embed_settings._replace(pooling="pooled")
    with pytest.raises(ValueError, match="pooled"):
        be.save_checkpoint(bert, tmp_path / "copy", "huggingface")
    assert not (tmp_path / "copy").exists()
    assert be.load(be.save_checkpoint(bert, tmp_path / "copy")).embed_settings == bert.embed_settings


@pytest.mark.parametrize("path", ["a", "a/b", "", "..a"])
def test_paths_that_stay_inside(path):
    assert embedding.is_inside(path)


@pytest.mark.parametrize("path", ["..", "a/../../b", "/a", r"\a", r"a\..\..", "C:/a", "c:a", "a\0b"])
def test_paths_that_leave_the_directory(path):
    assert not embedding.is_inside(path)
