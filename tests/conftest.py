"""What comes before every test."""

import os
from pathlib import Path

import bertedu  # noqa: F401  (before a test imports Keras, and TensorFlow with it: bertedu/backend/start_up.py says why)
from bertedu.backend import devices

devices.CPUINFO = Path(os.devnull)  # precision="auto" is float32, whatever the CPU: the tests' numbers are of float32
