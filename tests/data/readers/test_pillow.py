"""Pictures: every depth, colour, transparency and orientation, against values worked out by hand."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageFile

from medimg_cnn.data import Preprocessing
from medimg_cnn.data.readers import ReadOptions, read_decoded, read_image
from medimg_cnn.errors import ImageReadError

GREY = np.array([[0, 51, 102], [153, 204, 255]], dtype=np.uint8)


def encoded(image: Image.Image, format_name: str, **options: object) -> io.BytesIO:
    stream = io.BytesIO()
    image.save(stream, format_name, **options)  # type: ignore[arg-type]
    stream.seek(0)
    return stream


def smooth(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.stack(
        [rows * 255 / height, columns * 255 / width, (rows + columns) * 60 / height], axis=-1
    ).astype(np.uint8)


@pytest.mark.parametrize("format_name", ["PNG", "TIFF", "BMP", "GIF", "WEBP", "JPEG2000"])
def test_lossless_grey_is_exact(format_name: str) -> None:
    options = {"lossless": True} if format_name == "WEBP" else {}
    decoded = read_decoded(encoded(Image.fromarray(GREY), format_name, **options))
    expected = GREY.astype(np.float32) / 255
    assert decoded.format == format_name
    assert decoded.bit_depth == 8
    assert decoded.frames == 1
    np.testing.assert_allclose(decoded.pixels, np.broadcast_to(expected[..., None], decoded.pixels.shape))


@pytest.mark.parametrize("format_name", ["PNG", "TIFF", "BMP", "WEBP", "JPEG2000"])
def test_lossless_color_is_exact(format_name: str) -> None:
    options = {"lossless": True} if format_name == "WEBP" else {}
    pixels = smooth(40, 50)
    decoded = read_decoded(encoded(Image.fromarray(pixels), format_name, **options))
    np.testing.assert_allclose(decoded.pixels, pixels.astype(np.float32) / 255)


def test_jpeg_is_close() -> None:
    pixels = smooth(64, 64)
    decoded = read_decoded(encoded(Image.fromarray(pixels), "JPEG", quality=95))
    assert (decoded.format, decoded.mode, decoded.pixels.shape) == ("JPEG", "RGB", (64, 64, 3))
    assert np.abs(decoded.pixels - pixels / 255).mean() < 0.01


def test_result_is_contiguous_float32() -> None:
    pixels = read_image(encoded(Image.fromarray(GREY), "PNG"))
    assert pixels.dtype == np.float32
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable


# --- depth


def test_16_bit_grey_is_divided_by_65535() -> None:
    values = np.array([[0, 1, 4095], [32768, 65534, 65535]], dtype=np.uint16)
    decoded = read_decoded(encoded(Image.fromarray(values), "PNG"))
    assert decoded.bit_depth == 16
    np.testing.assert_allclose(decoded.pixels[..., 0], values / 65535, atol=1e-7)


def test_12_bits_in_16_take_the_range_of_16_unless_a_range_is_given() -> None:
    values = np.array([[0, 2048, 4095]], dtype=np.uint16)
    stream = encoded(Image.fromarray(values), "PNG")
    assert read_image(stream).max() == pytest.approx(4095 / 65535)
    ranged = read_image(stream, value_range=(0, 4095))
    np.testing.assert_allclose(ranged[0, :, 0], [0, 2048 / 4095, 1], atol=1e-7)


@given(
    st.sampled_from([(2, 3), (6, 4), (4, 2), (0, 1)]).flatmap(
        lambda kind: st.tuples(
            st.just(kind[0]),
            hnp.arrays(np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(kind[1]))),
        )
    ),
    st.booleans(),
)
def test_16_bit_png_of_any_color_keeps_every_bit(
    png_bytes: Callable[..., bytes], case, interlace: bool
) -> None:
    color_type, values = case
    decoded = read_decoded(io.BytesIO(png_bytes(values, color_type, interlace=interlace)))
    assert decoded.bit_depth == 16
    color = values[..., :3] if color_type in (2, 6) else values[..., :1]
    expected = color / 65535
    if color_type in (4, 6):
        expected = expected * (values[..., -1:] / 65535)
    np.testing.assert_allclose(decoded.pixels, expected, atol=3e-7)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_fill_the_range(png_bytes: Callable[..., bytes], bits: int) -> None:
    top = 2**bits - 1
    values = (np.arange(12).reshape(3, 4, 1) % (top + 1)).astype(np.uint8)
    pixels = read_image(io.BytesIO(png_bytes(values, 0, bits=bits)))
    np.testing.assert_allclose(pixels, values / top, atol=1e-6)


def test_bitmap_of_two_values() -> None:
    pixels = read_image(encoded(Image.fromarray(GREY > 120), "PNG"))
    np.testing.assert_array_equal(pixels[..., 0], GREY > 120)


# --- transparency


def test_alpha_is_composited_never_a_channel() -> None:
    rgba = np.array([[[255, 0, 0, 255], [255, 255, 255, 0], [0, 255, 0, 51]]], dtype=np.uint8)
    stream = encoded(Image.fromarray(rgba, "RGBA"), "PNG")
    np.testing.assert_allclose(read_image(stream), [[[1, 0, 0], [0, 0, 0], [0, 0.2, 0]]], atol=1e-6)
    white = read_image(stream, background=1.0)
    np.testing.assert_allclose(white, [[[1, 0, 0], [1, 1, 1], [0.8, 1, 0.8]]], atol=1e-6)


def test_grey_with_alpha_stays_grey() -> None:
    pairs = np.array([[[200, 255], [200, 0]]], dtype=np.uint8)
    pixels = read_image(encoded(Image.fromarray(pairs, "LA"), "PNG"))
    np.testing.assert_allclose(pixels, [[[200 / 255], [0]]], atol=1e-6)


@pytest.mark.parametrize(
    ("bits", "key", "values", "expected"),
    [
        (16, 500, [500, 501], [0, 501 / 65535]),
        (8, 50, [50, 51], [0, 51 / 255]),
        (4, 5, [5, 6], [0, 6 / 15]),
        (2, 2, [2, 3], [0, 1]),
        (1, 1, [1, 0], [0, 0]),
    ],
)
def test_transparent_grey_value(
    png_bytes: Callable[..., bytes], bits: int, key: int, values: list[int], expected: list[float]
) -> None:
    content = png_bytes(np.array([values])[..., None], 0, bits=bits, transparent=key.to_bytes(2, "big"))
    np.testing.assert_allclose(read_image(io.BytesIO(content))[0, :, 0], expected, atol=1e-6)


@pytest.mark.parametrize("bits", [8, 16])
def test_transparent_color(png_bytes: Callable[..., bytes], bits: int) -> None:
    values = np.array([[[10, 20, 30], [10, 20, 31]]])
    key = b"".join(value.to_bytes(2, "big") for value in (10, 20, 30))
    pixels = read_image(io.BytesIO(png_bytes(values, 2, bits=bits, transparent=key)), background=1.0)
    np.testing.assert_allclose(pixels[0, 0], 1)
    np.testing.assert_allclose(pixels[0, 1], np.array([10, 20, 31]) / (2**bits - 1), atol=1e-6)


def test_palette_becomes_color_and_its_transparency_background() -> None:
    image = Image.fromarray(np.array([[0, 1, 2]], dtype=np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    opaque = read_decoded(encoded(image, "PNG"))
    np.testing.assert_allclose(opaque.pixels[0], np.eye(3))
    keyed = read_image(encoded(image, "PNG", transparency=1))
    np.testing.assert_allclose(keyed[0], [[1, 0, 0], [0, 0, 0], [0, 0, 1]])


# --- colour


def test_cmyk_jpeg_of_adobe_is_not_inverted() -> None:
    cyan_free = np.zeros((16, 16, 4), dtype=np.uint8)
    cyan_free[..., 1:3] = 255  # magenta and yellow ink: red
    decoded = read_decoded(encoded(Image.fromarray(cyan_free, "CMYK"), "JPEG", quality=100))
    assert decoded.mode == "CMYK"
    np.testing.assert_allclose(decoded.pixels[8, 8], [1, 0, 0], atol=0.02)


def test_channels_are_adapted_by_repeat_and_by_rec_601_luma() -> None:
    color = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], dtype=np.uint8)
    stream = encoded(Image.fromarray(color), "PNG")
    np.testing.assert_allclose(read_image(stream, channels=1)[0, :, 0], [0.299, 0.587, 0.114, 1], atol=1e-6)
    repeated = read_image(encoded(Image.fromarray(GREY), "PNG"), channels=3)
    assert repeated.shape == (2, 3, 3)
    np.testing.assert_array_equal(repeated[..., 0], repeated[..., 2])


# --- orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_every_orientation_is_undone(format_name: str, orientation: int) -> None:
    upright = np.kron(np.array([[250, 10, 10], [10, 130, 10]], dtype=np.uint8), np.ones((16, 16), np.uint8))
    # What a camera stores so that this orientation shows the picture upright.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: np.rot90(upright, 2).T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    stream = encoded(Image.fromarray(np.ascontiguousarray(stored)), format_name, exif=exif, quality=95)
    pixels = read_image(stream, channels=1)[..., 0]
    assert pixels.shape == upright.shape
    assert np.abs(pixels - upright / 255).mean() < 0.02


# --- frames


def test_pages_of_a_tiff() -> None:
    pages = [Image.fromarray(np.full((3, 4), value, dtype=np.uint8)) for value in (0, 51, 102)]
    stream = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert read_decoded(stream).frames == 3
    assert read_image(stream).max() == 0
    assert read_image(stream, frame=2).max() == pytest.approx(0.4)
    every = read_image(stream, frame="all")
    assert every.shape == (3, 3, 4, 1)
    np.testing.assert_allclose(every[:, 0, 0, 0], [0, 0.2, 0.4], atol=1e-6)


@pytest.mark.parametrize("format_name", ["GIF", "PNG", "WEBP"])
def test_first_picture_of_an_animation(format_name: str) -> None:
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)) for _ in range(3)]
    options = {"lossless": True} if format_name == "WEBP" else {}
    stream = encoded(pictures[0], format_name, save_all=True, append_images=pictures[1:], **options)
    decoded = read_decoded(stream)
    assert decoded.frames == 3
    assert decoded.pixels.shape == (8, 8, 3)
    last = read_image(stream, frame=2)
    if format_name != "GIF":  # a palette
        np.testing.assert_allclose(last, np.asarray(pictures[2]) / np.float32(255), atol=1e-6)
    assert np.abs(last - decoded.pixels).mean() > 0.1


def test_frame_beyond_the_last() -> None:
    stream = encoded(Image.fromarray(GREY), "PNG")
    with pytest.raises(ImageReadError, match=r"frame must be below the number of frames, 1; got 1"):
        read_image(stream, frame=1)


def test_pages_of_different_sizes_cannot_be_stacked() -> None:
    pages = [Image.fromarray(np.zeros((3, width), dtype=np.uint8)) for width in (4, 5)]
    stream = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert read_image(stream, frame=1).shape == (3, 5, 1)
    with pytest.raises(ImageReadError, match="one size"):
        read_image(stream, frame="all")


# --- limits and damage


def test_more_pixels_than_allowed_are_refused_from_the_header() -> None:
    stream = encoded(Image.fromarray(GREY), "PNG")
    with pytest.raises(ImageReadError, match=r"at most 5 pixels; got 2 x 3"):
        read_image(stream, max_pixels=5)
    assert read_image(stream, max_pixels=6).shape == (2, 3, 1)


def test_all_frames_count_towards_the_limit() -> None:
    pages = [Image.fromarray(GREY)] * 3
    stream = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert read_image(stream, frame=1, max_pixels=6).shape == (2, 3, 1)
    with pytest.raises(ImageReadError, match="at most 17 pixels"):
        read_image(stream, frame="all", max_pixels=17)


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "JPEG2000"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.97])
def test_a_truncated_picture_is_an_error(format_name: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (80, 90, 3), dtype=np.uint8)
    content = encoded(Image.fromarray(noise), format_name).getvalue()
    with pytest.raises(ImageReadError, match="<stream>: "):
        read_image(io.BytesIO(content[: int(len(content) * share)]))


def test_truncation_switch_of_other_code_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(ImageReadError, match="LOAD_TRUNCATED_IMAGES"):
        read_image(encoded(Image.fromarray(GREY), "PNG"))


def test_a_window_is_not_for_pictures() -> None:
    with pytest.raises(ImageReadError, match="window is for DICOM and NIfTI"):
        read_image(encoded(Image.fromarray(GREY), "PNG"), window="lung")


@pytest.mark.parametrize("format_name", ["PPM", "PCX", "TGA", "ICO", "SGI"])
def test_formats_outside_the_list_are_not_tried(format_name: str) -> None:
    with pytest.raises(ImageReadError, match="bytes of no known kind"):
        read_image(encoded(Image.fromarray(smooth(16, 16)), format_name))


# --- scaled decoding


def test_a_jpeg_is_decoded_at_a_scale_that_stays_above_the_wanted_size() -> None:
    stream = encoded(Image.fromarray(smooth(512, 800)), "JPEG")
    assert read_decoded(stream, minimum_size=(64, 64)).pixels.shape == (128, 200, 3)
    assert read_decoded(stream, minimum_size=(200, 200)).pixels.shape == (256, 400, 3)
    assert read_decoded(stream, minimum_size=(250, 200)).pixels.shape == (
        512,
        800,
        3,
    )  # 256 is not 1.125 x 250
    assert read_decoded(stream, minimum_size=(600, 600)).pixels.shape == (512, 800, 3)
    assert read_decoded(stream).pixels.shape == (512, 800, 3)


def test_scaled_decoding_knows_of_the_orientation() -> None:
    exif = Image.Exif()
    exif[274] = 6
    stream = encoded(Image.fromarray(smooth(256, 1024)), "JPEG", exif=exif)  # upright: 1024 high, 256 wide
    assert read_decoded(stream, minimum_size=(400, 100)).pixels.shape == (512, 128, 3)
    odd = encoded(Image.fromarray(smooth(256, 1023)), "JPEG", exif=exif)
    assert read_decoded(odd, minimum_size=(400, 100)).pixels.shape == (1023, 256, 3)


@pytest.mark.parametrize("format_name", ["PNG", "BMP", "TIFF"])
def test_other_pictures_of_8_bits_are_averaged(format_name: str) -> None:
    pixels = smooth(500, 800)
    stream = encoded(Image.fromarray(pixels), format_name)
    decoded = read_decoded(stream, minimum_size=(100, 100))  # 500 / 150 = 3.3
    assert decoded.pixels.shape == (167, 267, 3)
    assert decoded.extent == pytest.approx((500 / 3, 800 / 3))
    assert (decoded.metadata["stored_height"], decoded.metadata["stored_width"]) == ("500", "800")
    first = pixels[:3, :3].reshape(9, 3).mean(axis=0) / 255
    assert np.abs(decoded.pixels[0, 0] - first).max() <= 0.5 / 255 + 1e-6
    assert read_decoded(stream, minimum_size=(251, 200)).pixels.shape == (500, 800, 3)
    assert read_decoded(stream, minimum_size=(8, 8)).pixels.shape == (63, 100, 3)


def test_averaging_leaves_depth_transparency_and_a_range_to_those_who_need_every_pixel() -> None:
    grey = np.tile(np.arange(256, dtype=np.uint8), (256, 1))
    deep = encoded(Image.fromarray(grey.astype(np.uint16) * 257), "PNG")
    rgba = Image.fromarray(np.dstack([grey] * 4))
    assert read_decoded(deep, minimum_size=(8, 8)).pixels.shape == (256, 256, 1)
    assert read_decoded(encoded(rgba, "PNG"), minimum_size=(8, 8)).pixels.shape == (256, 256, 3)
    clipped = ReadOptions(value_range=(0, 100))
    for format_name in ("PNG", "JPEG"):
        plain = encoded(Image.fromarray(grey), format_name)
        assert read_decoded(plain, clipped, minimum_size=(8, 8)).pixels.shape == (256, 256, 1)
        assert read_decoded(plain, minimum_size=(8, 8)).pixels.shape == (32, 32, 1)


def test_the_stored_size_of_a_turned_png_is_that_of_the_upright_picture() -> None:
    exif = Image.Exif()
    exif[274] = 6
    stream = encoded(Image.fromarray(smooth(128, 512)), "PNG", exif=exif)
    decoded = read_decoded(stream, minimum_size=(8, 8))
    assert decoded.pixels.shape == (64, 16, 3)
    assert (decoded.metadata["stored_height"], decoded.metadata["stored_width"]) == ("512", "128")


def test_options_are_taken_as_an_object() -> None:
    stream = encoded(Image.fromarray(GREY), "PNG")
    assert read_decoded(stream, ReadOptions(value_range=(0, 510))).pixels.max() == pytest.approx(0.5)


def reduction_error(picture: Image.Image, quality: int | None, target: int) -> tuple[float, float]:
    """How far decoding at a lower resolution moves the resized image: mean and largest difference; None for PNG."""
    stream = encoded(picture, "PNG") if quality is None else encoded(picture, "JPEG", quality=quality)
    prep = Preprocessing(image_size=target, channels=1)
    whole = prep.apply(read_decoded(stream).pixels)
    scaled = read_decoded(stream, minimum_size=(target, target))
    assert max(scaled.pixels.shape) < max(picture.size)
    difference = np.abs(prep.apply(scaled.pixels, extent=scaled.extent) - whole)
    return float(difference.mean()), float(difference.max())


@pytest.mark.parametrize("quality", [75, 95, None])
@pytest.mark.parametrize("size", [(1024, 1024), (1317, 1021)])
@pytest.mark.parametrize("target", [32, 64, 128, 224])
def test_scaled_decoding_changes_a_film_by_less_than_the_stated_tolerance(
    shared: Path, quality: int | None, size: tuple[int, int], target: int
) -> None:
    films = sorted((shared / "data" / "nih_cxr_pneumonia").glob("*/*.png"))[::250]
    assert len(films) >= 4
    for film in films:
        with Image.open(film) as picture:
            large = picture.convert("L").resize(size, Image.Resampling.LANCZOS)
        mean, largest = reduction_error(large, quality, target)
        assert mean < 0.003
        assert largest < 0.1


@pytest.mark.parametrize("quality", [95, None])
@pytest.mark.parametrize("target", [64, 128, 224])
def test_scaled_decoding_changes_noise_by_less_than_the_stated_tolerance(
    quality: int | None, target: int
) -> None:
    rng = np.random.default_rng(0)
    noise = np.clip(smooth(1024, 1024)[..., 0] + rng.normal(0, 12, (1024, 1024)), 0, 255).astype(np.uint8)
    mean, largest = reduction_error(Image.fromarray(noise), quality, target)
    assert mean < 0.004
    assert largest < 0.1
