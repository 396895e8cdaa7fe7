"""`TrainingConfig`: the arguments of `fine_tune` that the result depends on, checked.

Chapter: notebooks/11_fine_tuning.ipynb.
"""

import dataclasses
from typing import Any

import numpy as np

from bertedu.checks import choice, number, whole_number
from bertedu.fine_tuning.schedule import SCHEDULES

POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
WARM_UP = {"linear": 0.1, "constant": 0.0}  # defaults by schedule


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """Settings of a training, documented in `fine_tune`.

    Raises:
        ValueError: a value is out of range.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    schedule: str
    warm_up: Any  # float, or None for the default of the schedule
    weight_decay: float
    clip_norm: float | None
    max_length: int | None
    class_weights: Any
    seed: int
    precision: str
    jit_compile: bool | str
    restore_best: bool

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            object.__setattr__(self, name, whole_number(name, getattr(self, name)))
        choice("schedule", self.schedule, SCHEDULES)
        choice("precision", self.precision, ("auto", *POLICIES))
        if self.schedule == "constant" and self.warm_up:
            raise ValueError(f"warm_up: expected 0 for a constant learning rate, got {self.warm_up!r}.")
        if self.warm_up is None:
            object.__setattr__(self, "warm_up", WARM_UP[self.schedule])
        if not 0 < self.learning_rate <= 1:
            raise ValueError(f"learning_rate: expected a number above 0, at most 1, got {self.learning_rate!r}.")
        for name in ("warm_up", "weight_decay"):
            number(name, getattr(self, name), 0, 1)

    def steps_per_epoch(self, num_examples: int) -> int:
        """Return the number of batches in an epoch."""
        return -(-num_examples // self.batch_size)

    def to_json(self) -> dict[str, Any]:
        """Return the settings as a dict for JSON."""
        values = dataclasses.asdict(self)
        return {name: value.item() if isinstance(value, np.generic) else value for name, value in values.items()}
