"""Views: attention in the browser, to point at, filter and read off. Arrays and strings in, never a model. Chapter: 12.

head_view: one layer, which token looks at which, by head. model_view: every head of every layer as a thumbnail, one of
them large. neuron_view: one token of one head, its query, the keys, their products, and the softmax.
"""

from bertedu.views.common import View
from bertedu.views.head import head_view
from bertedu.views.model import model_view
from bertedu.views.neuron import neuron_view

__all__ = ["View", "head_view", "model_view", "neuron_view"]
