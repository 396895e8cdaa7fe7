"""What comes before every test."""

import bertedu  # noqa: F401  (before a test imports Keras, and TensorFlow with it: bertedu/coexist.py says why)
