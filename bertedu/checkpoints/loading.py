"""`load` and `build`: a published BERT by name or path, or one of the same size with random weights.

Chapter: notebooks/00_start_here.ipynb.
"""

import functools
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

from bertedu import files, hub, presets
from bertedu.bert import Bert
from bertedu.checkpoints.adapters import merge_tensors
from bertedu.checkpoints.common import weights
from bertedu.checkpoints.consistency import read_one_version
from bertedu.checkpoints.formats import FORMATS, recognize
from bertedu.encoder import BertEncoder
from bertedu.masked_lm import BertPretrainer

ASSETS = Path(__file__).parents[1] / "assets"


def load(source: str | Path = "minilm", *, name: str | None = None, dtype: str | None = None) -> Bert:
    """Load a pretrained BERT.

    Args:
        source: name of a preset (`be.presets.PRESETS`), path of a directory or file (.keras, .weights.h5), prefix of a
            TensorFlow checkpoint, or "hf://organization/name" with an optional "@revision". The format is recognized
            from the files: see `bertedu.checkpoints`. Defaults to "minilm".
        name: string, the model's name in figures and messages. Defaults to the last part of `source`.
        dtype: name of a dtype ("float32") for computation and weights. Defaults to the dtype of the checkpoint. Half
            precision is slow on a CPU, except bfloat16 on one with instructions for it (`avx512_bf16`, `amx_bf16`).

    Returns:
        a `Bert`.

    Raises:
        ValueError: the preset is unknown, or the files do not describe one complete BERT.
        FileNotFoundError: the directory or one of its files does not exist.
        ConnectionError: the model is not on this machine and cannot be downloaded.

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
    bert.name = name or Path(source.partition("@")[0] if source.startswith("hf://") else source).name
    preset = presets.PRESETS.get(source)
    if preset and preset.masked_lm and (ASSETS / preset.masked_lm).is_file():
        bert.load_masked_lm = functools.partial(with_masked_lm, path, ASSETS / preset.masked_lm, dtype)
    return bert


def build(name: str, weights: str | None = None, **options: Any) -> BertEncoder:
    """Build the encoder of a preset with random weights: the architecture that `load` returns, untrained.

    Args:
        name: name of a preset.
        weights: None for random weights, or "published" for `load(name).encoder`. Defaults to None.
        **options: arguments of `BertEncoder` that override the preset's.

    Returns:
        a `BertEncoder`.

    Raises:
        ValueError: the preset or `weights` is unknown, or "published" is passed with other arguments.

    Example:
        >>> build("minilm", num_layers=1).num_layers
        1
    """
    sizes = presets.get(name).sizes
    if weights is None:
        return BertEncoder(**sizes | options)
    if weights != "published" or options:
        raise ValueError(f'weights: expected None, or "published" with no other argument, got {weights!r}, {options}.')
    return load(name).encoder


def read(path: str | Path, dtype: str | None = None) -> Bert:
    """Return the `Bert` of the checkpoint at `path`.

    Args:
        path: directory, file or prefix.
        dtype: name of the weights' dtype. Defaults to the checkpoint's.

    Raises:
        FileNotFoundError, ValueError: a file, field or tensor is missing, unknown, mis-shaped or damaged; or another
            process keeps changing the files.
    """
    bert = read_one_version(Path(path), lambda path: FORMATS[recognize(path)].read(path, dtype))
    if not bert.has_pooler:  # a classifier trained on top needs an initialized pooler
        kernel = bert.encoder.pooler_layer.kernel
        kernel.assign(bert.encoder.initializer(kernel.shape, dtype=kernel.dtype))
    return bert


def with_masked_lm(path: Path, changes: Path, dtype: str | None = None) -> Bert:
    """Return the model at `path` with a masked-LM head and an encoder adapted to it.

    Args:
        path: path of the checkpoint. It is read again, because the caller may have modified the encoder.
        changes: path of a safetensors file from data/build_mlm_head.py. "masked_lm/..." are the head's weights; every
            other tensor is added to the encoder's weight of its name. "name/down" and "name/up" stand for their
            product, a low-rank matrix (LoRA; Hu et al. 2021, https://arxiv.org/abs/2106.09685).
        dtype: as for `load`.

    Returns:
        a `Bert`, with a `masked_lm` on its own encoder.

    Raises:
        ValueError: the file belongs to another model.
    """
    bert = read(path, dtype)
    encoder = bert.encoder
    pretrainer = BertPretrainer(encoder, encoder.inner_activation)
    tensors, variables = load_file(changes), weights(encoder, pretrainer)
    merge_tensors(variables, tensors, changes, is_added=lambda path: not path.startswith("masked_lm/"))
    return Bert(bert.tokenizer, encoder, bert.preprocessor, name=changes.stem, has_pooler=False, masked_lm=pretrainer)


def locate(source: str) -> Path:
    """Return the local path of a model, downloaded if necessary.

    Args:
        source: string, as for `load`.

    Raises:
        ValueError, FileNotFoundError, ConnectionError: as `load`.
    """
    if source.startswith("hf://"):
        repository, _, revision = source.removeprefix("hf://").partition("@")
        if repository.count("/") != 1:
            raise ValueError(f"source: expected hf://organization/name, optionally with @revision, got {source!r}.")
        return hub.download_model(repository, revision or None)
    path = Path(source).expanduser()
    if path.exists() or path.with_name(f"{path.name}.index").is_file() or files.recover(path):
        return path
    if source not in presets.PRESETS and (path.is_absolute() or len(path.parts) > 1 or source.startswith(".")):
        hint = f' For a model on the Hub, write "hf://{source}".' * (source.count("/") == 1 and source[0] not in ".~/")
        raise FileNotFoundError(f"source: expected an existing directory, file or prefix, got {source!r}.{hint}")
    return presets.find(presets.get(source, 'source: expected a directory, "hf://organization/name" or one of'))
