"""Plots: what they draw, their alt texts, and their files and notebook outputs."""

import io
import re
import subprocess
import sys
import warnings

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from small_world import SENTENCE

from bertedu import plots
from bertedu.plots import drawing

WORDS = SENTENCE.split()


@pytest.fixture(autouse=True)
def no_window_and_no_leftovers():
    matplotlib.use("Agg")
    before = dict(matplotlib.rcParams)
    yield
    changed = {key for key, value in matplotlib.rcParams.items() if before[key] != value}
    plt.close("all")
    assert not changed  # no function may leak its style


def random_attention(*shape, seed=0):
    powers = np.exp(2 * np.random.default_rng(seed).normal(size=shape))
    return powers / powers.sum(axis=-1, keepdims=True)


def ticks(axis):
    return [tick.get_text() for tick in axis.get_ticklabels()]


def smallest_text(figure):
    figure.canvas.draw()
    texts = [text for text in figure.findobj(matplotlib.text.Text) if text.get_visible() and text.get_text()]
    return min(text.get_fontsize() for text in texts)


def test_head_draws_the_weights_and_labels_the_tokens():
    attention = random_attention(6, 6)
    ax = plots.head(attention, WORDS, title="By hand")
    (image,) = ax.images
    np.testing.assert_array_equal(image.get_array(), attention)
    assert ticks(ax.xaxis) == ticks(ax.yaxis) == WORDS
    assert ax.get_title(loc="left") == "By hand"
    assert {f"{weight:.2f}" for weight in attention.ravel()} == {text.get_text() for text in ax.texts}
    assert image.colorbar.ax.get_ylabel() == "attention weight"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("key (to)", "query (from)")
    assert image.get_clim() == (0, attention.max())
    assert isinstance(ax.figure, plots.AltTextFigure)


def test_head_describes_the_largest_weight_of_every_query():
    attention = np.array([[0.75, 0.25, 0.0], [0.1, 0.2, 0.7], [0.5, 0.4, 0.1]])
    assert plots.head(attention, ["the", "cat", "the"], title="One").figure.alt == (
        "Heat map 'One': 3 tokens attend to 3 tokens. 'the' at position 0 attends most to 'the' at position 0 (0.75), "
        "'cat' to 'the' at position 2 (0.70), 'the' at position 2 to 'the' at position 0 (0.50)."
    )


def test_head_labels_the_color_bar_with_the_unit():
    ax = plots.head([[3.0, -1.0], [0.5, 2.0]], ["the", "cat"], unit="logit")
    assert [other.get_ylabel() for other in ax.figure.axes if other is not ax] == ["logit"]


def test_head_has_separate_row_labels_for_queries():
    ax = plots.head(random_attention(2, 5), list("abcde"), queries=["x", "y"])
    assert (ticks(ax.yaxis), ticks(ax.xaxis)) == (["x", "y"], list("abcde"))
    assert "2 tokens attend to 5 tokens" in ax.figure.alt


def test_negative_weights_get_a_color_scale_around_zero():
    attention = np.array([[0.5, -0.25], [0.1, 0.9]])
    ax = plots.head(attention, ["a", "b"])
    low, high = ax.images[0].get_clim()
    assert (low, high) == (-0.9, 0.9)
    assert np.allclose(ax.images[0].cmap(0.5)[:3], 1, atol=0.05)  # zero is white
    assert "from -0.25 to 0.90" in ax.figure.alt


@pytest.mark.parametrize("count", [1, 3, 14, 40, 97, 512])
def test_head_is_readable_at_any_length(count):
    tokens = [f"token{i}" for i in range(count)]
    ax = plots.head(random_attention(count, count), tokens, title="t")
    figure = ax.figure
    assert smallest_text(figure) >= 8
    for axis in (ax.xaxis, ax.yaxis):
        boxes = [tick.get_window_extent() for tick in axis.get_ticklabels()]
        assert len(boxes) <= plots.MAX_LABELS
        assert not any(a.overlaps(b) for a, b in zip(boxes, boxes[1:], strict=False))
    whole = figure.bbox
    inside = figure.get_tightbbox().transformed(figure.dpi_scale_trans)
    assert inside.x0 >= -1
    assert inside.y0 >= -1
    assert inside.x1 <= whole.x1 + 1
    assert inside.y1 <= whole.y1 + 1


