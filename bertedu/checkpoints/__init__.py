"""Checkpoints: published weights, read by name into our layers. One file a format, each with its table of names.

A format is a module with `LOOKED_FOR` (in words), `TRUNCATION` (how its preprocessors cut a pair), and the functions
`recognises(path)`, `read_encoder(path)`, `read_tokenizer(path)` and `read_masked_lm(path, encoder)`.
Chapter: notebooks/10_checkpoints.ipynb.
"""

from bertedu.checkpoints import huggingface, saved_model, tensorflow

FORMATS = (huggingface, saved_model, tensorflow)


def recognise(path):
    """The format of the checkpoint at `path`, told by what is there.

    Raises:
        FileNotFoundError: none of them; says what was looked for.
    """
    for form in FORMATS:
        if form.recognises(path):
            return form
    looked_for = "\n  ".join(form.LOOKED_FOR for form in FORMATS)
    raise FileNotFoundError(f"{path} holds no BERT in a format that is known here. Looked for:\n  {looked_for}")
