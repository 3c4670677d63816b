"""``python -m medimg_cnn`` is the command ``medimg-cnn``."""

from __future__ import annotations

import sys

from medimg_cnn.cli import main

if __name__ == "__main__":
    sys.exit(main())
