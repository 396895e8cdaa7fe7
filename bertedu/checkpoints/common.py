"""What all formats share: what a tensor is, the weights of a model by their paths, and small helpers.

Chapter: notebooks/10_checkpoints.ipynb.
"""

import shutil
from pathlib import Path
from typing import NamedTuple

from safetensors.numpy import save_file

from bertedu.files import escape
from bertedu.text import BertPreprocessor

PREPROCESSOR_LENGTH = 128  # what a model's own preprocessor pads to, as the Hub's do
LONGEST_NAME = 200  # characters of a name from a file that a message shows
FLOATS = ("float32", "float16", "bfloat16", "float64")
"""What weights are read from; others are quantised, and numbers beside them say how."""


class TensorInfo(NamedTuple):
    """A tensor in a checkpoint, not read yet.

    Args:
        name: what it is called there.
        shape: tuple.
        dtype: as NumPy says it, "float32".
        ours: path of our weight that it fills, as "layer_0/feedforward/output/kernel", "masked_lm/output_bias" or
            "classifier/kernel"; None where it fills none.
        known: whether it is at least known to belong to a BERT.
    """

    name: str
    shape: tuple
    dtype: str
    ours: str | None
    known: bool


def weights(encoder, masked_lm=None, classifier=None):
    """Return every weight of a model by its path in our layers; what name tables translate to.

    Args:
        encoder: a `BertEncoder`.
        masked_lm: a `BertPretrainer` on it, or None.
        classifier: a `BertClassifier` on it, or None.

    Returns:
        dict, path -> variable. The paths of the heads begin with "masked_lm/" and "classifier/".
    """
    table = encoder.get_embedding_layer()
    parts = {
        "": encoder,
        "masked_lm/": masked_lm and masked_lm.masked_lm,
        "classifier/": classifier and classifier.classifier,
    }
    found = {f"embeddings/{table.name}/embeddings": table.embeddings}  # its own path may begin in another model
    shared = {id(table.embeddings)}
    for prefix, part in parts.items():
        for variable in part.weights if part is not None else ():
            path = prefix + path_within(variable, part)
            if id(variable) in shared:
                continue
            if path in found:
                raise ValueError(f"Two weights have the path {path!r}: give the layers that hold them different names.")
            found[path] = variable
    return found


def path_within(variable, part):
    """Return the path of a weight within the layer `part`; the whole path if it was made outside of it."""
    return variable.path.partition(f"{part.name}/")[2] or variable.path


def weights_of(bert):
    """Return the weights of a `Bert` that are worth keeping, as `weights`: all but a pooler that was never trained."""
    if bert.masked_lm is not None and bert.masked_lm.classification_heads:
        raise ValueError('masked_lm has classification_heads, which only format="keras" can hold.')
    with_pooler = bert.has_pooler or bert.classifier is not None
    found = weights(bert.encoder, bert.masked_lm, bert.classifier)
    return {path: found[path] for path in found if with_pooler or not path.startswith("pooler_transform/")}


def preprocessor_for(tokenizer, encoder, truncation):
    """Return the `BertPreprocessor` of a checkpoint that does not say how long its texts are."""
    if tokenizer is None:
        return None
    return BertPreprocessor(tokenizer, min(PREPROCESSOR_LENGTH, encoder.max_sequence_length), truncation)


def no_vocabulary(path):
    """Return the error for a checkpoint without its tokenizer."""
    return FileNotFoundError(f"{path} comes without its vocabulary: put its vocab.txt beside it.")


def common_dtype(dtypes):
    """Return the dtype that all of `dtypes` (names) are, or float32 where they differ, as in half-converted files."""
    dtypes = set(dtypes)
    return dtypes.pop() if len(dtypes) == 1 and dtypes <= set(FLOATS) else "float32"


def write_tensors(path, tensors, **metadata):
    """Write arrays, a dict by name, as a safetensors file; readable to whom the JSON files beside it are."""
    save_file(tensors, path, metadata=metadata or None)
    shutil.copymode(next(Path(path).parent.glob("*.json")), path)  # the library lets nobody but the owner read it


def shortened(items, most=4):
    """Return the first few of a list of names as one string."""
    first = ", ".join(escape(item)[:LONGEST_NAME] for item in items[:most])
    return (first + (f" and {len(items) - most} more" if len(items) > most else "")) or "nothing"
