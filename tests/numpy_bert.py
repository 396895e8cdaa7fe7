"""BERT once more, in plain NumPy, written from the paper and tf-models' documented behavior: an oracle for the layers.

It shares no code with the package; it reads the weights by their paths. Slow, float64, no dropout.
"""

import math

import numpy as np


def layer_norm(x, gamma, beta, epsilon=1e-12):
    centered = x - x.mean(-1, keepdims=True)
    return centered / np.sqrt((centered**2).mean(-1, keepdims=True) + epsilon) * gamma + beta


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def gelu_exact(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def relu(x):
    return np.maximum(x, 0)


def unedited(name, x):
    return x


def attention(w, query, value, mask, edit=unedited):
    """`mask` is [B, T or 1, S] of 0 and 1; `edit(name, x)` returns what replaces a tensor."""
    q = edit("queries", np.einsum("btd,dnh->bnth", query, w["query/kernel"]) + w["query/bias"][:, None])
    k = edit("keys", np.einsum("bsd,dnh->bnsh", value, w["key/kernel"]) + w["key/bias"][:, None])
    v = edit("values", np.einsum("bsd,dnh->bnsh", value, w["value/kernel"]) + w["value/bias"][:, None])
    logits = edit("attention_logits", np.einsum("bnth,bnsh->bnts", q, k) / math.sqrt(q.shape[-1]))
    logits = np.where(mask[:, None] != 0, logits, -1e30)
    exps = np.exp(logits - logits.max(-1, keepdims=True))
    scores = edit("attention_scores", exps / exps.sum(-1, keepdims=True))
    context = edit("head_outputs", np.einsum("bnts,bnsh->bnth", scores, v))
    output = np.einsum("bnth,nhd->btd", context, w["attention_output/kernel"]) + w["attention_output/bias"]
    return edit("attention_output", output), scores


def below(weights, prefix):
    return {path.removeprefix(prefix): value for path, value in weights.items() if path.startswith(prefix)}


def transformer(w, x, mask, activation, norm_first=False, output_range=None, epsilon=1e-12, edit=unedited):
    def norm(name, y):
        return layer_norm(y, w[f"{name}/gamma"], w[f"{name}/beta"], epsilon)

    def feedforward(y):
        inner = activation(y @ w["feedforward/intermediate/kernel"] + w["feedforward/intermediate/bias"])
        output = edit("intermediate", inner) @ w["feedforward/output/kernel"] + w["feedforward/output/bias"]
        return edit("feedforward_output", output)

    cut = slice(0, output_range or None)
    h = norm("self_attention_layer_norm", x) if norm_first else x
    attention_output, scores = attention(below(w, "self_attention/"), h[:, cut], h, mask, edit)
    y = x[:, cut] + attention_output
    if norm_first:
        return edit("encoder_outputs", y + feedforward(norm("output_layer_norm", y))), scores
    y = norm("self_attention_layer_norm", y)
    return edit("encoder_outputs", norm("output_layer_norm", y + feedforward(y))), scores


def encoder(w, words, types, mask, num_layers, activation, norm_first=False, output_range=None, edit=unedited):
    """`words` are rows of the word table, [B, T, W]; returns the embedding output, layer outputs, scores, pooled."""
    x = words + w["embeddings/position_embedding/embeddings"][: words.shape[1]]
    x = x + w["embeddings/type_embeddings/embeddings"][types]
    x = layer_norm(x, w["embeddings/layer_norm/gamma"], w["embeddings/layer_norm/beta"])
    if "embeddings/embedding_projection/kernel" in w:
        x = x @ w["embeddings/embedding_projection/kernel"] + w["embeddings/embedding_projection/bias"]
    x = edit("embedding_output", x)
    embedded, layers, scores = x, [], []
    for i in range(num_layers):
        last = i == num_layers - 1
        options = {"norm_first": norm_first, "output_range": output_range if last else None}
        options["edit"] = lambda name, y, i=i: edit(f"layer_{i}/{name}", y)
        x, s = transformer(below(w, f"layer_{i}/"), x, mask[:, None], activation, **options)
        layers.append(x)
        scores.append(s)
    pooled = edit("pooled_output", np.tanh(x[:, 0] @ w["pooler_transform/kernel"] + w["pooler_transform/bias"]))
    return embedded, layers, scores, pooled
