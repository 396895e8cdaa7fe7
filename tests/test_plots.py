"""Pictures: what is drawn, what is said of it, and what reaches a file or a notebook."""

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

WORDS = SENTENCE.split()


@pytest.fixture(autouse=True)
def no_window_and_no_leftovers():
    matplotlib.use("Agg")
    before = dict(matplotlib.rcParams)
    yield
    changed = {key for key, value in matplotlib.rcParams.items() if before[key] != value}
    plt.close("all")
    assert not changed  # no function may leave its style behind


def shares(*shape, seed=0):
    powers = np.exp(2 * np.random.default_rng(seed).normal(size=shape))
    return powers / powers.sum(axis=-1, keepdims=True)


def ticks(axis):
    return [tick.get_text() for tick in axis.get_ticklabels()]


def smallest_text(figure):
    figure.canvas.draw()
    texts = [text for text in figure.findobj(matplotlib.text.Text) if text.get_visible() and text.get_text()]
    return min(text.get_fontsize() for text in texts)


def test_head_draws_the_numbers_and_names_the_tokens():
    attention = shares(6, 6)
    ax = plots.head(attention, WORDS, title="By hand")
    (image,) = ax.images
    np.testing.assert_array_equal(image.get_array(), attention)
    assert ticks(ax.xaxis) == ticks(ax.yaxis) == WORDS
    assert ax.get_title(loc="left") == "By hand"
    assert {f"{share:.2f}" for share in attention.ravel()} == {text.get_text() for text in ax.texts}
    assert image.colorbar.ax.get_ylabel() == "share of attention"
    assert image.get_clim() == (0, attention.max())
    assert isinstance(ax.figure, plots.AltTextFigure)


def test_head_says_who_looks_at_whom():
    attention = np.array([[0.75, 0.25, 0.0], [0.1, 0.2, 0.7], [0.5, 0.4, 0.1]])
    words = plots.head(attention, ["the", "cat", "the"], title="One").figure.alt
    assert words == (
        "Heat map 'One': 3 tokens look at 3 tokens. 'the' at position 0 looks most at 'the' at position 0 (0.75), "
        "'cat' at 'the' at position 2 (0.70), 'the' at position 2 at 'the' at position 0 (0.50)."
    )


def test_head_says_what_the_numbers_are():
    ax = plots.head([[3.0, -1.0], [0.5, 2.0]], ["the", "cat"], unit="logit")
    assert [other.get_ylabel() for other in ax.figure.axes if other is not ax] == ["logit"]


def test_head_of_two_texts_has_rows_and_columns_of_its_own():
    ax = plots.head(shares(2, 5), list("abcde"), queries=["x", "y"])
    assert (ticks(ax.yaxis), ticks(ax.xaxis)) == (["x", "y"], list("abcde"))
    assert "2 tokens look at 5 tokens" in ax.figure.alt


def test_negative_numbers_get_a_scale_around_zero():
    attention = np.array([[0.5, -0.25], [0.1, 0.9]])
    ax = plots.head(attention, ["a", "b"])
    low, high = ax.images[0].get_clim()
    assert (low, high) == (-0.9, 0.9)
    assert np.allclose(ax.images[0].cmap(0.5)[:3], 1, atol=0.05)  # zero is white
    assert "from -0.25 to 0.90" in ax.figure.alt


@pytest.mark.parametrize("count", [1, 3, 14, 40, 97, 512])
def test_head_is_readable_at_any_length(count):
    tokens = [f"token{i}" for i in range(count)]
    ax = plots.head(shares(count, count), tokens, title="t")
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


def test_thinned_labels_stand_at_their_tokens():
    tokens = [f"t{i}" for i in range(100)]
    ax = plots.head(shares(100, 100), tokens)
    assert [tokens[int(place)] for place in ax.get_xticks()] == ticks(ax.xaxis)


def test_layer_draws_every_head_with_its_number():
    attention = shares(5, 6, 6)
    axes = plots.layer(attention, WORDS, title="Layer 1")
    assert axes.shape == (5,)
    for number, ax in enumerate(axes):
        assert ax.get_title() == f"head {number}"
        np.testing.assert_array_equal(ax.images[0].get_array(), attention[number])
    assert ticks(axes[0].yaxis) == WORDS
    assert ticks(axes[4].xaxis) == WORDS
    assert smallest_text(axes[0].figure) >= 8
    assert "Layer 1" in axes[0].figure.alt


