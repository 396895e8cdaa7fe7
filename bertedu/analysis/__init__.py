"""Analysis: what heads look at, what reaches a token through all layers, and how alike vectors are. Chapter: 12.

heads     head_statistics, head_atlas           entropy, distance, shares, and a label for every head
flow      rollout                               attention through all layers
vectors   similarity, principal_components      cosines, and two dimensions of many
"""

# In reading order.
# isort: off
from bertedu.analysis.heads import HeadStatistics, head_atlas, head_statistics
from bertedu.analysis.flow import rollout
from bertedu.analysis.vectors import layer_vectors, principal_components, similarity

# isort: on

__all__ = [
    "HeadStatistics",
    "head_atlas",
    "head_statistics",
    "layer_vectors",
    "principal_components",
    "rollout",
    "similarity",
]
