"""`python -m growable`."""

from __future__ import annotations

import sys

from growable.cli import main

if __name__ == "__main__":
    sys.exit(main())
