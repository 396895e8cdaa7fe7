"""Hugging Face directories, written: what `transformers.AutoModel`, `AutoTokenizer` and sentence-transformers open.

Only a BERT can be written so: the format has no words for talking heads, gated feed-forward layers, factorised
embeddings or a norm that comes first. Chapter: notebooks/10_checkpoints.ipynb.
"""

import math

import keras
import numpy as np

from bertedu.attention import MultiHeadAttention
from bertedu.checkpoints.common import EmbedSettings, weights_of, write_json, write_tensors
from bertedu.checkpoints.huggingface_names import ACTIVATIONS, POOLING_FLAGS, SIZES, their_name
from bertedu.feedforward import Feedforward

MODULES = "sentence_transformers.models"
SPECIALS = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")


def write(bert, directory):
    """Writes a `Bert` as a Hugging Face directory.

    Args:
        bert: a `Bert`.
        directory: path that is not there yet; see `files.replacing`.

    Raises:
        ValueError: something in it has no place in this format; says what.
    """
    check(bert)
    tensors = {
        f"{prefix(bert, ours)}{their_name(ours)}": to_theirs(variable) for ours, variable in weights_of(bert).items()
    }
    directory.mkdir()
    write_json(directory / "config.json", config(bert))
    write_tensors(directory / "model.safetensors", tensors, format="pt")
    write_tokenizer(bert, directory)
    if bert.embed_settings != EmbedSettings():
        write_embed_settings(bert, directory)


def check(bert):
    """Raises ValueError where a model has what config.json cannot say."""
    encoder, why = bert.encoder, None
    if encoder.attention_cls is not MultiHeadAttention or encoder.feedforward_cls is not Feedforward:
        why = f"{encoder.attention_cls.__name__} with {encoder.feedforward_cls.__name__}"
    elif encoder.norm_first:
        why = "norm_first=True"
    elif encoder.embedding_width != encoder.hidden_size:
        why = f"embedding_width={encoder.embedding_width} beside hidden_size={encoder.hidden_size}"
    elif encoder.embedding_layer is not None:
        why = "an embedding_layer of its own"
    elif activation_name(encoder.inner_activation) is None:
        why = f"inner_activation={keras.activations.serialize(encoder.inner_activation)!r}"
    elif bert.masked_lm is not None and not same_numbers(bert.masked_lm.masked_lm, encoder):
        why = "a masked-LM head with another activation or epsilon than its encoder's"
    elif bert.classifier is not None and not bert.classifier.use_encoder_pooler:
        why = "a classifier with a pooler of its own (use_encoder_pooler=False)"
    elif bert.classifier is not None and bert.classifier.cls_head is not None:
        why = "a classifier with a cls_head of its own"
    if why:
        raise ValueError(f'A Hugging Face BERT cannot have {why}: choose format="bertedu", which can.')


def same_numbers(head, encoder):
    """Whether a masked-LM head uses its encoder's activation and epsilon, the only ones that config.json knows."""
    activations = [keras.activations.serialize(part) for part in (head.activation, encoder.inner_activation)]
    return activations[0] == activations[1] and head.layer_norm.epsilon == encoder.layer_norm_epsilon


def activation_name(activation):
    """The name that an activation has in config.json, or None."""
    ours = keras.activations.serialize(activation)
    found = [
        name for name, known in ACTIVATIONS.items() if keras.activations.serialize(keras.activations.get(known)) == ours
    ]
    return found[0] if found else None


def config(bert):
    """The content of config.json."""
    encoder = bert.encoder
    if bert.classifier is not None:
        kind = "BertForSequenceClassification"
    else:
        kind = "BertModel" if bert.masked_lm is None else "BertForMaskedLM"
    fields = {
        "architectures": [kind],
        "model_type": "bert",
        **{theirs: getattr(encoder, ours) for ours, theirs in SIZES.items()},
        "hidden_act": activation_name(encoder.inner_activation),
        "hidden_dropout_prob": encoder.output_dropout,
        "attention_probs_dropout_prob": encoder.attention_dropout,
        "layer_norm_eps": encoder.layer_norm_epsilon,
        "initializer_range": getattr(encoder.initializer, "stddev", 0.02),
        "position_embedding_type": "absolute",
        "pad_token_id": bert.tokenizer.pad_id,
        "dtype": encoder.dtype_policy.variable_dtype,
        "torch_dtype": encoder.dtype_policy.variable_dtype,  # the name before transformers 4.56
    }
    if bert.classifier is not None:
        labels = [f"LABEL_{i}" for i in range(bert.classifier.num_classes)]
        fields["classifier_dropout"] = bert.classifier.dropout_rate
        fields["id2label"] = {str(i): label for i, label in enumerate(labels)}
        fields["label2id"] = {label: i for i, label in enumerate(labels)}
    return fields


def prefix(bert, ours):
    """What stands before a name of the encoder's: nothing in a bare `BertModel`, `bert.` in one with a head."""
    headless = bert.masked_lm is None and bert.classifier is None
    return "" if headless or ours.startswith(("masked_lm/", "classifier/")) else "bert."


def to_theirs(variable):
    """A weight in their layout, the reverse of `huggingface.to_ours`: heads joined, matrices as [out, in]."""
    array = keras.ops.convert_to_numpy(variable)
    shape = array.shape
    if variable.path.endswith("kernel"):
        split = 2 if "attention_output" in variable.path else 1  # the axes of `shape` that are inputs
        array = array.reshape(math.prod(shape[:split]), math.prod(shape[split:])).T
    elif not variable.path.endswith("embeddings"):
        array = array.reshape(-1)
    return np.ascontiguousarray(array)


def write_tokenizer(bert, directory):
    """Writes vocab.txt, tokenizer.json (which adds [CLS] and [SEP] itself) and tokenizer_config.json."""
    tokenizer, settings = bert.tokenizer, bert.tokenizer.get_config()
    tokenizer.save_vocabulary(directory / "vocab.txt")
    tokenizer.save(directory / "tokenizer.json")
    write_json(
        directory / "tokenizer_config.json",
        {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": settings["lowercase"],
            "strip_accents": settings["strip_accents"],
            "tokenize_chinese_chars": settings["tokenize_chinese_chars"],
            "model_max_length": bert.max_length,
            **{name: getattr(tokenizer, name) for name in SPECIALS},
        },
    )


def write_embed_settings(bert, directory):
    """Writes what sentence-transformers reads of pooling, normalising and length."""
    settings = bert.embed_settings
    modules = ["Transformer", "Pooling"] + ["Normalize"] * settings.normalize
    paths = ["", "1_Pooling", "2_Normalize"]
    listing = [
        {"idx": i, "name": str(i), "path": paths[i], "type": f"{MODULES}.{name}"} for i, name in enumerate(modules)
    ]
    write_json(directory / "modules.json", listing)
    if settings.max_length is not None:
        limits = {"max_seq_length": settings.max_length, "do_lower_case": False}  # the tokenizer does that
        write_json(directory / "sentence_bert_config.json", limits)
    for name in paths[1 : len(modules)]:
        (directory / name).mkdir()
    flags = {flag: pooling == settings.pooling for flag, pooling in POOLING_FLAGS.items()}
    write_json(directory / "1_Pooling" / "config.json", {"word_embedding_dimension": bert.encoder.hidden_size} | flags)
