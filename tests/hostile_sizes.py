"""Files that would use up time or memory: one field of a valid file, far too large."""

import json
import struct
import zipfile

from hostile_base import WEIGHTS, WRITTEN, Hostile, directory, keras_file, set_at
from hostile_folders import BERTEDU, HF, HUB, SHARDS, SINGLE, TOKENIZER
from hostile_keras import encoder_of

MANY = 10**9
NESTED = b"[" * 100_000
BOMB = 2 * 2**30
LONG = "x" * 10_000_000
CHUNK = bytes(2**20)


def bomb(name):
    """Return a writer of a `.keras` file with 2 GB of zeros in a few MB as one of its members."""

    def write(folder, trap):
        with zipfile.ZipFile(WRITTEN / "encoder" / "model.keras") as archive:
            content = {member: archive.read(member) for member in archive.namelist() if member != name}
        path = folder / "hostile.keras"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for member, data in content.items():
                archive.writestr(member, data)
            with archive.open(name, "w", force_zip64=True) as file:
                for _ in range(BOMB // len(CHUNK)):
                    file.write(CHUNK)
        return path

    return write


def in_encoder(field, value):
    """Return a writer of a `.keras` file whose encoder has `value` as an argument."""
    return lambda folder, trap: keras_file(folder, lambda state: encoder_of(state)["config"].update({field: value}))


def edit(source, file, *keys_and_value):
    """Return a writer of a directory with one value changed in a JSON file."""
    return lambda folder, trap: directory(folder, source, {file: set_at(*keys_and_value)})


def replaced(source, file, content):
    """Return a writer of a directory with the bytes of one file replaced."""
    return lambda folder, trap: directory(folder, source, {file: content})


def member(name, content, source="encoder"):
    """Return a writer of a `.keras` file with the bytes of one member replaced."""
    return lambda folder, trap: keras_file(folder, members={name: content}, source=source)


def added_token(source, file=TOKENIZER):
    """Return a writer of a directory whose tokenizer.json adds a token of ten million letters."""

    def change(state):
        state["added_tokens"].append({"id": len(state["model"]["vocab"]), "content": LONG, "special": True})

    return lambda folder, trap: directory(folder, source, {file: change})


def header(state):
    """Return a writer of a Hugging Face directory with this header in its safetensors file."""
    content = json.dumps(state).encode()
    return replaced(HF, SINGLE, struct.pack("<Q", len(content)) + content)


def offsets(begin, end, shape):
    """Return the header of a safetensors file with one tensor."""
    return {"embeddings.LayerNorm.bias": {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}}


SETTINGS = {"has_pooler": True, "embed": {}, "preprocessor": {"seq_length": 10**12, "truncation": "round_robin"}}
JSON_FILES = {
    BERTEDU: ("bertedu.json", TOKENIZER),
    HF: (
        "config.json",
        TOKENIZER,
        "tokenizer_config.json",
        "modules.json",
        "sentence_bert_config.json",
        "1_Pooling/config.json",
    ),
    HUB: ("config.json", "task.json", "preprocessor.json", TOKENIZER),
    SHARDS: ("model.weights.json",),
    "v0_1/encoder/saved_model": (f"variables/{TOKENIZER}", "variables/bert_config.json"),
}
MEMBERS = ("config.json", "metadata.json", "bertedu.json", TOKENIZER)


def nested_index(folder, trap):
    """Write a Hugging Face directory whose index of shards is nested too deeply."""
    path = directory(folder, HF, {f"{SINGLE}.index.json": NESTED})
    (path / SINGLE).unlink()
    return path


def sizes():
    """Return the hostile files whose sizes are too large, for each format."""
    fields = ("vocab_size", "hidden_size", "inner_dim", "max_sequence_length", "num_attention_heads")
    for field, value in {"num_layers": 10**6, **dict.fromkeys(fields, MANY)}.items():
        yield Hostile(f".keras: {field} {value:,}", in_encoder(field, value), (field, "shape"))
        yield Hostile(
            f"bertedu: {field} {value:,}", edit(BERTEDU, "bertedu.json", "encoder", field, value), (field, "shape")
        )
    for field, value in {"vocab_size": MANY, "num_hidden_layers": 10**6, "max_position_embeddings": MANY}.items():
        yield Hostile(f"Hugging Face: {field} {value:,}", edit(HF, "config.json", field, value), (field, "shape"))
    for field, value in {"vocabulary_size": MANY, "num_layers": 10**6, "max_sequence_length": MANY}.items():
        yield Hostile(
            f"KerasHub: {field} {value:,}", edit(HUB, "config.json", "config", field, value), (field, "shape")
        )


def deeply_nested():
    """Return every JSON file of every format with brackets nested 100,000 deep."""
    for source, files in JSON_FILES.items():
        for file in files:
            family = source.split("/")[-1].removesuffix(".zip")
            yield Hostile(f"{family}: nested {file}", replaced(source, file, NESTED), (file.split("/")[-1],))
    for name in MEMBERS:
        yield Hostile(f".keras: nested {name}", member(name, NESTED), (name,), opens=name == "metadata.json")
    yield Hostile("Hugging Face: nested index of shards", nested_index, (f"{SINGLE}.index.json",))


BOUNDED = [
    case._replace(memory=True)
    for case in [
        *sizes(),
        *deeply_nested(),
        Hostile(
            "bertedu: num_classes 1,000,000,000",
            edit("v0_1/classifier/bertedu", "bertedu.json", "classifier", "num_classes", MANY),
            ("num_classes", "shape"),
        ),
        Hostile(
            "bertedu: units 1,000,000,000",
            edit(
                "v0_1/classifier_with_a_dense_head/bertedu",
                "bertedu.json",
                "classifier",
                "cls_head",
                "config",
                "units",
                MANY,
            ),
            ("units", "shape"),
        ),
        Hostile(
            "bertedu: seq_length 10**12",
            edit(BERTEDU, "bertedu.json", "preprocessor", "seq_length", 10**12),
            ("seq_length",),
        ),
        Hostile(".keras: seq_length 10**12", member("bertedu.json", json.dumps(SETTINGS).encode()), ("seq_length",)),
        Hostile(
            "KerasHub: sequence_length 10**12",
            edit(HUB, "preprocessor.json", "config", "sequence_length", 10**12),
            ("sequence_length",),
            opens=True,
        ),
        Hostile(
            "Hugging Face: max_seq_length 10**12",
            edit(HF, "sentence_bert_config.json", "max_seq_length", 10**12),
            ("max_seq_length",),
            opens=True,
        ),
        Hostile("bertedu: a token of ten million letters", added_token(BERTEDU), (TOKENIZER,)),
        Hostile("Hugging Face: a token of ten million letters", added_token(HF), (TOKENIZER,)),
        Hostile(
            "Hugging Face: vocab.txt of one line", replaced(HF, "vocab.txt", LONG.encode()), ("vocab.txt",), opens=True
        ),
        Hostile("Hugging Face: tensor that ends behind the file", header(offsets(0, 2**62, [2**60])), (SINGLE,)),
        Hostile("Hugging Face: tensor of negative length", header(offsets(2**40, 0, [6])), (SINGLE,)),
        Hostile("Hugging Face: tensor of another length", header(offsets(0, 0, [MANY])), (SINGLE,)),
        Hostile(
            "Hugging Face: header longer than the file",
            replaced(HF, SINGLE, struct.pack("<Q", 2**62) + b"{}"),
            (SINGLE,),
        ),
        Hostile(
            "Hugging Face: nested safetensors header",
            replaced(HF, SINGLE, struct.pack("<Q", len(NESTED)) + NESTED),
            (SINGLE,),
        ),
        *(
            Hostile(f".keras: 2 GB of zeros as {name}", bomb(name), (name,))
            for name in (WEIGHTS, "config.json", TOKENIZER)
        ),
    ]
]
