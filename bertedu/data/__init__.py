"""Texts with labels, sentences with tags or dependencies: files, bertedu's data sets (data/README.md), public sets."""

from bertedu.data.dependencies import Tree, load_dependencies
from bertedu.data.documentation import documentation_paragraphs, documentation_sentences
from bertedu.data.tags import Tagged, load_tags
from bertedu.data.texts import Texts, load_texts, load_unlabelled

__all__ = [
    "Tagged",
    "Texts",
    "Tree",
    "documentation_paragraphs",
    "documentation_sentences",
    "load_dependencies",
    "load_tags",
    "load_texts",
    "load_unlabelled",
]
