"""`train_embeddings`: train the encoder of a `Bert` so that texts that belong together have similar vectors.

Reimers and Gurevych 2019 (https://arxiv.org/abs/1908.10084), section 3. Chapter: notebooks/07_pooling.ipynb.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras

from bertedu.bert import Bert
from bertedu.checks import choice, instance, whole_number
from bertedu.fine_tuning.callbacks import check
from bertedu.fine_tuning.config import TrainingConfig
from bertedu.fine_tuning.embedding_model import SCALE, EmbeddingModel
from bertedu.fine_tuning.embedding_tasks import EmbeddingTask, Ranking, Similarity
from bertedu.fine_tuning.history import History
from bertedu.fine_tuning.model import Training
from bertedu.fine_tuning.recipe import train_with_seeds
from bertedu.fine_tuning.seeds import Runs
from bertedu.pooling import POOLINGS, check_pooling, pooling_name

LOSSES = (Ranking.name, Similarity.name)


def train_embeddings(
    bert: Bert,
    pairs: Any,
    validation: Any = None,
    *,
    loss: str = "multiple_negatives_ranking",
    scale: float = SCALE,
    epochs: int = 3,
    batch_size: int = 32,
    learning_rate: float = 5e-5,
    schedule: str = "linear",
    warmup_ratio: float | None = None,
    weight_decay: float = 0.01,
    global_clipnorm: float | None = 1.0,
    max_length: int | None = None,
    seed: int = 0,
    seeds: Sequence[int] | None = None,
    output_dir: str | Path | None = None,
    precision: str = "auto",
    jit_compile: bool | str = "auto",
    restore_best_weights: bool = True,
    progress: bool = True,
    callbacks: Iterable[keras.callbacks.Callback] | None = (),
) -> History | Runs:
    """Train the encoder of a `Bert` on pairs of texts, so that `bert.embed` gives them similar vectors.

    Vectors are pooled as `bert.embed_settings` says, after its prompt, and scaled to length 1.

    Args:
        bert: `Bert`, whose encoder is trained in place; a head on the same encoder changes with it.
        pairs: training set: (texts, pairs), a tuple of two lists: queries, and the text that belongs to each; or a
            result of `load_texts`. More columns are hard negatives: (texts, pairs, negatives). For the loss
            "cosine_similarity": (texts, pairs, numbers), with numbers from -1 to 1.
        validation: validation set, in the same form, evaluated after each epoch. Its metrics in the history are
            "val_mrr", "val_ndcg_at_10", "val_recall_at_1" and "val_recall_at_10", where each query has to find its
            texts among all second and further texts of the set; or "val_spearman". Defaults to None.
        loss: "multiple_negatives_ranking" (the texts that belong to the other queries of a batch are negatives), or
            "cosine_similarity" (squared difference of the cosine similarity and a number). Equal texts and texts that
            belong to an equal query are no negatives of each other.
        scale: float, factor of cosine similarities in the ranking loss. Defaults to 20.
        epochs: int, passes over the training set.
        batch_size: int, pairs per step. More are more negatives.
        learning_rate: float, the peak learning rate.
        max_length: int, maximum number of tokens in training; longer texts are truncated. Defaults to that of
            `bert.embed`.
        seed: int, random seed of the order of the pairs and of dropout.
        seeds: list of ints: train once per seed, from the same weights; see `Runs`. Defaults to None: one run.
        output_dir: folder for training checkpoints; the same call resumes an interrupted run. After training it also
            contains history.json and `model/`, for `be.load` and `SentenceTransformer`. If Hugging Face's format cannot
            store the model, `model/` is in bertedu's own. Defaults to None: nothing is saved.
        schedule, warmup_ratio, weight_decay, global_clipnorm, precision, jit_compile, restore_best_weights, progress,
            callbacks: as in `fine_tune`.

    Returns:
        `History`, or `Runs` for several `seeds`.

    Raises:
        TypeError, ValueError: an invalid argument, before training starts.
        FloatingPointError: the loss is NaN or infinite; the last training checkpoint is kept.
        OSError: `output_dir` cannot be written, or another process is training in it.

    Example:
        train, validation = (be.load_texts("docs_pairs", split=split) for split in ("train", "validation"))
        history = be.train_embeddings(bert, train, validation, output_dir="runs/docs")
    """
    task = _task(bert, loss, scale)
    updates = (learning_rate, schedule, warmup_ratio, weight_decay, global_clipnorm)
    config = TrainingConfig(
        epochs, batch_size, *updates, max_length, None, seed, precision, jit_compile, restore_best_weights
    )
    callbacks = check(callbacks, schedule)
    limit = _limit(bert, max_length)
    sets = {name: data for name, data in {"pairs": pairs, "validation": validation}.items() if data is not None}
    examples = {name: task.prepare(name, data, bert.preprocessor, limit) for name, data in sets.items()}
    model = EmbeddingModel(bert.encoder, pooling_name(bert.embed_settings.pooling))
    data = (examples["pairs"], examples.get("validation"))
    training = Training(model, bert.preprocessor, *data, limit, config, task)
    return train_with_seeds(training, seeds, output_dir, progress, callbacks)


def _task(bert: Bert, loss: str, scale: float) -> EmbeddingTask:
    """Check `bert`, and return its task."""
    instance("bert", bert, Bert, 'such as be.load("minilm")')
    bert.check_readable()
    choice("loss", loss, LOSSES)
    check_pooling(bert.embed_settings.pooling)
    if pooling_name(bert.embed_settings.pooling) == "pooled" and not bert.has_pooler:
        raise ValueError(f"bert: expected embed_settings.pooling to be one of {list(POOLINGS)}, got 'pooled'.")
    if not bert.encoder.trainable_variables:
        raise ValueError("bert: expected trainable weights, got frozen ones. Set bert.encoder.trainable = True.")
    if not 0 < scale < float("inf"):
        raise ValueError(f"scale: expected a number above 0, got {scale!r}.")
    return Ranking(bert, float(scale)) if loss == Ranking.name else Similarity(bert)


def _limit(bert: Bert, max_length: int | None) -> int:
    if max_length is None:
        return min(bert.embed_settings.max_length or bert.max_length, bert.max_length)
    return whole_number("max_length", max_length, 3, bert.max_length, "The encoder has no more positions.")
