"""Every project blank, complete (its worked example) and wrong; and no answer may raise an exception."""

import ast
import functools
from pathlib import Path

import nbformat
import numpy as np
import pytest
from test_exercises import NONSENSE, printed
from wrong_projects import WRONG

import bertedu
from bertedu.course import check, checking, hint, names, project, solution, student_copy
from bertedu.course.exercise import WrongAnswer
from bertedu.course.exercises.projects import PROJECTS

load = functools.cache(bertedu.load)  # once for all worked examples
NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
CHAPTERS = dict(zip(PROJECTS, ("02", "05", "08", "11", "14"), strict=True))
each_project = pytest.mark.parametrize("name", PROJECTS)


@functools.cache
def complete(name):
    """Return the answer of the worked example."""
    space = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bertedu, "load", load)
        exec(compile(PROJECTS[name].solution, f"<{name}>", "exec"), space)
    return space[PROJECTS[name].answer]


def report(capsys, name, answer):
    """Return the verdict of each criterion by its text, and the last line."""
    check(name, answer)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= checking.WIDTH
    text, found = " ".join(out.split()), {}
    for criterion in reversed(PROJECTS[name].criteria):
        kinds = ("Ask yourself: ",) if criterion.evaluate is None else ("Met: ", "Not yet: ")
        (kind,) = [kind for kind in kinds if kind + criterion.text in text]
        text, _, found[criterion.text] = text.rpartition(kind + criterion.text)
        found[criterion.text] = kind + found[criterion.text]
    assert text == ""
    return found


def checked(name):
    return [criterion.text for criterion in PROJECTS[name].criteria if criterion.evaluate is not None]


def test_projects_are_listed_after_the_exercises():
    assert names()[-len(PROJECTS) :] == list(PROJECTS)


@each_project
def test_blank_is_not_yet(name, capsys):
    space = {"bert": None}
    exec(PROJECTS[name].blank, space)
    found = report(capsys, name, space["project"])
    assert all(found[text].startswith("Not yet") and "fill in" in found[text] for text in checked(name))
    assert f"0 of {len(checked(name))} met" in " ".join(found.values())


@each_project
def test_its_worked_example_is_complete(name, capsys):
    found = report(capsys, name, complete(name))
    assert [text for text in checked(name) if not found[text].startswith("Met")] == [], found
    assert f"{len(checked(name))} of {len(checked(name))} met. The rest is yours" in " ".join(found.values())


@each_project
def test_the_worked_example_fills_what_the_blank_asks_for(name):
    blank = ast.parse(PROJECTS[name].blank).body[0].value
    assert set(complete(name)) <= {key.value for key in blank.keys}


@each_project
def test_every_checked_criterion_notices_three_wrong_answers(name):
    assert list(WRONG[name]) == checked(name)
    for criterion in PROJECTS[name].criteria:
        cases = WRONG[name].get(criterion.text, [])
        assert len(cases) >= 3 or criterion.evaluate is None
        for change, word in cases:
            changed = change(complete(name)) if callable(change) else change
            with pytest.raises(WrongAnswer) as reason:
                criterion.evaluate(project.Answer({**complete(name), **changed}))
            assert word in str(reason.value), change


@each_project
def test_values_of_other_types_are_accepted(name, capsys):
    """Generators, tuples and arrays in place of lists; numbers rounded to three decimal places."""
    answer = dict(complete(name))
    for key, value in answer.items():
        if isinstance(value, list):
            answer[key] = (item for item in value)
        elif isinstance(value, float):
            answer[key] = np.float32(round(value, 3))
    found = report(capsys, name, answer)
    assert [text for text in checked(name) if not found[text].startswith("Met")] == [], found


@each_project
@pytest.mark.parametrize("kind", NONSENSE)
def test_no_answer_raises(name, kind, capsys):
    found = report(capsys, name, NONSENSE[kind])
    assert all(found[text].startswith("Not yet") for text in checked(name))


