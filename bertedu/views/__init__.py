"""Views: attention in the browser, to point at, filter and read off. Arrays and strings in, never a model. Chapter: 12.

head_view: one layer, which token looks at which, by head. model_view: every head of every layer as a thumbnail, one of
them large. neuron_view: one token of one head, its query, the keys, their products, and the softmax. Explorer: a page
that reads what is typed, over a `Reader`; `be.explorer` makes one of a `Bert`.
"""

from bertedu.views.explorer import Explorer
from bertedu.views.head import head_view
from bertedu.views.model import model_view
from bertedu.views.neuron import neuron_view
from bertedu.views.reader import Reader
from bertedu.views.view import View

__all__ = ["Explorer", "Reader", "View", "head_view", "model_view", "neuron_view"]
