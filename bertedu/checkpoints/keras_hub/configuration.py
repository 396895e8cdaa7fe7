"""The configurations in a KerasHub preset: check each, and that copies agree.

A preset has up to three copies of a configuration: task.json contains those of the backbone and the preprocessor, and
both contain the tokenizer's. KerasHub uses one of them, depending on the class that loads the preset; here copies that
disagree are refused. metadata.json is not needed. Chapter: notebooks/11_checkpoints.ipynb.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bertedu.checkpoints.configuration import ENCODER, RATE
from bertedu.checkpoints.objects import LAYER, RECORD, policy
from bertedu.fields import ANYTHING, FLAG, IGNORED, Rule, for_all, one_of, only, read_fields, shown, whole
from bertedu.files import read_json
from bertedu.terminal import warn

CONFIG, TASK, PREPROCESSOR, TOKENIZER = "config.json", "task.json", "preprocessor.json", "tokenizer.json"
BACKBONE = "BertBackbone"
SIZES = {
    "vocab_size": "vocabulary_size",
    "hidden_size": "hidden_dim",
    "num_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "max_sequence_length": "max_sequence_length",
    "type_vocab_size": "num_segments",
    "inner_dim": "intermediate_dim",
}
"""Argument -> its field in config.json."""

PACKING = LAYER | {
    "tokenizer": ANYTHING,
    "config_file": only(PREPROCESSOR),
    "sequence_length": whole(2, 1_000_000),
    "truncate": only("round_robin"),
}
MASKING = PACKING | {  # of training examples
    **for_all("mask_selection_rate mask_token_rate random_token_rate", RATE._replace(followed=False)),
    "mask_selection_length": whole(0, 1_000_000)._replace(followed=False),
}
TOKENIZING = LAYER | {
    **for_all("lowercase strip_accents", FLAG),
    "config_file": only(TOKENIZER),
    **for_all("vocabulary sequence_length", only(None)),  # the vocabulary is in a file of its own
    **for_all("split split_on_cjk", only(True)),
    "suffix_indicator": only("##"),
    "oov_token": only("[UNK]"),
    "special_tokens": only(None, []),
    # KerasHub splits "[MASK]" in a text unless this is true. bertedu never does: fill_mask needs the token.
    "special_tokens_in_strings": FLAG._replace(followed=False),
}
TASK_FIELDS = LAYER | for_all("backbone preprocessor", ANYTHING)
CLASSIFIER = TASK_FIELDS | {"num_classes": whole(1, 10_000_000), "activation": ANYTHING, "dropout": RATE}
TABLES: dict[str, dict[str, dict[str, Rule]]] = {
    "backbone": {BACKBONE: LAYER | {"dropout": RATE} | {field: ENCODER[name] for name, field in SIZES.items()}},
    "tokenizer": {"BertTokenizer": TOKENIZING},
    "preprocessor": {  # BertPreprocessor is the name of BertTextClassifierPreprocessor until 2024
        **for_all("BertTextClassifierPreprocessor BertTextEmbedderPreprocessor BertPreprocessor", PACKING),
        "BertMaskedLMPreprocessor": MASKING,
    },
    "task": {  # BertClassifier is the name of BertTextClassifier until 2024
        "BertMaskedLM": TASK_FIELDS,
        **for_all("BertTextClassifier BertClassifier", CLASSIFIER),
        "BertTextEmbedder": TASK_FIELDS | {"pooling_mode": one_of(("mean", "cls", "max")), "normalize": FLAG},
    },
}
"""Kind of object -> names of its classes -> the rules of their fields."""

REQUIRED: dict[str, Collection[str]] = {"backbone": SIZES.values(), "preprocessor": ("sequence_length",)}
OBJECT = RECORD | {"weights": only(None, "model.weights.h5"), "assets": IGNORED}  # KerasNLP wrote the weights' name
HEADS = {"BertMaskedLM": "masked_lm/", "BertTextClassifier": "classifier/", "BertClassifier": "classifier/"}
MULTI_LABEL = {"linear": False, "softmax": False, "sigmoid": True}
"""Activation of a classifier -> whether it is multi-label."""


class Preset(NamedTuple):
    """The checked configurations of a preset. The defaults are those of a single weights file.

    Args:
        backbone, tokenizer, preprocessor, task: dict, the fields of KerasHub's objects. Defaults to {}: no such file.
        task_class: string, name of the task's class. Defaults to None: no task, or an unknown one.
        problem: string, why the task's head cannot be loaded. Defaults to None.
    """

    backbone: dict[str, Any] = {}
    tokenizer: dict[str, Any] = {}
    preprocessor: dict[str, Any] = {}
    task: dict[str, Any] = {}
    task_class: str | None = None
    problem: str | None = None


def read_preset(directory: Path) -> Preset:
    """Return the `Preset` in a directory. One warning lists all unknown fields.

    Raises:
        FileNotFoundError, ValueError: a file or field is missing, has the wrong type, or an unsupported value.
    """
    records: dict[str, list] = {kind: [] for kind in TABLES}
    unknown: list[str] = []
    task_class, problem = None, None
    for name, kind in ((CONFIG, "backbone"), (PREPROCESSOR, "preprocessor"), (TOKENIZER, "tokenizer"), (TASK, "task")):
        file = directory / name
        if kind != "backbone" and not file.is_file():
            continue
        state = read_json(file)
        if kind == "task":
            task_class, problem = task_of(state)
        if kind != "task" or task_class in TABLES["task"]:
            collect(state, kind, str(file), records, unknown)
    if unknown:
        fields = ", ".join(unknown[:20])
        warn(f"{directory}: unknown fields are ignored: {fields}.")
    agreed: dict[str, Any] = {kind: agree(copies) for kind, copies in records.items()}
    return Preset(**agreed, task_class=task_class, problem=problem)


def task_of(state: dict[str, Any]) -> tuple[str | None, str | None]:
    """Return the name of a task's class, and the reason if its head cannot be loaded, or None."""
    name: Any = state.get("class_name")
    if not is_known(state, TABLES["task"]):
        got = state.get("registered_name") or name
        return None, f"expected one of {', '.join(TABLES['task'])}, got {shown(got)}"
    config: Any = state.get("config")
    activation = config.get("activation") if HEADS.get(name) == "classifier/" and isinstance(config, dict) else None
    activation = "linear" if activation is None else activation
    if not isinstance(activation, str) or activation not in MULTI_LABEL:
        return name, f"activation: expected one of {', '.join(MULTI_LABEL)}, got {shown(activation)}"
    if activation != "linear" and config.get("num_classes") == 1:
        return name, f"activation: expected 'linear' for one class, got {activation!r}"
    return name, None


