import base64
import re

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest

from bertedu import chooser, plots
from bertedu.reading import Reading

TOKENS = ["[CLS]", "the", "<b>", "[SEP]"]


@pytest.fixture
def reading():
    attention = np.random.default_rng(0).dirichlet(np.ones(4), size=(2, 3, 4)).astype("float32")
    vectors = np.zeros((2, 4, 5), "float32")
    return Reading(
        "the <b>",
        None,
        TOKENS,
        [2, 5, 6, 3],
        [0] * 4,
        [None] * 4,
        [None] * 4,
        attention,
        vectors,
        vectors[0],
        None,
        "tiny",
    )


def parts(box):
    row, picture = box.children
    return *row.children, picture


def alt(picture):
    return re.search(r'alt="([^"]*)"', picture.value).group(1)


def test_the_chooser_draws_the_head_that_is_chosen(reading):
    layer, head, picture = parts(chooser.chooser(reading, layer=1, head=2))
    assert (layer.value, head.value) == (1, 2)
    assert list(layer.options) == [0, 1] and list(head.options) == [0, 1, 2]
    assert "layer 1, head 2" in alt(picture)
    before = picture.value
    head.value = 0
    assert "layer 1, head 0" in alt(picture) and picture.value != before
    data = base64.b64decode(re.search(r"base64,([^\"]+)", picture.value).group(1))
    assert data.startswith(b"\x89PNG")
    assert "<b>" not in picture.value  # a token is text, never markup


def test_no_figure_is_left_open(reading):
    plt.close("all")
    layer, _, _ = parts(chooser.chooser(reading))
    layer.value = 1
    assert plt.get_fignums() == []


def test_in_a_notebook_the_picture_and_the_chooser_are_two_outputs(reading, monkeypatch):
    shown = []
    monkeypatch.setattr(chooser, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", shown.append)
    plt.close("all")
    reading.show()
    assert [type(output) for output in shown] == [plots.Picture, ipywidgets.VBox]
    assert plt.get_fignums() == []  # an open one would be drawn a second time at the end of the cell


def test_a_head_that_is_not_there_is_refused_before_anything_is_drawn(reading):
    with pytest.raises(ValueError, match="head=3 is not there: tiny has heads 0 to 2"):
        reading.show(layer=0, head=3)


def test_a_plain_python_is_no_notebook():
    assert not chooser.in_notebook()
