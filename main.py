"""The dispatcher: ``python main.py -c CONFIG -o Global.mode=MODE`` runs one mode of one config."""

import sys

from paddlex.engine import main

if __name__ == "__main__":
    sys.exit(main())
