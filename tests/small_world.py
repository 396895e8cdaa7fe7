"""The small recurring world: the same 20-word vocabulary and 6-word sentence in tests, docstrings and chapters."""

VOCABULARY = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),  # 0 to 4
    *("the", "cat", "sat", "on", "mat", "dog", "ran", "it", "was", "warm"),  # 5 to 14
    *("un", "##want", "##ed", ".", ","),  # 15 to 19
]
SENTENCE = "the cat sat on the mat"
