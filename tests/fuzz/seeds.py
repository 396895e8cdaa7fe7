"""The valid inputs of each family, from the project's golden files, and small ones made here."""

import io
import json
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np

from . import tree
from .tree import Seed

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))  # `python -m tests.fuzz` has not got it, and pytest has

from small_world import VOCABULARY  # noqa: E402

GOLDEN = TESTS / "golden"
CHECKPOINTS = GOLDEN / "checkpoints"
WRITTEN = GOLDEN / "v0_1"
TF1 = "uncased_L-2_H-21_A-3"
WORDS = "".join(f"{word}\n" for word in VOCABULARY).encode()


def without_answers(files):
    """Return a tree without what the tests compare with."""
    return {name: content for name, content in files.items() if name != "expected.npz"}


def written(kind):
    """Return the models that version 0.1 wrote in one format."""
    return [Seed(path.parent.name, tree.read(path)) for path in sorted(WRITTEN.glob(f"*/{kind}"))]


def unzipped(name):
    """Return a zipped KerasHub model, its folder's name removed."""
    with zipfile.ZipFile(CHECKPOINTS / f"{name}.zip") as opened:
        members = {member.partition("/")[2]: opened.read(member) for member in opened.namelist()}
    return without_answers(members)


def safetensors(tensors):
    """Return tensors as a safetensors file; the same bytes every time."""
    header, body = {}, b""
    for name, value in tensors.items():
        content = np.ascontiguousarray(value).tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": list(value.shape),
            "data_offsets": [len(body), len(body) + len(content)],
        }
        body += content
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def plain_huggingface(pooler=True):
    """Return a model as transformers writes it: no files of sentence-transformers, vocabulary in vocab.txt."""
    import tiny_bert

    words = "".join(f"{word}\n" for word in tiny_bert.WORDS).encode()
    config = json.dumps(tiny_bert.CONFIG | {"hidden_dropout_prob": 0.1, "architectures": ["BertModel"]}).encode()
    return {
        "config.json": config,
        "model.safetensors": safetensors(tiny_bert.tensors(pooler=pooler)),
        "vocab.txt": words,
    }


def sharded_huggingface():
    """Return the same in three shards with their index."""
    import tiny_bert

    files, tensors = plain_huggingface(), tiny_bert.tensors()
    del files["model.safetensors"]
    shards = [f"model-0000{i + 1}-of-00003.safetensors" for i in range(3)]
    weight_map = {name: shards[i % 3] for i, name in enumerate(tensors)}
    for shard in shards:
        files[shard] = safetensors({name: tensors[name] for name in tensors if weight_map[name] == shard})
    index = {"metadata": {"total_size": sum(value.nbytes for value in tensors.values())}, "weight_map": weight_map}
    return files | {"model.safetensors.index.json": json.dumps(index).encode()}


def huggingface():
    """Hugging Face: from transformers, and from version 0.1 without its sentence-transformers files."""
    extra = ("modules.json", "sentence_bert_config.json", "1_Pooling/config.json")
    from_v0_1 = [
        seed._replace(tree={name: content for name, content in seed.tree.items() if name not in extra})
        for seed in written("huggingface")
    ]
    return [Seed("transformers", plain_huggingface()), Seed("no pooler", plain_huggingface(pooler=False)), *from_v0_1]


def sentence_transformers():
    """Return a folder as sentence-transformers writes it, and those of version 0.1."""
    pooling = {"word_embedding_dimension": 22, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
    pooling |= {"pooling_mode_max_tokens": False, "pooling_mode_mean_sqrt_len_tokens": False}
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    ]
    files = {
        "modules.json": modules,
        "1_Pooling/config.json": pooling,
        "sentence_bert_config.json": {"max_seq_length": 16, "do_lower_case": False},
        "config_sentence_transformers.json": {"__version__": {"sentence_transformers": "3.3.0"}, "prompts": {}},
        "tokenizer_config.json": {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 29},
    }
    files = {name: json.dumps(content, indent=2).encode() for name, content in files.items()}
    return [Seed("by hand", plain_huggingface() | files), *written("huggingface")]


def keras():
    """Keras archives of version 0.1; without the one that holds no vocabulary, which `be.load` refuses."""
    return [
        Seed(path.parent.name, {"model.keras": path.read_bytes()}, "model.keras")
        for path in sorted(WRITTEN.glob("*/model.keras"))
        if path.parent.name != "with_an_embedding_layer"
    ]