KINDS = "None", "text", "nan", "empty", "ragged", "dict", "hostile", "generator", "returns None", "raises", "huge"
LIGHT = {  # values with which the report takes milliseconds
    "projects.head": lambda answer: {key: answer[key][:2] for key in ("finding_sentences", "test_sentences")},
    "projects.search": lambda answer: {
        "documents": answer["documents"][:30],
        "questions": answer["questions"][:10],
        "search": lambda question: range(30),
    },
    "projects.classifier": lambda answer: {"predict": lambda texts: answer["predictions"][0]},
}


@each_project
def test_no_value_raises(name, capsys):
    answer = complete(name) | LIGHT.get(name, lambda answer: {})(complete(name))
    for key in answer:
        for nonsense in (NONSENSE[kind] for kind in KINDS):
            found = report(capsys, name, {**answer, key: nonsense})
            assert any(found[text].startswith("Not yet") for text in checked(name)), (key, nonsense)


@each_project
def test_rubric_and_hints(name, capsys, monkeypatch):
    monkeypatch.setattr(checking, "_hints_shown", {})
    task = PROJECTS[name]
    assert len(task.hints) == 2 and 5 <= len(task.criteria) <= 9
    assert any(criterion.evaluate is None and criterion.text.endswith("?") for criterion in task.criteria)
    for step in (hint, hint, solution):
        step(name)
    out = capsys.readouterr().out
    assert all(line in out for line in task.solution.strip().splitlines())
    assert f"A worked example of {name}" in out


@each_project
def test_the_chapter_has_the_rubric_and_the_blank(name):
    if not (found := sorted(NOTEBOOKS.glob(f"{CHAPTERS[name]}_*.ipynb"))):
        pytest.skip(f"there is no chapter {CHAPTERS[name]}")
    cells = nbformat.read(found[0], as_version=4).cells
    (number,) = [i for i, cell in enumerate(cells) if f'check("{name}"' in cell.source]
    task, text = PROJECTS[name], cells[number - 1].source
    assert cells[number].source == f'{task.blank}\n\ncheck("{name}", {task.answer})'
    assert text.startswith("## Project: ") and "stay on this machine" in text
    rows = [f"| {criterion.text} | {'`check`' if criterion.evaluate else 'you'} |" for criterion in task.criteria]
    assert "\n".join(rows) in text
    printed = "".join(output.text for output in cells[number].outputs)
    assert printed.count("Not yet: ") == len(checked(name))


@each_project
def test_a_student_copy_has_the_blank(name):
    task = PROJECTS[name]
    for source in (task.solution, task.blank):
        cell = {"cell_type": "code", "id": "c", "metadata": {}, "execution_count": 1, "outputs": []}
        cell["source"] = f'{source}\n\ncheck("{name}", {task.answer})'
        (copied,) = student_copy.without_solutions({"cells": [cell], "metadata": {}})["cells"]
        assert "".join(copied["source"]) == f'{task.blank}\n\ncheck("{name}", {task.answer})'


def test_an_unknown_project_lists_the_projects(capsys):
    assert printed(capsys, "projects.nothing", {}).split()[-len(PROJECTS) :] == list(PROJECTS)


def outcome(name, criterion, answer):
    (found,) = [one for one in PROJECTS[name].criteria if one.text.startswith(criterion)]
    return found.evaluate(project.Answer(answer))


def test_one_seed_needs_a_bootstrap_interval():
    labels, hits = ["a", "b"] * 50, 80
    run = [*labels[:hits], *("c" for _ in labels[hits:])]
    answer = {"test": ([f"text {i}" for i in range(100)], labels), "predictions": [run]}
    low, high = 0.8 - 1.96 * 0.04, 0.8 + 1.96 * 0.04  # sqrt(0.8 * 0.2 / 100) is 0.04
    assert "to" in outcome("projects.classifier", "three seeds", answer | {"interval": (low, high)})
    for wrong in ((low, 1.0), (0.5, high), (high, low), low, "0.7 to 0.9"):
        with pytest.raises(WrongAnswer):
            outcome("projects.classifier", "three seeds", answer | {"interval": wrong})