def test_thinned_labels_are_at_their_tokens():
    tokens = [f"t{i}" for i in range(100)]
    ax = plots.head(random_attention(100, 100), tokens)
    assert [tokens[int(position)] for position in ax.get_xticks()] == ticks(ax.xaxis)


def test_layer_draws_every_head_with_its_number():
    attention = random_attention(5, 6, 6)
    axes = plots.layer(attention, WORDS, title="Layer 1")
    assert axes.shape == (5,)
    for number, ax in enumerate(axes):
        assert ax.get_title() == f"head {number}"
        np.testing.assert_array_equal(ax.images[0].get_array(), attention[number])
    assert ticks(axes[0].yaxis) == WORDS
    assert ticks(axes[4].xaxis) == WORDS
    assert smallest_text(axes[0].figure) >= 8
    assert "Layer 1" in axes[0].figure.alt


def test_layer_describes_the_top_key_of_each_head():
    attention = np.zeros((2, 3, 3))
    attention[0, :, 1] = 1.0
    attention[1, :, 2], attention[1, :, 0] = 0.75, 0.25
    alt = plots.layer(attention, ["the", "cat", "sat"])[0].figure.alt
    assert "2 heads of one layer over 3 tokens" in alt
    assert "'cat' (1.00) in head 0, 'sat' (0.75) in head 1" in alt


def test_model_draws_rows_of_layers_and_columns_of_heads():
    attention = random_attention(3, 5, 6, 6)
    axes = plots.model(attention, WORDS, title="All")
    assert axes.shape == (3, 5)
    for index in np.ndindex(3, 5):
        np.testing.assert_array_equal(axes[index].images[0].get_array(), attention[index])
        assert axes[index].images[0].get_clim() == (0, attention[index].max())
    assert [ax.get_title() for ax in axes[0]] == ["head 0", "1", "2", "3", "4"]
    assert [ax.get_ylabel() for ax in axes[:, 0]] == ["layer 0", "layer 1", "layer 2"]
    assert axes[0, 0].get_position().y0 > axes[1, 0].get_position().y0
    assert axes[0, 0].get_position().x0 < axes[0, 1].get_position().x0
    assert smallest_text(axes[0, 0].figure) >= 8


@pytest.mark.parametrize(("largest", "top"), [(0.9999, 1.0), (0.98, 0.98), (1.5, 1.5)])
def test_the_color_bar_of_a_head_ends_at_1_if_its_largest_weight_nearly_does(largest, top):
    axes = plots.head([[largest, 0.0], [0.5, 0.5]], ["the", "cat"])
    assert axes.images[0].get_clim() == (0, top)


@pytest.mark.parametrize(("labels", "ticks"), [({}, False), ({"xlabel": "being", "ylabel": "thing"}, True)])
def test_vectors_have_ticks_where_their_axes_have_names(labels, ticks):
    axes = plots.vectors([[0, 0], [0, 1], [5, 5]], ["a", "b", "c"], **labels)
    assert bool(len(axes.get_xticks())) is ticks and bool(len(axes.get_yticks())) is ticks


def test_layer_draws_some_heads_with_their_own_numbers():
    attention = random_attention(5, 6, 6)
    axes = plots.layer(attention, WORDS, heads=[4, 1])
    assert [ax.get_title() for ax in axes] == ["head 4", "head 1"]
    np.testing.assert_array_equal(axes[0].images[0].get_array(), attention[4])
    alt = axes[0].figure.alt
    assert "2 heads" in alt and "in head 4," in alt and "head 0" not in alt


