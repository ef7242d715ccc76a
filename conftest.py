"""pytest begins here: the notebooks are executed and compared by tools/notebook_gate.py."""

pytest_plugins = ["tools.notebook_gate"]
