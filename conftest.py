"""pytest begins here: tools/notebook_gate.py executes and compares the notebooks, tools/workers.py counts workers."""

pytest_plugins = ["tools.notebook_gate", "tools.workers"]
