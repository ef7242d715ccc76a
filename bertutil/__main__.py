"""python -m bertutil COMMAND ..., or bertutil COMMAND ...: see bertutil.cli."""

import sys


def run() -> None:
    """Run the command line; the process ends with its status."""
    try:
        from bertutil.cli import main

        sys.exit(main())
    except KeyboardInterrupt:  # in the first moments, or a command of the course
        print("\nStopped.", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    run()
