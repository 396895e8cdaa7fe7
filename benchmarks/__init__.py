"""Benchmarks: the same work done by bertedu and by its peers, side by side. See README.md."""
