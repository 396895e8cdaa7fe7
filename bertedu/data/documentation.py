"""English prose that every Python has: its language reference, as `help("if")` shows it.

Its texts depend on the version of Python, and have the license of Python (https://docs.python.org/3/license.html).
"""

import re

MAX_PUNCTUATION = 0.08  # fraction of a paragraph's characters; more is grammar, a table or code


def documentation_paragraphs() -> list[str]:
    """Return the paragraphs of prose in Python's language reference, some 1,000, in a fixed order, all different.

    Example:
        >>> len(documentation_paragraphs()) > 500
        True
    """
    from pydoc_data.topics import topics  # 0.7 MB

    paragraphs = (" ".join(part.split()) for name in sorted(topics) for part in re.split(r"\n\s*\n", topics[name]))
    return [paragraph for paragraph in dict.fromkeys(paragraphs) if _is_prose(paragraph)]


def _is_prose(paragraph):
    signs = sum(not (character.isalnum() or character.isspace()) for character in paragraph)
    return bool(paragraph) and signs / len(paragraph) <= MAX_PUNCTUATION


def documentation_sentences() -> list[str]:
    """Return the sentences of the `documentation_paragraphs`, some 1,500, in a fixed order, all different.

    Example:
        >>> all(sentence.endswith(".") for sentence in documentation_sentences())
        True
    """
    sentences = (part for text in documentation_paragraphs() for part in re.split(r"(?<=[.!?])\s+(?=[A-Z])", text))
    return [sentence for sentence in dict.fromkeys(sentences) if sentence.endswith(".")]