def is_known(record: dict[str, Any], names: Collection[str]) -> bool:
    """Return whether an object is of one of KerasHub's classes `names`, not of another package's."""
    name, registered = record.get("class_name"), record.get("registered_name")
    return name in list(names) and registered in (None, f"keras_hub>{name}", f"keras_nlp>{name}")


def collect(state: Any, kind: str, source: str, records: dict[str, list], unknown: list[str]) -> None:
    """Check a serialized object and those in it, and append the fields of each to `records`.

    Args:
        state: dict, the serialized object.
        kind: string, a key of `TABLES`.
        source: string, the file and field, for messages.
        records: dict, kind -> list of (source, fields).
        unknown: list, to which unknown fields are appended.
    """
    record = read_known(state, OBJECT, source, ("class_name", "config"), unknown)
    name, tables = record["class_name"], TABLES[kind]
    if not is_known(record, tables):
        other = f"class_name {shown(name)}, registered_name {shown(record.get('registered_name'))}"
        raise ValueError(f"{source}: expected KerasHub's {' or '.join(tables)}, got {other}.")
    fields = read_known(record["config"], tables[name], source, REQUIRED.get(kind, ()), unknown)
    for part in ("backbone", "preprocessor", "tokenizer"):
        inner = fields.pop(part, None)
        if inner is not None:
            collect(inner, part, f"{source}, {part}", records, unknown)
    fields["dtype"] = policy(fields.get("dtype"), source) if kind == "backbone" else None
    records[kind].append((source, {field: value for field, value in fields.items() if field != "name"}))


def read_known(state: Any, table: dict, source: str, required: Collection[str], unknown: list[str]) -> dict[str, Any]:
    """Return the checked known fields of an object, and append the names of the others to `unknown`."""
    fields = read_fields(state, table, source, required, unknown="ignore")
    unknown += [f"{shown(field)} in {Path(source).name}" for field in state if field not in table]
    return fields


def agree(copies: Sequence[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """Return the fields of an object of which there are several copies, all equal; {} if there is none."""
    for source, fields in copies[1:]:
        first, expected = copies[0]
        for field in expected.keys() | fields.keys():
            if expected.get(field) != fields.get(field):
                value = f"{shown(expected.get(field))}, as in {Path(first).name}"
                raise ValueError(f"{source}: {field}: expected {value}, got {shown(fields.get(field))}.")
    return copies[0][1] if copies else {}