def test_thumbnails_are_one_image_with_every_head_at_its_position():
    attention = random_attention(2, 3, 6, 6)
    ax = plots.thumbnails(attention, WORDS, values=[[1, None, 3], [4, 5, 6]], name="entropy")
    image = ax.images[0].get_array()
    pitch = image.shape[0] // 2
    for layer, head in np.ndindex(2, 3):
        tile = image[layer * pitch : layer * pitch + 6, head * pitch : head * pitch + 6]
        np.testing.assert_allclose(tile, attention[layer, head] / attention[layer, head].max(), rtol=1e-6)
    assert [len(bars.get_facecolors()) for bars in ax.collections] == [5]
    assert smallest_text(ax.figure) >= 8
    assert ax.figure.alt.endswith("Entropy ranges from 1 (layer 0, head 0) to 6 (layer 1, head 2).")


def test_model_counts_the_top_keys():
    attention = np.zeros((2, 2, 3, 3))
    attention[:, :, :, 0] = 1.0
    attention[1, 1] = np.eye(3)[[2, 2, 2]]
    alt = plots.model(attention, ["[CLS]", "cat", "[SEP]"])[0, 0].figure.alt
    assert "2 layers of 2 heads over 3 tokens" in alt
    assert "Of the 4 heads, the key with the largest mean weight is '[CLS]' in 3, '[SEP]' in 1." in alt


def test_an_axis_that_leaves_out_zero_is_marked():
    for values, cut in (([[0.0, 1.0]], False), ([[-1.0, 1.0]], False), ([[0.9, 1.0]], True), ([[-2.0, -1.0]], True)):
        ax = plots.lines(values, ["a"], xlabel="x", ylabel="y")
        assert ("leaves out 0" in ax.figure.alt) == bool(ax.patches) == cut


@pytest.mark.parametrize(
    ("limits", "near_zero"),
    [((0, 1), None), ((-1, 0), None), ((-1, 1), None), ((1e-9, 1), "bottom"), ((-1, -1e-9), "top")],
)
def test_a_limit_of_zero_is_not_cut_and_the_marks_are_at_the_end_near_zero(limits, near_zero):
    _, ax = plt.subplots()
    ax.set_ylim(limits)
    assert drawing.mark_cut(ax) == (near_zero is not None)
    heights = [patch.get_path().vertices[:, 1].mean() for patch in ax.patches]
    assert ["bottom" if height < 0.5 else "top" for height in heights] == ([near_zero] if near_zero else [])


def test_displaced_labels_of_lines_get_a_leader():
    for values, leaders in (([[0, 0], [0, 1]], 0), ([[0, 1], [0, 1.01]], 2)):
        ax = plots.lines(values, ["a", "b"], xlabel="x", ylabel="y")
        assert sum(text.arrow_patch is not None for text in ax.texts) == leaders


def test_heat_map_of_any_matrix():
    names = {"xlabel": "word", "ylabel": "neuron", "unit": "activation"}
    ax = plots.heat_map([[0, 2, 1], [3, 1, 0]], ["a", "b"], ["the", "cat", "sat"], title="By hand", **names)
    np.testing.assert_array_equal(ax.images[0].get_array(), [[0, 2, 1], [3, 1, 0]])
    assert [ax.get_xlabel(), ax.get_ylabel()] == ["word", "neuron"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert "'a' at 'cat' (2.00), 'b' at 'the' (3.00)" in ax.figure.alt
    with pytest.raises(ValueError, match="rows: expected 2"):
        plots.heat_map([[0, 2], [3, 1]], ["a"], ["the", "cat"], **names)


def test_points_have_axis_labels_and_labels_in_the_color_of_their_group():
    ax = plots.vectors([[0, 0], [1, 1]], ["a", "b"], groups=["x", "y"], xlabel="being", ylabel="thing")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("being", "thing")
    assert len({tuple(text.get_color()) for text in ax.texts}) == 2
    for text in ax.texts:
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in text.get_color()]
        assert 1.05 / (np.dot(linear, [0.2126, 0.7152, 0.0722]) + 0.05) >= 4.5


