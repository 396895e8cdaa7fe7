"""KerasHub's formats: presets, written by `save_to_preset`, and single `.weights.h5` files.

Chapter: notebooks/11_checkpoints.ipynb.
"""

from bertedu.checkpoints.keras_hub.files import recognizes, tensors  # noqa: F401
from bertedu.checkpoints.keras_hub.reader import LOOKED_FOR, read  # noqa: F401
