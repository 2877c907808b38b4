"""``python -m paddlex`` is the ``paddlex`` command."""

import sys

from paddlex.cli import main

if __name__ == "__main__":
    sys.exit(main())
