"""Texts with labels, and sentences with dependencies: files, bertedu's data sets (data/README.md), and public ones."""

from bertedu.data.dependencies import Tree, load_dependencies
from bertedu.data.documentation import documentation_paragraphs, documentation_sentences
from bertedu.data.texts import Texts, load_texts, load_unlabelled

__all__ = [
    "Texts",
    "Tree",
    "documentation_paragraphs",
    "documentation_sentences",
    "load_dependencies",
    "load_texts",
    "load_unlabelled",
]
