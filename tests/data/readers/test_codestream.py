"""Sizes read from compressed streams without decoding."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from medimg_cnn.data.readers._codestream import codestream_size

IMAGE = Image.fromarray(np.zeros((37, 53), np.uint8))


@pytest.mark.parametrize(
    ("format_name", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True, "exif": Image.Exif(), "comment": "long " * 100}),
        ("JPEG2000", {"no_jp2": True}),
        ("JPEG2000", {"no_jp2": False}),
    ],
)
def test_size_of_a_stream(format_name: str, options: dict[str, object]) -> None:
    stream = io.BytesIO()
    IMAGE.save(stream, format_name, **options)
    assert codestream_size(stream.getvalue()) == (37, 53)


def test_size_of_jpeg_ls() -> None:
    jpeg_ls = pytest.importorskip("jpeg_ls")
    assert codestream_size(bytes(jpeg_ls.encode_array(np.asarray(IMAGE)))) == (37, 53)


@given(st.binary(max_size=60), st.sampled_from([b"", b"\xff\xd8", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  "]))
def test_any_bytes_give_a_size_or_none(tail: bytes, head: bytes) -> None:
    size = codestream_size(head + tail)
    assert size is None or len(size) == 2