def test_lines_draw_label_and_describe_every_row():
    values = [[1.0, 0.9, 0.95], [1.0, 0.2, 0.5]]
    ax = plots.lines(values, ["same", "different"], xlabel="layer", ylabel="similarity", title="bank")
    for line, row in zip(ax.lines, values, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), row)
    assert len({line.get_marker() for line in ax.lines}) == len({line.get_color() for line in ax.lines}) == 2
    assert [text.get_text() for text in ax.texts] == ["same", "different"]
    assert [text.get_color() for text in ax.texts] == [line.get_color() for line in ax.lines]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("layer", "similarity")
    assert ax.figure.alt == (
        "Line plot 'bank' of similarity over layer, 0 to 2. 'same' goes from 1.00 to 0.95 (lowest 0.90 at 1), "
        "'different' goes from 1.00 to 0.50 (lowest 0.20 at 1). The axis of similarity leaves out 0."
    )


def test_labels_of_lines_that_end_together_do_not_overlap():
    ax = plots.lines(np.full((5, 2), 0.5) + 0.001 * np.arange(5)[:, None], list("abcde"), xlabel="x", ylabel="y")
    ax.figure.canvas.draw()
    heights = sorted(text.get_window_extent().y0 for text in ax.texts)
    assert min(np.diff(heights)) > 0.9 * ax.texts[0].get_window_extent().height


def test_x_may_be_names_or_numbers():
    ax = plots.lines([[1, 2, 3]], ["a"], x=["start", "layer 0", "layer 1"], xlabel="after", ylabel="y")
    assert ticks(ax.xaxis) == ["start", "layer 0", "layer 1"]
    ax = plots.lines([[1, 2, 3]], ["a"], x=[10, 20, 40], xlabel="after", ylabel="y")
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [10, 20, 40])


def test_training_draws_every_step_its_mean_and_the_validation():
    losses = [(step, step % 2) for step in range(1, 31)]
    ax = plots.training(losses, [(20, 0.7), (40, 0.8)], steps=60, epoch=20, title="go")
    steps, means, validation = ax.lines[-3:]
    np.testing.assert_array_equal(steps.get_xydata(), losses)
    np.testing.assert_array_equal(means.get_xdata(), steps.get_xdata())
    np.testing.assert_allclose(means.get_ydata()[[0, 1, 2, 9, 10, 29]], [1, 1 / 2, 2 / 3, 0.5, 0.5, 0.5], atol=1e-12)
    np.testing.assert_array_equal(validation.get_xydata(), [(20, 0.7), (40, 0.8)])
    assert [line.get_xdata()[0] for line in ax.lines[:-3]] == [20, 40]
    assert ax.get_xlim() == (0, 60)
    assert [text.get_text() for text in ax.texts] == ["training", "validation"]
    assert [text.get_color() for text in ax.texts] == [means.get_color(), validation.get_color()]
    assert ax.figure.alt == (
        "Training loss 'go', 30 of 60 steps. The mean over the last steps goes from 1.00 to 0.50. "
        "The validation loss is 0.70 after 20 steps, 0.80 after 40 steps."
    )
    assert plots.training([], steps=60).figure.alt == "Training loss, 0 of 60 steps."
    resumed = plots.training([(20, 0.7), (21, 0.6)], steps=60)  # only the mean of the earlier steps is known
    assert resumed.figure.alt.startswith("Training loss, 21 of 60 steps.")


def test_similarity_colors_span_the_values_off_the_diagonal():
    values = np.array([[1.0, 0.9, 0.7], [0.9, 1.0, 0.75], [0.7, 0.75, 1.0]])
    ax = plots.similarity(values, ["a", "b", "c"], unit="correlation", title="t")
    assert ax.images[0].get_clim() == (0.7, 0.9)
    np.testing.assert_array_equal(ax.images[0].get_array(), values)
    assert ax.images[0].colorbar.ax.get_ylabel() == "correlation"
    assert ax.figure.alt == (
        "Heat map 't' of correlation between 3 items. "
        "'a' is most similar to 'b' (0.90), 'b' to 'a' (0.90), 'c' to 'b' (0.75)."
    )