def keras_hub():
    """KerasHub's presets; the one that came without its tokenizer gets another's."""
    names = ("keras_hub_classifier", "keras_hub_embedder", "keras_hub_half", "keras_hub_masked_lm")
    tokenizer = unzipped("keras_hub_embedder")["tokenizer.json"]
    added = {"assets/tokenizer/vocabulary.txt": WORDS, "tokenizer.json": tokenizer}
    return [Seed(name, added | unzipped(name)) for name in names]


def shards():
    """Weights in shards: Hugging Face's and KerasHub's; and bare HDF5 weights, by folder and by file."""
    bare = unzipped("keras_hub_weights_uncased") | {"bert_config.json": b'{"do_lower_case": true}'}
    return [
        Seed("safetensors", sharded_huggingface()),
        Seed("hdf5", unzipped("keras_hub_masked_lm")),
        Seed("bare folder", bare),
        Seed("bare file", bare, "bert.weights.h5"),
    ]


def tensorflow(name, config, target="."):
    """Return a TensorFlow checkpoint, with the vocabulary and the configuration that `be.load` wants beside it."""
    files = {"vocab.txt": WORDS, "bert_config.json": json.dumps(config | {"do_lower_case": True}).encode()}
    return Seed(name, without_answers(tree.read(CHECKPOINTS / name)) | files, target)


def tf1():
    """The release of 2018, by folder and by prefix."""
    config = json.loads((CHECKPOINTS / TF1 / "bert_config.json").read_bytes())
    return [tensorflow(TF1, config), tensorflow(TF1, config, "bert_model.ckpt")]


def tf2():
    """Object-based checkpoints of the TensorFlow Model Garden."""
    names = ("tf2_encoder", "tf2_pretrainer", "v1_classifier", "v2_classifier", "v2_encoder", "v2_narrow")
    config = {"hidden_size": 21, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "layer_norm_eps": 1e-12}
    return [tensorflow(name, config) for name in (*names, "v2_pretrainer", "talking_heads")]


def saved_model():
    """SavedModels of TensorFlow Hub, and of version 0.1."""
    hub = [Seed(name, without_answers(tree.read(CHECKPOINTS / name))) for name in ("hub_encoder", "hub_mlm")]
    return [
        *hub,
        Seed("hub_talking_heads", without_answers(tree.read(CHECKPOINTS / "hub_talking_heads"))),
        *written("saved_model"),
    ]


def tokenizer_json():
    """tokenizer.json of version 0.1, and one with added tokens."""
    state = json.loads((WRITTEN / "encoder" / "bertedu" / "tokenizer.json").read_bytes())
    added = state | {
        "added_tokens": [*state["added_tokens"], {**state["added_tokens"][-1], "id": 20, "content": "[NEW]"}]
    }
    return [
        Seed(name, {"tokenizer.json": json.dumps(content, indent=2).encode()}, "tokenizer.json")
        for name, content in (("plain", state), ("added token", added))
    ]


def vocab_txt():
    """vocab.txt with and without a newline at the end."""
    return [Seed(n, {"vocab.txt": text}, "vocab.txt") for n, text in (("plain", WORDS), ("no newline", WORDS.rstrip()))]


ROWS = [("the cat sat", "it was warm", "good"), ("the dog, ran", "no", "bad"), ("un", 'a "quote"', "good")]
COLUMNS = ("text", "pair", "label")


def table(separator, ending, quoted):
    """Return a table of three columns as text."""
    cells = [
        [f'"{cell.replace(chr(34), chr(34) * 2)}"' if quoted else cell for cell in row] for row in (COLUMNS, *ROWS)
    ]
    text = "".join(f"{separator.join(row)}\n" for row in cells)
    return data_seeds({f"examples{ending}": text.encode()})


def data_seeds(files):
    """Return a table read without and with its second texts."""
    (name,) = files
    return [Seed("texts", files, name), Seed("pairs", files, name, {"pair": "pair"})]


def tsv():
    """A tab-separated table."""
    return table("\t", ".tsv", False)


def csv():
    """A comma-separated table with quoted fields."""
    return table(",", ".csv", True)


def jsonl():
    """JSON Lines."""
    text = "".join(json.dumps(dict(zip(COLUMNS, row, strict=True))) + "\n" for row in ROWS)
    return data_seeds({"examples.jsonl": text.encode()})


def parquet():
    """Parquet; needs pyarrow."""
    import pyarrow
    import pyarrow.parquet

    columns = {name: [row[i] for row in ROWS] for i, name in enumerate(COLUMNS)}
    seeds = []
    for compression in ("snappy", "none"):
        held = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.table(columns), held, compression=compression)
        seeds += data_seeds({"examples.parquet": held.getvalue()})
    return seeds


