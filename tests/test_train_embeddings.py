"""Embedding models: losses and steps as in sentence-transformers, metrics, files, and resuming after a kill."""

import interrupted
import keras
import numpy as np
import pytest
import small_world
from keras import ops

import bertedu as be
from bertedu import analysis
from bertedu.fine_tuning import CosineSimilarityRegression, EmbeddingModel, MultipleNegativesRanking, predict
from bertedu.fine_tuning import run as running
from bertedu.fine_tuning.batches import Batches
from bertedu.fine_tuning.embedding_tasks import Ranking, Similarity
from bertedu.pooling import EmbedSettings

WORDS = small_world.VOCABULARY[5:]
RNG = np.random.default_rng(4)
QUERIES = [" ".join(RNG.choice(WORDS, RNG.integers(1, 7))) for _ in range(44)]
POSITIVES = [" ".join([*RNG.permutation(query.split()), *RNG.choice(WORDS, RNG.integers(0, 20))]) for query in QUERIES]
NEGATIVES = [" ".join(RNG.choice(WORDS, RNG.integers(1, 12))) for _ in QUERIES]
NUMBERS = RNG.uniform(-1, 1, len(QUERIES)).round(2).tolist()


def small(seed=0, dropout=0.1, settings=None, **options):
    """A `Bert` of random weights on the small world."""
    keras.utils.set_random_seed(seed)
    sizes = {"hidden_size": 16, "num_layers": 2, "num_attention_heads": 2, "inner_dim": 32, "type_vocab_size": 2}
    sizes |= {"output_dropout": dropout, "attention_dropout": dropout}
    encoder = be.BertEncoder(len(small_world.VOCABULARY), max_sequence_length=32, **sizes)
    for weight in encoder.weights:  # larger than at the start of a training, so that texts differ
        if len(weight.shape) == 2:
            weight.assign(np.asarray(weight) * 10)
    tokenizer = be.BertTokenizer(small_world.VOCABULARY)
    return be.Bert(tokenizer, encoder, embed_settings=settings or EmbedSettings(normalize=True), **options)


def run(pairs=(QUERIES, POSITIVES), validation=None, bert=None, **options):
    bert = bert or small()
    options = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-3, "progress": False} | options
    return bert, be.train_embeddings(bert, pairs, validation, **options)


def weights(bert):
    return [np.asarray(weight) for weight in bert.encoder.weights]


def same_weights(one, two):
    return all(np.array_equal(a, b) for a, b in zip(weights(one), weights(two), strict=True))


def unit(*shape):
    vectors = RNG.normal(size=shape).astype("float32")
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def different(batch, columns):
    return np.arange(batch * columns).reshape(batch, columns)


# -- losses ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [2, 3, 4])
@pytest.mark.parametrize("scale", [20.0, 3.5])
def test_the_ranking_loss_is_that_of_sentence_transformers(columns, scale):
    torch = pytest.importorskip("torch")
    losses = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    vectors = unit(7, columns, 11)
    expected = losses.MultipleNegativesRankingLoss(None, scale=scale).compute_loss_from_embeddings(
        [torch.tensor(vectors[:, i] * 3) for i in range(columns)], None
    )
    found = MultipleNegativesRanking(scale)(different(7, columns), vectors)
    np.testing.assert_allclose(float(found), float(expected), rtol=1e-5)


def test_the_similarity_loss_is_that_of_sentence_transformers():
    torch = pytest.importorskip("torch")
    losses = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    vectors, numbers = unit(7, 2, 11), RNG.uniform(-1, 1, 7).astype("float32")
    columns = [torch.tensor(vectors[:, i] * 3) for i in range(2)]
    expected = losses.CosineSimilarityLoss(None).compute_loss_from_embeddings(columns, torch.tensor(numbers))
    np.testing.assert_allclose(
        float(CosineSimilarityRegression()(numbers[:, None], vectors)), float(expected), rtol=1e-5
    )