def test_vectors_draw_points_with_labels_and_groups():
    points = [[0.0, 0.0], [0.0, 1.0], [5.0, 5.0], [5.0, 6.0]]
    ax = plots.vectors(points, ["r1", "r2", "m1", "m2"], groups=["river", "river", "money", "money"], title="bank")
    np.testing.assert_array_equal(np.concatenate([kind.get_offsets() for kind in ax.collections]), points)
    assert [text.get_text() for text in ax.texts] == ["r1", "r2", "m1", "m2"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["river", "money"]
    assert "'r1' is nearest to 'r2', 'r2' to 'r1', 'm1' to 'm2', 'm2' to 'm1'" in ax.figure.alt
    assert "For 4 of them, the nearest point is in the same group." in ax.figure.alt


def test_rollout_of_several_layers_has_one_color_scale():
    values = np.array([[[0.75, 0.25], [0.5, 0.5]], [[0.625, 0.375], [0.625, 0.375]]])
    axes = plots.rollout(values, ["the", "cat"], title="R")
    assert axes.shape == (2,)
    for number, ax in enumerate(axes):
        np.testing.assert_array_equal(ax.images[0].get_array(), values[number])
        assert ax.images[0].get_clim() == (0, 0.75)
        assert ax.get_title() == f"after layer {number}"
    assert ticks(axes[0].yaxis) == ticks(axes[1].xaxis) == ["the", "cat"]
    assert axes[0].figure.axes[-1].get_ylabel() == "contribution of the input token"
    assert smallest_text(axes[0].figure) >= 8
    assert axes[0].figure.alt == (
        "Rollout 'R' of 2 tokens, 2 layers. After layer 0, a token keeps 0.62 of itself, and 'the' contributes most "
        "(0.62); after layer 1, a token keeps 0.50 of itself, and 'the' contributes most (0.62)."
    )


def test_one_rollout_is_one_large_heat_map():
    ax = plots.rollout([[0.75, 0.25], [0.25, 0.75]], ["the", "cat"], title="All")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("input token", "output token")
    assert ax.images[0].get_clim() == (0, 0.75)
    assert ax.figure.alt == (
        "Rollout 'All' of 2 tokens. After all layers, a token keeps 0.75 of itself, and 'the' contributes most (0.50)."
    )


def test_similarities_have_one_color_scale_without_the_diagonals():
    values = np.array([[[1.0, 0.1, 0.2], [0.1, 1.0, 0.3], [0.2, 0.3, 1.0]]] * 2)
    values[1, 0, 1] = values[1, 1, 0] = 0.9
    axes = plots.similarity(values, ["a", "b", "c"], names=["first", "second"], title="t")
    for number, ax in enumerate(axes):
        np.testing.assert_array_equal(ax.images[0].get_array(), values[number])
        assert ax.images[0].get_clim() == (0.1, 0.9)
    assert [ax.get_title() for ax in axes] == ["first", "second"]
    assert axes[0].figure.alt == (
        "Heat maps 't' of cosine similarity between 3 items, 2 of them. The mean over all pairs, and the most similar "
        "pair: first: 0.20, 'b' and 'c' (0.30); second: 0.47, 'a' and 'b' (0.90)."
    )
    assert [ax.get_title() for ax in plots.similarity(values, list("abc"))] == ["0", "1"]


@pytest.mark.parametrize("count", [1, 2, 5, 6, 7, 13, 24])
def test_small_heat_maps_fit_and_do_not_overlap(count):
    tokens = ["[CLS]", "representations", "漢", "[SEP]"]
    figure = plots.rollout(random_attention(count, 4, 4), tokens, title="t")[0].figure
    figure.canvas.draw()
    inside = figure.get_tightbbox().transformed(figure.dpi_scale_trans)
    assert min(inside.x0, inside.y0) >= -1
    assert inside.x1 <= figure.bbox.x1 + 1
    assert inside.y1 <= figure.bbox.y1 + 1
    boxes = [ax.get_tightbbox() for ax in figure.axes]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


@pytest.mark.parametrize("count", [2, 16, 60, 300])
def test_labels_of_points_overlap_neither_each_other_nor_a_point(count):
    points = np.random.default_rng(0).normal(size=(count, 2))
    names = [f"word{i}" for i in range(count)]
    ax = plots.vectors(points, names, groups=[f"g{i % 3}" for i in range(count)], title="t")
    ax.figure.canvas.draw()
    assert [text.get_text() for text in ax.texts] == names
    written = [text for text in ax.texts if text.get_visible()]
    boxes = [matplotlib.text.Text.get_window_extent(text) for text in written]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    pixels = ax.transData.transform(points)
    assert not any(box.contains(*pixel) for box in boxes for pixel in pixels)
    assert all(ax.get_tightbbox().contains(*box.p0) for box in boxes)
    omitted = count - len(written)
    assert (f"({omitted} labels omitted: no room)" in ax.get_xlabel()) == (omitted > 0)
    assert omitted == 0 or count > 16
    assert len(written) > 15 or count < 16


def test_vectors_label_the_explained_variance():
    ax = plots.vectors([[0, 0], [1, 1]], ["a", ""], explained_variance_ratio=[0.3, 0.12])
    assert ax.get_xlabel() == "component 1: 30% of the variance"
    assert ax.get_ylabel() == "component 2: 12% of the variance"
    assert ax.figure.alt.startswith("Scatter plot of 2 points. The two axes show 42% of the variance.")


def test_forty_groups_look_different():
    count = 40
    ax = plots.vectors(np.arange(2.0 * count).reshape(-1, 2), [""] * count, groups=[f"g{i}" for i in range(count)])
    styles = {(tuple(kind.get_facecolor()[0]), kind.get_paths()[0].vertices.tobytes()) for kind in ax.collections}
    assert len(styles) == count


def test_strings_that_break_fonts_or_mathtext_are_drawn():
    strange = ["$x^", "$\\frac$", "\N{OLD PERSIAN SIGN A}", "\n", "漢", "\U0001f916", "%", "_a_", "", "مرحبا"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax = plots.head(random_attention(10, 10), strange, title="$\\nothing$ \U000103a0")
        content = plots.png(ax)
        plots.png(plots.layer(random_attention(2, 10, 10), strange, title="$x$"))
        plots.png(plots.lines([[1, 2]], ["$a$"], xlabel="$b", ylabel="c$", title="$d$ 漢"))
        plots.png(plots.vectors([[1, 2]], ["\U000103a0$"], groups=["$g$ \U000103a0"]))
        plots.png(plots.rollout(random_attention(2, 10, 10), strange, names=["$x^", "漢"], title="$\\nothing$"))
    assert content.startswith(b"\x89PNG")
    assert ticks(ax.xaxis)[:2] == ["$x^", "$\\frac$"]
    assert ticks(ax.xaxis)[3] == "U+000A"
    assert "'$x^'" in ax.figure.alt


def test_a_user_s_style_does_not_change_the_figure():
    with matplotlib.rc_context({"font.size": 3, "text.usetex": True, "axes.titlesize": 2}):
        ax = plots.head(random_attention(3, 3), WORDS[:3], title="t")
        assert smallest_text(ax.figure) >= 8


def test_axes_passed_by_the_caller_keep_their_figure():
    figure, (left, right) = plt.subplots(1, 2, FigureClass=plots.AltTextFigure)
    assert plots.head(random_attention(2, 2), ["a", "b"], ax=left, title="first") is left
    plots.head(random_attention(2, 2), ["c", "d"], ax=right, title="second")
    assert figure.alt.index("'first'") < figure.alt.index("'second'")
    figure.alt = "my text"
    assert figure.alt == "my text"
    plain, ax = plt.subplots()
    plots.head(random_attention(2, 2), ["a", "b"], ax=ax)
    assert plots.describe(plain).startswith("Heat map")
    assert len(plt.get_fignums()) == 2


def test_close_releases_the_figure():
    axes = plots.model(random_attention(2, 2, 3, 3), WORDS[:3])
    plots.close(axes)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf", ".PNG"])
def test_saved_files_hold_the_figure_and_its_description(tmp_path, suffix):
    ax = plots.head(random_attention(3, 3), ["cat", "<b>", "$"], title="Héad")
    path = plots.save(ax, tmp_path / f"figure{suffix}")
    assert [path] == list(tmp_path.iterdir())
    content = path.read_bytes()
    if suffix.lower() == ".png":
        from PIL import Image

        with Image.open(io.BytesIO(content)) as image:
            assert image.text["Description"] == ax.figure.alt
            assert image.text["Title"] == "Héad"
            assert np.asarray(image.convert("L")).std() > 10  # not blank
    elif suffix == ".svg":
        text = content.decode()
        assert "<title>Héad</title>" in text
        assert re.search(r"<text [^>]*>cat</text>", text)
        assert "'cat' attends most to" in text
    else:
        assert content.startswith(b"%PDF")
        assert b"/Subject" in content


def test_equal_figures_give_equal_files(tmp_path):
    for suffix in plots.SUFFIXES:
        contents = []
        for _ in range(2):
            ax = plots.head(random_attention(3, 3), WORDS[:3])
            contents.append(plots.save(ax, tmp_path / f"a{suffix}").read_bytes())
        assert contents[0] == contents[1]


def test_a_failed_save_is_an_error_and_leaves_no_file(tmp_path, monkeypatch):
    ax = plots.head(random_attention(2, 2), ["a", "b"])
    for name in ("a.jpg", "a", "a.png.txt"):
        with pytest.raises(ValueError, match=r"path: .* \.png, \.svg, \.pdf"):
            plots.save(ax, tmp_path / name)
    with pytest.raises(FileNotFoundError, match="existing folder"):
        plots.save(ax, tmp_path / "nowhere" / "a.png")
    (tmp_path / "a.png").write_text("old")
    monkeypatch.setattr("os.replace", lambda *a: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        plots.save(ax, tmp_path / "a.png")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: plots.head(random_attention(2, 3), ["a", "b"]), ValueError, "tokens: expected 3 .*, got 2"),
        (lambda: plots.head(random_attention(2, 3), list("abc")), ValueError, "tokens: expected 2 .* row .*, got 3"),
        (lambda: plots.head(random_attention(2, 2), "ab"), TypeError, "tokens: expected a list of strings"),
        (lambda: plots.head(random_attention(2, 2), [1, 2]), TypeError, "tokens: expected a list of strings"),
        (lambda: plots.head(random_attention(2, 2), ["a", "b"], queries=["c"]), ValueError, "queries: expected"),
        (lambda: plots.head(random_attention(3, 2, 2), ["a", "b"]), ValueError, r"attention: expected shape \[T, S\]"),
        (lambda: plots.head(np.zeros((0, 0)), []), ValueError, "attention: expected shape"),
        (lambda: plots.head([[np.nan]], ["a"]), ValueError, r"attention: expected finite numbers.* \[0, 0\]"),
        (lambda: plots.head([["x"]], ["a"]), TypeError, "attention: expected numbers"),
        (lambda: plots.head([[1], [1, 2]], ["a"]), ValueError, "attention: expected arrays of the same shape"),
        (lambda: plots.layer(random_attention(2, 2, 3), list("abc")), ValueError, r"shape \[N, T, T\]"),
        (lambda: plots.model(random_attention(2, 3, 3), list("abc")), ValueError, r"shape \[L, N, T, T\]"),
        (lambda: plots.lines([[1, 2]], ["a", "b"], xlabel="", ylabel=""), ValueError, "labels: expected"),
        (
            lambda: plots.lines([[1, np.inf]], ["a"], xlabel="", ylabel=""),
            ValueError,
            r"values: .* finite.* \[0, 1\]",
        ),
        (lambda: plots.lines([[1, 2]], ["a"], x=[1], xlabel="", ylabel=""), ValueError, "x: expected"),
        (lambda: plots.training([1, 2], steps=2), ValueError, r"losses: expected shape \[R, 2\]"),
        (lambda: plots.training([(1, 2)], [(1, np.nan)], steps=2), ValueError, "validation: .* finite"),
        (lambda: plots.similarity([[1, 2, 3]], ["a"]), ValueError, r"values: expected shape \[R, R\]"),
        (lambda: plots.vectors([[1, 2, 3]], ["a"]), ValueError, r"points: expected shape \[R, 2\]"),
        (lambda: plots.vectors([[1, 2]], ["a"], groups=["g", "h"]), ValueError, "groups: expected"),
        (
            lambda: plots.vectors([[1, 2]], ["a"], explained_variance_ratio=[1]),
            ValueError,
            r"ratio: expected shape \[2\]",
        ),
        (lambda: plots.rollout(random_attention(2, 3), list("abc")), ValueError, r"values: expected shape \[T, T\]"),
        (lambda: plots.rollout(random_attention(2, 3, 3), list("abc"), names=["x"]), ValueError, "names: expected 2"),
        (lambda: plots.rollout(random_attention(3, 3), list("ab")), ValueError, "tokens: expected"),
        (lambda: plots.similarity(np.eye(2)[None], ["a", "b"], ax=3), ValueError, "ax: expected None"),
        (lambda: plots.similarity(np.ones((1, 2, 3)), ["a", "b"]), ValueError, r"shape \[P, R, R\]"),
        (lambda: plots.png(3), TypeError, "axes: expected"),
    ],
)
def test_bad_input_is_named_and_leaves_no_figure(call, error, message):
    with pytest.raises(error, match=message):
        call()
    assert plt.get_fignums() == []


