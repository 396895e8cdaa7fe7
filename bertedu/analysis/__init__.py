"""Analysis of attention heads, attention rollout, and similarity of vectors. Chapter: 12.

heads     head_statistics, head_atlas           entropy, distance, attention by kind of key, and a label for every head
flow      rollout                               attention rollout
vectors   similarity, principal_components      cosine similarity and principal components
"""

# In reading order.
# isort: off
from bertedu.analysis.heads import HeadStatistics, head_atlas, head_statistics
from bertedu.analysis.flow import rollout
from bertedu.analysis.vectors import layer_vectors, principal_components, similarity

# isort: on

__all__ = [
    "HeadStatistics", "head_atlas", "head_statistics", "layer_vectors", "principal_components", "rollout", "similarity",
]  # fmt: skip
