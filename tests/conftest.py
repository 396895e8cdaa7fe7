"""What comes before every test."""

import bertedu  # noqa: F401  (before a test imports Keras, and TensorFlow with it: bertedu/backend/start_up.py says why)
