"""TIFF beyond what Pillow gets right by itself."""

from __future__ import annotations

import io
import struct
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from medimg_cnn.data.readers import read_decoded, read_image
from medimg_cnn.data.readers._tiff import count_pages
from medimg_cnn.errors import ImageReadError


@pytest.mark.parametrize("order", ["<", ">"])
def test_16_bit_grey(tiff_bytes: Callable[..., bytes], order: str) -> None:
    values = np.array([[0, 1000, 65535]], dtype=np.uint16)
    decoded = read_decoded(io.BytesIO(tiff_bytes(values, order=order)))
    assert decoded.bit_depth == 16
    np.testing.assert_allclose(decoded.pixels[0, :, 0], values[0] / 65535, atol=1e-7)


@pytest.mark.parametrize("order", ["<", ">"])
def test_16_bit_color_keeps_every_bit(tiff_bytes: Callable[..., bytes], order: str) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (5, 7, 3)).astype(np.uint16)
    decoded = read_decoded(io.BytesIO(tiff_bytes(values, order=order)))
    assert decoded.bit_depth == 16
    np.testing.assert_allclose(decoded.pixels, values / 65535, atol=1e-7)


@pytest.mark.parametrize("compressed", [False, True])
def test_16_bit_color_with_alpha(tiff_bytes: Callable[..., bytes], compressed: bool) -> None:
    values = np.random.default_rng(1).integers(0, 65536, (5, 7, 4)).astype(np.uint16)
    content = tiff_bytes(values, tags={338: (3, (2,)), 339: (3, (1, 1, 1, 1))})
    if compressed:
        content = deflated(content)
    expected = values[..., :3] / 65535 * (values[..., 3:] / 65535)
    np.testing.assert_allclose(read_image(io.BytesIO(content)), expected, atol=3e-7)


def deflated(content: bytes) -> bytes:
    """Deflate the one strip of a little-endian file that build_tiff wrote."""
    at = struct.unpack("<L", content[4:8])[0]
    packed = zlib.compress(content[8:at])
    changed = bytearray(content)
    for entry in range(struct.unpack("<H", content[at : at + 2])[0]):
        place = at + 2 + 12 * entry
        tag, form = struct.unpack("<HH", content[place : place + 4])
        new = {259: 8, 273: len(content), 279: len(packed)}.get(tag)
        if new is not None:
            value = struct.pack("<L", new) if form == 4 else struct.pack("<HH", new, 0)
            changed[place + 8 : place + 12] = value
    return bytes(changed) + packed


def test_signed_values_take_the_range_of_their_bits(tiff_bytes: Callable[..., bytes]) -> None:
    small = np.array([[-128, 0, 127]], dtype=np.int8)
    np.testing.assert_allclose(
        read_image(io.BytesIO(tiff_bytes(small)))[0, :, 0], [0, 128 / 255, 1], atol=1e-6
    )
    middle = np.array([[-32768, 0, 32767]], dtype=np.int16)
    decoded = read_decoded(io.BytesIO(tiff_bytes(middle)))
    assert decoded.bit_depth == 16
    np.testing.assert_allclose(decoded.pixels[0, :, 0], [0, 32768 / 65535, 1], atol=1e-6)
    large = np.array([[-(2**31), 0, 2**31 - 1]], dtype=np.int32)
    decoded = read_decoded(io.BytesIO(tiff_bytes(large)))
    assert decoded.bit_depth == 32
    np.testing.assert_allclose(decoded.pixels[0, :, 0], [0, 0.5, 1], atol=1e-6)


def test_unsigned_32_bit_values_do_not_wrap(tiff_bytes: Callable[..., bytes]) -> None:
    values = np.array([[0, 2**31, 2**32 - 1]], dtype=np.uint32)
    np.testing.assert_allclose(read_image(io.BytesIO(tiff_bytes(values)))[0, :, 0], [0, 0.5, 1], atol=1e-6)


def test_white_is_zero_is_inverted(tiff_bytes: Callable[..., bytes]) -> None:
    for dtype, top in ((np.uint8, 255), (np.uint16, 65535)):
        values = np.array([[0, top]], dtype=dtype)
        pixels = read_image(io.BytesIO(tiff_bytes(values, tags={262: (3, (0,))})))
        np.testing.assert_allclose(pixels[0, :, 0], [1, 0])


