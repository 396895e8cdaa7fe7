"""Write Hugging Face directories, for `transformers.AutoModel`, `AutoTokenizer` and sentence-transformers.

The format cannot store talking heads, gated feed-forward layers, factorized embeddings or pre-norm. Chapter:
notebooks/11_checkpoints.ipynb.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from bertedu.attention import MultiHeadAttention
from bertedu.bert import Bert
from bertedu.checkpoints.common import check_table, special_parts, weights_of, write_tensors
from bertedu.checkpoints.configuration import GOOGLE_FIELDS, published_fields
from bertedu.checkpoints.huggingface.names import ACTIVATIONS, POOLING_FLAGS, hf_name, hf_shape
from bertedu.checkpoints.huggingface.settings import MODEL
from bertedu.checkpoints.objects import activation_name
from bertedu.classifier import BertClassifier
from bertedu.feedforward import Feedforward
from bertedu.fields import for_all, read_fields
from bertedu.files import write_json
from bertedu.pooling import POOLINGS, EmbedSettings
from bertedu.token_classifier import BertTokenClassifier

PACKAGE = "sentence_transformers.models"
SPECIALS = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
PROMPT = "default"  # name of the prompt in the file


def write(bert: Bert, path: Path) -> None:
    """Write a `Bert` as a Hugging Face directory.

    Args:
        bert: a `Bert`.
        path: a path that does not exist yet; see `files.replacing`.

    Raises:
        ValueError: the format cannot store a part of it.
    """
    check(bert)
    fields = config(bert)
    read_fields(fields, MODEL, "The config.json of this model")  # write nothing that `read` would refuse
    tensors = {prefix(bert, path) + hf_name(path): to_hf(v, path) for path, v in weights_of(bert).items()}
    path.mkdir()
    write_json(path / "config.json", fields)
    write_tensors(path / "model.safetensors", tensors, format="pt")
    write_tokenizer(bert, path)
    if bert.embed_settings != EmbedSettings():
        write_embed_settings(bert, path)


def check(bert: Bert) -> None:
    """Raise ValueError if a model has a part that a Hugging Face directory cannot store."""
    encoder, classifier, pooling = bert.encoder, bert.classifier, bert.embed_settings.pooling
    head = bert.masked_lm and bert.masked_lm.masked_lm
    activation, epsilon = encoder.inner_activation, encoder.layer_norm_epsilon  # config.json has one of each
    own_pooler = classifier is not None and not classifier.use_encoder_pooler
    parts = {
        f"embedding_width={encoder.embedding_width}": encoder.embedding_width != encoder.hidden_size,
        f"inner_activation={keras.activations.serialize(activation)!r}": not activation_name(activation, ACTIVATIONS),
        "a masked-LM head whose activation or epsilon differs from the encoder's": head is not None
        and (head.activation, head.layer_norm.epsilon) != (activation, epsilon),
        "a classifier with its own pooler (use_encoder_pooler=False)": own_pooler,
        "a classifier and a token classifier": classifier is not None and bert.token_classifier is not None,
        "a classifier with its own cls_head": classifier is not None and classifier.cls_head is not None,
        f"embed_settings with pooling={pooling!r}, which sentence-transformers lacks": pooling not in POOLINGS,
    }
    why = special_parts(encoder, [MultiHeadAttention], [Feedforward]) + [part for part, has in parts.items() if has]
    if why:
        raise ValueError(f'format: expected one that can store {why[0]}, got "huggingface". Choose "bertedu".')
    check_table(bert)


def config(bert: Bert) -> dict[str, Any]:
    """Return the content of config.json."""
    encoder = bert.encoder
    parts = {
        "BertForSequenceClassification": bert.classifier,
        "BertForTokenClassification": bert.token_classifier,
        "BertForMaskedLM": bert.masked_lm,
    }
    fields = {
        "architectures": [next((name for name, part in parts.items() if part is not None), "BertModel")],
        "model_type": "bert",
        **published_fields(encoder, GOOGLE_FIELDS, ACTIVATIONS),
        "initializer_range": getattr(encoder.initializer, "stddev", 0.02),
        "position_embedding_type": "absolute",
        "pad_token_id": bert.tokenizer.pad_id,
        **for_all("dtype torch_dtype", encoder.dtype_policy.variable_dtype),  # the second until transformers 4.56
    }
    classifier = bert.classifier or bert.token_classifier
    return fields if classifier is None else fields | class_fields(classifier)


def class_fields(classifier: BertClassifier | BertTokenClassifier) -> dict[str, Any]:
    """Return the fields of config.json about a classifier's outputs."""
    labels = classifier.class_names or [f"LABEL_{i}" for i in range(classifier.num_classes)]
    fields: dict[str, Any] = {"classifier_dropout": classifier.dropout_rate}
    if isinstance(classifier, BertClassifier):
        single = "regression" if classifier.num_classes == 1 else "single_label_classification"
        fields["problem_type"] = "multi_label_classification" if classifier.multi_label else single
    return fields | {
        "id2label": {str(i): label for i, label in enumerate(labels)},
        "label2id": {label: i for i, label in enumerate(labels)},
    }