def ranking_by_loops(texts, vectors, scale):
    """The loss of each query, from the texts themselves."""
    losses = []
    for i, (query, positive, *_) in enumerate(texts):
        if query is None:
            losses.append(None)
            continue
        total = np.exp(scale * vectors[i, 0] @ vectors[i, 1])
        for j, (other_query, *candidates) in enumerate(texts):
            for c, text in enumerate(candidates):
                own = (i, 0) == (j, c)
                answer = text in (query, positive) or (other_query == query and c == 0)
                if text is not None and not own and not answer:
                    total += np.exp(scale * vectors[i, 0] @ vectors[j, c + 1])
        losses.append(np.log(total) - scale * vectors[i, 0] @ vectors[i, 1])
    return losses


def test_texts_that_belong_to_the_query_are_no_negatives():
    texts = [
        ("a", "b", "x"),
        ("a", "c", "y"),  # an equal query with another answer
        ("d", "b", "z"),  # an equal positive
        ("e", "f", "b"),  # a hard negative that is a positive elsewhere
        ("f", "a", "e"),  # a positive that is a query elsewhere
        ("g", "h", "a"),  # a hard negative that equals a query
        (None, None, None),  # fills up the batch
    ]
    numbers = {text: i for i, text in enumerate(dict.fromkeys(text for row in texts for text in row if text))}
    ids = np.array([[numbers.get(text, -1) for text in row] for row in texts])
    vectors = unit(7, 3, 5)
    expected = ranking_by_loops(texts, vectors.astype("float64"), 4.0)
    found = ops.convert_to_numpy(MultipleNegativesRanking(4.0, reduction="none")(ids, vectors))
    np.testing.assert_allclose(found[:6], expected[:6], rtol=1e-5)
    assert np.isfinite(found[6])


@pytest.mark.parametrize("task", [Ranking, Similarity])
def test_a_batch_that_is_filled_up_has_the_loss_and_gradient_of_its_examples(task):
    bert = small(dropout=0.0)
    bert.encoder.pooler_layer.trainable = False
    task = Ranking(bert, 20.0) if task is Ranking else Similarity(bert)
    data = (QUERIES[:3], POSITIVES[:3], NEGATIVES[:3]) if isinstance(task, Ranking) else (*PAIRS3, NUMBERS[:3])
    examples = task.prepare("pairs", data, bert.preprocessor, 32)
    results = []
    for size in (3, 8):
        model = EmbeddingModel(bert.encoder)
        sgd = keras.optimizers.SGD(0.0)
        model.compile(sgd, task.loss(), jit_compile=False)
        inputs, labels, sample_weights = Batches(examples, [np.arange(3)], size, 0, 32)[0]
        assert inputs[0]["input_word_ids"].shape[0] == size and sample_weights.tolist() == [1] * 3 + [0] * (size - 3)
        before = weights(bert)
        sgd.learning_rate = 1.0
        loss = model.train_on_batch(inputs, labels, sample_weights)
        results.append([loss, *(new - old for new, old in zip(weights(bert), before, strict=True))])
        for weight, old in zip(bert.encoder.weights, before, strict=True):
            weight.assign(old)
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


PAIRS3 = (QUERIES[:3], POSITIVES[:3])


# -- the model ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pooling", ["mean", "cls", "max", "pooled"])
def test_the_vectors_are_those_of_embed(pooling):
    bert = small(settings=EmbedSettings(pooling, normalize=True, prompt="the ", max_length=9))
    examples = Ranking(bert, 20.0).prepare("pairs", (QUERIES, POSITIVES), bert.preprocessor, 9)
    inputs, labels, _ = Batches(examples, [np.arange(44)], 44, 0, 9)[0]
    vectors = ops.convert_to_numpy(EmbeddingModel(bert.encoder, pooling)(inputs))
    for i, texts in enumerate((QUERIES, POSITIVES)):
        np.testing.assert_allclose(vectors[:, i], bert.embed(texts), atol=1e-6)
    labels, texts = labels.ravel(), np.array([QUERIES, POSITIVES]).T.ravel()
    np.testing.assert_array_equal(labels[:, None] == labels, texts[:, None] == texts)
    lengths = [len(bert.preprocessor.encode("the " + text).ids) for text in {*QUERIES, *POSITIVES}]
    assert examples.truncated == sum(length > 9 for length in lengths) > 0


