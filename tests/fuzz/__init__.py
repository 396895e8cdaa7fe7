"""A seeded, resumable fuzzer for every reader of foreign files. `python -m tests.fuzz --help`; README.md beside it."""
