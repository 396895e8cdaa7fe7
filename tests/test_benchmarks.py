"""The parts of the benchmarks that compute: texts, batches, errors, rows."""

import numpy as np
import pytest

from benchmarks import common, embed, embedders, few_parameters, fine_tune, head_statistics


def test_short_texts_have_the_lengths_of_reviews():
    words = [len(text.split()) for text in common.short_texts(2000)]
    assert min(words) >= 1 and max(words) <= 60
    assert np.mean(words) == pytest.approx(9, abs=1)
    longer = [len(text.split()) for text in common.short_texts(872, **common.REVIEWS)]
    assert np.mean(longer) == pytest.approx(17, abs=1)
    assert common.short_texts(5) == common.short_texts(5)


def test_batches_are_sorted_by_length_and_keep_to_the_budget():
    lengths = [3, 9, 4, 2, 9, 5]
    batches = embedders.length_sorted(lengths, 12)
    assert batches == [[1], [4], [5, 2], [0, 3]]
    assert embedders.length_sorted([20, 1], 12) == [[0], [1]]
    assert embedders.length_sorted([], 12) == []


def test_the_error_is_the_worst_element_and_the_worst_vector():
    reference = np.eye(3)
    vectors = reference + [[0, 0.1, 0], [0, 0, 0], [0.75, 0, 0]]
    largest, cosine = embed.error(vectors, reference)
    assert largest == pytest.approx(0.75)
    assert cosine == pytest.approx(0.8)


def test_operations_are_those_of_the_matrix_products():
    with pytest.MonkeyPatch.context() as patch:
        sizes = {"hidden_size": 2, "intermediate_size": 3, "num_hidden_layers": 5}
        patch.setattr("bertedu.files.read_json", lambda path: sizes)
        patch.setattr("bertedu.presets.offline_model_directory", lambda: common.ROOT)
        operations = common.floating_point_operations([7])
    projections, attention, feedforward = 4 * 2 * 7 * 2 * 2, 2 * 2 * 7 * 7 * 2, 2 * 2 * 7 * 2 * 3
    assert operations == 5 * (projections + attention + feedforward)


FLAGS = "processor: 0\nflags\t\t: fpu avx2 avx512_bf16x {}\nbugs: amx_bf16\n"


@pytest.mark.parametrize(("flag", "made_for_it"), [("avx512_bf16", True), ("amx_bf16", True), ("avx512f", False)])
def test_bfloat16_rows_need_the_processor_s_instructions(tmp_path, monkeypatch, flag, made_for_it):
    (tmp_path / "cpuinfo").write_text(FLAGS.format(flag))
    monkeypatch.setattr(common, "Path", lambda path: tmp_path / "cpuinfo")
    assert common.cpu_flags() == ["avx2", flag]
    assert common.has_bfloat16() is made_for_it
    assert bool(common.note()) is not made_for_it
    assert ("OpenVINO, bfloat16" in embed.contestants()) is made_for_it


TIMES = {
    "bertedu, float32": [2.0, 2.0],
    "OpenVINO, float32": [4.0, 2.4],
    "ONNX Runtime, float32": [2.0, 2.1],
    "ONNX Runtime, int8": [1.0, 1.0],
    "bertedu, bfloat16": [1.0, 1.0],
    "OpenVINO, bfloat16": [1.5, 1.5],
}


def test_the_target_is_the_fastest_peer_and_the_best_setting_is_accurate():
    times = {name: np.array(values) for name, values in TIMES.items()}
    errors = {name: (0.1, 0.8 if "int8" in name else 0.9999) for name in times}
    settings = dict.fromkeys(times, [512, 2]) | dict.fromkeys([name for name in times if "bertedu" in name])
    rows = embed.speed_rows(times, settings, errors, count=10)
    with_target = {row[0].split("`")[3]: (row[3], row[6]) for row in rows if row[5]}
    assert with_target == {
        "ONNX Runtime, float32": ("1.02", "yes"),
        "OpenVINO, bfloat16": ("1.50", "yes"),
    }
    assert "`bertedu, bfloat16` / `OpenVINO, bfloat16`" in rows[-1][0]  # not int8, whose error is too large
    assert rows[0][1:3] == ["5 sentences/s", "3 sentences/s"]


def test_fine_tuning_compares_the_faster_precision_of_each():
    def runs(*speeds):
        return [{"first": 1.0, "speed": speed, "peak": 100.0} for speed in speeds]

    results = {"bertedu, float32": runs(80, 90), "bertedu, mixed_bfloat16": runs(120, 120), "KerasHub": runs(10, 10)}
    assert fine_tune.fastest(results, "bertedu") == "bertedu, mixed_bfloat16"
    row = fine_tune.compared(results, "bertedu, float32", "KerasHub", "speed", 9.0)
    assert row[3:] == ["8.50", "8.00 to 9.00", ">= 9.0", "**no**"]


def test_head_statistics_compares_elapsed_and_processor_time(monkeypatch):
    times = {"bertedu": [[2.0, 1.0], [4.0, 1.0]], "one by one": [[6.0, 2.0]] * 2, "batches": [[4.0, 3.0]] * 2}
    results = {name: np.array(values) for name, values in times.items()}, 16
    monkeypatch.setattr(head_statistics, "measure", lambda repeats, texts: results)
    rows = head_statistics.rows(repeats=2, count=20)
    assert [row[3] for row in rows] == ["3.00", "2.25", "2.00", "1.50", "3.00"]
    assert [row[6] for row in rows] == ["", "yes", "", "yes", ""]
    assert rows[3][1:3] == ["3.0 s", "4.0 s"] and "batches of 16" in rows[3][0]


def test_few_parameters_compares_the_same_texts():
    def answers(*correct):
        return [{"parameters": 1234, "elapsed": 9, "processor": 8, "memory": 7, "correct": right} for right in correct]

    results = {"head": answers([1, 0, 0, 1], [0, 0, 0, 1]), "all": answers([1, 1, 0, 1], [1, 1, 0, 1])}
    head, everything = few_parameters.rows(results)
    assert head[:7] == ["head", "1,234", "9", "8", "7", "0.500, 0.250", "0.375"]
    assert head[7].startswith("-0.375 [") and everything[5:] == ["0.750, 0.750", "0.750", ""]
    assert few_parameters.interval(np.array([0.5, 0.5, 0.5])) == "+0.500 [+0.500, +0.500]"
