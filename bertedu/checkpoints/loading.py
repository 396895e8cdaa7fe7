"""`load` and `build`: a published BERT by its name or place, or one of its size with random weights.

Chapter: notebooks/00_start_here.ipynb.
"""

import functools
from pathlib import Path
from typing import Any

import keras
import numpy as np
from safetensors.numpy import load_file

from bertedu import files, hub, presets
from bertedu.bert import Bert
from bertedu.checkpoints.common import weights
from bertedu.checkpoints.consistency import read_one_version
from bertedu.checkpoints.formats import FORMATS, recognise
from bertedu.encoder import BertEncoder
from bertedu.masked_lm import BertPretrainer

ASSETS = Path(__file__).parents[1] / "assets"


def load(source: str | Path = "minilm", *, name: str | None = None, dtype: str | None = None) -> Bert:
    """Open a published BERT.

    Args:
        source: a preset's name (`be.presets.PRESETS`), a directory, a file (.keras, .weights.h5), the prefix of a
            TensorFlow checkpoint, or "hf://organisation/name", optionally with "@revision" behind it. Its format is
            recognised from the files: see `bertedu.checkpoints`.
        name: str, its name in figures and messages. Defaults to `source`, without its folders.
        dtype: name of a type, as "float32", to compute in and to convert the weights to. Defaults to the one they were
            saved in; half precision is slow on a CPU.

    Returns:
        a `Bert`.

    Raises:
        ValueError: an unknown preset, or files that do not describe one BERT completely.
        FileNotFoundError: no such directory, or a file missing in it.
        ConnectionError: not on this machine, and not to be downloaded.

    Example:
        >>> load("minilm")
        Bert('minilm': 6 layers, hidden size 384, 12 heads, 22,713,216 parameters)
    """
    source = str(source)
    path = locate(source)
    try:
        bert = read(path, dtype)
    except ValueError as error:
        raise ValueError(error if str(path) in str(error) else f"{path}: {error}") from None
    bert.name = name or short_name(source)
    preset = presets.PRESETS.get(source)
    if preset and preset.masked_lm and (ASSETS / preset.masked_lm).is_file():
        bert.load_masked_lm = functools.partial(with_masked_lm, path, ASSETS / preset.masked_lm, dtype)
    return bert


def build(name: str, weights: str | None = None, **options: Any) -> BertEncoder:
    """Return the encoder of a preset with random weights: the encoder that `load` opens, before it was trained.

    Args:
        name: a preset's name.
        weights: None for random ones; "published" for `load(name).encoder`.
        options: arguments of `BertEncoder` that differ from the preset's.

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
        return BertEncoder(**sizes | options)
    if weights != "published" or options:
        raise ValueError(f'weights must be None, or "published" without further options; got {weights!r}, {options}.')
    return load(name).encoder


def read(path: str | Path, dtype: str | None = None) -> Bert:
    """Return the `Bert` that the checkpoint at `path` holds.

    Args:
        path: directory, file or prefix.
        dtype: name of the type of the weights. Defaults to the one they have there.

    Raises:
        FileNotFoundError, ValueError: a file, field or tensor is missing, unknown, mis-shaped or damaged; or another
        process changes the files all the time.
    """
    bert = read_one_version(Path(path), lambda path: FORMATS[recognise(path)].read(path, dtype))
    if not bert.has_pooler:  # a new head will need one to start from, as a new model does
        kernel = bert.encoder.pooler_layer.kernel
        kernel.assign(bert.encoder.initializer(kernel.shape, dtype=kernel.dtype))
    return bert


def with_masked_lm(path: Path, changes: Path, dtype: str | None = None) -> Bert:
    """Return the model at `path` with a masked-LM head, its encoder changed to fit that head.

    Args:
        path: of the checkpoint. Re-read, because the caller may have modified the encoder that was loaded before.
        changes: a safetensors file that data/build_mlm_head.py made. "masked_lm/..." are the weights of the head; any
            other name is a weight of the encoder to which the tensor is added: as it is, or for "name/down" and
            "name/up" their product, a matrix of low rank (Hu et al. 2021, https://arxiv.org/abs/2106.09685).
        dtype: as for `load`.

    Returns:
        a `Bert`, whose `masked_lm` stands on its own encoder.

    Raises:
        ValueError: the file belongs to another model.
    """
    bert = read(path, dtype)
    encoder = bert.encoder
    pretrainer = BertPretrainer(encoder, encoder.inner_activation)
    variables, tensors = weights(encoder, pretrainer), load_file(changes)
    unknown = {name.removesuffix("/down").removesuffix("/up") for name in tensors} - variables.keys()
    if unknown:
        raise ValueError(f"{changes} is not for {path}, which has no {sorted(unknown)[0]!r}.")
    for name, variable in variables.items():
        value = keras.ops.convert_to_numpy(variable).astype("float32")
        if f"{name}/down" in tensors:
            down, up = (tensors[f"{name}/{part}"].astype("float32") for part in ("down", "up"))
            variable.assign(value + np.reshape(down @ up, value.shape))
        elif name in tensors:
            variable.assign(tensors[name] if name.startswith("masked_lm/") else value + tensors[name])
    return Bert(bert.tokenizer, encoder, bert.preprocessor, name=changes.stem, has_pooler=False, masked_lm=pretrainer)


def short_name(source: str) -> str:
    """Return the default name of a model: its preset, or the last part of its path or repository.

    Example:
        >>> short_name("hf://organisation/name@main"), short_name("models/mine/"), short_name("minilm")
        ('name', 'mine', 'minilm')
    """
    return Path(source.partition("@")[0] if source.startswith("hf://") else source).name


def locate(source: str) -> Path:
    """Return the path of `source`: a preset's name, a directory, file or prefix, or "hf://organisation/name[@revision]".

    Raises:
        ValueError, FileNotFoundError, ConnectionError: as `load`.
    """
    if source.startswith("hf://"):
        repository, _, revision = source.removeprefix("hf://").partition("@")
        if repository.count("/") != 1:
            raise ValueError(f"{source!r} must look like hf://organisation/name, or hf://organisation/name@revision.")
        return hub.download_model(repository, revision or None)
    path = Path(source).expanduser()
    if path.exists() or path.with_name(f"{path.name}.index").is_file() or files.recover(path):
        return path
    if source not in presets.PRESETS and (path.is_absolute() or len(path.parts) > 1 or source.startswith(".")):
        raise FileNotFoundError(f"There is no directory {source!r}.")
    return presets.find(presets.get(source))
