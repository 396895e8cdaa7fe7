"""bertedu: BERT, opened up.

    import bertedu as be

    bert = be.load("minilm")
    reading = bert.read("The cat sat on the mat.", "It was warm.")
    reading.show()

The letters of every shape in this package:

    B batch                 N heads                 F inner (feed-forward) size
    T query positions       H size of one head      V vocabulary
    S key positions         D hidden size           L layers
"""

import importlib

from bertedu.backend import start_up

with start_up.quiet():
    start_up.load_triton_first()
    import keras  # noqa: F401  (imported while TensorFlow's messages are held back)

# In reading order: a module imports only modules above it.
# isort: off
from bertedu import defaults
from bertedu.registry import register
from bertedu.tokenizer import BertTokenizer
from bertedu.text import BertPreprocessor
from bertedu.embeddings import BertEmbeddings
from bertedu.attention import MultiHeadAttention, TalkingHeadsAttention
from bertedu.feedforward import Feedforward, GatedFeedforward
from bertedu.transformer import TransformerEncoder
from bertedu.encoder import BertEncoder
from bertedu import pooling
from bertedu.masked_lm import BertPretrainer, MaskedLM
from bertedu.masking import mask_tokens
from bertedu.classifier import BertClassifier, ClassificationHead
from bertedu.token_classifier import BertTokenClassifier
from bertedu.entities import Entity
from bertedu.reading import Reading
from bertedu.bert import Bert
from bertedu.embedding_file import save_embeddings
from bertedu import presets
from bertedu.checkpoints import build, convert, export_preprocessor, export_saved_model, inspect
from bertedu.checkpoints import load, load_adapter, save_checkpoint
from bertedu.pruning import prune
from bertedu.data import load_tags, load_texts
from bertedu import fine_tuning
from bertedu.fine_tuning import History, fine_tune, train_embeddings

# isort: on

__version__ = "0.1.0"

__all__ = [
    "BertPreprocessor",
    "BertTokenizer",
    "BertEmbeddings",
    "MultiHeadAttention",
    "TalkingHeadsAttention",
    "Feedforward",
    "GatedFeedforward",
    "TransformerEncoder",
    "BertEncoder",
    "MaskedLM",
    "BertPretrainer",
    "mask_tokens",
    "ClassificationHead",
    "BertClassifier",
    "BertTokenClassifier",
    "Entity",
    "Bert",
    "Reading",
    "save_embeddings",
    "load",
    "load_adapter",
    "save_checkpoint",
    "export_saved_model",
    "export_preprocessor",
    "convert",
    "inspect",
    "build",
    "prune",
    "load_texts",
    "load_tags",
    "fine_tune",
    "train_embeddings",
    "fine_tuning",
    "History",
    "register",
    "defaults",
    "pooling",
    "presets",
    "head_view",
    "model_view",
    "neuron_view",
    "explorer",
    "views",
    "plots",
    "analysis",
    "interventions",
    "bertviz",
    "testing",
    "course",
    "exercise",
]

# Imported at first use: most need matplotlib and IPython, which training on a server does not.
LAZY_MODULES = {name: name for name in ("plots", "views", "analysis", "interventions", "bertviz", "testing", "course")}
LAZY_MODULES["exercise"] = "course"  # its name in version 0.1
LAZY_FUNCTIONS = {
    "head_view": "views",
    "model_view": "views",
    "neuron_view": "views",
    "explorer": "bert_reader",
}


def __getattr__(name):
    if name in LAZY_MODULES:
        return importlib.import_module(f"bertedu.{LAZY_MODULES[name]}")
    if name in LAZY_FUNCTIONS:
        return getattr(importlib.import_module(f"bertedu.{LAZY_FUNCTIONS[name]}"), name)
    raise AttributeError(f"module 'bertedu' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
