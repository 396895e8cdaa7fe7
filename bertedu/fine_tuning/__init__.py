"""Fine-tuning: a pretrained encoder learns a task, in minutes, resumable, and with everything written down.

examples   texts with labels, encoded and checked       history    what happened, and how to do it again
batches    texts of similar length together             progress   what is shown meanwhile
schedule   AdamW, warm-up, decay                        run        one training, from where it is to its end
config     the settings of a training                   seeds      how much of a result is luck
model      precision, loss and optimizer                recipe     `fine_tune`
callbacks  Keras' own, in many calls of `fit`           evaluation predictions, mistakes, calibration
state      saved to disk, and resumed

Devlin et al. 2018 (https://arxiv.org/abs/1810.04805), section 3.2. Chapter: notebooks/11_fine_tuning.ipynb.
"""

# In reading order.
# isort: off
from bertedu.aliases import renamed
from bertedu.fine_tuning.examples import Examples
from bertedu.fine_tuning.batches import Batches, plan_batches
from bertedu.fine_tuning.schedule import WarmUpAndDecay, optimizer
from bertedu.fine_tuning.history import History
from bertedu.fine_tuning.seeds import Runs
from bertedu.fine_tuning.recipe import fine_tune
from bertedu.fine_tuning.evaluation import (
    Mistake,
    TrainedRun,
    calibration,
    confusion_matrix,
    mistakes,
    open_run,
    predict,
)

# isort: on

__all__ = [
    "Batches",
    "Examples",
    "History",
    "Mistake",
    "Runs",
    "TrainedRun",
    "WarmUpAndDecay",
    "calibration",
    "confusion_matrix",
    "fine_tune",
    "mistakes",
    "open_run",
    "optimizer",
    "plan_batches",
    "predict",
]

__getattr__ = renamed(__name__, {"confusion": "confusion_matrix", "plan": "plan_batches"})
