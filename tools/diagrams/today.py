"""Diagrams of what came after BERT: the mask of a decoder, and retrieval-augmented generation."""

from tools.diagrams.canvas import Drawing

WORDS = ("the", "cat", "sat", "on", "it")


def encoder_decoder_mask():
    """Draw the attention mask of an encoder beside that of a decoder, and what each predicts in training."""
    d = Drawing(
        "encoder_decoder_mask",
        488,
        "The masks of an encoder and of a decoder",
        "Two attention masks of five words, the, cat, sat, on, it, queries in rows, keys in columns. Left, an encoder: "
        "every word attends to every word, and in training, with M in place of cat, only cat is predicted, 1 position "
        "of 5. Right, a decoder: the upper triangle is hidden, so that each word attends to itself and to earlier "
        "words, and at all 5 positions the next word or the period is predicted.",
    )
    inputs = ("the", "[M]", "sat", "on", "it")
    targets = ("", "cat", "", "", "")
    _mask(d, 16, "encoder (BERT)", "attends to both sides", False, inputs, targets)
    _mask(d, 276, "decoder (GPT)", "attends to the past", True, WORDS, (*WORDS[1:], "."))
    return d


def _mask(d, x, title, subtitle, causal, inputs, targets):
    """Draw one mask, and below it a training example: input tokens and the tokens to predict."""
    d.group(x, 16, 248, 456)
    d.text(x + 124, 38, title, "bold")
    d.note(x + 124, 60, subtitle, anchor="middle")
    for j, word in enumerate(WORDS):
        d.text(x + 78 + 36 * j, 90, word)
        d.text(x + 52, 121 + 36 * j, word, "", "end")
    visible = [[float(s <= t or not causal) for s in range(5)] for t in range(5)]
    d.cells(x + 60, 103, 5, 5, "weight", size=36, values=visible)
    for j, (token, target) in enumerate(zip(inputs, targets, strict=True)):
        chip = d.box(x + 11 + 46 * j, 326, 42, 34, token, role="plain" if token == "[M]" else "stream")
        if target:
            d.arrow(chip.south, (chip.cx, 392))
            d.box(chip.x, 392, 42, 34, target, role="new")
    count = sum(map(bool, targets))
    d.note(x + 124, 449, f"{count} of 5 positions predicted", anchor="middle")


def retrieval_augmented_generation():
    """Draw the way from documents and a question to a prompt, and on to an answer."""
    d = Drawing(
        "retrieval_augmented_generation",
        812,
        "Retrieval-augmented generation",
        "Documents are split into chunks, and an embedding model makes a vector of each, once. The same model makes a "
        "vector of the question, and the nearest chunks are found by cosine. Instruction, chunks and question become "
        "the prompt; a generator, which this course does not have, would write the answer.",
    )
    documents = d.box(40, 24, 180, 38, "documents", role="stream")
    question = d.box(310, 24, 180, 38, "question", role="stream")
    chunks = [d.box(40 + 96 * i, 92, 84, 38, f"chunk {i + 1}", role="stream", radius=4) for i in range(2)]
    models = [d.box(x, 162, 180, 38, "BERT, pooling") for x in (40, 310)]
    vectors = d.cells(74, 234, 3, 8, "key", size=14, seed=14)
    query = d.cells(344, 248, 1, 8, "query", size=14, seed=15)
    for chunk in chunks:
        d.arrow((chunk.cx, documents.bottom), chunk.north)
        d.arrow(chunk.south, (chunk.cx, models[0].y))
    d.arrow(question.south, models[1].north)
    d.arrow(models[0].south, vectors.north)
    d.arrow(models[1].south, query.north)
    d.note(265, 171, "same", anchor="middle")
    d.note(265, 191, "model", anchor="middle")
    d.note(202, 255, "stored")
    nearest = d.box(125, 320, 290, 38, "the nearest chunks, by cosine")
    d.arrow(vectors.south, (vectors.cx, 298), (200, 298), (200, nearest.y), role="key")
    d.arrow(query.south, (query.cx, 298), (340, 298), (340, nearest.y), role="query")
    _prompt(d, nearest, question)
    return d


def _prompt(d, nearest, question):
    """Draw the prompt, and the generator and the answer that are not part of the course."""
    prompt = d.group(90, 402, 360, 200)
    d.text(270, 424, "prompt", "bold")
    rows = (("instruction", "plain"), ("chunk 1", "stream"), ("chunk 2", "stream"), ("question", "stream"))
    for i, (text, role) in enumerate(rows):
        d.box(110, 442 + 38 * i, 320, 32, text, role=role, radius=4)
    d.arrow(nearest.south, prompt.north)
    d.arrow(question.east, (514, question.cy), (514, 572), (430, 572))
    generator = d.box(150, 646, 240, 44, "generator, a decoder", role="off", extra="dashed")
    answer = d.box(150, 734, 240, 38, "answer", role="off", extra="dashed")
    d.arrow(prompt.south, generator.north)
    d.arrow(generator.south, answer.north)
    d.note(400, 668, "not in this", "course")


DIAGRAMS = (encoder_decoder_mask, retrieval_augmented_generation)
