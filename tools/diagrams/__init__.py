"""The course's diagrams: `DIAGRAMS`, name -> function that draws it, and `ALT`, name -> alt text."""

from tools.diagrams import attention, inputs, layers, tags, today, uses, views

MODULES = (inputs, attention, layers, uses, views, today, tags)
DIAGRAMS = {function.__name__: function for module in MODULES for function in module.DIAGRAMS}
"""Name -> function without arguments that returns the `Drawing`."""

ALT = {name: function().alt for name, function in DIAGRAMS.items()}
"""Name -> alt text, one to three sentences; also written to notebooks/diagrams/alt.json."""
