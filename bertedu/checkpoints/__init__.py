"""Checkpoints: published weights, read by name into our layers. One file a format, one table of names each.

Chapter: notebooks/10_checkpoints.ipynb.
"""