def test_layer_says_what_each_head_looks_at_most():
    attention = np.zeros((2, 3, 3))
    attention[0, :, 1] = 1.0
    attention[1, :, 2], attention[1, :, 0] = 0.75, 0.25
    words = plots.layer(attention, ["the", "cat", "sat"])[0].figure.alt
    assert "2 heads of a layer over 3 tokens" in words
    assert "head 0 'cat' (1.00), head 1 'sat' (0.75)" in words


def test_model_draws_rows_of_layers_and_columns_of_heads():
    attention = shares(3, 5, 6, 6)
    axes = plots.model(attention, WORDS, title="All")
    assert axes.shape == (3, 5)
    for place in np.ndindex(3, 5):
        np.testing.assert_array_equal(axes[place].images[0].get_array(), attention[place])
        assert axes[place].images[0].get_clim() == (0, attention[place].max())
    assert [ax.get_title() for ax in axes[0]] == ["head 0", "1", "2", "3", "4"]
    assert [ax.get_ylabel() for ax in axes[:, 0]] == ["layer 0", "layer 1", "layer 2"]
    assert axes[0, 0].get_position().y0 > axes[1, 0].get_position().y0
    assert axes[0, 0].get_position().x0 < axes[0, 1].get_position().x0
    assert smallest_text(axes[0, 0].figure) >= 8


def test_layer_draws_some_heads_with_their_own_numbers():
    attention = shares(5, 6, 6)
    axes = plots.layer(attention, WORDS, heads=[4, 1])
    assert [ax.get_title() for ax in axes] == ["head 4", "head 1"]
    np.testing.assert_array_equal(axes[0].images[0].get_array(), attention[4])
    assert "2 heads" in axes[0].figure.alt and "head 4 '" in axes[0].figure.alt and "head 0" not in axes[0].figure.alt


def test_thumbnails_are_one_image_with_every_head_at_its_place():
    attention = shares(2, 3, 6, 6)
    ax = plots.thumbnails(attention, WORDS, values=[[1, None, 3], [4, 5, 6]], name="entropy")
    image = ax.images[0].get_array()
    pitch = image.shape[0] // 2
    for layer, head in np.ndindex(2, 3):
        tile = image[layer * pitch : layer * pitch + 6, head * pitch : head * pitch + 6]
        np.testing.assert_allclose(tile, attention[layer, head] / attention[layer, head].max(), rtol=1e-6)
    assert [len(bars.get_facecolors()) for bars in ax.collections] == [5]
    assert smallest_text(ax.figure) >= 8
    assert ax.figure.alt.endswith("entropy: from 1 (layer 0, head 0) to 6 (layer 1, head 2).")


def test_model_counts_the_favourites():
    attention = np.zeros((2, 2, 3, 3))
    attention[:, :, :, 0] = 1.0
    attention[1, 1] = np.eye(3)[[2, 2, 2]]
    words = plots.model(attention, ["[CLS]", "cat", "[SEP]"])[0, 0].figure.alt
    assert "2 layers of 2 heads over 3 tokens" in words
    assert "Of the 4 heads, the token looked at most on average is '[CLS]' in 3, '[SEP]' in 1." in words


def test_lines_draw_name_and_describe_every_row():
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
        "'different' goes from 1.00 to 0.50 (lowest 0.20 at 1)."
    )


def test_names_of_lines_that_end_together_do_not_overlap():
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
    steps, means, judged = ax.lines[-3:]
    np.testing.assert_array_equal(steps.get_xydata(), losses)
    np.testing.assert_array_equal(means.get_xdata(), steps.get_xdata())
    np.testing.assert_allclose(means.get_ydata()[[0, 1, 2, 9, 10, 29]], [1, 1 / 2, 2 / 3, 0.5, 0.5, 0.5], atol=1e-12)
    np.testing.assert_array_equal(judged.get_xydata(), [(20, 0.7), (40, 0.8)])
    assert [line.get_xdata()[0] for line in ax.lines[:-3]] == [20, 40]
    assert ax.get_xlim() == (0, 60)
    assert [text.get_text() for text in ax.texts] == ["training", "validation"]
    assert [text.get_color() for text in ax.texts] == [means.get_color(), judged.get_color()]
    assert ax.figure.alt == (
        "Loss of a training 'go', 30 of 60 steps. The mean of the last steps goes from 1.00 to 0.50. "
        "The validation: 0.70 after 20 steps, 0.80 after 40 steps."
    )
    assert plots.training([], steps=60).figure.alt == "Loss of a training, 0 of 60 steps."
    taken_up = plots.training([(20, 0.7), (21, 0.6)], steps=60)  # of the steps before, the mean alone is known
    assert taken_up.figure.alt.startswith("Loss of a training, 21 of 60 steps.")