def test_queries_are_padded_to_the_longest_query():
    """What they are compared with is longer, and would double the time if all texts had its length."""
    bert = small()
    examples = Ranking(bert, 20.0).prepare("pairs", (QUERIES, POSITIVES, NEGATIVES), bert.preprocessor, 32)
    batches = Batches(examples, [np.arange(i, i + 2) for i in range(0, 44, 2)], 2, 0, 32)
    seen = []
    for i in range(22):
        queries, documents = (inputs["input_mask"] for inputs in batches[i][0])  # [2, 1, T], [2, 2, T]
        assert queries.shape[:2] == (2, 1) and documents.shape[:2] == (2, 2)
        seen.append([int(mask.sum(axis=-1).max()) for mask in (queries, documents)])
        assert seen[-1] == [queries.shape[2], documents.shape[2]]
    assert all(len(set(lengths)) > 1 and lengths[0] != lengths[1] for lengths in zip(*seen, strict=True))


def test_the_model_survives_its_configuration():
    model = EmbeddingModel(small().encoder, "max")
    copy = EmbeddingModel.from_config(model.get_config())
    assert copy.pooling == "max" and copy.network.hidden_size == 16


# -- training ----------------------------------------------------------------------------------------------------------


def sentence_transformer(bert, folder):
    """The model in sentence-transformers, in training mode without dropout."""
    sentence_transformers = pytest.importorskip("sentence_transformers")
    be.save_checkpoint(bert, folder, format="huggingface")
    return sentence_transformers.SentenceTransformer(str(folder), device="cpu")


@pytest.mark.parametrize("loss", ["multiple_negatives_ranking", "cosine_similarity"])
def test_some_steps_are_those_of_sentence_transformers(loss, tmp_path):
    torch = pytest.importorskip("torch")
    losses = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    bert = small(dropout=0.0)
    peer = sentence_transformer(bert, tmp_path / "start")
    before = bert.embed(QUERIES)
    every = QUERIES + POSITIVES
    unique = [i for i in range(44) if every.count(QUERIES[i]) == every.count(POSITIVES[i]) == 1]
    columns = [[texts[i] for i in unique] for texts in (QUERIES, POSITIVES)]
    numbers = [NUMBERS[i] for i in unique] if loss == "cosine_similarity" else None
    options = {"schedule": "constant", "weight_decay": 0.1, "global_clipnorm": 0.5, "restore_best_weights": False}
    run((*columns, numbers) if numbers else tuple(columns), bert=bert, loss=loss, epochs=6, batch_size=len(unique),
        precision="float32", **options)  # fmt: skip

    named = {False: [], True: []}
    for name, parameter in peer.named_parameters():
        named["bias" in name or "LayerNorm" in name].append(parameter)
    groups = [{"params": named[False], "weight_decay": 0.1}, {"params": named[True], "weight_decay": 0.0}]
    adam, epsilon = torch.optim.AdamW(groups, lr=1e-3), be.fine_tuning.optimizer(1e-3, 10).epsilon
    criterion = (losses.MultipleNegativesRankingLoss if numbers is None else losses.CosineSimilarityLoss)(peer)
    peer.train()
    for step in range(1, 7):
        for group in adam.param_groups:  # Keras and TensorFlow add epsilon before the bias correction, torch after it
            group["eps"] = epsilon / (1 - 0.999**step) ** 0.5
        features = [peer.preprocess(texts) for texts in columns]
        adam.zero_grad()
        criterion(features, None if numbers is None else torch.tensor(numbers)).backward()
        torch.nn.utils.clip_grad_norm_([p for p in peer.parameters() if p.grad is not None], 0.5)
        adam.step()
    peer.eval()
    after = bert.embed(QUERIES)
    assert np.abs(after - before).max() > 0.01
    np.testing.assert_allclose(after, peer.encode(QUERIES), atol=2e-5)


def test_it_learns_and_records_what_happened(tmp_path):
    bert = small(dropout=0.0)
    before = analysis.retrieval(bert.embed(QUERIES), bert.embed(POSITIVES)).mrr
    options = {"epochs": 8, "learning_rate": 3e-3, "output_dir": tmp_path / "run"}
    _, history = run(validation=(QUERIES, POSITIVES), bert=bert, **options)
    assert history.final["val_mrr"] > before + 0.1 and history.final["loss"] < history.epochs[0]["loss"]
    names = {"loss", "val_loss", "val_mrr", "val_ndcg_at_10", "val_recall_at_1", "val_recall_at_10"}
    assert history.final.keys() == names
    run_ = history.run
    assert (run_["task"], run_["scale"], run_["pooling"], run_["prompt"]) == (Ranking.name, 20.0, "mean", "")
    assert (tmp_path / "run" / "history.json").is_file() and history.finished


