"""The command line: what it prints, what it returns, and that it is the library underneath."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import medimg_cnn as mc
from medimg_cnn.artifacts import FitResult
from medimg_cnn.cli import main
from medimg_cnn.training import Run

COMMANDS = ("demo", "audit", "train", "evaluate", "predict", "compare", "report", "export")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Phantoms, and a bundle of a model on them that was not trained."""
    folder = tmp_path_factory.mktemp("cli")
    phantoms = mc.data.make_phantoms(folder / "phantoms", patients=60, image_size=24, seed=1)
    data = mc.load_dataset(
        phantoms, positive="lesion", patients="patient_id", image_size=24, seed=1, audit="off", progress=False
    )
    model = mc.build_cnn(data.image_shape, width=4, seed=1)
    rng = np.random.default_rng(0)
    model.get_layer("logit").kernel.assign(rng.normal(0, 0.2, model.get_layer("logit").kernel.shape))
    result = FitResult(
        history=(),
        kept_epoch=0,
        operating_point=mc.OperatingPoint(threshold=0.5, rule="youden", chosen_on="validation"),
        fingerprint=data.fingerprint,
        preprocessing=data.preprocessing.to_dict(),
    )
    run = Run(model, result)
    predictions = run.predict(data.test)
    mc.save_bundle(run, folder / "bundle.zip", data=data, test=predictions, name="A")
    mc.save_bundle(run, folder / "other.zip", data=data, name="B")
    predictions.save(folder / "predictions.npz")
    (folder / "run_folder").mkdir()
    (folder / "run_folder" / "run.json").write_text("{}")
    predictions.to_frame().to_csv(folder / "scores.csv", index=False)
    return folder


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_help_answers_at_once_and_shows_examples():
    code = "import sys\nfrom medimg_cnn.cli import main\ntry: main(sys.argv[1:])\nexcept SystemExit: pass\n"
    code += "assert not {'keras', 'jax', 'numpy'} & set(sys.modules)"
    for command in ((), *((name,) for name in COMMANDS)):
        done = subprocess.run(
            [sys.executable, "-c", code, *command, "--help"], capture_output=True, text=True, check=True
        )
        assert "medimg-cnn" in done.stdout
        assert "example" in done.stdout


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "medimg_cnn", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"medimg-cnn {mc.__version__}"
    script = Path(sys.executable).with_name("medimg-cnn")
    if script.exists():
        same = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
        assert same.stdout == done.stdout


def test_predict_prints_a_table_or_json(place, capsys):
    code, out, _ = run(capsys, "predict", place / "bundle.zip", place / "phantoms", "--quiet")
    assert code == 0
    rows = list(csv.DictReader(out.splitlines()))
    expected = mc.Predictor(place / "bundle.zip").predict(place / "phantoms")
    assert [float(row["probability"]) for row in rows] == expected["probability"].tolist()
    code, out, _ = run(capsys, "predict", place / "bundle.zip", place / "phantoms", "--quiet", "--json")
    assert code == 0
    assert [row["probability"] for row in json.loads(out)["images"]] == expected["probability"].tolist()


def test_predict_to_a_file_goes_on_where_it_was(place, tmp_path, capsys):
    output = tmp_path / "out.csv"
    for already in (0, 1):
        code, out, _ = run(
            capsys,
            "predict",
            place / "bundle.zip",
            place / "phantoms",
            "--output",
            output,
            "--json",
            "--quiet",
        )
        assert code == 0
        result = json.loads(out)
        assert result["resumed_after"] == already * result["images"]
    with output.open(encoding="utf-8", newline="") as stream:
        assert len(list(csv.DictReader(stream))) == result["images"]


def test_evaluate_writes_a_report_and_recalibrates_only_when_asked(place, tmp_path, capsys):
    options = ("--patients", "patient_id", "--output", tmp_path / "report.html", "--quiet", "--json")
    code, out, _ = run(capsys, "evaluate", place / "bundle.zip", place / "phantoms", *options)
    assert code == 0
    assert "Against development" in (tmp_path / "report.html").read_text("utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html"]
    assert {test["name"] for test in json.loads(out)["tests"]} == {
        "prevalence",
        "size",
        "intensity",
        "features",
    }


def test_a_report_of_no_format_is_said_before_the_work(place, tmp_path, capsys):
    for command in (
        ("evaluate", place / "bundle.zip", place / "phantoms"),
        ("compare", place / "bundle.zip", place / "other.zip", place / "phantoms"),
        ("report", place / "scores.csv"),
    ):
        code, _, err = run(capsys, *command, "--output", tmp_path / "report.xyz")
        assert code == 2
        assert "must end with one of .html" in err
        assert "Reading images" not in err


def test_what_was_found_is_not_lost_where_no_recalibration_can_be_fitted(place, tmp_path, capsys):
    codes = []
    for labels in (("no_lesion", "lesion"), ("lesion", "no_lesion")):  # one of them goes against the logits
        target = tmp_path / f"{labels[0]}.zip"
        options = ("--labels", *labels, "--recalibrated", target, "--json", "--quiet")
        code, out, _ = run(capsys, "evaluate", place / "bundle.zip", place / "phantoms", *options)
        result = json.loads(out)
        assert result["findings"]
        assert target.exists() == (result["recalibrated"] is not None) == (code == 0)
        codes.append(code)
    assert sorted(codes) == [0, 2]


def test_compare_two_bundles(place, tmp_path, capsys):
    arguments = (
        "compare",
        place / "bundle.zip",
        place / "other.zip",
        place / "phantoms",
        "--patients",
        "patient_id",
    )
    code, out, _ = run(capsys, *arguments, "--output", tmp_path / "c.md", "--quiet")
    assert code == 0
    assert "AUROC difference: 0.000" in out
    assert "A against B" in (tmp_path / "c.md").read_text("utf-8")