def prefix(bert: Bert, path: str) -> str:
    """Return the prefix of a weight's name: "bert." for the encoder of a model with a head, else ""."""
    headless = bert.masked_lm is None and bert.classifier is None and bert.token_classifier is None
    return "" if headless or path.startswith(("masked_lm/", "classifier/", "token_classifier/")) else "bert."


def to_hf(variable: Any, path: str) -> np.ndarray:
    """Convert a weight to the array that transformers stores, the inverse of `from_hf`."""
    array = keras.ops.convert_to_numpy(variable)
    shape = hf_shape(path, array.shape)
    array = array.reshape(shape[::-1]).T if path.endswith("kernel") else array.reshape(shape)
    return np.ascontiguousarray(array)


def write_tokenizer(bert: Bert, directory: Path) -> None:
    """Write vocab.txt, tokenizer.json and tokenizer_config.json."""
    tokenizer, settings = bert.tokenizer, bert.tokenizer.get_config()
    tokenizer.save_vocabulary(directory / "vocab.txt")
    tokenizer.save(directory / "tokenizer.json")
    fields = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": settings["lowercase"],
        **{name: settings[name] for name in ("strip_accents", "tokenize_chinese_chars")},
        "model_max_length": bert.max_length,
        **{name: getattr(tokenizer, name) for name in SPECIALS},
    }
    write_json(directory / "tokenizer_config.json", fields)


def write_embed_settings(bert: Bert, directory: Path) -> None:
    """Write sentence-transformers' files for pooling, normalization, length and prompt."""
    settings = bert.embed_settings
    kinds = ["Transformer", "Pooling"] + ["Normalize"] * settings.normalize
    modules = []
    for i, kind in enumerate(kinds):
        folder = f"{i}_{kind}" if i else ""
        (directory / folder).mkdir(exist_ok=True)
        modules.append({"idx": i, "name": str(i), "path": folder, "type": f"{PACKAGE}.{kind}"})
    write_json(directory / "modules.json", modules)
    if settings.max_length is not None:
        # sentence-transformers does not compare this length with the number of positions.
        limits = {"max_seq_length": min(settings.max_length, bert.max_length), "do_lower_case": False}
        write_json(directory / "sentence_bert_config.json", limits)
    if settings.prompt:
        prompts = {"prompts": {PROMPT: settings.prompt}, "default_prompt_name": PROMPT}
        write_json(directory / "config_sentence_transformers.json", prompts)
    flags = {flag: pooling == settings.pooling for flag, pooling in POOLING_FLAGS.items()}
    write_json(directory / "1_Pooling" / "config.json", {"word_embedding_dimension": bert.encoder.hidden_size} | flags)
