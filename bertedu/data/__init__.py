"""Texts with labels: from TSV, CSV, JSONL and Parquet files, bertedu's data sets (data/README.md), and public ones."""

from bertedu.data.texts import Texts, load_texts, load_unlabelled

__all__ = ["Texts", "load_texts", "load_unlabelled"]
