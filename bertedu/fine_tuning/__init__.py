"""Fine-tuning: train a pretrained encoder on a task, resumable and reproducible.

examples   labeled texts, encoded and checked          history    metrics and settings of a run
batches    batches of texts of similar length           progress   progress bar and live loss curve
schedule   AdamW, warm-up, decay                        run        a training run, with its checkpoints
config     the settings of a run                        seeds      runs with several seeds
low_rank   low-rank updates (LoRA)                      trainable  the weights to train, by name
tasks      kinds of labels, with loss and metrics       recipe     `fine_tune`
tagging    tags of words                                model      precision, loss and optimizer
callbacks  Keras' callbacks in several calls of `fit`   evaluation predictions, mistakes, calibration
state      training checkpoints

embedding_model   pooled vectors and their losses       embedding_recipe  `train_embeddings`
embedding_tasks   pairs of texts, metrics of retrieval and similarity

Devlin et al. 2018 (https://arxiv.org/abs/1810.04805), section 3.2. Chapter: notebooks/10_fine_tuning.ipynb.
"""

# In reading order.
# isort: off
from bertedu.aliases import renamed
from bertedu.entities import entity_scores
from bertedu.fine_tuning.examples import Examples
from bertedu.fine_tuning.batches import Batches, plan_batches
from bertedu.fine_tuning.schedule import WarmUpAndDecay, optimizer
from bertedu.fine_tuning.tasks import f1_scores
from bertedu.fine_tuning.history import History
from bertedu.fine_tuning.seeds import Runs
from bertedu.fine_tuning.recipe import fine_tune
from bertedu.fine_tuning.embedding_model import CosineSimilarityRegression, EmbeddingModel, MultipleNegativesRanking
from bertedu.fine_tuning.embedding_recipe import train_embeddings
from bertedu.fine_tuning.evaluation import TrainedRun, open_run, predict, predict_tags
from bertedu.fine_tuning.evaluation import Mistake, apply_thresholds, calibration, confusion_matrix, mistakes

# isort: on

__all__ = [
    "Batches",
    "CosineSimilarityRegression",
    "EmbeddingModel",
    "Examples",
    "History",
    "Mistake",
    "MultipleNegativesRanking",
    "Runs",
    "TrainedRun",
    "WarmUpAndDecay",
    "apply_thresholds",
    "calibration",
    "confusion_matrix",
    "entity_scores",
    "f1_scores",
    "fine_tune",
    "mistakes",
    "open_run",
    "optimizer",
    "plan_batches",
    "predict",
    "predict_tags",
    "train_embeddings",
]

__getattr__ = renamed(__name__, {"confusion": "confusion_matrix", "plan": "plan_batches"})
