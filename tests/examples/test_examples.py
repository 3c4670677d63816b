"""The examples and the notebook run as a user would run them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest

from medimg_cnn import Predictions
from medimg_cnn.data.phantoms import make_phantoms
from medimg_cnn.evaluation import auroc

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("0*.py"))
NOTEBOOK = EXAMPLES / "seed_story.ipynb"


def start(script: Path, *arguments: str, cwd: Path, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        cwd=cwd,
        env=os.environ | {"MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def run(script: Path, *arguments: str, cwd: Path, timeout: float = 600) -> str:
    done = start(script, *arguments, cwd=cwd, timeout=timeout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_there_is_one_example_for_each_call():
    assert [script.stem for script in SCRIPTS] == [
        "01_load_dataset",
        "02_augment",
        "03_build_cnn",
        "04_train",
        "05_clinical_report",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_an_example_runs_and_leaves_nothing_behind(script, tmp_path):
    assert run(script, cwd=tmp_path).strip()
    assert list(tmp_path.iterdir()) == []


def test_the_quickstart_explains_itself(tmp_path):
    text = run(EXAMPLES / "quickstart.py", "--help", cwd=tmp_path)
    for option in ("--data", "--positive", "--patients", "--epochs", "--image-size", "--seed", "--output"):
        assert option in text
    assert "--classes NEG POS" in text
    assert "--subgroups COLUMN" in text


@pytest.mark.slow
def test_an_error_of_the_quickstart_is_one_line(tmp_path):
    for options, said in (
        (["--data", "nowhere"], "ArgumentError: source: must exist; got 'nowhere'."),
        (["--data", ".", "--classes", "a", "b"], "DataError: .: a folder must hold images"),
    ):
        done = start(EXAMPLES / "quickstart.py", *options, cwd=tmp_path)
        assert done.returncode == 2
        lines = done.stderr.splitlines()
        assert len(lines) == 1
        assert lines[0].startswith(said)


@pytest.mark.slow
def test_the_quickstart_takes_images_of_ones_own(tmp_path):
    folder = make_phantoms(tmp_path / "mine", patients=60, image_size=32, seed=4)
    options = ["--classes", "no_lesion", "lesion", "--patients", "patient_id", "--subgroups", "sex", "age"]
    options += ["--epochs", "1", "--image-size", "32"]
    text = run(EXAMPLES / "quickstart.py", "--data", str(folder), *options, "--output", "out", cwd=tmp_path)
    assert "Test AUROC" in text
    assert "synthetic" not in text.lower()
    html = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "By sex" in html
    assert "By age" in html
    assert "and over" in html


@pytest.mark.slow
def test_the_quickstart_is_neither_trivial_nor_hopeless(tmp_path):
    text = run(EXAMPLES / "quickstart.py", cwd=tmp_path, timeout=1200)
    output = tmp_path / "runs" / "quickstart"
    assert str(Path("runs/quickstart/report.html")) in text
    assert "SYNTHETIC" in (output / "report.html").read_text("utf-8")
    predictions = Predictions.load(output / "test_predictions.npz")
    assert predictions.patient_id is not None
    estimate = auroc(predictions.y_true, predictions.logit, patients=predictions.patient_id)
    assert 0.85 < estimate.value < 0.98
    assert 0.0 < estimate.lower < estimate.value < estimate.upper < 1.0
    assert f"Test AUROC {estimate.value:.3f}" in text
    assert np.unique(predictions.patient_id).size >= 50


def test_the_notebook_is_stored_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) >= 10
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


@pytest.mark.slow
def test_the_notebook_runs(tmp_path, monkeypatch):
    from nbclient import NotebookClient

    monkeypatch.delenv("MPLBACKEND", raising=False)  # pictures are shown in the notebook

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    pictures = [
        output
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) >= 6
