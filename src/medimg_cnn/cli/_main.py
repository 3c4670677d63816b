"""Runs a command, and turns what it returns or raises into output and an exit code."""

from __future__ import annotations

import json
import os
import re
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Any, TextIO

from medimg_cnn.cli._parser import make_parser
from medimg_cnn.errors import MedimgCnnError, MedimgCnnWarning

__all__ = ["main"]

_DONE, _INTERNAL, _USER, _INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``medimg-cnn`` and return its exit code.

    Args:
        arguments: of the command line, without the program's name; None for those of the process.

    Example:
        >>> main(["report", "no-such-file.csv"])
        2
    """
    options = make_parser().parse_args(arguments)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            # Said once, whatever filters the interpreter was started with.
            warnings.simplefilter("default", MedimgCnnWarning)
            result: dict[str, Any] = options.command(options)
        text = _as_json(result) if options.json else result.get("text", "")
        status: int = result.pop("status", _DONE)
        if text:
            print(text)  # noqa: T201 - a command line prints
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader went away (for example ``| head``). Python would complain once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _DONE
    except KeyboardInterrupt as interruption:
        # That of a training says how to go on.
        _complain(f"interrupted. {_one_line(interruption)}" if str(interruption) else "interrupted")
        return _INTERRUPTED
    except (MedimgCnnError, OSError) as error:
        if options.debug:
            traceback.print_exc()
        _complain(f"error: {_as_options(_one_line(error))}")
        return _USER
    except Exception as error:  # noqa: BLE001 - whatever it is, it becomes an exit code
        if options.debug:
            traceback.print_exc()
        _complain(
            f"internal error: {type(error).__name__}: {_one_line(error)}. Run again with --debug to see where."
        )
        return _INTERNAL
    return status


def _as_json(result: dict[str, Any]) -> str:
    from medimg_cnn.artifacts._files import to_json_text

    content = {name: value for name, value in result.items() if name != "text"}
    return json.dumps(json.loads(to_json_text(content)), indent=2)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _as_options(text: str) -> str:
    """Say as options of the command what the library's message says as arguments of a call."""
    text = text.replace("labels=(negative, positive)", "--labels NEGATIVE POSITIVE")
    text = re.sub(r"\boverwrite=True", "--overwrite", text)
    return re.sub(
        r"\b(patients|positive|label|path|image_size|batch_size|port|host)=(['\"]?)([\w.-]+)\2",
        lambda found: f"--{found[1].replace('_', '-')} {found[3]}",
        text,
    )


def _complain(text: str) -> None:
    print(f"medimg-cnn: {text}", file=sys.stderr)  # noqa: T201 - a command line prints


def _show_warning(  # noqa: PLR0917 - the signature is Python's
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    del filename, lineno, file, line
    if issubclass(category, MedimgCnnWarning):
        _complain(f"warning: {' '.join(str(message).split())}")