def test_validation_metrics_are_those_of_the_saved_vectors():
    pairs = ([*QUERIES[:20], QUERIES[0]], [*POSITIVES[:20], POSITIVES[30]], NEGATIVES[:21])
    bert, history = run(validation=pairs, restore_best_weights=False, precision="float32")
    queries, documents = list(dict.fromkeys(pairs[0])), list(dict.fromkeys([*pairs[1], *pairs[2]]))
    relevant = [[documents.index(p) for q, p in zip(*pairs[:2], strict=True) if q == query] for query in queries]
    expected = analysis.retrieval(bert.embed(queries), bert.embed(documents), relevant).metrics
    found = {name: history.epochs[-1][f"val_{name}"] for name in expected}
    assert found == pytest.approx(expected, abs=1e-6)


def test_a_regression_of_similarities():
    data = (QUERIES, POSITIVES, NUMBERS)
    options = {"loss": "cosine_similarity", "epochs": 10, "learning_rate": 5e-3, "restore_best_weights": False}
    bert, history = run(data, data, small(dropout=0.0), **options)
    cosines = np.sum(bert.embed(QUERIES) * bert.embed(POSITIVES), axis=1)
    assert history.final["val_spearman"] == pytest.approx(analysis.spearman(cosines, NUMBERS), abs=1e-3)
    assert history.final["val_loss"] == pytest.approx(np.mean((cosines - NUMBERS) ** 2), abs=1e-3)
    assert history.final["val_spearman"] > 0.5 and history.epochs[-1]["loss"] < history.epochs[0]["loss"]


def test_hard_negatives_are_pushed_away():
    triples = (QUERIES, POSITIVES, NEGATIVES)
    bert = small(dropout=0.0)

    def margin():
        queries, positives, negatives = (bert.embed(texts) for texts in triples)
        return np.mean(np.sum(queries * (positives - negatives), axis=1))

    before = margin()
    run(triples, bert=bert, epochs=6, learning_rate=3e-3)
    assert margin() > before + 0.1


def test_the_pooler_is_left_alone_unless_it_is_used():
    for pooling, moves in (("mean", False), ("pooled", True)):
        bert = small(settings=EmbedSettings(pooling))
        before = np.asarray(bert.encoder.pooler_layer.kernel).copy()
        bert.encoder.pooler_layer.bias.trainable = False
        run(bert=bert, epochs=1)
        assert np.array_equal(before, np.asarray(bert.encoder.pooler_layer.kernel)) != moves
        assert [weight.trainable for weight in bert.encoder.pooler_layer.weights] == [True, False]


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_trains_a_copy_and_returns_its_weights(precision):
    bert, history = run(validation=(QUERIES, POSITIVES), precision=precision)
    assert history.precision == precision and bert.encoder.dtype_policy.name == "float32"
    assert not same_weights(bert, small())


def test_seeds_and_callbacks(tmp_path):
    stopping = keras.callbacks.EarlyStopping("val_mrr", mode="max", patience=0)
    bert, runs = run(validation=(QUERIES, POSITIVES), seeds=[1, 2], callbacks=[stopping], epochs=3)
    assert runs.metric == "val_mrr" and runs.histories.keys() == {1, 2} and runs.best in (1, 2)
    alone, _ = run(validation=(QUERIES, POSITIVES), seed=runs.best, epochs=len(runs.histories[runs.best].epochs))
    losses = [[e["loss"] for e in h.epochs] for h in runs.histories.values()]
    assert losses[0] != losses[1]
    assert not same_weights(bert, small()) and not same_weights(alone, small())


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings", [EmbedSettings(), EmbedSettings("cls", True, 12, "the cat "), EmbedSettings("max", max_length=20)]
)
def test_sentence_transformers_opens_the_result(settings, tmp_path):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    bert, _ = run(bert=small(settings=settings), output_dir=tmp_path / "run", max_length=10)
    loaded = be.load(tmp_path / "run" / "model")
    assert loaded.embed_settings == settings
    np.testing.assert_allclose(loaded.embed(POSITIVES), bert.embed(POSITIVES), atol=1e-6)
    peer = sentence_transformers.SentenceTransformer(str(tmp_path / "run" / "model"), device="cpu")
    np.testing.assert_allclose(peer.encode(POSITIVES), bert.embed(POSITIVES), atol=1e-5)


