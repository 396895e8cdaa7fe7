"""`save_embeddings`: embed any number of texts into a .npy file, resumably. Chapter: 7.

While it works, a folder beside the file has the array so far and what it was computed from:

    vectors.npy.part/vectors.npy   the array, with rows still missing
    vectors.npy.part/state.json    number of complete rows; checksums of texts, weights and settings
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bertedu import files, temporaries
from bertedu.bert import Bert
from bertedu.checks import instance
from bertedu.inputs import checked_texts
from bertedu.pooling import Pooling

STATE, ARRAY, LOCK = "state.json", "vectors.npy", ".lock"


def save_embeddings(
    bert: Bert,
    sentences: Sequence[str],
    path: str | Path,
    pooling: str | Pooling | None = None,
    normalize: bool | None = None,
    *,
    max_length: int | None = None,
    precision: str | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> Path:
    """Save one vector per text as a float32 array `[n, D]` in a .npy file, in constant memory.

    The file appears when it is complete. An interrupted call leaves a folder beside it, and the same call resumes from
    there, 4,096 texts at a time.

    Args:
        bert: `Bert`.
        sentences: list of `n` strings.
        path: path of the file, which ends in ".npy". `np.load(path, mmap_mode="r")` reads it without loading it.
        pooling, normalize, max_length, precision, progress: as in `bert.embed`.
        overwrite: bool, whether to replace an existing file.

    Returns:
        The path.

    Raises:
        FileExistsError: the file exists, or was begun with other texts, weights or settings.
        BlockingIOError: another process is writing the file.
        TypeError, ValueError: as in `bert.embed`.

    Example:
        be.save_embeddings(bert, sentences, "vectors.npy")
        vectors = np.load("vectors.npy", mmap_mode="r")  # [n, D]
    """
    instance("bert", bert, Bert, 'such as be.load("minilm")')
    path, texts = Path(path).expanduser(), checked_texts(sentences, "sentences")
    if path.suffix != ".npy":
        raise ValueError(f"path: expected a file that ends in .npy, got {str(path)!r}.")
    if not texts:
        raise ValueError("sentences: expected at least one text, got none.")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path}: the file exists. Choose another path, or pass overwrite=True.")
    options: dict[str, Any] = {"pooling": pooling, "normalize": normalize}
    options |= {"max_length": max_length, "precision": precision}
    bert.embed_chunks([], **options)  # raises for a wrong option, before the folder exists
    folder = path.with_name(f"{path.name}.part")
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        state = _description(bert, texts, options)
        array, done = _opened(folder, state, (len(texts), bert.encoder.hidden_size))
        for vectors in bert.embed_chunks(texts[done:], **options, progress=progress):
            array[done : done + len(vectors)] = vectors
            array.flush()
            done += len(vectors)
            with files.replacing(folder / STATE, overwrite=True) as new:
                files.write_json(new, state | {"rows": done})
        del array  # Windows does not rename a mapped file
        os.replace(folder / ARRAY, path)
    shutil.rmtree(folder)
    return path


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the folder of an unfinished file."""
    try:
        handle = temporaries.lock(folder / LOCK)
    except BlockingIOError:
        busy = "another process is writing this file. Wait for it, or choose another path"
        raise BlockingIOError(f"{folder}: {busy}.") from None
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _opened(folder: Path, state: dict[str, Any], shape: tuple[int, int]) -> tuple[np.memmap, int]:
    """Return the array of an unfinished file, and how many of its rows are complete."""
    if not (folder / STATE).is_file():
        return np.lib.format.open_memmap(folder / ARRAY, "w+", "float32", shape), 0
    saved = files.read_json(folder / STATE)
    rows = saved.pop("rows", None)
    if different := [name for name in state if saved.get(name) != state[name]]:
        problem = f"expected a file begun with the same call, got one that differs in {', '.join(different)}"
        raise FileExistsError(f"{folder}: {problem}. Delete this folder, or choose another path.")
    array = np.lib.format.open_memmap(folder / ARRAY, "r+")
    if array.shape != shape or array.dtype != np.float32 or type(rows) is not int or not 0 < rows <= len(array):
        raise ValueError(f"{folder}: expected an array of shape {list(shape)} and its state. Delete this folder.")
    return array, rows


def _description(bert: Bert, texts: Sequence[str], options: dict[str, Any]) -> dict[str, Any]:
    """Return what the vectors depend on, for JSON."""
    weights = hashlib.sha256()
    for weight in bert.encoder.weights:
        weights.update(keras.ops.convert_to_numpy(weight).tobytes())
    pooling = options["pooling"]
    return {
        "texts": hashlib.sha256(json.dumps(texts).encode()).hexdigest(),
        "weights": weights.hexdigest(),
        "tokenizer": hashlib.sha256(json.dumps(bert.tokenizer.get_config(), sort_keys=True).encode()).hexdigest(),
        "embed_settings": repr(bert.embed_settings),
        **options,
        "pooling": getattr(pooling, "__qualname__", pooling),
    }
