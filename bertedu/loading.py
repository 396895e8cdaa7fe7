"""Loading: a published BERT by its name or place, or one of its size with random weights.

Chapter: notebooks/00_start_here.ipynb.
"""

import functools
from pathlib import Path

import keras
import numpy as np
from safetensors.numpy import load_file

from bertedu import checkpoints, files, presets
from bertedu.bert import Bert
from bertedu.checkpoints.common import weights
from bertedu.encoder import BertEncoder
from bertedu.masked_lm import BertPretrainer

ASSETS = Path(__file__).parent / "assets"


def load(source="minilm", *, name=None, dtype=None):
    """Opens a published BERT.

    Args:
        source: a preset's name (`be.presets.PRESETS`), a directory, a file (.keras, .weights.h5), the prefix of a
            TensorFlow checkpoint, or "hf://organisation/name", with "@revision" behind it if wanted. What format it is
            in is told from the files: see `bertedu.checkpoints`.
        name: str or None, what to call it in pictures and messages (None: `source`, without its folders).
        dtype: name of a type, as "float32", to compute in and to turn the weights into (None: the one they were saved
            in; half precision is slow on a CPU).

    Returns:
        a `Bert`.

    Raises:
        ValueError: an unknown preset, or files that do not describe one BERT completely.
        FileNotFoundError: no such directory, or a file missing in it.
        ConnectionError: nowhere here, and not to be downloaded.

    Example:
        >>> load("minilm")
        Bert('minilm': 6 layers, 384 wide, 12 heads, 22,713,216 parameters)
    """
    source = str(source)
    path = locate(source)
    try:
        bert = checkpoints.read(path, dtype)
    except ValueError as error:
        raise ValueError(error if str(path) in str(error) else f"{path}: {error}") from None
    bert.name = name or short_name(source)
    bert.load_masked_lm = masked_lm_loader(source, path, dtype)
    return bert


def build(name, weights=None, **options):
    """The encoder of a preset, with random weights: what `load` opens, before it was trained.

    Args:
        name: a preset's name.
        weights: None for random ones; "published" for `load(name).encoder`.
        options: arguments of `BertEncoder` that shall differ from the preset's.

    Returns:
        a `BertEncoder`.

    Raises:
        ValueError: an unknown preset, other `weights`, or options beside published ones.

    Example:
        >>> build("minilm", num_layers=1).num_layers
        1
    """
    sizes = presets.get(name).sizes
    if weights is None:
        return BertEncoder(**{**sizes, **options})
    if weights != "published" or options:
        raise ValueError(f'weights must be None, or "published" without further options; got {weights!r}, {options}.')
    return load(name).encoder


def masked_lm_loader(source, path, dtype=None):
    """Return a function that loads the masked-LM model of a preset that was published without a head, or None."""
    preset = presets.PRESETS.get(source)
    if preset is None or preset.guesser is None or not (ASSETS / preset.guesser).is_file():
        return None
    return functools.partial(adapted, path, ASSETS / preset.guesser, dtype)


def adapted(path, changes, dtype=None):
    """The model at `path` with a masked-LM head, and with its encoder changed to fit that head.

    Args:
        path: of the checkpoint. It is read anew: who asks may have trained the encoder that was read before.
        changes: a safetensors file that data/build_mlm_head.py made. "masked_lm/..." are the weights of the head; any
            other name is a weight of the encoder, and what stands there is added to it: as it is, or for
            "name/down" and "name/up" their product, a matrix of low rank (Hu et al. 2021,
            https://arxiv.org/abs/2106.09685).
        dtype: as for `load`.

    Returns:
        a `Bert`, whose `masked_lm` stands on its own encoder.

    Raises:
        ValueError: the file belongs to another model.
    """
    bert = checkpoints.read(path, dtype)
    encoder = bert.encoder
    pretrainer = BertPretrainer(encoder, encoder.inner_activation)
    variables, found = weights(encoder, pretrainer), load_file(changes)
    unknown = {name.removesuffix("/down").removesuffix("/up") for name in found} - variables.keys()
    if unknown:
        raise ValueError(f"{changes} is not for {path}, which has no {sorted(unknown)[0]!r}.")
    for name, variable in variables.items():
        value = keras.ops.convert_to_numpy(variable).astype("float32")
        if f"{name}/down" in found:
            down, up = (found[f"{name}/{part}"].astype("float32") for part in ("down", "up"))
            variable.assign(value + np.reshape(down @ up, value.shape))
        elif name in found:
            variable.assign(found[name] if name.startswith("masked_lm/") else value + found[name])
    return Bert(bert.tokenizer, encoder, bert.preprocessor, name=changes.stem, has_pooler=False, masked_lm=pretrainer)


def short_name(source):
    """What a model is called when nobody says: its preset, or the last part of its path or repository.

    Example:
        >>> short_name("hf://organisation/name@main"), short_name("models/mine/"), short_name("minilm")
        ('name', 'mine', 'minilm')
    """
    if source.startswith("hf://"):
        source = source.partition("@")[0]
    return Path(source).name


def locate(source):
    """The path of `source`, a preset's name, a directory, a checkpoint's prefix or "hf://organisation/name[@revision]"."""
    if source.startswith("hf://"):
        hub, _, revision = source.removeprefix("hf://").partition("@")
        if hub.count("/") != 1:
            raise ValueError(f"{source!r} must look like hf://organisation/name, or hf://organisation/name@revision.")
        return presets.download(hub, revision or None)
    path = Path(source).expanduser()
    if path.exists() or path.with_name(f"{path.name}.index").is_file() or files.recover(path):
        return path
    if source not in presets.PRESETS and (path.is_absolute() or len(path.parts) > 1 or source.startswith(".")):
        raise FileNotFoundError(f"There is no directory {source!r}.")
    return presets.find(presets.get(source))
