"""`TrainingConfig`: the arguments of `fine_tune` that the result depends on, checked.

Chapter: notebooks/10_fine_tuning.ipynb.
"""

import dataclasses
from typing import Any

import numpy as np

from bertedu.checks import choice, number, strings, whole_number
from bertedu.fields import shown
from bertedu.fine_tuning.schedule import SCHEDULES

RENAMED = {"warm_up": "warmup_ratio", "clip_norm": "global_clipnorm", "class_weights": "class_weight"}
RENAMED["restore_best"] = "restore_best_weights"
"""Argument names of version 0.1, which history.json and training checkpoints use -> current names."""

POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
LORA_TARGETS = ("query", "value")  # as in Hu et al. 2021, section 7.1, and peft
WARM_UP = {"linear": 0.1, "constant": 0.0}  # defaults by schedule


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """Settings of a training run, documented in `fine_tune`.

    Raises:
        ValueError: a value is out of range.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    schedule: str
    warmup_ratio: Any  # float, or None for the default of the schedule
    weight_decay: float
    global_clipnorm: float | None
    max_length: int | None
    class_weight: Any
    seed: int
    precision: str
    jit_compile: bool | str
    restore_best_weights: bool
    trainable: str | None = None
    lora_rank: Any = None  # int, or None for no LoRA
    lora_alpha: Any = None  # float, or None for the rank
    lora_targets: Any = None  # "all" or names of layers, or None for the default

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            object.__setattr__(self, name, whole_number(name, getattr(self, name)))
        choice("schedule", self.schedule, SCHEDULES)
        choice("precision", self.precision, ("auto", *POLICIES))
        if self.schedule == "constant" and self.warmup_ratio:
            raise ValueError(f"warmup_ratio: expected 0 for a constant learning rate, got {self.warmup_ratio!r}.")
        if self.warmup_ratio is None:
            object.__setattr__(self, "warmup_ratio", WARM_UP[self.schedule])
        if not 0 < self.learning_rate <= 1:
            raise ValueError(f"learning_rate: expected a number above 0, at most 1, got {self.learning_rate!r}.")
        for name in ("warmup_ratio", "weight_decay"):
            number(name, getattr(self, name), 0, 1)
        self._check_lora()

    def _check_lora(self):
        if self.lora_rank is None:
            for name in ("lora_alpha", "lora_targets"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name}: expected None without lora_rank, got {shown(getattr(self, name))}.")
            return
        object.__setattr__(self, "lora_rank", whole_number("lora_rank", self.lora_rank))
        alpha = self.lora_rank if self.lora_alpha is None else self.lora_alpha
        object.__setattr__(self, "lora_alpha", number("lora_alpha", alpha, 0, 1e6))
        targets = LORA_TARGETS if self.lora_targets is None else self.lora_targets
        targets = targets if targets == "all" else sorted(set(strings("lora_targets", targets)))
        object.__setattr__(self, "lora_targets", targets)

    def steps_per_epoch(self, num_examples: int) -> int:
        """Return the number of batches in an epoch."""
        return -(-num_examples // self.batch_size)

    def to_json(self) -> dict[str, Any]:
        """Return the settings as a dict for JSON, with the names of version 0.1."""
        old = {new: name for name, new in RENAMED.items()}
        values = {old.get(name, name): value for name, value in dataclasses.asdict(self).items()}
        return {name: value.item() if isinstance(value, np.generic) else value for name, value in values.items()}
