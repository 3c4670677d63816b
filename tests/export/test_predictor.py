"""Prediction on files: as the run does it, streamed, and each file exactly once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import medimg_cnn as mc
from medimg_cnn.data import Preprocessing
from medimg_cnn.data.readers import read_decoded
from medimg_cnn.errors import ArgumentError, ArtifactError, DataError
from medimg_cnn.export._inputs import model_input


@pytest.fixture(scope="module")
def predictor(bundle):
    return mc.Predictor(bundle, workers=2)


def columns(table: pd.DataFrame) -> np.ndarray:
    return table[["logit", "probability"]].to_numpy(dtype=np.float64)


def test_a_split_an_array_and_the_run_agree_bit_for_bit(predictor, run, data):
    expected = run.predict(data.test)
    images, _ = data.test.arrays()
    whole = np.rint(images[..., 0] * 255).astype(np.uint8)
    for given in (data.test, whole, whole[..., None], images):
        table = predictor.predict(given)
        assert (columns(table) == np.stack([expected.logit, expected.probability], axis=1)).all()
    assert table["decision"].tolist() == [
        "ill" if p >= run.operating_point.threshold else "well" for p in expected.probability
    ]


@pytest.mark.parametrize("batch_size", [1, 7, 45, 1000])
def test_batches_are_those_of_the_run(predictor, run, data, batch_size):
    expected = run.predict(data.test, batch_size=batch_size)
    assert (predictor.predict(data.test, batch_size=batch_size)["logit"].to_numpy() == expected.logit).all()


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("channels", [1, 3])
def test_files_become_what_a_dataset_makes_of_them(image_folder, fit, channels, tmp_path):
    classes = tmp_path / "classes"
    readable = [
        path for path in sorted(image_folder.rglob("*.*")) if path.name not in {"broken.png", "notes.txt"}
    ]
    for index, path in enumerate(readable):
        target = classes / ("ill" if index % 2 else "well") / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    how = Preprocessing(image_size=(10, 14), channels=channels, fit=fit)
    with pytest.warns(mc.errors.MedimgCnnWarning, match="Patients are not known"):
        split = mc.data.load_external(classes, preprocessing=how, classes=("well", "ill"))
    for index, name in enumerate(split.sample_ids):
        mine = model_input(read_decoded(classes / name, minimum_size=how.image_size), how)
        assert (mine == split.read(np.array([index]))[0]).all(), name


def test_a_folder_an_archive_and_paths_agree(predictor, image_folder, tmp_path):
    table = predictor.predict(image_folder)
    assert table["file"].tolist() == sorted(table["file"])
    assert "notes.txt" not in table["file"].tolist()
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for path in sorted(image_folder.rglob("*.*")):
            archive.write(path, path.relative_to(image_folder))
    packed = predictor.predict(tmp_path / "images.zip")
    listed = predictor.predict([image_folder / name for name in table["file"]])
    once = predictor.predict(image_folder / name for name in table["file"])
    for other in (packed, listed, once):
        np.testing.assert_array_equal(columns(other), columns(table))
    assert packed["file"].tolist() == table["file"].tolist()
    assert listed["file"].tolist() == [str(image_folder / name) for name in table["file"]]
    single = predictor.predict(image_folder / "grey_3.png")
    assert (len(single), single["error"][0]) == (1, "")


def test_an_unreadable_file_is_a_row_and_not_a_stop(predictor, image_folder):
    table = predictor.predict(image_folder).set_index("file")
    bad = table.loc["broken.png"]
    assert "broken.png" in bad["error"]
    assert np.isnan(bad["probability"])
    assert bad["decision"] == ""
    assert (table.drop("broken.png")["error"] == "").all()
    assert (table["seconds"] > 0).all()


def test_dicom_files_are_read(predictor, tmp_path):
    folder = mc.data.make_phantoms(tmp_path / "phantoms", patients=6, image_size=16, format="dicom", seed=1)
    table = predictor.predict(folder)
    assert (table["error"] == "").all()
    assert len(table) > 6


def test_the_hostile_images_are_survived(predictor, shared):
    table = predictor.predict(shared / "data" / "odd_images")
    assert len(table) > 50
    assert 0 < (table["error"] != "").sum() < len(table)
    assert table.loc[table["error"] == "", "probability"].between(0, 1).all()


def test_the_abstention_band_is_flagged(bundle, predictor, data):
    table = predictor.predict(data.test)
    low, high = bundle.abstention
    inside = (table["probability"] >= low) & (table["probability"] < high)
    assert (table["abstain"] == inside).all()


def test_without_a_reference_the_scope_is_not_known(bundle, data):
    table = mc.Predictor(bundle, scope=False).predict(data.test)
    assert table["out_of_scope"].isna().all()


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        (3, ArgumentError, "must be a file, a folder"),
        ("nowhere", ArgumentError, "must exist"),
        ([b"x.png", 3], ArgumentError, "must hold paths"),
        (np.zeros((2, 3), np.uint8), ArgumentError, "shape"),
    ],
)
def test_what_cannot_be_predicted_is_said(predictor, given, kind, words):
    with pytest.raises(kind, match=words):
        predictor.predict(given)


def test_an_empty_folder_is_said(predictor, tmp_path):
    with pytest.raises(DataError, match="must hold images"):
        predictor.predict(tmp_path)


def test_a_split_of_another_size_is_refused(predictor, image_folder, images_of):
    images, labels = images_of(40, seed=1)
    how = Preprocessing(image_size=9, channels=1)
    other = mc.data.load_external(
        (images, labels), preprocessing=how, classes=("well", "ill"), patients=np.arange(40)
    )
    with pytest.raises(ArgumentError, match="preprocessing=bundle"):
        predictor.predict(other)


def test_the_table_in_a_file_is_the_table(predictor, image_folder, tmp_path):
    expected = predictor.predict(image_folder, batch_size=4)
    summary = predictor.predict_to(tmp_path / "out.csv", image_folder, batch_size=4)
    found = pd.read_csv(tmp_path / "out.csv")
    np.testing.assert_array_equal(columns(found), columns(expected))
    assert found["file"].tolist() == expected["file"].tolist()
    assert (summary.images, summary.errors) == (len(expected), 1)
    assert summary.positives == (expected["decision"] == "ill").sum()
    assert summary.out_of_scope == expected["out_of_scope"].eq(True).sum()
    again = predictor.predict_to(tmp_path / "out.csv", image_folder, batch_size=4)
    assert (again.images, again.resumed_after) == (len(expected), len(expected))
    assert pd.read_csv(tmp_path / "out.csv").equals(found)


def test_a_table_is_gone_on_with_where_it_stopped(predictor, image_folder, tmp_path):
    whole, part = tmp_path / "whole.csv", tmp_path / "part.csv"
    predictor.predict_to(whole, image_folder, batch_size=4)
    reader = predictor._batches

    def stops(*arguments, **options):
        for index, batch in enumerate(reader(*arguments, **options)):
            if index == 1:
                raise KeyboardInterrupt
            yield batch

    predictor._batches = stops
    try:
        with pytest.raises(KeyboardInterrupt):
            predictor.predict_to(part, image_folder, batch_size=4)
    finally:
        del predictor._batches
    with part.open("ab") as stream:
        stream.write(b"grey_7.png,0.1,0.")  # what a kill in the middle of a line leaves
    summary = predictor.predict_to(part, image_folder, batch_size=4)
    assert summary.resumed_after > 0
    without_time = [pd.read_csv(path).drop(columns="seconds") for path in (whole, part)]
    pd.testing.assert_frame_equal(*without_time, check_exact=True)


def test_files_that_came_later_are_added(predictor, image_folder, tmp_path):
    predictor.predict_to(tmp_path / "out.csv", image_folder)
    Image.new("L", (12, 12), 90).save(image_folder / "a_new.png")
    predictor.predict_to(tmp_path / "out.csv", image_folder)
    names = pd.read_csv(tmp_path / "out.csv")["file"]
    assert names.is_unique
    assert names.iloc[-1] == "a_new.png"


def test_a_folder_that_grows_between_two_calls_is_gone_on_with(predictor, tmp_path):
    folder = tmp_path / "few"
    folder.mkdir()
    for index in range(9):
        Image.new("L", (12, 12), 20 * index).save(folder / f"{index}.png")
        if index == 2:
            predictor.predict_to(tmp_path / "out.csv", folder)
    summary = predictor.predict_to(tmp_path / "out.csv", folder)
    assert (summary.images, summary.resumed_after) == (9, 3)
    found = pd.read_csv(tmp_path / "out.csv")
    np.testing.assert_allclose(columns(found), columns(predictor.predict(folder)), atol=1e-5)


def test_other_images_of_the_same_names_are_not_taken_for_these(predictor, bundle, tmp_path):
    output = tmp_path / "out.csv"
    for name, grey in (("a", 20), ("b", 200)):
        (tmp_path / name).mkdir()
        Image.new("L", (12, 12), grey).save(tmp_path / name / "1.png")
    predictor.predict_to(output, tmp_path / "a")
    with pytest.raises(ArgumentError, match="another value of images"):
        predictor.predict_to(output, tmp_path / "b")
    with pytest.raises(ArgumentError, match="another value of scope"):
        mc.Predictor(bundle, scope=False).predict_to(output, tmp_path / "a")
    arrays = np.zeros((3, 12, 12), np.uint8)
    predictor.predict_to(tmp_path / "arrays.csv", arrays)
    assert predictor.predict_to(tmp_path / "arrays.csv", arrays.copy()).resumed_after == 3
    with pytest.raises(ArgumentError, match="another value of images"):
        predictor.predict_to(tmp_path / "arrays.csv", 255 - arrays)


def test_bundles_that_are_not_saved_are_told_apart(bundle, image_folder, tmp_path):
    first, other = (replace(bundle, sha256="", name=name) for name in ("one", "two"))
    mc.Predictor(first).predict_to(tmp_path / "out.csv", image_folder)
    with pytest.raises(ArgumentError, match="another value of bundle"):
        mc.Predictor(other).predict_to(tmp_path / "out.csv", image_folder)


def test_a_mistyped_folder_takes_nothing_from_a_finished_table(predictor, image_folder, tmp_path):
    output = tmp_path / "out.csv"
    predictor.predict_to(output, image_folder)
    before = output.read_bytes()
    with pytest.raises(ArgumentError, match="must exist"):
        predictor.predict_to(output, tmp_path / "imagse", overwrite=True)
    assert output.read_bytes() == before


@pytest.mark.skipif(os.name != "posix", reason="files are held by POSIX locks")
def test_two_processes_do_not_write_one_table(predictor, image_folder, tmp_path):
    output = tmp_path / "out.csv"
    predictor.predict_to(output, image_folder)
    code = (
        "import fcntl, sys\n"
        "stream = open(sys.argv[1], 'r+b')\n"
        "fcntl.flock(stream, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, output], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        for overwrite in (False, True):
            with pytest.raises(ArgumentError, match="another process is writing"):
                predictor.predict_to(output, image_folder, overwrite=overwrite)
        other.stdin.close()
    assert predictor.predict_to(output, image_folder).errors == 1


def test_one_file_is_named_as_it_was_given(predictor, image_folder):
    path = next(image_folder.glob("*.png"))
    assert [predictor.examine(one)[0].file for one in (path, str(path))] == [str(path)] * 2


def test_odd_names_survive_and_cannot_run(predictor, tmp_path):
    folder = tmp_path / "odd"
    folder.mkdir()
    for name in (
        "=1+1.png",
        "'=1+1.png",
        "a,b.png",
        'quo"te.png',
        "ünïcode.png",
        "@sum.png",
        os.fsdecode(b"bad\xff.png"),
    ):
        Image.new("L", (12, 12), 90).save(tmp_path / "plain.png")
        (folder / name).write_bytes((tmp_path / "plain.png").read_bytes())
    for _ in range(2):
        predictor.predict_to(tmp_path / "out.csv", folder)
    names = pd.read_csv(tmp_path / "out.csv")["file"].tolist()
    assert len(names) == len(set(names)) == 7
    assert "'=1+1.png" in names


def test_another_job_is_not_mixed_in(predictor, image_folder, bundle_folder, tmp_path):
    output = tmp_path / "out.csv"
    predictor.predict_to(output, image_folder, batch_size=4)
    with pytest.raises(ArgumentError, match="another value of batch_size"):
        predictor.predict_to(output, image_folder, batch_size=5)
    with pytest.raises(ArgumentError, match="another value of bundle"):
        mc.Predictor(bundle_folder).predict_to(output, image_folder, batch_size=4)
    progress = tmp_path / "out.csv.progress.json"
    state = json.loads(progress.read_text())
    progress.write_text(json.dumps(state | {"bytes": 10**9}))
    with pytest.raises(ArtifactError, match="overwrite=True"):
        predictor.predict_to(output, image_folder, batch_size=4)
    assert predictor.predict_to(output, image_folder, batch_size=5, overwrite=True).resumed_after == 0
    (tmp_path / "mine.csv").write_text("precious")
    with pytest.raises(ArgumentError, match="not a table that can be gone on with"):
        predictor.predict_to(tmp_path / "mine.csv", image_folder)
    with pytest.raises(ArgumentError, match=r"\.csv"):
        predictor.predict_to(tmp_path / "out.txt", image_folder)


# ru_maxrss would not do: a process inherits it from the one that started it.
CODE = """
import re, sys
from pathlib import Path
import medimg_cnn as mc
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
predictor = mc.Predictor(sys.argv[1], workers=2)
first = predictor.predict_to(sys.argv[2] + "/warm.csv", [sys.argv[3] + "/000000.png"] , overwrite=True)
before = peak()
print("ready", flush=True)
predictor.predict_to(sys.argv[2] + "/out.csv", sys.argv[3], batch_size=int(sys.argv[4]))
print((peak() - before) // 1024, flush=True)
"""


@pytest.mark.parametrize(
    "n",
    [pytest.param(5_000, marks=pytest.mark.slow), pytest.param(100_000, marks=pytest.mark.benchmark)],
)
def test_killed_and_gone_on_with_each_file_is_there_once(bundle_zip, tmp_path, n):
    growth, rows = kill_and_resume(bundle_zip, tmp_path, n)
    print(f"\n{n:,} files: killed after {rows} rows; memory grew by {growth} MiB at most")
    assert growth < 300, f"memory grew by {growth} MiB"


def kill_and_resume(bundle, folder, n):
    """Kill the process three times, then let it finish; return the growth of its memory, and the rows at each kill."""
    images = folder / "many"
    images.mkdir()
    rng = np.random.default_rng(0)
    for index in range(n):
        Image.fromarray(rng.integers(0, 256, (12, 12), dtype=np.uint8)).save(images / f"{index:06d}.png")
    command = [sys.executable, "-c", CODE, str(bundle), str(folder), str(images), "64"]
    rows = []
    for share in (0.2, 0.4, 0.6):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline().strip() == "ready"
        while rows_in(folder / "out.csv.progress.json") < share * n:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        rows.append(rows_in(folder / "out.csv.progress.json"))
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    table = pd.read_csv(folder / "out.csv")
    assert table["file"].tolist() == [f"{index:06d}.png" for index in range(n)]
    assert table["probability"].notna().all()
    assert rows[-1] < n, "the last kill was in the middle"
    return int(done.stdout.splitlines()[-1]), rows


def rows_in(progress):
    return json.loads(progress.read_text())["rows"] if progress.exists() else 0
