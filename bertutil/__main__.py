"""python -m bertutil COMMAND ...: see bertutil.cli."""

import sys

from bertutil.cli import main

if __name__ == "__main__":
    sys.exit(main())
