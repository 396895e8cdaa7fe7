"""TensorFlow's formats: checkpoints (TF1 and TF2), and TensorFlow Hub's SavedModels, which contain one.

Chapter: notebooks/11_checkpoints.ipynb.
"""

from bertedu.checkpoints.tensorflow.files import recognizes, tensors  # noqa: F401
from bertedu.checkpoints.tensorflow.reader import LOOKED_FOR, read  # noqa: F401