def test_an_honest_interval_of_thirty_texts_is_accepted():
    labels = [0, 1] * 15
    run = [*labels[:21], *(2 for _ in labels[21:])]  # of a single seed, not nested
    answer = {"test": ([f"text {i}" for i in range(30)], labels), "predictions": run}
    hits = np.equal(run, labels).astype(float)
    for seed in range(1, 20):
        samples = np.random.default_rng(seed).integers(30, size=(2000, 30))
        interval = np.quantile(hits[samples].mean(axis=1), (0.025, 0.975))
        assert "to" in outcome("projects.classifier", "three seeds", answer | {"interval": interval})


def test_equal_labels_of_other_types_are_equal():
    assert {project.label(one) for one in (1, 1.0, True, np.bool_(True), np.float32(1), np.int64(1))} == {"1"}
    assert project.label(np.str_("good")) == project.label("good")


def test_the_base_rate_accepts_any_of_the_most_frequent_labels():
    answer = {"train": (["one", "two", "three"], [0, 1, 2.0]), "test": (["a", "b", "c", "d"], [0, 1, 1, 3])}
    for rate in (0.25, 0.5, 0):
        assert outcome("projects.classifier", "the base rate", answer | {"base_rate": rate})
    with pytest.raises(WrongAnswer, match="you report 0.75"):
        outcome("projects.classifier", "the base rate", answer | {"base_rate": 0.75})


def test_another_metric_may_be_the_score():
    runs = {seed: [3.0 + seed, 2.0] for seed in range(3)}
    answer = {"labels": [1.0, 2.0], "plain": runs, "changed": {seed: [2.0, 2.0] for seed in runs}}
    answer["score"] = lambda labels, predictions: -np.abs(np.subtract(labels, predictions)).mean()
    assert outcome("projects.change", "the mean scores", answer | {"plain_score": -1.5, "changed_score": -0.5})


def test_a_claim_may_be_rounded_but_not_made_up():
    assert project.claim({"rate": 0.67}, "rate", 2 / 3) == "0.667"
    assert project.claim({"rate": np.float32(0.6667)}, "rate", 2 / 3) == "0.667"
    for claimed in (0.68, -0.67, float("nan"), [0.67, 0.67]):
        with pytest.raises(WrongAnswer):
            project.claim({"rate": claimed}, "rate", 2 / 3)


@pytest.mark.parametrize(
    ("differences", "honest"),
    [
        ([0.10, 0.11, 0.12], "better"),  # 19 standard errors
        ([-0.10, -0.11, -0.12], "worse"),
        ([0.00, 0.10, 0.20], "can't tell"),  # 1.7 standard errors
        ([0.10, 0.20, 0.35], "can't tell"),  # 3.0 standard errors: enough for five seeds, not for three
        ([0.10, 0.20, 0.35, 0.10, 0.2], "better"),  # 4.1
        ([0.0] * 20, "can't tell"),
        ([1.0] * 20, "better"),
    ],
)
def test_a_conclusion_needs_enough_standard_errors(differences, honest):
    for said in ("better", "worse", "can't tell"):
        if said == honest:
            assert f"{len(differences)} values" in project.conclusion({"said": said}, "said", differences)
        else:
            with pytest.raises(WrongAnswer, match=f'says "{honest}"'):
                project.conclusion({"said": said}, "said", differences)


def test_quantiles_are_those_of_students_t():
    stats = pytest.importorskip("scipy.stats")
    for degrees, quantile in project.STUDENT_T.items():
        assert round(float(stats.t.ppf(0.975, degrees)), 1) == quantile
    assert stats.norm.ppf(0.975) < project.MANY < stats.t.ppf(0.975, max(project.STUDENT_T) + 1)