def test_what_hugging_face_cannot_store_is_saved_in_our_format(tmp_path):
    bert = small(settings=EmbedSettings("pooled", True))
    run(bert=bert, output_dir=tmp_path / "run", epochs=1)
    assert (tmp_path / "run" / "model" / "bertedu.json").is_file()
    loaded = be.load(tmp_path / "run" / "model")
    assert loaded.embed_settings == bert.embed_settings
    np.testing.assert_array_equal(loaded.embed(QUERIES), bert.embed(QUERIES))


# -- resume ------------------------------------------------------------------------------------------------------------

OPTIONS = {"validation": (QUERIES, POSITIVES, NEGATIVES), "epochs": 6}
PROGRAM = """
import test_train_embeddings as t
t.running.SEGMENT = 2
bert, history = t.run((t.QUERIES, t.POSITIVES, t.NEGATIVES), **t.OPTIONS, output_dir=sys.argv[1])
np.savez(sys.argv[2], *t.weights(bert), **{name: [e[name] for e in history.epochs] for name in ("loss", "val_mrr")})
"""


@interrupted.needs_kill
@pytest.mark.parametrize("kills", [1, pytest.param(6, marks=pytest.mark.slow)])
def test_a_killed_training_resumes_with_the_same_result(kills, tmp_path):
    interrupted.check_same_bits(*interrupted.whole_and_killed(PROGRAM, tmp_path, kills))


@pytest.mark.parametrize("precision", ["float32", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)])
def test_a_training_stopped_at_every_segment_has_the_same_result(precision, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "SEGMENT", 2)
    options = OPTIONS | {"epochs": 1, "precision": precision}
    whole, expected = run(**options, output_dir=tmp_path / "whole")
    train = lambda: run(**options, output_dir=tmp_path / "stopped")  # noqa: E731
    (bert, history), stops = interrupted.stopped_at_every_save(monkeypatch, train)
    assert stops > 2 and same_weights(whole, bert)
    assert [e["val_mrr"] for e in history.epochs] == [e["val_mrr"] for e in expected.epochs]


@pytest.mark.parametrize(
    "change, said",
    [
        ({"scale": 10.0}, "scale"),
        ({"loss": "cosine_similarity", "pairs": (QUERIES, POSITIVES, NUMBERS)}, "task"),
        ({"pairs": (QUERIES, NEGATIVES)}, "train"),
        ({"bert": "prompt"}, "prompt"),
    ],
)
def test_other_settings_do_not_resume(change, said, tmp_path):
    run(epochs=1, output_dir=tmp_path / "run")
    if change.get("bert"):
        change = {"bert": small(settings=EmbedSettings(normalize=True, prompt="the "))}
    with pytest.raises(ValueError, match=f"differs in .*{said}"):
        run(**change | {"epochs": 1, "output_dir": tmp_path / "run"})


# -- arguments ---------------------------------------------------------------------------------------------------------

