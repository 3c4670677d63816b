from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medimg_cnn.data._cache import DamagedShardError, ShardFolder, default_cache_folder, shard_key
from medimg_cnn.data._store import ImageFacts

FACTS = [ImageFacts("PNG", "L", 8, 20, 30, colour=False)] * 2
PIXELS = np.arange(8, dtype=np.uint8).reshape(2, 2, 2, 1)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    folder = ShardFolder(tmp_path)
    assert folder.load("ab12") is None
    folder.save("ab12", PIXELS, FACTS)
    shard, facts = folder.load("ab12")
    assert (np.load(shard.pixels) == PIXELS).all()
    assert facts == FACTS


def test_a_shard_without_its_description_does_not_exist(tmp_path: Path) -> None:
    folder = ShardFolder(tmp_path)
    folder.save("ab12", PIXELS, FACTS)
    (tmp_path / "ab/ab12.json").unlink()
    assert folder.load("ab12") is None


@pytest.mark.parametrize("damage", ["cut", "gone", "other version", "no json", "facts"])
def test_a_shard_that_is_not_whole_is_not_given(tmp_path: Path, damage: str) -> None:
    folder = ShardFolder(tmp_path)
    folder.save("ab12", PIXELS, FACTS)
    pixels, description = tmp_path / "ab/ab12.npy", tmp_path / "ab/ab12.json"
    content = json.loads(description.read_text())
    if damage == "cut":
        pixels.write_bytes(pixels.read_bytes()[:-1])
    elif damage == "gone":
        pixels.unlink()
    elif damage == "no json":
        description.write_text("{")
    else:
        changed = {"version": 99} if damage == "other version" else {"facts": [[1]]}
        description.write_text(json.dumps(content | changed))
    with pytest.raises(DamagedShardError):
        folder.load("ab12")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # each example writes the shard anew
@given(st.data())
def test_whatever_is_altered_in_a_file_it_is_never_given_as_it_was_not(
    tmp_path: Path, data: st.DataObject
) -> None:
    folder = ShardFolder(tmp_path)
    folder.save("ab12", PIXELS, FACTS)
    path = tmp_path / "ab" / data.draw(st.sampled_from(["ab12.npy", "ab12.json"]))
    content = bytearray(path.read_bytes())
    start = data.draw(st.integers(0, len(content) - 1))
    noise = data.draw(st.binary(min_size=1, max_size=40) | st.just(bytes(200)))
    content[start : start + len(noise)] = noise
    path.write_bytes(content)
    try:
        shard, facts = folder.load("ab12")
    except DamagedShardError:
        return
    assert (np.load(shard.pixels) == PIXELS).all()
    assert facts == FACTS


def test_a_shard_under_the_name_of_another_is_not_given(tmp_path: Path) -> None:
    folder = ShardFolder(tmp_path)
    folder.save("ab12", PIXELS, FACTS)
    for suffix in (".npy", ".json"):
        (tmp_path / f"ab/ab12{suffix}").rename(tmp_path / f"ab/ab34{suffix}")
    with pytest.raises(DamagedShardError):
        folder.load("ab34")


def test_the_name_follows_from_content_and_preprocessing() -> None:
    keys = {
        shard_key(["a", "b"], "p"),
        shard_key(["a", "c"], "p"),
        shard_key(["a", "b"], "q"),
        shard_key(["a"], "p"),
    }
    assert len(keys) == 4
    assert shard_key(["a", "b"], "p") in keys


def test_the_folder_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MEDIMG_CNN_CACHE", str(tmp_path))
    assert default_cache_folder() == tmp_path
    monkeypatch.delenv("MEDIMG_CNN_CACHE")
    assert default_cache_folder().name == "medimg_cnn"


def test_no_text_of_the_source_is_stored(tmp_path: Path) -> None:
    folder = ShardFolder(tmp_path)
    folder.save("ab12", PIXELS, FACTS)
    content = json.loads((tmp_path / "ab/ab12.json").read_text())
    assert content["facts"] == [["PNG", "L", 8, 20, 30, False]] * 2
    assert sorted(content) == ["bytes", "checksum", "facts", "format", "version"]
