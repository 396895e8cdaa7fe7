"""What the labs recompute: published findings, each with the band of values for which we say that it holds.

A band is set from the published value before the lab is run, and stays as it is when the lab disagrees. What differs is
a model of 6 layers instead of 12, and the texts. The rules:

* a difference of two numbers: at least half of the published one;
* a number of heads, a gain or a loss: from a third to three times the published one;
* a percentage: within 20 points; a correlation or a position among the layers: within 0.25; an entropy: within 1 nat;
* no published number: the band of the statement, so that "smaller" is a ratio of at most 1 or a difference below 0.
"""

from typing import NamedTuple


class Finding(NamedTuple):
    """A published finding.

    Args:
        claim: what is measured, and in which unit.
        published: the published value, as text; "smaller", "larger" or the like where no number was published.
        low, high: the band, both ends included, in the unit of the claim.
        source: the paper; "page not checked" where its text was not at hand.
        differs: what differs from the paper, besides the model.
    """

    claim: str
    published: str
    low: float
    high: float
    source: str
    differs: str


CLARK = "Clark et al. 2019"
MICHEL = "Michel et al. 2019"
ABNAR = "Abnar and Zuidema 2020"
NOT_CHECKED = "page not checked"

PROSE = "Python's documentation instead of Wikipedia"
TREES = "generated sentences instead of the Penn Treebank"
TASK = "560 reviews for training instead of 67,000 sentences"
AGREEMENT = "generated sentences; a masked language model that was not fine-tuned"