NOTEBOOK = """
import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

cells = [
    "from bertedu import plots",
    "plots.head([[0.5, 0.5], [1, 0]], ['a', 'b'], title='first');",
    "plots.lines([[1, 2]], ['c'], xlabel='x', ylabel='y');",
    "%config InlineBackend.figure_formats = ['retina']\\nplots.head([[1]], ['a']);",
    "figure = plots.head([[1]], ['a'], title='once').figure\\nplots.close(figure)\\nfigure",
]
notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
NotebookClient(notebook, kernel_name="python3").execute()
for cell in notebook.cells:
    shown = [output for output in cell.outputs if output.output_type != "stream"]
    print(len(shown), [o.metadata["image/png"]["alt"] == o.data["text/plain"] for o in shown], "|", end="")
from nbconvert import HTMLExporter

html, _ = HTMLExporter(template_name="classic").from_notebook_node(notebook)
print(html.count('alt="Heat map'), html.count('alt="Line plot'))
"""


def test_a_notebook_shows_each_figure_once_with_its_alt_text():
    for name in ("nbclient", "nbconvert", "ipykernel"):
        pytest.importorskip(name)
    done = subprocess.run([sys.executable, "-c", NOTEBOOK], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "0 [] |1 [True] |1 [True] |1 [True] |1 [True] |3 1"


def test_figures_are_made_outside_of_the_style_s_context(monkeypatch):
    """The first figure loads a notebook's backend. The context would reset its settings and hide later figures."""
    outside, make = dict(matplotlib.rcParams), plt.figure

    def figure(**options):
        assert dict(matplotlib.rcParams) == outside
        return make(**options)

    monkeypatch.setattr(plt, "figure", figure)
    tables, words = np.full((2, 2, 2), 0.5), ["the", "cat"]
    for draw in (plots.layer, plots.rollout, plots.similarity):
        draw(tables, words)
    for draw in (plots.head, plots.rollout, plots.similarity):
        draw(tables[0], words)
    plots.lines(tables[0], words, xlabel="layer", ylabel="weight")
    plots.vectors(tables[0], words)
