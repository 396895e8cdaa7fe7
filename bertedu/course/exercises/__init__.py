"""The exercises, one file per chapter, and the projects in `projects/`.

A chapter may have a second file: `multi_head` of `attention`, `evaluation` of `pooling` and `classification`,
`masked_lm_bias` of `masked_lm`. A file imports nothing of the course but `bertedu.course.exercise` and its second file.
The files of labs have the names of `findings.FINDINGS`.
"""

from bertedu.course.exercise import Exercise
from bertedu.course.exercises import (
    are_sixteen_heads_better_than_one,
    attention,
    bert_to_today,
    checkpoints,
    classification,
    embedding_models,
    embeddings,
    encoder,
    feedforward,
    few_parameters,
    fine_tuning,
    masked_lm,
    pooling,
    rogue_dimensions,
    rollout_and_flow,
    sinks_and_outliers,
    start_here,
    tagging_words,
    talking_heads,
    text_to_tokens,
    transformer,
    visualize_attention,
    what_does_bert_look_at,
    where_is_the_knowledge,
)
from bertedu.course.exercises.projects import PROJECTS

__all__ = ["CHAPTERS", "EXERCISES", "OLD_NAMES", "PROJECTS"]

CHAPTERS = (
    start_here,
    text_to_tokens,
    embeddings,
    attention,
    feedforward,
    transformer,
    encoder,
    pooling,
    masked_lm,
    classification,
    fine_tuning,
    checkpoints,
    visualize_attention,
    talking_heads,
    bert_to_today,
    tagging_words,
    embedding_models,
    few_parameters,
    what_does_bert_look_at,
    are_sixteen_heads_better_than_one,
    rollout_and_flow,
    rogue_dimensions,
    sinks_and_outliers,
    where_is_the_knowledge,
)

EXERCISES: dict[str, Exercise] = {
    f"{chapter.__name__.rpartition('.')[2]}.{task}": exercise
    for chapter in CHAPTERS
    for task, exercise in chapter.EXERCISES.items()
}
"""Every exercise by its name, "chapter.task", in the order of the course."""

OLD_NAMES = {
    "start_here.most_looked_at": "start_here.top_token",
    "attention.scaled_products": "attention.scaled_dot_products",
    "attention.mix": "attention.weighted_sum",
    "classification.constant_guess": "classification.base_rate",
    "visualize_attention.looks_back": "visualize_attention.previous_token_head",
    "visualize_attention.brought_home": "visualize_attention.head_output_norm",
}
"""Names of exercises in version 0.1, which copies of its notebooks pass to `check`. Until 0.3."""