FINDINGS: dict[str, dict[str, Finding]] = {
    "what_does_bert_look_at": {
        "previous": Finding(
            "heads with over half of their attention on the previous token, % of all",
            "2.8 (4 of 144)",
            0.9,
            8.4,
            CLARK,
            PROSE,
        ),
        "next": Finding(
            "heads with over half of their attention on the next token, % of all",
            "3.5 (5 of 144)",
            1.1,
            10.5,
            CLARK,
            PROSE,
        ),
        "sep": Finding(
            "attention to [SEP] in the layer of the upper half that has most of it, %", "over 50", 50, 100, CLARK, PROSE
        ),
        "cls_entropy": Finding(
            "entropy of [CLS] in the last layer, nats, at 128 tokens", "3.89", 2.9, 4.85, CLARK, PROSE
        ),
        "sep_gradient": Finding(
            "gradient by the attention to [SEP], upper half of the layers divided by lower half",
            "smaller",
            0,
            1,
            f"{CLARK}, {NOT_CHECKED}",
            PROSE,
        ),
        "same_layer": Finding(
            "distance between heads of one layer, divided by that between heads of different layers",
            "smaller",
            0,
            1,
            f"{CLARK}, {NOT_CHECKED}",
            PROSE,
        ),
        "det": Finding(
            "determiner: best head less best fixed offset, percentage points",
            "42.6 (94.3 - 51.7)",
            21.3,
            100,
            CLARK,
            TREES,
        ),
        "obj": Finding(
            "direct object: best head less best fixed offset, percentage points",
            "46.8 (86.8 - 40.0)",
            23.4,
            100,
            CLARK,
            TREES,
        ),
        "poss": Finding(
            "possessive: best head less best fixed offset, percentage points",
            "32.8 (80.5 - 47.7)",
            16.4,
            100,
            CLARK,
            TREES,
        ),
        "particle": Finding(
            "particle: best head less best fixed offset, percentage points", "7.7 (99.1 - 91.4)", 3.8, 100, CLARK, TREES
        ),
        "passive": Finding(
            "passive auxiliary: accuracy of the best head, %",
            "82.5 (authors' notebook: 94.1, with 82.5 the fixed offset)",
            62.5,
            100,
            CLARK,
            TREES,
        ),
    },
    "are_sixteen_heads_better_than_one": {
        "prunable": Finding(
            "heads removed, least important first, before accuracy falls by more than 2 points, %",
            "60 (SST-2; 40 on MNLI, 50 on CoLA and MRPC)",
            20,
            100,
            MICHEL,
            TASK,
        ),
        "one_head": Finding(
            "change of accuracy with the worst layer reduced to its best head, percentage points",
            "-0.96 (layer 9)",
            -2.9,
            0,
            MICHEL,
            TASK,
        ),
        "speed": Finding(
            "speed gained by removing half of all heads from the weights, batches of 64, %",
            "17.5",
            5.8,
            52.5,
            MICHEL,
            TASK,
        ),
        "domains": Finding("correlation of importance on two domains", "0.68", 0.43, 0.93, MICHEL, TASK),
    },
    "rollout_and_flow": {
        "raw": Finding(
            "Spearman correlation with blank-out, raw attention, last layer", "0.29", 0.04, 0.54, ABNAR, AGREEMENT
        ),
        "rollout": Finding(
            "Spearman correlation with blank-out, rollout, last layer", "0.71", 0.46, 0.96, ABNAR, AGREEMENT
        ),
        "flow": Finding("Spearman correlation with blank-out, flow, last layer", "0.70", 0.45, 0.95, ABNAR, AGREEMENT),
        "difference": Finding(
            "rollout less raw attention, last layer", "0.42 (0.71 - 0.29)", 0.21, 2, ABNAR, AGREEMENT
        ),
    },
    "rogue_dimensions": {
        "self_similarity": Finding(
            "self-similarity less anisotropy of the last layer, minus that of the first",
            "smaller",
            -2,
            0,
            f"Ethayarajh 2019, {NOT_CHECKED}",
            PROSE,
        ),
        "intra_sentence": Finding(
            "similarity within a sentence less anisotropy, last layer",
            "larger than 0",
            0,
            1,
            f"Ethayarajh 2019, {NOT_CHECKED}",
            PROSE,
        ),
        "dominant": Finding(
            "dimensions that make up half of the cosine of random tokens, in the most anisotropic layer",
            "one to three",
            1,
            3,
            "Timkey and van Schijndel 2021",
            PROSE,
        ),
        "standardized": Finding(
            "anisotropy of the most anisotropic layer after standardization, divided by that before it",
            "smaller",
            0,
            1,
            f"Timkey and van Schijndel 2021, {NOT_CHECKED}",
            PROSE,
        ),
    },
    "sinks_and_outliers": {
        "norm": Finding(
            "[SEP] in the upper half: part of the norm that is moved, divided by part of the attention",
            "smaller",
            0,
            1,
            f"Kobayashi et al. 2020, {NOT_CHECKED}",
            PROSE,
        ),
        "correlation": Finding(
            "correlation of attention to [SEP] with the norm of its value, over heads",
            "negative",
            -1,
            0,
            f"Kobayashi et al. 2020, {NOT_CHECKED}",
            PROSE,
        ),
        "outliers": Finding(
            "outliers of the layer outputs that are at [SEP], a full stop or a comma, %",
            "over 97",
            77,
            100,
            "Bondarenko et al. 2023",
            PROSE,
        ),
        "no_update": Finding(
            "heads with over half of their attention on [SEP]: norm of the head output, divided by that of other heads",
            "smaller",
            0,
            1,
            f"Bondarenko et al. 2023, {NOT_CHECKED}",
            PROSE,
        ),
    },
    "where_is_the_knowledge": {
        "order": Finding(
            "expected layer of dependency relations less that of parts of speech",
            "larger than 0",
            0,
            6,
            f"Tenney et al. 2019, {NOT_CHECKED}",
            TREES,
        ),
        "structural": Finding(
            "structural probe, best layer: undirected attachments that are right, %",
            "79.8 (BERT-Base, layer 7)",
            59.8,
            99.8,
            f"Hewitt and Manning 2019, {NOT_CHECKED}",
            TREES,
        ),
        "middle": Finding(
            "best layer of the structural probe, divided by the number of layers",
            "0.58 (7 of 12)",
            0.33,
            0.83,
            f"Hewitt and Manning 2019, {NOT_CHECKED}",
            TREES,
        ),
        "selectivity": Finding(
            "parts of speech: accuracy of the probe less that of its control task, percentage points",
            "larger than 0",
            0,
            100,
            f"Hewitt and Liang 2019, {NOT_CHECKED}",
            TREES,
        ),
        "fine_tuning": Finding(
            "CKA before and after fine-tuning, last layer less first layer",
            "smaller",
            -1,
            0,
            f"Merchant et al. 2020, {NOT_CHECKED}",
            TASK,
        ),
    },
}
"""Lab, the name of its notebook without its number -> name of a value -> `Finding`."""
