"""`tools/mutate.py`: mutants compile, the sample is the same every time, outcomes are told apart."""

import ast
import json

import mutate
import pytest


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module with something of each kind in it."""
    path = tmp_path / "small.py"
    path.write_text('''"""A module's docstring: 1 + 1."""

LIMIT = 3
"""What it means."""


def clip(value: int = 2, name: "str" = "é") -> int:
    """Return 7."""
    if value > LIMIT and not name:
        raise ValueError(f"{name}: {value + 1}")
    print("a" + name)
    return value * 2
''')
    monkeypatch.setattr(mutate, "source_path", lambda name: path)
    return path


def test_each_mutant_changes_what_it_says_and_compiles(module):
    mutants = mutate.mutants_of("small")
    source = module.read_bytes()
    for mutant in mutants:
        changed = mutate.mutated_source(mutant)
        ast.parse(changed)
        assert changed != source
        assert source[mutant.start : mutant.end].decode() == mutant.before
        assert source.decode().splitlines()[mutant.line - 1].strip() == mutant.context
    changes = {(mutant.before, mutant.after) for mutant in mutants}
    assert ("3", "4") in changes
    assert ("value > LIMIT", "(value >= LIMIT)") in changes
    assert ("not name", "(name)") in changes
    assert ("return value * 2", "return None") in changes
    assert ("value * 2", "(value / 2)") in changes
    assert ('"é"', "'éX'") in changes
    assert ('print("a" + name)', "pass") in changes
    assert any(before.startswith("raise") and after == "pass" for before, after in changes)


def test_docstrings_annotations_and_messages_stay(module):
    changed = " ".join(mutant.before for mutant in mutate.mutants_of("small") if not mutant.before.startswith("raise"))
    assert not any(text in changed for text in ("docstring", "What it means", '"str"', "value + 1", "Return 7"))


def test_a_key_is_of_the_source_it_was_made_from(module):
    before = {mutant.key for mutant in mutate.mutants_of("small")}
    assert before == {mutant.key for mutant in mutate.mutants_of("small")}
    module.write_text(module.read_text() + "\n")
    assert not before & {mutant.key for mutant in mutate.mutants_of("small")}


def test_outcomes_and_the_list_of_equivalents(module, tmp_path, monkeypatch, capsys):
    assert [mutate.outcome_of(status) for status in (0, 1, 2, None)] == ["survived", "killed", "killed", "timed out"]
    sample = mutate.mutants_of("small")[:4]
    outcomes = ("killed", "survived", "survived", "timed out")
    results = {mutant.key: {"outcome": outcome} for mutant, outcome in zip(sample, outcomes, strict=True)}
    fields = {name: json.dumps(getattr(sample[1], name)) for name in ("module", "context", "before", "after")}
    listed = tmp_path / "equivalent.toml"
    listed.write_text("[[mutant]]\n" + "".join(f"{k} = {v}\n" for k, v in fields.items()) + 'reason = "same"\n')
    monkeypatch.setattr(mutate, "EQUIVALENT", listed)
    mutate.report(sample, results)
    out = capsys.readouterr().out
    assert "| small | 4 | 1 | 1 | 1 | 1 | 0 |" in out
    assert mutate.show(sample[2]) in out and mutate.show(sample[1]) not in out


def test_the_modules_and_their_tests_exist():
    for module, tests in mutate.TESTS.items():
        assert mutate.source_path(module).is_file()
        assert all((mutate.ROOT / "tests" / name).is_file() for name in tests)
        assert mutate.mutants_of(module)
