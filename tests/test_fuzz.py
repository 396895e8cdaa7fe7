"""The fuzzer finds planted faults, and a short slice of it finds none in the readers."""

import subprocess
import sys
from pathlib import Path

import pytest
from fuzz import declared, mutate, planted, run, seeds, targets

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is measured by Linux' /proc")


def test_every_planted_fault_is_found(tmp_path):
    fuzzing = run.Run(["planted"], len(planted.FAULTS), 0, tmp_path)
    fuzzing.go()
    results = {result["index"]: result for result in fuzzing.results()}
    for number, (reader, expected) in enumerate(planted.FAULTS.items()):
        assert expected in (results[number]["outcome"], results[number].get("kind")), (reader.__name__, results[number])


def test_the_sizes_of_every_checkpoint_are_checked():
    assert declared.READERS.keys() == seeds.FAMILIES.keys() - targets.TARGETS.keys()


def test_a_run_is_continued_where_it_was_interrupted(tmp_path):
    run.Run(["planted"], 2, 0, tmp_path).go()
    lines = (tmp_path / "seed_0.jsonl").read_text().splitlines()
    (tmp_path / "seed_0.jsonl").write_text(f"{lines[0]}\n{lines[1][:20]}")
    fuzzing = run.Run(["planted"], 3, 0, tmp_path)
    assert fuzzing.batches.get_nowait() == ("planted", [1, 2])
    fuzzing = run.Run(["planted"], 3, 0, tmp_path)
    fuzzing.go()
    assert sorted(result["index"] for result in fuzzing.results()) == [0, 1, 2]


@pytest.mark.parametrize("family", ["huggingface", "keras", "tf2", "notebook"])
def test_seed_family_and_number_decide_the_input(family):
    valid = seeds.FAMILIES[family]()
    inputs = [mutate.make(valid, 1, family, number) for number in range(20)]
    assert inputs == [mutate.make(valid, 1, family, number) for number in range(20)]
    assert inputs != [mutate.make(valid, 2, family, number) for number in range(20)]


def test_no_reader_ends_in_anything_but_a_model_or_a_refusal(tmp_path):
    command = [sys.executable, "-m", "tests.fuzz", "--count", "10", "--output", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
