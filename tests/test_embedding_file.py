"""`save_embeddings` and `bertedu embed`: whole or not at all, and resumed where they were interrupted."""

import json

import numpy as np
import pytest
import tiny_bert

import bertedu as be
from bertedu import cli

TEXTS = ["the cat sat on the mat .", "it was warm", "dog", "the unwanted dog ran , the cat sat", "on the mat"] * 3


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    return be.load(tiny_bert.write(tmp_path_factory.mktemp("tiny")), name="tiny")


@pytest.fixture
def bert(loaded, monkeypatch):
    monkeypatch.setattr("bertedu.bert.CHUNK", 4)
    weights = loaded.encoder.get_weights()
    yield loaded
    loaded.encoder.set_weights(weights)


def interrupted(bert, path, monkeypatch, after=2, **options):
    """Save the embeddings with an interruption after some chunks; return how many texts were embedded."""
    function, calls = bert._function, []

    def limited(*arguments):
        if len(calls) == after:
            raise KeyboardInterrupt
        calls.append(1)
        return function(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(bert, "_function", limited)
        with pytest.raises(KeyboardInterrupt):
            be.save_embeddings(bert, TEXTS, path, progress=False, **options)


def test_the_file_has_what_embed_returns(bert, tmp_path):
    path = be.save_embeddings(bert, TEXTS, tmp_path / "new" / "vectors.npy", "max", True)
    vectors = np.load(path, mmap_mode="r")
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, bert.embed(TEXTS, "max", True), atol=1e-6)
    assert [item.name for item in path.parent.iterdir()] == ["vectors.npy"]


def test_an_interrupted_call_leaves_no_file_and_resumes(bert, tmp_path, monkeypatch):
    path = tmp_path / "vectors.npy"
    interrupted(bert, path, monkeypatch)
    assert not path.exists()
    embedded, embed_chunks = [], bert.embed_chunks
    with monkeypatch.context() as patch:
        patch.setattr(
            bert, "embed_chunks", lambda texts, **options: embedded.extend(texts) or embed_chunks(texts, **options)
        )
        be.save_embeddings(bert, TEXTS, path)
    assert embedded == TEXTS[8:]  # two chunks of four were done
    np.testing.assert_allclose(np.load(path), bert.embed(TEXTS), atol=1e-6)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda bert: {"sentences": TEXTS[::-1]}, "texts"),
        (lambda bert: {"pooling": "cls"}, "pooling"),
        (lambda bert: {"max_length": 5}, "max_length"),
        (lambda bert: {"precision": "bfloat16"}, "precision"),
        (lambda bert: bert.encoder.set_weights([w + 1 for w in bert.encoder.get_weights()]) or {}, "weights"),
    ],
)
def test_another_call_does_not_resume_it(bert, tmp_path, monkeypatch, change, named):
    path = tmp_path / "vectors.npy"
    interrupted(bert, path, monkeypatch)
    call = {"sentences": TEXTS} | change(bert)
    with pytest.raises(FileExistsError, match=f"differs in {named}.*Delete this folder"):
        be.save_embeddings(bert, path=path, **call)


def test_a_file_begun_by_an_earlier_version_without_a_precision_resumes(bert, tmp_path, monkeypatch):
    path = tmp_path / "vectors.npy"
    interrupted(bert, path, monkeypatch)
    state = tmp_path / "vectors.npy.part" / "state.json"
    content = json.loads(state.read_text())
    assert content.pop("precision") is None
    state.write_text(json.dumps(content))
    be.save_embeddings(bert, TEXTS, path)
    np.testing.assert_allclose(np.load(path), bert.embed(TEXTS), atol=1e-6)


def test_a_damaged_unfinished_file_is_named(bert, tmp_path, monkeypatch):
    path = tmp_path / "vectors.npy"
    interrupted(bert, path, monkeypatch)
    np.save(tmp_path / "vectors.npy.part" / "vectors.npy", np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"vectors.npy.part: expected an array of shape \[15, "):
        be.save_embeddings(bert, TEXTS, path)


def test_two_writers_do_not_mix(bert, tmp_path):
    from bertedu.embedding_file import _locked

    folder = tmp_path / "vectors.npy.part"
    folder.mkdir()
    with _locked(folder), pytest.raises(BlockingIOError, match="another process"):
        be.save_embeddings(bert, TEXTS, tmp_path / "vectors.npy")


def test_an_existing_file_is_kept_unless_it_may_be_replaced(bert, tmp_path):
    path = tmp_path / "vectors.npy"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        be.save_embeddings(bert, TEXTS, path)
    assert path.read_text() == "mine"
    be.save_embeddings(bert, TEXTS, path, overwrite=True)
    assert np.load(path).shape == (15, tiny_bert.D)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"path": "vectors.txt"}, "path: .*npy"),
        ({"sentences": []}, "sentences: .*none"),
        ({"sentences": ["cat", 3]}, "sentences: .*3"),
        ({"pooling": "median"}, "pooling"),
        ({"precision": "int8"}, "precision"),
        ({"bert": "minilm"}, "bert"),
    ],
)
def test_wrong_arguments_leave_nothing_behind(bert, tmp_path, arguments, named):
    call = {"bert": bert, "sentences": TEXTS, "path": "vectors.npy"} | arguments
    with pytest.raises((TypeError, ValueError), match=named):
        be.save_embeddings(**call | {"path": tmp_path / call["path"]})
    assert list(tmp_path.iterdir()) == []


def test_the_command_embeds_each_kind_of_file(bert, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(be, "load", lambda source: bert)
    (tmp_path / "a.txt").write_text("\n".join(TEXTS))
    (tmp_path / "a.tsv").write_text("review\n" + "\n".join(TEXTS))
    for file, options in (("a.txt", []), ("a.tsv", ["--text", "review"])):
        output = tmp_path / f"{file}.npy"
        assert cli.main(["embed", str(tmp_path / file), "--output", str(output), *options]) == 0
        np.testing.assert_allclose(np.load(output), bert.embed(TEXTS), atol=1e-6)
        assert f"[15, {tiny_bert.D}]" in capsys.readouterr().out
    half = tmp_path / "half.npy"
    assert cli.main(["embed", str(tmp_path / "a.txt"), "--output", str(half), "--precision", "bfloat16"]) == 0
    np.testing.assert_array_equal(np.load(half), bert.embed(TEXTS, precision="bfloat16"))
    assert cli.main(["embed", str(tmp_path / "a.txt"), "--output", str(output)]) == 1
    assert "exists" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".html", ".png", ".svg"])
@pytest.mark.parametrize("kind", ["model", "head", "neuron"])
def test_the_command_saves_each_view(bert, tmp_path, capsys, monkeypatch, kind, suffix):
    monkeypatch.setattr(be, "load", lambda source: bert)
    output = tmp_path / f"view{suffix}"
    arguments = ["the cat sat", "it was warm", "--kind", kind, "--layer", "1", "--head", "1", "--output", str(output)]
    assert cli.main(["view", *arguments]) == 0
    content = output.read_bytes()
    assert len(content) > 2000 and {".html": b"<html", ".png": b"PNG", ".svg": b"<svg"}[suffix] in content
    assert "view" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "named"), [(["--layer", "9"], "layer"), (["--kind", "map"], "kind"), (["--output", "a.doc"], "path")]
)
def test_the_command_names_what_is_wrong_with_a_view(bert, tmp_path, capsys, monkeypatch, arguments, named):
    monkeypatch.setattr(be, "load", lambda source: bert)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["view", "the cat", *arguments]) == 1
    assert named in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
