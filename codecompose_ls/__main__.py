"""`python -m codecompose_ls` is the command line."""

import sys

from codecompose_ls.cli import main

if __name__ == "__main__":
    sys.exit(main())
