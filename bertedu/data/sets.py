"""Sets of texts by name: our own, in data/ or in the wheel, and public ones, on the Hugging Face Hub."""

from pathlib import Path
from typing import NamedTuple

from bertedu.presets import ANSWER_WITHIN

PACKAGE = Path(__file__).resolve().parent.parent
FOLDERS = (PACKAGE / "assets" / "data", PACKAGE.parent / "data")  # in the wheel, and in a checkout


class Set(NamedTuple):
    """A set: a file for each split, its columns of texts, and for a public one where it is.

    Args:
        files: dict, split -> name of its file.
        text, pair: columns.
        names: of the classes, where the file has only their numbers.
        repository, revision: on the Hub, and the commit that is read.
    """

    files: dict
    text: str = "text"
    pair: str | None = None
    names: tuple | None = None
    repository: str | None = None
    revision: str | None = None


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


def find(name, split):
    """(path of a split's file, the `Set`). Raises ValueError, FileNotFoundError or ConnectionError."""
    found = SETS[name]
    if split not in found.files:
        raise ValueError(f"split: the set {name!r} has {', '.join(map(repr, found.files))}, got {split!r}")
    if found.repository:
        return _download(name, found, split), found
    for folder in FOLDERS:
        if (folder / found.files[split]).is_file():
            return folder / found.files[split], found
    looked = " nor in ".join(map(str, FOLDERS))
    raise FileNotFoundError(f"{found.files[split]} is neither in {looked}; install bertedu again")


def _download(name, wanted, split):
    """The path of a file from the Hugging Face cache, else from the Hub."""
    import huggingface_hub  # half a second to import, and only needed here

    file = {"repo_id": wanted.repository, "filename": wanted.files[split]}
    file |= {"repo_type": "dataset", "revision": wanted.revision}
    cached = huggingface_hub.try_to_load_from_cache(**file)
    if isinstance(cached, str):
        return Path(cached)
    try:
        # One question first, as in `presets`: on its own, a download asks again and again where there is no network.
        huggingface_hub.HfApi().dataset_info(wanted.repository, revision=wanted.revision, timeout=ANSWER_WITHIN)
        return Path(huggingface_hub.hf_hub_download(**file))
    except Exception as error:  # the Hub's client raises some twenty types, its HTTP library's among them
        reason = f"{type(error).__name__}, {(str(error).strip().splitlines() or [''])[0]}"
    address = f"https://huggingface.co/datasets/{wanted.repository}/resolve/{wanted.revision}/{wanted.files[split]}"
    columns = "" if wanted.text == "text" else f", text={wanted.text!r}"
    raise ConnectionError(
        f"The set {name!r} is not here and could not be downloaded. Tried:\n"
        f"  the cache {huggingface_hub.constants.HF_HUB_CACHE}: not there\n"
        f"  the Hub: {reason}\n"
        f"With a network, try again. By hand: {address}\n"
        f'  and then load_texts("that/file"{columns}); its classes are 0 to {len(wanted.names) - 1}: '
        f"{', '.join(wanted.names)}.\n"
        'Without one: load_texts("reviews", split="train") and load_texts("pairs", split="train") are always here.'
    )
