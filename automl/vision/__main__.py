"""`python -m automl.vision`."""

from __future__ import annotations

import sys

from automl.vision.cli import main

if __name__ == "__main__":
    sys.exit(main())
