"""Hugging Face directories, written: what `transformers.AutoModel`, `AutoTokenizer` and sentence-transformers open.

Only a BERT can be written so: the format has no words for talking heads, gated feed-forward layers, factorised
embeddings or a norm that comes first. Chapter: notebooks/10_checkpoints.ipynb.
"""

import keras
import numpy as np

from bertedu.attention import MultiHeadAttention
from bertedu.checkpoints.common import weights_of, write_tensors
from bertedu.checkpoints.huggingface.names import ACTIVATIONS, POOLING_FLAGS, SIZES, hf_name, hf_shape
from bertedu.checkpoints.huggingface.settings import MODEL
from bertedu.feedforward import Feedforward
from bertedu.fields import read_fields
from bertedu.files import write_json
from bertedu.pooling import POOLINGS, EmbedSettings

PACKAGE = "sentence_transformers.models"
SPECIALS = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
PROMPT = "default"  # the name under which a prompt is written


def write(bert, directory):
    """Write a `Bert` as a Hugging Face directory.

    Args:
        bert: a `Bert`.
        directory: path that is not there yet; see `files.replacing`.

    Raises:
        ValueError: something in it has no place in this format; says what.
    """
    check(bert)
    fields = config(bert)
    read_fields(fields, MODEL, "The config.json of this model")  # what `read` would refuse is not written
    tensors = {
        f"{prefix(bert, ours)}{hf_name(ours)}": to_hf(variable, ours) for ours, variable in weights_of(bert).items()
    }
    directory.mkdir()
    write_json(directory / "config.json", fields)
    write_tensors(directory / "model.safetensors", tensors, format="pt")
    write_tokenizer(bert, directory)
    if bert.embed_settings != EmbedSettings():
        write_embed_settings(bert, directory)


def check(bert):
    """Raise ValueError where a model has what the files of a Hugging Face directory cannot say."""
    why = of_encoder(bert.encoder) or of_heads(bert)
    if bert.embed_settings.pooling not in POOLINGS:
        why = why or f"embed_settings with pooling={bert.embed_settings.pooling!r}, which sentence-transformers lacks"
    if why:
        raise ValueError(f'A Hugging Face BERT cannot have {why}: choose format="bertedu", which can.')


def of_encoder(encoder):
    """Return what an encoder has that config.json cannot say, or None."""
    if encoder.attention_cls is not MultiHeadAttention or encoder.feedforward_cls is not Feedforward:
        return f"{encoder.attention_cls.__name__} with {encoder.feedforward_cls.__name__}"
    if encoder.norm_first:
        return "norm_first=True"
    if encoder.embedding_width != encoder.hidden_size:
        return f"embedding_width={encoder.embedding_width} beside hidden_size={encoder.hidden_size}"
    if encoder.embedding_layer is not None:
        return "an embedding_layer of its own"
    if encoder.output_range is not None:
        return f"output_range={encoder.output_range}"
    if activation_name(encoder.inner_activation) is None:
        return f"inner_activation={keras.activations.serialize(encoder.inner_activation)!r}"
    return None


def of_heads(bert):
    """Return what the heads of a model have that config.json cannot say, or None."""
    head, classifier = bert.masked_lm and bert.masked_lm.masked_lm, bert.classifier
    if head is not None and not same_numbers(head, bert.encoder):
        return "a masked-LM head with another activation or epsilon than its encoder's"
    if head is not None and getattr(head, "table", None) is not bert.encoder.get_embedding_table():
        return "a masked-LM head with an embedding_table of its own"
    if classifier is not None and not classifier.use_encoder_pooler:
        return "a classifier with a pooler of its own (use_encoder_pooler=False)"
    if classifier is not None and classifier.cls_head is not None:
        return "a classifier with a cls_head of its own"
    return None


def same_numbers(head, encoder):
    """Return whether a masked-LM head uses its encoder's activation and epsilon; config.json has one of each."""
    activations = [keras.activations.serialize(part) for part in (head.activation, encoder.inner_activation)]
    return activations[0] == activations[1] and head.layer_norm.epsilon == encoder.layer_norm_epsilon


def activation_name(activation):
    """Return the name that an activation has in config.json, or None."""
    ours = keras.activations.serialize(activation)
    found = [
        name for name, known in ACTIVATIONS.items() if keras.activations.serialize(keras.activations.get(known)) == ours
    ]
    return found[0] if found else None


def config(bert):
    """Return the content of config.json."""
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
    return fields if bert.classifier is None else fields | class_fields(bert.classifier)


def class_fields(classifier):
    """Return the fields of config.json that say what a classifier's outputs mean."""
    labels = classifier.class_names or [f"LABEL_{i}" for i in range(classifier.num_classes)]
    if classifier.multi_label:
        problem = "multi_label_classification"
    else:
        problem = "regression" if classifier.num_classes == 1 else "single_label_classification"
    return {
        "classifier_dropout": classifier.dropout_rate,
        "problem_type": problem,
        "id2label": {str(i): label for i, label in enumerate(labels)},
        "label2id": {label: i for i, label in enumerate(labels)},
    }


def prefix(bert, ours):
    """Return what stands before a name of the encoder's: nothing in a bare `BertModel`, `bert.` in one with a head."""
    headless = bert.masked_lm is None and bert.classifier is None
    return "" if headless or ours.startswith(("masked_lm/", "classifier/")) else "bert."


def to_hf(variable, path):
    """Return a weight as transformers stores it, the reverse of `to_ours`: heads joined, matrices as [out, in]."""
    array = keras.ops.convert_to_numpy(variable)
    shape = hf_shape(path, array.shape)
    array = array.reshape(shape[::-1]).T if path.endswith("kernel") else array.reshape(shape)
    return np.ascontiguousarray(array)


def write_tokenizer(bert, directory):
    """Write vocab.txt, tokenizer.json (which adds [CLS] and [SEP] itself) and tokenizer_config.json."""
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
    """Write what sentence-transformers reads of pooling, normalising, length and prompt."""
    settings = bert.embed_settings
    modules = ["Transformer", "Pooling"] + ["Normalize"] * settings.normalize
    paths = ["", "1_Pooling", "2_Normalize"]
    listing = [
        {"idx": i, "name": str(i), "path": paths[i], "type": f"{PACKAGE}.{name}"} for i, name in enumerate(modules)
    ]
    write_json(directory / "modules.json", listing)
    if settings.max_length is not None:
        # sentence-transformers reads to this length without asking how many positions there are.
        limits = {"max_seq_length": min(settings.max_length, bert.max_length), "do_lower_case": False}
        write_json(directory / "sentence_bert_config.json", limits)
    if settings.prompt:
        prompts = {"prompts": {PROMPT: settings.prompt}, "default_prompt_name": PROMPT}
        write_json(directory / "config_sentence_transformers.json", prompts)
    for name in paths[1 : len(modules)]:
        (directory / name).mkdir()
    flags = {flag: pooling == settings.pooling for flag, pooling in POOLING_FLAGS.items()}
    write_json(directory / "1_Pooling" / "config.json", {"word_embedding_dimension": bert.encoder.hidden_size} | flags)
