"""python -m bertutil COMMAND ...: see bertutil.cli."""

import sys

if __name__ == "__main__":
    try:
        from bertutil.cli import main

        sys.exit(main())
    except KeyboardInterrupt:  # in the first moments, or a command of the course
        print("\nStopped.", file=sys.stderr)
        sys.exit(130)