def test_float_in_0_to_1_is_kept(tiff_bytes: Callable[..., bytes]) -> None:
    values = np.array([[0.0, 0.123456, 1.0]], dtype=np.float32)
    decoded = read_decoded(io.BytesIO(tiff_bytes(values)))
    assert decoded.bit_depth == 32
    np.testing.assert_array_equal(decoded.pixels[0, :, 0], values[0])


def test_float_beyond_needs_a_range(tiff_bytes: Callable[..., bytes]) -> None:
    stream = io.BytesIO(tiff_bytes(np.array([[-1000.0, 0.0, 3000.0]], dtype=np.float32)))
    with pytest.raises(ImageReadError, match=r"got -1000 to 3000\. Pass read=ReadOptions\(value_range="):
        read_image(stream)
    np.testing.assert_allclose(read_image(stream, value_range=(-1000, 1000))[0, :, 0], [0, 0.5, 1], atol=1e-6)
    np.testing.assert_allclose(read_image(stream, value_range="image")[0, :, 0], [0, 0.25, 1], atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_float_must_be_finite(tiff_bytes: Callable[..., bytes], bad: float) -> None:
    stream = io.BytesIO(tiff_bytes(np.array([[0.0, bad, 1.0]], dtype=np.float32)))
    for value_range in (None, (0, 1), "image"):
        with pytest.raises(ImageReadError, match="every value must be finite; got 1 of 3"):
            read_image(stream, value_range=value_range)


# --- pages


def pages(count: int, *, last: int = 0) -> bytes:
    """A little-endian file of empty directories, the last pointing at ``last``."""
    offsets = [8 + 6 * index for index in range(1, count)] + [last]
    return b"II*\0" + struct.pack("<L", 8) + b"".join(struct.pack("<HL", 0, offset) for offset in offsets)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_pages_are_counted(count: int) -> None:
    assert count_pages(io.BytesIO(pages(count))) == count


def test_a_page_that_points_back_ends_the_count() -> None:
    assert count_pages(io.BytesIO(pages(3, last=8))) == 3
    assert count_pages(io.BytesIO(pages(1, last=8))) == 1


def test_big_tiff_and_big_endian() -> None:
    page = Image.fromarray(np.zeros((2, 2), dtype=np.uint8))
    for options in ({"big_tiff": True}, {}):
        stream = io.BytesIO()
        page.save(stream, "TIFF", save_all=True, append_images=[page, page], **options)
        assert count_pages(stream) == 3
    assert count_pages(io.BytesIO(b"MM\0*" + struct.pack(">LHL", 8, 0, 0))) == 1


def test_pages_beyond_the_limit_are_refused_at_once() -> None:
    stream = io.BytesIO(pages(200_000))
    started = time.perf_counter()
    with pytest.raises(ImageReadError, match="at most 10,000 pages"):
        count_pages(stream)
    assert time.perf_counter() - started < 5


def test_an_offset_beyond_the_end_ends_the_count() -> None:
    assert count_pages(io.BytesIO(b"II*\0" + struct.pack("<L", 10_000))) == 1


def odd_tiff() -> bytes:
    """A compressed file with a tag of a type that there is not, which libtiff mentions."""
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    Image.fromarray(noise).save(stream, "TIFF", compression="tiff_lzw", tiffinfo={65_000: "odd"})
    content = bytearray(stream.getvalue())
    entry = content.index(struct.pack("<H", 65_000))
    content[entry + 2 : entry + 4] = struct.pack("<H", 99)
    return bytes(content)


def test_libtiff_writes_nothing_and_goes_on_as_before(capfd: pytest.CaptureFixture[str]) -> None:
    def by_pillow() -> str:
        Image.open(io.BytesIO(odd_tiff())).load()
        return capfd.readouterr().err

    assert "65000" in by_pillow()  # else this test says nothing
    assert read_image(io.BytesIO(odd_tiff())).shape == (64, 64, 1)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: read_image(io.BytesIO(odd_tiff())), range(100)))
    assert capfd.readouterr().err == ""
    assert "65000" in by_pillow()
