"""`.keras` files: `archive` opens and checks them, `paths` has the paths of weights, `reader` reads and writes."""

from bertedu.checkpoints.keras_archive.reader import LOOKED_FOR, read, recognizes, tensors, write

__all__ = ["LOOKED_FOR", "read", "recognizes", "tensors", "write"]
