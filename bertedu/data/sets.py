"""Data sets by name: bertedu's own, in data/ or in the wheel, and public ones on the Hugging Face Hub."""

from pathlib import Path
from typing import NamedTuple

from bertedu import hub

PACKAGE = Path(__file__).resolve().parent.parent
FOLDERS = (PACKAGE / "assets" / "data", PACKAGE.parent / "data")  # in the wheel, and in a checkout


class Set(NamedTuple):
    """A data set: the files of its splits, its text columns, and for a public set its repository.

    Args:
        files: dict, split -> name of its file.
        text: name of the text column. Defaults to "text".
        pair: name of the column of second texts. Defaults to None: single texts.
        label: name of the column of labels; None for texts without labels. Defaults to "label".
        names: tuple of the classes' names, if the file has only numbers. Defaults to ().
        repository, revision: repository on the Hub, and the commit to read. Defaults to "": one of bertedu's own sets.
    """

    files: dict[str, str]
    text: str = "text"
    pair: str | None = None
    label: str | None = "label"
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
    "associations": Set({"test": "associations/test.tsv"}),
    "docs_pairs": Set(_own("docs_pairs"), pair="pair", label=None),
    "sst2": Set(
        _parquet("data", "train", "validation"),  # the labels of the test set are not public
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
"""Public sets are downloaded on request. Their authors and licenses are on their pages on the Hub."""

TAGGED = {"code_words": {split: f"code_words/{split}.jsonl" for split in ("train", "validation", "test")}}
"""Sets of tagged words -> the files of their splits."""


def find(name: str, split: str | None) -> tuple[Path, Set]:
    """Return the path of a split's file, and the `Set`. Raises ValueError, FileNotFoundError or ConnectionError."""
    data = SETS[name]
    file = _file_of(name, data.files, split)
    if data.repository:
        address = f"https://huggingface.co/datasets/{data.repository}/resolve/{data.revision}/{file}"
        column = "" if data.text == "text" else f", text={data.text!r}"
        classes = dict(enumerate(data.names))
        otherwise = (
            f'Or download {address}\n  and call load_texts("that/file"{column}); its classes are {classes}.\n'
            'Offline, load_texts("reviews", split="train") and load_texts("pairs", split="train") always work.'
        )
        return hub.download_data(data.repository, file, data.revision, name=name, otherwise=otherwise), data
    return own_file(file), data


def find_tagged(name: str, split: str | None) -> Path:
    """Return the path of a split's file of a set of tagged words. Raises ValueError or FileNotFoundError."""
    return own_file(_file_of(name, TAGGED[name], split))


def _file_of(name, files, split):
    if split not in files:
        raise ValueError(f"split: expected one of {', '.join(map(repr, files))} for {name!r}, got {split!r}.")
    return files[split]


def own_file(name: str) -> Path:
    """Return the path of a file of bertedu's own sets. Raises FileNotFoundError."""
    for folder in FOLDERS:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(
        f"{name}: expected the file in {' or '.join(map(str, FOLDERS))}, got none. Reinstall bertedu."
    )
