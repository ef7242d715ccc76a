"""python -m bertutil COMMAND ...: see bertutil.cli."""

import sys

if __name__ == "__main__":
    try:
        from bertutil.cli import main

        sys.exit(main())
    except KeyboardInterrupt:  # in the first moments; main() says more
        sys.exit("\nStopped.")
