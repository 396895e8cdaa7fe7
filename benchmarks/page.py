"""The page without a kernel in a headless Chromium: sizes, times, and its differences from `bert.read`.

    python -m benchmarks.page [--repeats 5]

Builds the page with float16 and with float32 weights, and serves each from this machine. First load: from the request
to the drawn explorer, as a new visitor. Reading: from a change of the text box to the drawn heads, which includes the
150 ms that the explorer waits for the next key; and without them, as it is after Enter. Differences: of all attention
weights of 50 texts, 40 short reviews and 10 parts of Python's language reference with 128 tokens.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np

from benchmarks import common

sys.path.insert(0, str(common.ROOT / "tools"))
import lab_browser
from page_browser import ATTENTION, READY, served

LENGTHS = (24, 128)
READ = """async ([text, enter]) => {
    const explorer = document.querySelector(".be-explorer");
    const area = explorer.querySelector("textarea");
    const before = explorer.dataset.reading;
    area.value = text;
    const start = performance.now();
    area.dispatchEvent(new InputEvent("input", { bubbles: true }));
    if (enter) area.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
    while (explorer.dataset.reading === before) await new Promise((done) => { const channel = new MessageChannel();
        channel.port1.onmessage = done; channel.port2.postMessage(0); });
    await new Promise(requestAnimationFrame);
    const tokens = explorer.querySelectorAll(".be-chip[role=option]").length;
    return [performance.now() - start, tokens];
}"""


def texts_of_length(bert, count, number):
    """Return `number` texts of `count` tokens from Python's language reference."""
    texts = []
    for name in sorted(topics):
        words = topics[name].split()
        while len(bert.preprocessor.encode(" ".join(words)).ids) > count:
            words = words[: -max(1, (len(words) - count) // 2)]
        text = " ".join(words)
        missing = count - len(bert.preprocessor.encode(text).ids)
        if missing <= 8:
            texts.append(text + " and" * missing)
        if len(texts) == number:
            return texts
    raise ValueError(f"expected {number} texts of {count} tokens")


def load_seconds(page, address):
    """Return the seconds from a request to the drawn explorer."""
    start = time.perf_counter()
    page.goto(address)
    page.wait_for_selector(READY)
    return time.perf_counter() - start


def measured(address, bert, repeats):
    """Return first load in seconds, and for each length the times in ms with the pause and without it."""
    loads, times = [], {(count, enter): [] for count in LENGTHS for enter in (False, True)}
    for _ in range(repeats):
        with lab_browser.browser_page() as (page, _):
            loads.append(load_seconds(page, address))
            for (count, enter), values in times.items():
                for text in texts_of_length(bert, count, 5):
                    milliseconds, tokens = page.evaluate(READ, [text, enter])
                    assert tokens == count
                    values.append(milliseconds)
    return loads, times


def differences(address, bert, texts):
    """Return the largest difference of an attention weight, and the fraction of rows with the same largest weight."""
    largest, equal, rows = 0.0, 0, 0
    with lab_browser.browser_page() as (page, _):
        page.goto(address)
        page.wait_for_selector(READY)
        for text in texts:
            (reading,) = page.evaluate(ATTENTION, [text])
            expected = bert.read(text)
            assert reading["tokens"] == expected.tokens
            attention = np.array(reading["layers"]).reshape(expected.attention.shape)
            largest = max(largest, float(np.abs(attention - expected.attention).max()))
            equal += int((attention.argmax(-1) == expected.attention.argmax(-1)).sum())
            rows += expected.attention[..., 0].size
    return largest, equal / rows


def main():
    """Measure both builds and print a table."""
    options = common.parsed(common.parser(__doc__, repeats=5))
    import bertedu as be
    from bertedu import page as static_page

    bert = be.load("minilm")
    reviews = list(be.load_texts("reviews", split="test").texts[:40])
    texts = reviews + texts_of_length(bert, 128, 10)
    lines = [["", "float16", "float32"]]
    columns = []
    for weights in static_page.writer.WEIGHTS:
        with (
            tempfile.TemporaryDirectory() as folder,
            served(static_page.build(Path(folder) / "page", "minilm", weights)) as address,
        ):
            sizes = static_page.sizes(Path(folder) / "page")
            loads, times = measured(address, bert, options.repeats)
            largest, same = differences(address, bert, texts)
        column = {"size, MiB": f"{sum(sizes.values()) / 2**20:.1f}", "first load, s": spread(loads, 2)}
        for (count, enter), values in times.items():
            column[f"{count} tokens, ms{', after Enter' if enter else ''}"] = spread(values, 0)
        column["largest difference of an attention weight"] = f"{largest:.1e}"
        column["rows with the same largest weight, %"] = f"{100 * same:.3f}"
        columns.append(column)
    lines += [[name, *(column[name] for column in columns)] for name in columns[0]]
    print(f"{common.machine()}\n")
    for index, line in enumerate(lines):
        print("| " + " | ".join(line) + " |")
        if index == 0:
            print("|---|---|---|")


def spread(values, digits):
    """Return median, minimum and maximum as text."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    main()
