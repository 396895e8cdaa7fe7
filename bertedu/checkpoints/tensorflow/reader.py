"""Read TensorFlow checkpoints: google-research/bert's (TF1, by name) and tf-models' (TF2, object graphs).

The keys of a TF2 checkpoint follow the saved Python objects and differ between programs. But a checkpoint also has the
full name of each variable, and these are the same in tf-models' encoders of both generations, its pretrainer,
classifiers and scaffold, and in TensorFlow Hub's SavedModels: one table of names is enough. Sizes come from the
tensors' shapes; the number of heads of a TF1 checkpoint comes from bert_config.json.

Nothing in a checkpoint is executed. Settings that it does not contain default to those of all published BERTs:
post-norm, epsilon 1e-12, and the tanh approximation of GELU. Chapter: notebooks/11_checkpoints.ipynb.
"""

import functools
import math
import re
from collections.abc import Callable
from pathlib import Path

from bertedu.bert import Bert
from bertedu.checkpoints import assembly, strict
from bertedu.checkpoints.common import no_vocabulary, preprocessor_for, shortened
from bertedu.checkpoints.tensorflow.configuration import CONFIG, LOWERCASE, check_sizes, encoder_arguments, heads
from bertedu.checkpoints.tensorflow.files import Checkpoint, find_prefix, open_checkpoint, open_reader, read_value
from bertedu.checkpoints.tensorflow.names import FINE_TUNED, FOREIGN, NAMES, OPTIMIZER
from bertedu.terminal import warn
from bertedu.text import BertTokenizer

LOOKED_FOR = "TensorFlow: a checkpoint (NAME.index with NAME.data-…), google-research/bert's with bert_config.json"


def read(path: Path, dtype: str | None = None) -> Bert:
    """Return the `Bert` of a TensorFlow checkpoint.

    Args:
        path: a directory with one checkpoint, or a checkpoint's prefix ("bert_model.ckpt", "ckpt-1000").
        dtype: name of the weights' dtype. Defaults to the checkpoint's.

    Raises:
        FileNotFoundError, ValueError: a file, field or tensor is missing, unknown, mis-shaped or damaged.
        ImportError: TensorFlow is not installed.
    """
    prefix = find_prefix(path)
    checkpoint = open_checkpoint(prefix)
    vocabulary, lowercase = prefix.parent / "vocab.txt", checkpoint.config.get(LOWERCASE)
    return read_model(checkpoint, lambda: read_tokenizer(vocabulary, lowercase), dtype)


def read_model(checkpoint: Checkpoint, make_tokenizer: Callable[[], BertTokenizer], dtype: str | None = None) -> Bert:
    """Return the `Bert` of a checkpoint.

    Args:
        checkpoint: a `files.Checkpoint`.
        make_tokenizer: function that returns its `BertTokenizer`, called after the tensors have been checked.
        dtype: as for `read`.
    """
    described = describe(checkpoint, dtype)
    try:
        assembly.check(described)
    except ValueError as error:
        raise ValueError(f"{error}{hint(checkpoint)}") from None
    check_sizes(checkpoint, described.arguments)
    unread = [t.name for t in checkpoint.tensors if FINE_TUNED.search(t.name) and not OPTIMIZER.search(t.name)]
    if unread:
        problem = f"{checkpoint.prefix}: expected an encoder, got a fine-tuned model"
        warn(f"{problem}. Its head ({shortened(unread)}) is not loaded: `classifier` is None.")
    tokenizer = make_tokenizer()
    parts = assembly.fill(described, dtype)
    return Bert(tokenizer, preprocessor=preprocessor_for(tokenizer, parts["encoder"]), **parts)


def describe(checkpoint: Checkpoint, dtype: str | None = None) -> assembly.Description:
    """Return the `Description` of the model in a checkpoint."""
    arguments, form = encoder_arguments(checkpoint, dtype), checkpoint.form
    prefix, shape = checkpoint.prefix, functools.partial(stored_shape, form=form)
    reader = functools.cache(lambda: open_reader(prefix))  # opened once, at the first tensor

    def read(tensor):
        return read_value(reader(), tensor.location, prefix)

    stored = strict.Stored(checkpoint.tensors, read, prefix, "the other tensors' shapes", shape, name=NAMES[form].name)
    return assembly.Description(arguments, heads(checkpoint, arguments), prefix, stored)


def hint(checkpoint: Checkpoint) -> str:
    """Return a sentence on the likely content of a checkpoint without a BERT, or ""."""
    unknown = [tensor.name for tensor in checkpoint.tensors if not tensor.known]
    models = [model for pattern, model in FOREIGN.items() if any(re.search(pattern, name, re.I) for name in unknown)]
    if models:
        return f" It looks like a checkpoint of {models[0]}, which is another architecture."
    if not unknown and not any(tensor.weight_path for tensor in checkpoint.tensors):
        return " It has no weights."
    return ""


def stored_shape(path: str, shape: tuple[int, ...], form: str) -> tuple[int, ...]:
    """Return the shape of a weight in a checkpoint: the same in TF2; in TF1 heads are merged."""
    if form == "TF2" or len(shape) < 2:
        return shape
    if path.endswith("bias"):
        return (math.prod(shape),)
    split = len(shape) - 1 if "attention_output" in path else 1  # number of input axes of `shape`
    return math.prod(shape[:split]), math.prod(shape[split:])


def read_tokenizer(vocabulary: Path, lowercase: bool | None = None) -> BertTokenizer:
    """Return the `BertTokenizer` of a vocab.txt.

    Args:
        vocabulary: path of the file.
        lowercase: bool, whether to lower-case texts. Defaults to None: as in google-research/bert, "uncased" or "cased"
            in the name of the file's directory, or of one of the two above it, decides.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the vocabulary is damaged, or its case is unknown.
    """
    directory = vocabulary.parent
    if not vocabulary.is_file():
        raise no_vocabulary(vocabulary)
    for folder in [directory.absolute(), *directory.absolute().parents][:3]:
        if lowercase is None and "cased" in folder.name.lower():
            lowercase = "uncased" in folder.name.lower()
    if lowercase is None:
        way_out = f'Write "{LOWERCASE}": true (or false) into {directory / CONFIG}'
        raise ValueError(f'{vocabulary}: expected "uncased" or "cased" in the name of its directory. {way_out}.')
    return BertTokenizer(vocabulary, lowercase=lowercase)
