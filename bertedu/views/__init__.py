"""Interactive views of attention in the browser. They take arrays and strings, never a model. Chapter: 12.

head_view: the attention weights of one layer's heads as lines between tokens. model_view: all heads of all layers as
thumbnails, one of them large. neuron_view: one query of one head, the keys, their products, and the softmax.
Explorer: a page that reads text as you type, through a `Reader`; `be.explorer` creates one for a `Bert`.
"""

from bertedu.views.explorer import Explorer
from bertedu.views.head import head_view
from bertedu.views.model import model_view
from bertedu.views.neuron import neuron_view
from bertedu.views.reader import Reader
from bertedu.views.view import View

__all__ = ["Explorer", "Reader", "View", "head_view", "model_view", "neuron_view"]
