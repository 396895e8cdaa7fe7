"""`.keras` files: what `keras.models.load_model` opens, with the tokenizer beside the model in the same archive.

Any `.keras` file with a `BertEncoder` somewhere in its model can be read, also one that `model.save` made. Its
configuration may name only Keras' classes, ours, and those that the reader has imported.
Chapter: notebooks/10_checkpoints.ipynb.
"""

import json
import tempfile
import zipfile
from pathlib import Path

import keras
import numpy as np

from bertedu.checkpoints.common import Contents, EmbedSettings, TensorInfo, preprocessor_for, weights
from bertedu.checkpoints.native import check_harmless
from bertedu.classifier import BertClassifier
from bertedu.encoder import BertEncoder
from bertedu.masked_lm import BertPretrainer
from bertedu.text import BertPreprocessor, BertTokenizer

LOOKED_FOR = "Keras: a file that ends in .keras"
TRUNCATION = "round_robin"
SETTINGS, TOKENIZER = "bertedu.json", "tokenizer.json"  # members that we add to Keras' own


def recognises(path):
    """Whether `path` is a `.keras` file."""
    return Path(path).is_file() and Path(path).suffix == ".keras"


def write(bert, path):
    """Writes a `Bert` as a `.keras` file: its classifier, its pretrainer, or else its encoder as a functional model.

    Args:
        bert: a `Bert`.
        path: a path that ends in .keras and is not there yet; see `files.replacing`.

    Raises:
        ValueError: another ending, or two heads, of which a file can hold one.
    """
    if path.suffix != ".keras":
        raise ValueError(f'path must end in ".keras" for format="keras", got {path.name!r}.')
    if bert.masked_lm is not None and bert.classifier is not None:
        raise ValueError('A .keras file holds one model, and this has two heads: choose format="bertedu".')
    encoder = bert.encoder
    model = bert.classifier or bert.masked_lm or keras.Model(encoder.inputs, encoder(encoder.inputs), name="bert_model")
    model.save(path)
    settings = {
        "has_pooler": bert.has_pooler,
        "preprocessor": {"seq_length": bert.preprocessor.seq_length, "truncation": bert.preprocessor.truncation},
        "embed": bert.embed_settings._asdict(),
    }
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path, "a") as archive:
        bert.tokenizer.save(Path(folder) / TOKENIZER)
        archive.write(Path(folder) / TOKENIZER, TOKENIZER, zipfile.ZIP_DEFLATED)
        archive.writestr(SETTINGS, json.dumps(settings, indent=2), zipfile.ZIP_DEFLATED)


def read(path, dtype=None):
    """The `Contents` of a `.keras` file.

    Args:
        path: the file.
        dtype: name of the type that the weights shall have (None: the one they have there).

    Raises:
        ValueError: damaged, without a BERT in it, or with classes that nobody here knows.
    """
    parts = parts_of(load(path))
    if BertEncoder not in parts:
        raise ValueError(f"{path} holds a Keras model, but no BertEncoder in it.")
    settings = json.loads(member(path, SETTINGS) or "{}")
    encoder, masked_lm, classifier = recast(parts, dtype)
    preprocessor = parts.get(BertPreprocessor) or preprocessor_for(read_tokenizer(path), encoder, TRUNCATION)
    if "preprocessor" in settings:
        preprocessor = BertPreprocessor(preprocessor.tokenizer, **settings["preprocessor"])
    return Contents(
        encoder,
        settings.get("has_pooler", True),
        preprocessor,
        [],
        masked_lm,
        classifier,
        EmbedSettings(**settings.get("embed", {})),
    )


def load(path):
    """The Keras model in a file, its configuration checked before anything of it is built."""
    text = member(path, "config.json")
    try:
        check_harmless(json.loads(text), path)
        return keras.saving.load_model(path, compile=False)
    except (zipfile.BadZipFile, KeyError, OSError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path} is damaged or no Keras model ({reason:.150}): save or download it again.") from None


def member(path, name):
    """The bytes of a member of the archive, None where there is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(name) if name in archive.namelist() else None
    except (zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{path} is damaged or cut off ({error}): save or download it again.") from None


def read_tokenizer(path):
    """The `BertTokenizer` that `write` put into the archive, or of a vocab.txt beside it; None without either."""
    content = member(path, TOKENIZER)
    if content is None:
        vocabulary = Path(path).with_name("vocab.txt")
        return BertTokenizer(vocabulary) if vocabulary.is_file() else None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / TOKENIZER
        file.write_bytes(content)
        return BertTokenizer.from_file(file)


def parts_of(model):
    """The parts of a BERT in a Keras model, a dict by class; the model itself may be one."""
    found = {}
    for layer in (model, *getattr(model, "layers", ())):
        for kind in (BertEncoder, BertPretrainer, BertClassifier, BertPreprocessor):
            if isinstance(layer, kind):
                found.setdefault(kind, layer)
        if layer is not model and hasattr(layer, "layers"):
            found = parts_of(layer) | found
    return found


def recast(parts, dtype):
    """Encoder, pretrainer and classifier of `parts`, with weights of another `dtype` if one is asked for."""
    encoder, masked_lm, classifier = (parts.get(kind) for kind in (BertEncoder, BertPretrainer, BertClassifier))
    if dtype is None or dtype == encoder.dtype_policy.name:
        return encoder, masked_lm, classifier
    copy = BertEncoder.from_config(encoder.get_config() | {"dtype": dtype})
    heads = [
        head
        and type(head)(copy, **{k: v for k, v in head.get_config().items() if k not in ("network", "encoder_network")})
        for head in (masked_lm, classifier)
    ]
    new = weights(copy, *heads)
    for ours, variable in weights(encoder, masked_lm, classifier).items():
        new[ours].assign(np.asarray(keras.ops.convert_to_numpy(variable), "float32"))
    return copy, *heads


def tensors(path):
    """The `TensorInfo` of every weight in a file."""
    parts = parts_of(load(path))
    named = weights(*(parts.get(kind) for kind in (BertEncoder, BertPretrainer, BertClassifier)))
    return [TensorInfo(v.path, tuple(v.shape), v.dtype, ours, True) for ours, v in named.items()]
