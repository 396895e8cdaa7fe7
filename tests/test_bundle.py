"""The JavaScript of the views: joining modules, type checks, and the reader interface in both languages."""

import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bertedu.bert_reader import BertReader, BertReadText
from bertedu.views import bundle
from bertedu.views.reader import Reader, ReadText

ROOT = Path(__file__).parent.parent
MODULES = sorted(path.name for path in bundle.HERE.glob("*.js"))
ENTRIES = [(view, host) for view in ("head", "model", "neuron", "explorer") for host in ("kernel", "saved")]
A = 'import { b, c } from "./b.js";\nconst a = `${b}\nimport nothing`;\nexport { a };\n'
B = "let counter = 1;\nconst b = counter;\nconst c = 2;\nexport { b, c };\n"


@pytest.fixture
def joined(tmp_path):
    """Return a function that writes modules into a folder and joins them."""

    def join(*entries, **modules):
        for name, text in modules.items():
            (tmp_path / f"{name}.js").write_text(text, encoding="utf-8")
        bundle.script.cache_clear()
        return bundle.script(*entries, folder=tmp_path)

    return join


def run(script):
    """Run a script with node, as a module like in a page."""
    if shutil.which("node") is None:
        pytest.skip("no node on PATH")
    return subprocess.run(["node", "--input-type=module", "--eval", script], capture_output=True, text=True, timeout=60)


def test_modules_run_in_import_order_with_separate_names(joined):
    script = joined("a.js", "d.js", a=A.replace("import nothing", "line"), b=B, d=B.replace("2", "3"))
    assert script.index('modules["b.js"] =') < script.index('modules["a.js"] =')
    done = run(f"{script}\nconsole.log(a, b, c, typeof counter);")
    assert done.stdout == "1\nline 1 3 undefined\n", done.stderr


def test_a_module_is_joined_once_and_unchanged(joined):
    script = joined("a.js", a='import { b } from "./b.js";\nimport { c } from "./c.js";\nexport { b, c };\n', b=B,
                     c='import { c } from "./b.js";\nexport { c };\n')  # fmt: skip
    assert script.count("let counter = 1;\nconst b = counter;\nconst c = 2;\n") == 1


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ({"a": 'import { b, gone } from "./b.js";\nexport { b };\n', "b": B}, "a.js, line 1: b.js .* not export gone"),
        ({"a": 'import { a } from "./a.js";\nexport { a };\n'}, "circular imports: a.js > a.js"),
        ({"a": 'import * as b from "./b.js";\nexport { b };\n', "b": B}, "a.js, line 1: expected import"),
        ({"a": "export const a = 1;\nexport { a };\n"}, "a.js, line 1: the only export must be the last line"),
        ({"a": "const a = 1;\n"}, "a.js, last line: expected export"),
        ({"a": A, "b": B}, "a.js, line 3: expected import"),  # also in a multi-line string
    ],
)
def test_modules_that_break_a_rule_are_named(joined, modules, message):
    with pytest.raises(ValueError, match=message):
        joined("a.js", **modules)


def test_a_missing_module_is_an_error(joined):
    with pytest.raises(FileNotFoundError):
        joined("a.js", a='import { b } from "./nowhere.js";\nexport { b };\n')


@pytest.mark.parametrize(("view", "host"), ENTRIES)
def test_the_script_of_every_view_is_a_module_that_loads(view, host):
    start = {"kernel": "liveModule", "saved": "startSaved"}[host]
    done = run(f"{bundle.script(f'{view}.js', f'{host}.js')}\nconsole.log(typeof showView, typeof {start});")
    assert done.stdout == "function function\n", done.stderr


def test_pages_contain_every_module_except_the_types():
    joined = "".join(bundle.script(f"{view}.js", f"{host}.js") for view, host in ENTRIES)
    assert [name for name in MODULES if f'modules["{name}"]' not in joined] == ["types.js"]


def test_only_the_kernel_module_depends_on_anywidget_and_its_hosts():
    for name in set(MODULES) - {"kernel.js"}:
        assert not re.search(r"widget|jupyter|\.jp-|msg:custom", (bundle.HERE / name).read_text(), re.IGNORECASE), name


def test_the_types_of_the_modules_are_right():
    done = subprocess.run(
        [sys.executable, "-m", "tools.check_js"], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    if "is not checked" in done.stdout:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout


def test_a_wrong_type_is_reported(tmp_path):
    from tools import check_js

    if check_js.missing():
        pytest.skip("no TypeScript")
    (tmp_path / "a.js").write_text("/** @param {number} a */\nfunction f(a) {\n  return a.gone;\n}\nexport { f };\n")
    config = '{"extends": "%s", "include": ["*.js"]}' % (check_js.FOLDER / "tsconfig.json")
    (tmp_path / "tsconfig.json").write_text(config)
    command = ["node", check_js.COMPILER, "--project", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode and "'gone' does not exist" in done.stdout


def test_without_node_a_message_says_that_nothing_is_checked(monkeypatch, capsys):
    from tools import check_js

    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.delenv("CI", raising=False)
    assert check_js.main() == 0
    assert "not checked" in capsys.readouterr().out
    monkeypatch.setenv("CI", "true")
    assert check_js.main() == 1


# ---- the reader, in Python and in the page ---------------------------------------------------------------------------


def fields(name):
    """Return the fields of a type in types.js, and whether each is optional."""
    block = re.search(rf"@typedef {{object}} {name}\n(.*?)\*/", (bundle.HERE / "types.js").read_text(), re.DOTALL)[1]
    properties = re.findall(r"@property {.*} (\[?)(\w+)\]?", block)
    return {field: bool(optional) for optional, field in properties}


def methods(protocol):
    return {name for name, member in vars(protocol).items() if inspect.isfunction(member) and name[0] != "_"} - {
        "_no_init_or_replace_init"
    }


def snake(name):
    return re.sub("([A-Z])", lambda letter: f"_{letter[1].lower()}", name)


def test_the_protocol_is_the_same_on_both_sides():
    asked = {snake(name) for name, optional in fields("Reader").items() if not optional}
    assert asked == methods(Reader) == {"describe", "read", "fill_mask"}
    text = set(fields("ReadText"))
    assert text == methods(ReadText) | {"message", "attention", "original"}


@pytest.mark.parametrize(("protocol", "implementation"), [(Reader, BertReader), (ReadText, BertReadText)])
def test_the_reader_of_a_bert_has_the_parameters_of_the_protocol(protocol, implementation):
    for name in methods(protocol):
        expected, actual = (
            list(inspect.signature(getattr(cls, name)).parameters) for cls in (protocol, implementation)
        )
        assert actual == expected


@pytest.mark.parametrize("edits", [{}, {"heads": [[0, 1]]}])
def test_messages_have_the_fields_that_the_page_expects(edits):
    from test_explorer import SENTENCE, small_bert

    reader = BertReader(small_bert())
    text = reader.read(SENTENCE, "it was warm", edits)
    messages = {
        "Description": reader.describe(),
        "ReadingMessage": text.message,
        "Projection": text.projection(1),
        "Similarity": text.similarity(),
        "Prediction": reader.fill_mask(text, 1),
        "Statistics": text.message["statistics"],
    }
    for name, message in messages.items():
        known = fields(name)
        assert set(message) <= set(known) and {field for field in known if not known[field]} <= set(message), name
