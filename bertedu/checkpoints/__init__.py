"""Checkpoints: published weights, read by name into our layers, and ours written. One file or folder per format.

`formats` says what a format provides and lists them; `assembly` and `strict` check and fill a model, for all of them.
Chapter: notebooks/10_checkpoints.ipynb.
"""

from bertedu.checkpoints.conversion import convert
from bertedu.checkpoints.formats import FORMATS, WRITERS, recognise
from bertedu.checkpoints.inspection import Inspection, inspect
from bertedu.checkpoints.loading import build, load, read
from bertedu.checkpoints.saving import save_checkpoint
from bertedu.checkpoints.tensorflow.preprocessor_writer import export_preprocessor
from bertedu.checkpoints.tensorflow.saved_model_writer import export_saved_model

__all__ = [
    "FORMATS",
    "WRITERS",
    "Inspection",
    "build",
    "convert",
    "export_preprocessor",
    "export_saved_model",
    "inspect",
    "load",
    "read",
    "recognise",
    "save_checkpoint",
]
