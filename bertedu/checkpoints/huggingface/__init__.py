"""Hugging Face directories: config.json, model.safetensors, vocab.txt or tokenizer.json; sentence-transformers' too.

Modules: `names` (tensors and arguments), `settings` (every field of the JSON files), `reader`, `heads`, `tokenizer`,
`embedding` (the files of sentence-transformers) and `writer`. Chapter: notebooks/11_checkpoints.ipynb.
"""

from bertedu.checkpoints.huggingface.names import from_hf  # noqa: F401
from bertedu.checkpoints.huggingface.reader import left_behind, read, recognizes, tensors  # noqa: F401
from bertedu.checkpoints.huggingface.writer import write  # noqa: F401

LOOKED_FOR = "Hugging Face: config.json, model.safetensors or its shards and index, and vocab.txt or tokenizer.json"
