"""All that is measured beside others, and then the tables of docs/benchmarks.md; it takes hours on a quiet machine.

    python tests/benchmarks --environments ENVIRONMENTS

The peers are installed in environments of their own in that folder, where they are missing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from tables import FIGURES

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--environments", type=Path, required=True, help="folder for the peers' environments")
    arguments = parser.parse_args()
    FIGURES.mkdir(exist_ok=True)
    picture = FIGURES.parent / "images" / "time-to-quality.png"
    beside = ["--environments", str(arguments.environments)]
    for script, *options in (
        ("compare_training.py", *beside, "--json", FIGURES / "training.json"),
        ("compare_augmentation.py", *beside, "--json", FIGURES / "augmentation.json"),
        ("compare_loading.py", *beside, "--json", FIGURES / "loading.json"),
        ("time_to_quality.py", *beside, "--json", FIGURES / "quality.json", "--plot", picture),
        ("cold_start.py",),
        ("tables.py",),
    ):
        sys.stdout.write(f"{script}\n")
        sys.stdout.flush()
        subprocess.run([sys.executable, HERE / script, *options], check=True)


if __name__ == "__main__":
    main()