def test_similarity_spans_what_differs_and_names_the_nearest():
    values = np.array([[1.0, 0.9, 0.7], [0.9, 1.0, 0.75], [0.7, 0.75, 1.0]])
    ax = plots.similarity(values, ["a", "b", "c"], unit="likeness", title="t")
    assert ax.images[0].get_clim() == (0.7, 0.9)
    np.testing.assert_array_equal(ax.images[0].get_array(), values)
    assert ax.images[0].colorbar.ax.get_ylabel() == "likeness"
    assert ax.figure.alt == (
        "Heat map 't' of likeness between 3 things. "
        "Most like 'a' is 'b' (0.90), like 'b' 'a' (0.90), like 'c' 'b' (0.75)."
    )


def test_vectors_draw_points_with_names_and_groups():
    points = [[0.0, 0.0], [0.0, 1.0], [5.0, 5.0], [5.0, 6.0]]
    ax = plots.vectors(points, ["r1", "r2", "m1", "m2"], groups=["river", "river", "money", "money"], title="bank")
    np.testing.assert_array_equal(np.concatenate([kind.get_offsets() for kind in ax.collections]), points)
    assert [text.get_text() for text in ax.texts] == ["r1", "r2", "m1", "m2"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["river", "money"]
    assert "Nearest to 'r1' is 'r2', to 'r2' 'r1', to 'm1' 'm2', to 'm2' 'm1'" in ax.figure.alt
    assert "For 4 of them the nearest is of the same group." in ax.figure.alt


def test_rollout_of_several_layers_shares_one_scale():
    values = np.array([[[0.75, 0.25], [0.5, 0.5]], [[0.625, 0.375], [0.625, 0.375]]])
    axes = plots.rollout(values, ["the", "cat"], title="R")
    assert axes.shape == (2,)
    for number, ax in enumerate(axes):
        np.testing.assert_array_equal(ax.images[0].get_array(), values[number])
        assert ax.images[0].get_clim() == (0, 0.75)
        assert ax.get_title() == f"after layer {number}"
    assert ticks(axes[0].yaxis) == ticks(axes[1].xaxis) == ["the", "cat"]
    assert axes[0].figure.axes[-1].get_ylabel() == "share of the input token"
    assert smallest_text(axes[0].figure) >= 8
    assert axes[0].figure.alt == (
        "Rollout 'R' of 2 tokens, 2 layers. After layer 0 a token keeps 0.62 of itself, and most is of 'the' (0.62); "
        "after layer 1 a token keeps 0.50 of itself, and most is of 'the' (0.62)."
    )


def test_one_rollout_is_a_large_picture():
    ax = plots.rollout([[0.75, 0.25], [0.25, 0.75]], ["the", "cat"], title="All")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("went in", "comes out")
    assert ax.images[0].get_clim() == (0, 0.75)
    assert ax.figure.alt == (
        "Rollout 'All' of 2 tokens. After all layers a token keeps 0.75 of itself, and most is of 'the' (0.50)."
    )


def test_similarities_share_a_scale_that_leaves_out_the_diagonals():
    values = np.array([[[1.0, 0.1, 0.2], [0.1, 1.0, 0.3], [0.2, 0.3, 1.0]]] * 2)
    values[1, 0, 1] = values[1, 1, 0] = 0.9
    axes = plots.similarity(values, ["a", "b", "c"], names=["first", "second"], title="t")
    for number, ax in enumerate(axes):
        np.testing.assert_array_equal(ax.images[0].get_array(), values[number])
        assert ax.images[0].get_clim() == (0.1, 0.9)
    assert [ax.get_title() for ax in axes] == ["first", "second"]
    assert axes[0].figure.alt == (
        "Heat maps 't' of cosine similarity between 3 things, 2 of them. The mean of two different ones, and the two "
        "most alike: first: 0.20, 'b' and 'c' (0.30); second: 0.47, 'a' and 'b' (0.90)."
    )
    assert [ax.get_title() for ax in plots.similarity(values, list("abc"))] == ["0", "1"]


@pytest.mark.parametrize("count", [1, 2, 5, 6, 7, 13, 24])
def test_small_pictures_stay_inside_and_apart(count):
    tokens = ["[CLS]", "representations", "漢", "[SEP]"]
    figure = plots.rollout(shares(count, 4, 4), tokens, title="t")[0].figure
    figure.canvas.draw()
    inside = figure.get_tightbbox().transformed(figure.dpi_scale_trans)
    assert min(inside.x0, inside.y0) >= -1
    assert inside.x1 <= figure.bbox.x1 + 1
    assert inside.y1 <= figure.bbox.y1 + 1
    boxes = [ax.get_tightbbox() for ax in figure.axes]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


@pytest.mark.parametrize("count", [2, 16, 60, 300])
def test_names_of_points_never_cover_one_another_nor_a_point(count):
    points = np.random.default_rng(0).normal(size=(count, 2))
    names = [f"word{i}" for i in range(count)]
    ax = plots.vectors(points, names, groups=[f"g{i % 3}" for i in range(count)], title="t")
    ax.figure.canvas.draw()
    assert [text.get_text() for text in ax.texts] == names
    written = [text for text in ax.texts if text.get_visible()]
    boxes = [matplotlib.text.Text.get_window_extent(text) for text in written]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    spots = ax.transData.transform(points)
    assert not any(box.contains(*spot) for box in boxes for spot in spots)
    assert all(ax.get_tightbbox().contains(*box.p0) for box in boxes)
    left_out = count - len(written)
    assert (f"({left_out} names left out: no room)" in ax.get_xlabel()) == (left_out > 0)
    assert left_out == 0 or count > 16
    assert len(written) > 15 or count < 16


def test_vectors_say_how_much_of_the_variance_they_show():
    ax = plots.vectors([[0, 0], [1, 1]], ["a", ""], shares=[0.3, 0.12])
    assert ax.get_xlabel() == "component 1: 30% of the variance"
    assert ax.get_ylabel() == "component 2: 12% of the variance"
    assert ax.figure.alt.startswith("Scatter plot of 2 points. The two axes show 42% of the variance.")


def test_forty_groups_look_different():
    count = 40
    ax = plots.vectors(np.arange(2.0 * count).reshape(-1, 2), [""] * count, groups=[f"g{i}" for i in range(count)])
    looks = {(tuple(kind.get_facecolor()[0]), kind.get_paths()[0].vertices.tobytes()) for kind in ax.collections}
    assert len(looks) == count


def test_what_fonts_and_mathtext_would_trip_over():
    strange = ["$x^", "$\\frac$", "\N{OLD PERSIAN SIGN A}", "\n", "漢", "\U0001f916", "%", "_a_", "", "مرحبا"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax = plots.head(shares(10, 10), strange, title="$\\nothing$ \U000103a0")
        content = plots.png(ax)
        plots.png(plots.layer(shares(2, 10, 10), strange, title="$x$"))
        plots.png(plots.lines([[1, 2]], ["$a$"], xlabel="$b", ylabel="c$", title="$d$ 漢"))
        plots.png(plots.vectors([[1, 2]], ["\U000103a0$"], groups=["$g$ \U000103a0"]))
        plots.png(plots.rollout(shares(2, 10, 10), strange, names=["$x^", "漢"], title="$\\nothing$"))
    assert content.startswith(b"\x89PNG")
    assert ticks(ax.xaxis)[:2] == ["$x^", "$\\frac$"]
    assert ticks(ax.xaxis)[3] == "U+000A"
    assert "'$x^'" in ax.figure.alt


def test_a_user_s_style_does_not_spoil_the_picture():
    with matplotlib.rc_context({"font.size": 3, "text.usetex": True, "axes.titlesize": 2}):
        ax = plots.head(shares(3, 3), WORDS[:3], title="t")
        assert smallest_text(ax.figure) >= 8


def test_an_axes_of_ones_own_keeps_its_figure():
    figure, (left, right) = plt.subplots(1, 2, FigureClass=plots.AltTextFigure)
    assert plots.head(shares(2, 2), ["a", "b"], ax=left, title="first") is left
    plots.head(shares(2, 2), ["c", "d"], ax=right, title="second")
    assert figure.alt.index("'first'") < figure.alt.index("'second'")
    figure.alt = "mine"
    assert figure.alt == "mine"
    plain, ax = plt.subplots()
    plots.head(shares(2, 2), ["a", "b"], ax=ax)
    assert plots.describe(plain).startswith("Heat map")
    assert len(plt.get_fignums()) == 2


def test_close_forgets_the_figure():
    axes = plots.model(shares(2, 2, 3, 3), WORDS[:3])
    plots.close(axes)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf", ".PNG"])
def test_saved_files_hold_the_picture_and_its_description(tmp_path, suffix):
    ax = plots.head(shares(3, 3), ["cat", "<b>", "$"], title="Héad")
    path = plots.save(ax, tmp_path / f"picture{suffix}")
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
        assert "'cat' looks most at" in text
    else:
        assert content.startswith(b"%PDF")
        assert b"/Subject" in content


def test_the_same_picture_gives_the_same_file(tmp_path):
    for suffix in plots.SUFFIXES:
        contents = []
        for _ in range(2):
            ax = plots.head(shares(3, 3), WORDS[:3])
            contents.append(plots.save(ax, tmp_path / f"a{suffix}").read_bytes())
        assert contents[0] == contents[1]


def test_what_cannot_be_saved_says_so_and_leaves_nothing(tmp_path, monkeypatch):
    ax = plots.head(shares(2, 2), ["a", "b"])
    for name in ("a.jpg", "a", "a.png.txt"):
        with pytest.raises(ValueError, match=r"path: .* \.png, \.svg, \.pdf"):
            plots.save(ax, tmp_path / name)
    with pytest.raises(FileNotFoundError, match="no folder"):
        plots.save(ax, tmp_path / "nowhere" / "a.png")
    (tmp_path / "a.png").write_text("old")
    monkeypatch.setattr("os.replace", lambda *a: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        plots.save(ax, tmp_path / "a.png")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: plots.head(shares(2, 3), ["a", "b"]), ValueError, "tokens: expected 3 .*, got 2"),
        (lambda: plots.head(shares(2, 3), list("abc")), ValueError, "tokens: expected 2 .* row .*, got 3"),
        (lambda: plots.head(shares(2, 2), "ab"), TypeError, "tokens: expected a list of strings"),
        (lambda: plots.head(shares(2, 2), [1, 2]), TypeError, "tokens: expected a list of strings"),
        (lambda: plots.head(shares(2, 2), ["a", "b"], queries=["c"]), ValueError, "queries: expected"),
        (lambda: plots.head(shares(3, 2, 2), ["a", "b"]), ValueError, r"attention: expected shape \[T, S\]"),
        (lambda: plots.head(np.zeros((0, 0)), []), ValueError, "attention: expected shape"),
        (lambda: plots.head([[np.nan]], ["a"]), ValueError, r"attention: expected finite numbers.* \[0, 0\]"),
        (lambda: plots.head([["x"]], ["a"]), TypeError, "attention: expected numbers"),
        (lambda: plots.head([[1], [1, 2]], ["a"]), ValueError, "attention: expected arrays of one shape"),
        (lambda: plots.layer(shares(2, 2, 3), list("abc")), ValueError, r"shape \[N, T, T\]"),
        (lambda: plots.model(shares(2, 3, 3), list("abc")), ValueError, r"shape \[L, N, T, T\]"),
        (lambda: plots.lines([[1, 2]], ["a", "b"], xlabel="", ylabel=""), ValueError, "labels: expected"),
        (
            lambda: plots.lines([[1, np.inf]], ["a"], xlabel="", ylabel=""),
            ValueError,
            r"values: .* finite.* \[0, 1\]",
        ),
        (lambda: plots.lines([[1, 2]], ["a"], x=[1], xlabel="", ylabel=""), ValueError, "x: expected"),
        (lambda: plots.training([1, 2], steps=2), ValueError, r"losses: expected shape \[R, 2\]"),
        (lambda: plots.training([(1, 2)], [(1, np.nan)], steps=2), ValueError, "judged: .* finite"),
        (lambda: plots.similarity([[1, 2, 3]], ["a"]), ValueError, r"values: expected shape \[R, R\]"),
        (lambda: plots.vectors([[1, 2, 3]], ["a"]), ValueError, r"points: expected shape \[R, 2\]"),
        (lambda: plots.vectors([[1, 2]], ["a"], groups=["g", "h"]), ValueError, "groups: expected"),
        (lambda: plots.vectors([[1, 2]], ["a"], shares=[1]), ValueError, r"shares: expected shape \[2\]"),
        (lambda: plots.rollout(shares(2, 3), list("abc")), ValueError, r"values: expected shape \[T, T\]"),
        (lambda: plots.rollout(shares(2, 3, 3), list("abc"), names=["x"]), ValueError, "names: expected 2"),
        (lambda: plots.rollout(shares(3, 3), list("ab")), ValueError, "tokens: expected"),
        (lambda: plots.similarity(np.eye(2)[None], ["a", "b"], ax=3), ValueError, "ax: .* hold one"),
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


def test_a_notebook_shows_each_picture_once_with_its_words():
    for name in ("nbclient", "nbconvert", "ipykernel"):
        pytest.importorskip(name)
    done = subprocess.run([sys.executable, "-c", NOTEBOOK], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "0 [] |1 [True] |1 [True] |1 [True] |1 [True] |3 1"


def test_figures_are_made_outside_of_the_style_s_context(monkeypatch):
    """The first loads a notebook's backend, whose settings the context would take back: no later picture would show."""
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
    plots.lines(tables[0], words, xlabel="layer", ylabel="share")
    plots.vectors(tables[0], words)
