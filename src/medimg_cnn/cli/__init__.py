"""The command ``medimg-cnn``: a thin face over the library's own calls.

Exit codes: 0, done; 1, an error inside the library; 2, something to be put right by the user, said in one line;
130, interrupted by Ctrl-C.
"""

from medimg_cnn.cli._main import main

__all__ = ["main"]