@pytest.mark.parametrize("scores", ["predictions.npz", "scores.csv"])
def test_report_on_scores(place, scores, tmp_path, capsys):
    code, out, _ = run(
        capsys, "report", place / scores, "--threshold", 0.5, "--output", tmp_path / "report.json", "--json"
    )
    assert code == 0
    expected = mc.clinical_report(mc.Predictions.load(place / "predictions.npz"), operating_point=0.5)
    assert json.loads(out)["estimates"]["auroc"]["value"] == pytest.approx(expected.auroc.value)
    assert (tmp_path / "report.json").is_file()


def test_audit_says_what_it_found(place, capsys):
    code, out, _ = run(
        capsys, "audit", place / "phantoms", "--positive", "lesion", "--patients", "patient_id", "--quiet"
    )
    assert code == 0
    assert out.strip()


@pytest.mark.slow
def test_export_writes_onnx_and_nothing_else_is_said(place, tmp_path):
    command = [
        sys.executable,
        "-m",
        "medimg_cnn",
        "export",
        place / "bundle.zip",
        tmp_path / "model.onnx",
        "--quiet",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.startswith(f"{tmp_path / 'model.onnx'} (onnx): largest difference of a probability")


def test_export_writes_stablehlo(place, tmp_path, capsys):
    pytest.importorskip("flatbuffers", reason="pip install medimg-cnn[export]")
    code, out, _ = run(capsys, "export", place / "bundle.zip", tmp_path / "model.stablehlo", "--json")
    assert code == 0
    assert json.loads(out)["difference"] < 1e-4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("predict", "nowhere.zip", "images"), "must be a bundle"),
        (("predict", "{place}/bundle.zip", "nowhere"), "must exist"),
        (("evaluate", "{place}/bundle.zip", "{place}/phantoms", "--labels", "a", "b"), "labels"),
        (("report", "{place}/scores.csv", "--probability", "scores"), "has no column 'scores'"),
        (("report", "{place}/scores.csv", "--outcome", "sample_id"), "must be a number"),
        (("report", "{place}/none.csv"), "none.csv"),
        (("report", "{place}/scores.csv", "--output", "{place}/scores.csv"), "is an input"),
        (("report", "{place}/scores.csv", "--threshold", "1.5"), "0 to 1"),
        (("predict", "{place}/run_folder", "{place}/phantoms"), "is the folder of a run"),
        (("launch", "{place}/none.py"), "must be a Python file that exists"),
        (("launch", "--coordinator", "nocolon", "{place}/none.py"), "coordinator: must be HOST:PORT"),
        (("launch", "-m", "nope.mod"), "script: -m must be followed by a module"),
        (("train", "{place}/phantoms", "--positive", "leson", "--output", "{place}/run"), "lesion"),
        (("export", "{place}/bundle.zip", "{tmp}/model.pb"), "must end with"),
    ],
)
def test_a_mistake_is_one_clean_line_and_code_2(arguments, words, place, capsys, tmp_path):
    code, out, error = run(
        capsys, *(argument.format(place=place, tmp=tmp_path) for argument in arguments), "--quiet"
    )
    assert code == 2
    assert out == ""
    lines = [line for line in error.splitlines() if "warning:" not in line]
    assert len(lines) == 1, error
    assert lines[0].startswith("medimg-cnn: error: ")
    assert words in lines[0]


def test_wrong_arguments_are_code_2_too(capsys):
    for arguments in (
        ["predict"],
        ["dance"],
        [],
        ["report", "a", "--threshold", "high"],
        ["audit", "a", "--posit", "b"],
    ):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2


def test_an_error_inside_is_code_1(place, capsys, monkeypatch):
    def broken(*arguments: object, **options: object) -> None:
        raise RuntimeError("cosmic ray")

    monkeypatch.setattr(mc, "clinical_report", broken)
    code, _, error = run(capsys, "report", place / "scores.csv")
    assert code == 1
    assert "internal error: RuntimeError: cosmic ray" in error
    assert "Traceback" not in error
    code, _, error = run(capsys, "report", place / "scores.csv", "--debug")
    assert code == 1
    assert "Traceback" in error


@pytest.mark.slow
def test_a_closed_pipe_is_no_error(place):
    done = subprocess.run(
        f"{sys.executable} -m medimg_cnn predict {place}/bundle.zip {place}/phantoms --quiet | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("file,")
    assert done.stderr == ""


@pytest.mark.slow
def test_train_then_use(place, tmp_path, capsys):
    output = tmp_path / "run"
    options = (
        "--positive",
        "lesion",
        "--patients",
        "patient_id",
        "--image-size",
        24,
        "--epochs",
        1,
        "--quiet",
    )
    code, out, _ = run(capsys, "train", place / "phantoms", *options, "--output", output, "--json")
    assert code == 0
    result = json.loads(out)
    assert Path(result["report"]).stat().st_size > 10_000
    assert mc.load_bundle(result["bundle"]).classes == ("no_lesion", "lesion")
    code, _, error = run(capsys, "train", place / "phantoms", *options, "--output", output)
    assert code == 2
    assert "--overwrite" in error


@pytest.mark.slow
def test_demo_says_that_it_is_synthetic(tmp_path, capsys):
    output = tmp_path / "demo"
    arguments = ("demo", "--patients", 60, "--image-size", 24, "--epochs", 1, "--output", output, "--quiet")
    code, out, _ = run(capsys, *arguments)
    assert code == 0
    assert "Synthetic" in out
    assert "SYNTHETIC" in (output / "report.html").read_text("utf-8")
