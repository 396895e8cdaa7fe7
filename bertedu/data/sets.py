"""Data sets by name: our own, in data/ or in the wheel, and public ones on the Hugging Face Hub."""

from pathlib import Path
from typing import NamedTuple

from bertedu import hub

PACKAGE = Path(__file__).resolve().parent.parent
FOLDERS = (PACKAGE / "assets" / "data", PACKAGE.parent / "data")  # in the wheel, and in a checkout


class Set(NamedTuple):
    """A data set: a file for each split, its columns of texts, and for a public one its place on the Hub.

    Args:
        files: dict, split -> name of its file.
        text, pair: columns.
        names: of the classes, where the file has only their numbers.
        repository, revision: on the Hub, and the commit that is read.
    """

    files: dict[str, str]
    text: str = "text"
    pair: str | None = None
    names: tuple[str, ...] = ()
    repository: str = ""
    revision: str = ""


def _own(name):
    return {split: f"{name}/{split}.tsv" for split in ("train", "validation", "test")}


def _parquet(folder, *splits):
    return {split: f"{folder}/{split}-00000-of-00001.parquet" for split in splits}


SETS = {
    "reviews": Set(_own("reviews")),
    "pairs": Set(_own("pairs"), pair="pair"),
    "sst2": Set(
        _parquet("data", "train", "validation"),  # the test's labels were never published
        text="sentence",
        names=("negative", "positive"),
        repository="stanfordnlp/sst2",
        revision="8d51e7e4887a4caaa95b3fbebbf53c0490b58bbb",
    ),
    "ag_news": Set(
        {"train": "train.jsonl", "test": "test.jsonl"},
        names=("World", "Sports", "Business", "Sci/Tech"),
        repository="SetFit/ag_news",
        revision="ca5ba619eb034211db5f70932b6702efd21e7c73",
    ),
    "imdb": Set(
        _parquet("plain_text", "train", "test"),
        names=("negative", "positive"),
        repository="stanfordnlp/imdb",
        revision="e6281661ce1c48d982bc483cf8a173c1bbeb5d31",
    ),
}
"""Public sets are downloaded on request and never kept here; their pages on the Hub say whose they are."""

NAMES = tuple(SETS)


def find(name: str, split: str | None) -> tuple[Path, Set]:
    """Return the path of a split's file, and the `Set`. Raises ValueError, FileNotFoundError or ConnectionError."""
    data = SETS[name]
    if split not in data.files:
        raise ValueError(f"split: the set {name!r} has {', '.join(map(repr, data.files))}, got {split!r}")
    file = data.files[split]
    if data.repository:
        address = f"https://huggingface.co/datasets/{data.repository}/resolve/{data.revision}/{file}"
        column = "" if data.text == "text" else f", text={data.text!r}"
        classes = dict(enumerate(data.names))
        otherwise = (
            f'By hand: {address}\n  and then load_texts("that/file"{column}); its classes are {classes}.\n'
            'Without one: load_texts("reviews", split="train") and load_texts("pairs", split="train") are always here.'
        )
        return hub.download_data(data.repository, file, data.revision, name=name, otherwise=otherwise), data
    for folder in FOLDERS:
        if (folder / file).is_file():
            return folder / file, data
    raise FileNotFoundError(f"{file} is neither in {' nor in '.join(map(str, FOLDERS))}; install bertedu again")