LABELED = be.data.Texts(QUERIES, POSITIVES, np.zeros(44, "int32"), ("same",))
SIMILARITY = {"loss": "cosine_similarity"}
WRONG = [
    ({"pairs": QUERIES[:1]}, r"pairs: expected \(texts, pairs\)"),
    ({"pairs": [("the", "cat"), ("a", "dog")]}, r"a tuple of columns, got a list. .* tuple\(zip\(\*pairs\)\)"),
    ({"pairs": (QUERIES, None)}, r"pairs: expected \(texts, pairs\)"),
    ({"pairs": (QUERIES, POSITIVES[:3])}, r"pairs: expected columns of the same length.*\[44, 3\]"),
    ({"pairs": ([], [])}, "at least one example"),
    ({"pairs": (QUERIES, "the cat")}, "pairs: column 1: expected a list"),
    ({"pairs": (QUERIES, NUMBERS)}, "columns of strings, got .* at index 0 of column 1"),
    ({"pairs": (QUERIES, POSITIVES, NUMBERS)}, "columns of strings, got .* at index 0 of column 2"),
    ({"pairs": LABELED}, "pairs: expected pairs without labels"),
    ({"validation": LABELED}, "validation: expected pairs without labels"),
    ({"pairs": LABELED, **SIMILARITY}, r"got classes \('same',\)"),
    ({"pairs": LABELED._replace(labels=None, names=None), **SIMILARITY}, r"expected \(texts, pairs, numbers\)"),
    ({"pairs": (QUERIES, POSITIVES), **SIMILARITY}, r"expected \(texts, pairs, numbers\)"),
    ({"pairs": (QUERIES, POSITIVES, NUMBERS[:2]), **SIMILARITY}, "a number for each of 44 pairs, got 2"),
    ({"pairs": (QUERIES, POSITIVES, [*NUMBERS[:-1], 5]), **SIMILARITY}, "from -1 to 1, got 5. Divide"),
    ({"pairs": (QUERIES, POSITIVES, NEGATIVES), **SIMILARITY}, "expected numbers as labels"),
    ({"validation": (QUERIES, POSITIVES, [0.5] * 44), **SIMILARITY}, "two different numbers, got only 0.5"),
    ({"loss": "mnr"}, "loss: expected .*got 'mnr'"),
    ({"scale": 0}, "scale: expected a number above 0, got 0"),
    ({"max_length": 33}, "max_length: expected .* 32"),
    ({"epochs": 0}, "epochs: expected"),
]


@pytest.mark.parametrize("case", WRONG)
def test_invalid_arguments_are_refused(case):
    options, message = case
    pairs = (QUERIES, POSITIVES, NUMBERS) if "loss" in options and "pairs" not in options else (QUERIES, POSITIVES)
    with pytest.raises(ValueError, match=message):
        run(**{"pairs": pairs} | options)


def test_models_that_cannot_be_trained_are_refused():
    with pytest.raises(TypeError, match="bert: expected"):
        be.train_embeddings(small().encoder, (QUERIES, POSITIVES))
    with pytest.raises(ValueError, match="got 'pooled'"):
        run(bert=small(settings=EmbedSettings("pooled"), has_pooler=False))
    with pytest.raises(ValueError, match="pooling: expected"):
        run(bert=small(settings=EmbedSettings("median")))
    with pytest.raises(ValueError, match="registered pooling"):
        run(bert=small(settings=EmbedSettings(lambda sequence_output, input_mask: sequence_output[:, 0])))
    frozen = small()
    frozen.encoder.trainable = False
    with pytest.raises(ValueError, match="bert: expected trainable weights"):
        run(bert=frozen)


# -- re-ranking --------------------------------------------------------------------------------------------------------


def test_a_cross_encoder_ranks_texts_again(tmp_path):
    bert = small()
    classifier = bert.classifier_for(1)
    others = [*POSITIVES[1:], POSITIVES[0]]
    data = (QUERIES * 2, POSITIVES + others, [1.0] * 44 + [0.0] * 44)
    be.fine_tune(classifier, bert.preprocessor, data, epochs=2, learning_rate=1e-3, progress=False)
    scores = predict(classifier, bert.preprocessor, [QUERIES[0]] * 5, POSITIVES[:5])
    assert scores.shape == (5,)
    peer = pytest.importorskip("sentence_transformers").CrossEncoder
    path = tmp_path / "cross"
    be.save_checkpoint(
        be.Bert(bert.tokenizer, classifier.network, bert.preprocessor, classifier=classifier), path, "huggingface"
    )
    torch = pytest.importorskip("torch")
    model = peer(str(path), device="cpu", activation_fn=torch.nn.Identity())
    np.testing.assert_allclose(model.predict([(QUERIES[0], text) for text in POSITIVES[:5]]), scores, atol=1e-5)
    ranked = [POSITIVES[i] for i in scores.argsort()[::-1]]
    assert ranked == [POSITIVES[item["corpus_id"]] for item in model.rank(QUERIES[0], POSITIVES[:5])]
