"""bertedu: BERT, opened up.

The letters of every shape in this package:

    B batch                 N heads                 F inner (feed-forward) size
    T query positions       H size of one head      V vocabulary
    S key positions         D hidden size           L layers
"""

import keras as _keras  # noqa: F401  (our classes register with it, so that its loaders know them)

from bertedu import defaults
from bertedu.text import BertPreprocessor, BertTokenizer
from bertedu.embeddings import BertEmbeddings
from bertedu.attention import MultiHeadAttention
from bertedu.feedforward import Feedforward
from bertedu.transformer import TransformerEncoder
from bertedu.encoder import BertEncoder
from bertedu import pooling
from bertedu import presets
from bertedu.reading import Bert, Reading, load
