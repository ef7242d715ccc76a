"""The command line: python -m bertutil embed | search | doctor | workshop. Each command says more with --help."""

import sys
from importlib import import_module

COMMANDS = {
    "embed": ("corpus_cli", "vectors for the lines of a text file, a CSV or a Parquet column, in a folder"),
    "search": ("corpus_cli", "the lines of such a folder that are nearest to a query"),
    "doctor": ("doctor", "is everything here that the tutorial needs? What to do where it is not"),
    "workshop": ("workshop", "learner copies of the notebooks without solutions, and solved copies"),
}


def main(arguments: list[str] | None = None) -> int:
    """Hand the arguments to the command's module, whose main(["<command>", ...]) returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] in COMMANDS:
        # loaded late, so that the doctor runs where torch is broken
        return int(import_module(f"bertutil.{COMMANDS[arguments[0]][0]}").main(arguments))
    asked = bool(arguments) and arguments[0] in ("-h", "--help")
    print("usage: python -m bertutil COMMAND ...\n", file=sys.stdout if asked else sys.stderr)
    for name, (_, text) in COMMANDS.items():
        print(f"  {name:10} {text}", file=sys.stdout if asked else sys.stderr)
    return 0 if asked else 2


if __name__ == "__main__":
    sys.exit(main())
