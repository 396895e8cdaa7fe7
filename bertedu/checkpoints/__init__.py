"""Reading and writing checkpoints. Each format is a module or package.

`formats` defines their interface and lists them; `assembly` and `strict` check and fill a model, for all formats.
Chapter: notebooks/11_checkpoints.ipynb.
"""

from bertedu.checkpoints.adapters import load_adapter  # noqa: F401
from bertedu.checkpoints.conversion import convert  # noqa: F401
from bertedu.checkpoints.formats import FORMATS, WRITERS, recognize  # noqa: F401
from bertedu.checkpoints.inspection import Inspection, inspect  # noqa: F401
from bertedu.checkpoints.loading import build, load, read  # noqa: F401
from bertedu.checkpoints.saving import save_checkpoint  # noqa: F401
from bertedu.checkpoints.tensorflow.preprocessor_writer import export_preprocessor  # noqa: F401
from bertedu.checkpoints.tensorflow.saved_model_writer import export_saved_model  # noqa: F401
