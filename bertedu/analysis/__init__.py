"""Analysis of attention heads, of the vectors of tokens, and of what an output depends on. Chapter: 12.

heads      head_statistics, head_atlas          entropy, distance, attention by kind of key, and a label for every head
distances  head_distances                       Jensen-Shannon divergence of all pairs of heads
           multidimensional_scaling             layout of the heads in the plane
           head_clusters                        hierarchical clusters of heads
syntax     word_attention, words_of            attention between words instead of tokens
           relation_accuracy                   how often a head's strongest key is the head of a dependency
           offset_baselines                    how often a fixed distance is
flow       rollout, attention_flow              attention rollout and attention flow through the layers
norms      attention_norms                      norm-based attention
vectors    similarity, principal_components     cosine similarity and principal components
           cosine_contributions, standardize    outlier dimensions, and vectors without them
ranking    retrieval, spearman                  MRR, nDCG, recall of the documents of queries; rank correlation
context    ContextSimilarity                    self-similarity, intra-sentence similarity, anisotropy of a corpus
alignment  cka, CKA                             similarity of two representations of the same examples
probes     linear_probe, control_labels         a linear classifier, and its selectivity

They take arrays or readings and return arrays. The next ones take a `Bert`, or any function of a tensor:

attribution   integrated_gradients, gradient_times_input   contributions of the elements of an input
gradients     attribute                                    contributions of the tokens of a text
              attention_gradients, head_importance         gradients by attention weights and heads
faithfulness  comprehensiveness, sufficiency, faithfulness does a prediction depend on the top tokens?
lens          layer_lens, ranks                            predictions of the masked-LM head from every layer

For a corpus, `head_atlas` and `head_distances` take ``bert.readings(texts)``; `ContextSimilarity` and `CKA`
are updated with a few texts or examples at a time. Their memory does not depend on the number of texts.
"""

# In reading order.
# isort: off
from bertedu.analysis.heads import HeadStatistics, head_atlas, head_statistics
from bertedu.analysis.distances import head_clusters, head_distances, multidimensional_scaling
from bertedu.analysis.syntax import (
    OffsetBaseline, RelationAccuracy, offset_baselines, relation_accuracy, word_attention, words_of,
)  # fmt: skip
from bertedu.analysis.flow import attention_flow, rollout
from bertedu.analysis.norms import attention_norms, reading_norms
from bertedu.analysis.vectors import (
    cosine_contributions, layer_vectors, principal_components, similarity, standardize,
)  # fmt: skip
from bertedu.analysis.ranking import Retrieval, retrieval, spearman
from bertedu.analysis.context import ContextSimilarity
from bertedu.analysis.alignment import CKA, cka
from bertedu.analysis.probes import Probe, control_labels, linear_probe
from bertedu.analysis.attribution import Attribution, gradient_times_input, integrated_gradients
from bertedu.analysis.gradients import attention_gradients, attribute, head_importance
from bertedu.analysis.faithfulness import Faithfulness, comprehensiveness, faithfulness, sufficiency
from bertedu.analysis.lens import LayerLens, layer_lens, ranks

# isort: on

__all__ = [
    "Attribution", "CKA", "ContextSimilarity", "Faithfulness", "HeadStatistics", "LayerLens", "OffsetBaseline", "Probe",
    "RelationAccuracy", "Retrieval", "attention_flow", "attention_gradients", "attention_norms", "attribute", "cka",
    "comprehensiveness", "control_labels", "cosine_contributions", "faithfulness", "gradient_times_input", "head_atlas",
    "head_clusters", "head_distances", "head_importance", "head_statistics", "integrated_gradients", "layer_lens",
    "layer_vectors", "linear_probe", "multidimensional_scaling", "offset_baselines", "principal_components", "ranks",
    "reading_norms", "relation_accuracy", "retrieval", "rollout", "similarity", "spearman", "standardize",
    "sufficiency", "word_attention", "words_of",
]  # fmt: skip