def adapter():
    """Adapters of peft: with a head of each kind, and without one."""
    import tiny_adapter

    tagging = {"task_type": "TOKEN_CLS", "modules_to_save": ["classifier"], "use_rslora": True}
    return [
        Seed("classifier", tiny_adapter.files()),
        Seed("token classifier", tiny_adapter.files(tagging)),
        Seed("no head", tiny_adapter.files({"task_type": None, "modules_to_save": None}, head=False)),
    ]


SENTENCES = [
    (("Ada", "Lovelace", "slept"), ("B-PER", "I-PER", "O")),
    (("In", "Turin"), ("O", "B-LOC")),
    (("Yes", ","), ("O", "O")),
]


def conll():
    """CoNLL: two columns and tabs; four columns, spaces and documents; IOB1."""
    two, four, iob1 = "", "", ""
    for words, tags in SENTENCES:
        two += "".join(f"{word}\t{tag}\n" for word, tag in zip(words, tags, strict=True)) + "\n"
        four += "-DOCSTART- -X- -X- O\n\n"
        four += "".join(f"{word} X Y {tag}\n" for word, tag in zip(words, tags, strict=True)) + "\n"
        iob1 += "".join(f"{word} {tag.replace('B-', 'I-')}\n" for word, tag in zip(words, tags, strict=True)) + "\n"
    files = {"two columns": two, "four columns": four, "iob1": iob1}
    return [
        Seed(name, {"tags.conll": text.encode()}, "tags.conll", {"scheme": "iob1"} if name == "iob1" else {})
        for name, text in files.items()
    ]


def tags_jsonl():
    """Tagged sentences as JSON Lines, with names and with numbers as tags."""
    names = ["O", "B-LOC", "B-PER", "I-PER"]
    named = [{"words": words, "tags": tags, "document": "1"} for words, tags in SENTENCES]
    numbered = [{"tokens": words, "ner_tags": [names.index(tag) for tag in tags]} for words, tags in SENTENCES]
    forms = {"names": (named, {}), "numbers": (numbered, {"names": names})}
    return [
        Seed(name, {"tags.jsonl": "".join(f"{json.dumps(row)}\n" for row in rows).encode()}, "tags.jsonl", options)
        for name, (rows, options) in forms.items()
    ]


def notebook():
    """A notebook of each format that is met: 4.5 with cell ids, 4.0, and one with widgets' state."""
    prose = ["# Title\n", "See [a chapter](01_text.ipynb#x) and [a page](https://example.org).\n", "`solution`, then."]
    code = [
        "from bertedu.course import check, solution\n",
        "x = 1\n",
        'check("attention.scale", 1)\n',
        "solution()",
    ]
    stream = {"output_type": "stream", "name": "stdout", "text": ["1\n"]}
    shown = {"output_type": "display_data", "data": {"text/plain": ["x"], "image/png": "aGk=\n"}, "metadata": {}}
    cells = [
        {"cell_type": "markdown", "id": "a1", "metadata": {}, "source": prose},
        {"cell_type": "code", "id": "b2", "metadata": {"tags": ["x"]}, "source": code, "execution_count": 1},
        {"cell_type": "markdown", "id": "c3", "metadata": {}, "source": ["## Solutions\n", "\n", "Here."]},
        {"cell_type": "raw", "id": "d4", "metadata": {}, "source": "raw"},
    ]
    cells[1]["outputs"] = [stream, shown]
    without_ids = [{key: value for key, value in cell.items() if key != "id"} for cell in cells]
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    state = {
        "widgets": {"application/vnd.jupyter.widget-state+json": {"state": {}, "version_major": 2, "version_minor": 0}}
    }
    forms = {
        "4.5": {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5},
        "4.0": {"cells": without_ids, "metadata": kernel, "nbformat": 4, "nbformat_minor": 0},
        "widgets": {"cells": cells, "metadata": kernel | state, "nbformat": 4, "nbformat_minor": 5},
    }
    return [
        Seed(n, {"chapter.ipynb": json.dumps(form, indent=1).encode()}, "chapter.ipynb") for n, form in forms.items()
    ]


FAMILIES = {
    "bertedu": lambda: written("bertedu"),
    "huggingface": huggingface,
    "sentence_transformers": sentence_transformers,
    "keras": keras,
    "keras_hub": keras_hub,
    "shards": shards,
    "tf1": tf1,
    "tf2": tf2,
    "saved_model": saved_model,
    "tokenizer_json": tokenizer_json,
    "vocab_txt": vocab_txt,
    "tsv": tsv,
    "csv": csv,
    "jsonl": jsonl,
    "parquet": parquet,
    "adapter": adapter,
    "conll": conll,
    "tags_jsonl": tags_jsonl,
    "notebook": notebook,
}
