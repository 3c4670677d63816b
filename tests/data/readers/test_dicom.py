"""The grey-scale and colour pipeline of DICOM, against values worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medimg_cnn.data.readers import CT_WINDOWS, ReadOptions, read_decoded, read_image
from medimg_cnn.data.readers._values import map_window
from medimg_cnn.errors import ImageReadError

WriteDicom = Callable[..., Path]


def row(*values: float, dtype: type = np.int16) -> np.ndarray:
    return np.array([values], dtype=dtype)


def shown(path: Path, **options: object) -> np.ndarray:
    return read_image(path, **options)[0, :, 0]  # type: ignore[call-overload]


# --- the range without a window


@pytest.mark.parametrize(
    ("values", "stored", "expected"),
    [
        (row(0, 51, 255, dtype=np.uint8), 8, [0, 0.2, 1]),
        (row(0, 13107, 65535, dtype=np.uint16), 16, [0, 0.2, 1]),
        (row(0, 819, 4095, dtype=np.uint16), 12, [0, 0.2, 1]),
        (row(-32768, 0, 32767), 16, [0, 32768 / 65535, 1]),
        (row(-2048, 0, 2047), 12, [0, 2048 / 4095, 1]),
        (row(0, 2**31, 2**32 - 1, dtype=np.uint32), 32, [0, 0.5, 1]),
    ],
)
def test_without_a_window_stored_bits_fill_the_range(
    write_dicom: WriteDicom, values: np.ndarray, stored: int, expected: list[float]
) -> None:
    path = write_dicom(values, BitsStored=stored, HighBit=stored - 1)
    decoded = read_decoded(path)
    assert decoded.format == "DICOM"
    assert decoded.mode == "MONOCHROME2"
    assert decoded.bit_depth == values.dtype.itemsize * 8
    np.testing.assert_allclose(decoded.pixels[0, :, 0], expected, atol=1e-6)


def test_rescale_moves_the_range_with_the_values(write_dicom: WriteDicom) -> None:
    path = write_dicom(row(0, 50, 255, dtype=np.uint8), RescaleSlope=2, RescaleIntercept=-10, Modality="MR")
    np.testing.assert_allclose(shown(path), [0, 50 / 255, 1], atol=1e-6)
    np.testing.assert_allclose(shown(path, value_range=(-10, 90)), [0, 1, 1], atol=1e-6)


@pytest.mark.parametrize("said_by", [{"RescaleType": "HU"}, {"Modality": "CT"}])
def test_hounsfield_units_without_a_window_take_the_range_of_a_scanner(
    write_dicom: WriteDicom, said_by: dict[str, str]
) -> None:
    path = write_dicom(row(0, 1024, 4095, 5000), RescaleSlope=1, RescaleIntercept=-1024, **said_by)
    np.testing.assert_allclose(shown(path), [0, 1024 / 4095, 1, 1], atol=1e-6)


def test_a_slope_of_zero_is_a_constant_image(write_dicom: WriteDicom) -> None:
    path = write_dicom(row(1, 2, 3), RescaleSlope=0, RescaleIntercept=5, Modality="OT")
    np.testing.assert_array_equal(shown(path), 0)


# --- windows

CT = {"RescaleSlope": 1, "RescaleIntercept": -1024, "Modality": "CT"}


def test_window_of_the_file_is_linear(write_dicom: WriteDicom) -> None:
    # centre 40, width 400: from 39.5 - 199.5 = -160 to 39.5 + 199.5 = 239.
    units = np.array([-1024, -160, -60, 40, 239, 2000])
    path = write_dicom(row(*(units + 1024)), **CT, WindowCenter=40, WindowWidth=400)
    np.testing.assert_allclose(shown(path), [0, 0, 100 / 399, 200 / 399, 1, 1], atol=1e-6)


def test_the_first_of_several_windows_is_used(write_dicom: WriteDicom) -> None:
    values = row(0, 100, 199)
    path = write_dicom(values, WindowCenter=[100, 1000], WindowWidth=[200, 2000])
    np.testing.assert_allclose(shown(path), [0, 100 / 199, 1], atol=1e-6)


def test_window_functions(write_dicom: WriteDicom) -> None:
    values = row(0, 50, 100, 150, 200)
    window = {"WindowCenter": 100, "WindowWidth": 200}
    exact = write_dicom(values, **window, VOILUTFunction="LINEAR_EXACT")
    np.testing.assert_allclose(shown(exact), [0, 0.25, 0.5, 0.75, 1], atol=1e-6)
    sigmoid = write_dicom(values, **window, VOILUTFunction="SIGMOID")
    # The logistic function of -2, -1, 0, 1 and 2.
    np.testing.assert_allclose(shown(sigmoid), [0.119203, 0.268941, 0.5, 0.731059, 0.880797], atol=1e-6)
    other = write_dicom(values, **window, VOILUTFunction="CUBIC")
    with pytest.raises(ImageReadError, match="LINEAR, LINEAR_EXACT or SIGMOID"):
        read_image(other)


def test_a_window_of_width_one_is_a_step(write_dicom: WriteDicom) -> None:
    path = write_dicom(row(9, 10, 11), WindowCenter=10, WindowWidth=1)
    np.testing.assert_array_equal(shown(path), [0, 1, 1])


@pytest.mark.parametrize("window", [{"WindowWidth": 0}, {"WindowWidth": None}, {"WindowWidth": -5}])
def test_a_window_without_width_is_none(write_dicom: WriteDicom, window: dict[str, int | None]) -> None:
    values = row(0, 51, 255, dtype=np.uint8)
    width = {name: value for name, value in window.items() if value is not None}
    np.testing.assert_allclose(shown(write_dicom(values, WindowCenter=9, **width)), [0, 0.2, 1], atol=1e-6)


def test_own_window_replaces_the_files(write_dicom: WriteDicom) -> None:
    units = np.array([-1350, -600, 40, 149])
    path = write_dicom(row(*(units + 1350)), Modality="CT", RescaleSlope=1, RescaleIntercept=-1350, WindowCenter=0,
                       WindowWidth=10)  # fmt: skip
    # lung: centre -600, width 1500, from -1350 to 149.
    np.testing.assert_allclose(shown(path, window="lung"), [0, 750 / 1499, 1390 / 1499, 1], atol=1e-6)
    np.testing.assert_array_equal(shown(path, window=(-600, 1500)), shown(path, window="lung"))


def test_three_windows_become_three_channels(write_dicom: WriteDicom) -> None:
    rng = np.random.default_rng(0)
    path = write_dicom(rng.integers(0, 4096, (6, 7)).astype(np.int16), **CT)
    names = ("lung", "mediastinum", "bone")
    pixels = read_image(path, window=names)
    assert pixels.shape == (6, 7, 3)
    for channel, name in enumerate(names):
        np.testing.assert_array_equal(pixels[..., channel], read_image(path, window=name)[..., 0])
    mixed = read_image(path, window=("lung", (40, 400), "bone"))
    np.testing.assert_array_equal(mixed[..., 1], read_image(path, window=(40, 400))[..., 0])


@given(centre=st.floats(-2000, 4000), width=st.floats(1.5, 5000))
def test_any_window_is_monotone_and_in_range(centre: float, width: float) -> None:
    values = np.arange(-2000, 4000, 7, dtype=np.int16)[None]
    for function in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        mapped = map_window(values, centre, width, function=function)[0]
        assert mapped.min() >= 0
        assert mapped.max() <= 1
        assert (np.diff(mapped) >= 0).all()


def test_every_named_window_is_wide_enough() -> None:
    assert all(width >= 1 for _, width in CT_WINDOWS.values())


# --- lookup tables


def lut(entries: list[int], first: int, bits: int) -> object:
    import pydicom

    item = pydicom.Dataset()
    item.add_new(0x00283002, "SS" if first < 0 else "US", [len(entries), first, bits])
    item.add_new(0x00283006, "US", entries)
    return pydicom.Sequence([item])


def test_modality_table_gives_the_values(write_dicom: WriteDicom) -> None:
    path = write_dicom(row(9, 10, 11, 12, 99), ModalityLUTSequence=lut([0, 1000, 4095], 10, 12))
    # Below the first value: the first entry; above the last: the last.
    np.testing.assert_allclose(shown(path), [0, 0, 1000 / 4095, 1, 1], atol=1e-6)


def test_table_of_interest_comes_before_the_window(write_dicom: WriteDicom) -> None:
    path = write_dicom(row(0, 1, 2, 3), VOILUTSequence=lut([0, 255, 51], 0, 8), WindowCenter=1, WindowWidth=2)
    np.testing.assert_allclose(shown(path), [0, 1, 0.2, 0.2], atol=1e-6)


def test_table_of_interest_after_a_rescale_and_with_a_negative_start(write_dicom: WriteDicom) -> None:
    path = write_dicom(
        row(0, 5, 10),
        RescaleSlope=1,
        RescaleIntercept=-5,
        VOILUTSequence=lut(list(range(0, 1100, 100)), -5, 10),
    )
    np.testing.assert_allclose(shown(path), [0, 500 / 1023, 1000 / 1023], atol=1e-6)


def test_a_long_table_of_8_bits_does_not_wrap(write_dicom: WriteDicom) -> None:
    entries = [min(value // 4, 255) for value in range(1024)]
    path = write_dicom(row(0, 300, 1023), VOILUTSequence=lut(entries, 0, 8))
    np.testing.assert_allclose(shown(path), [0, 75 / 255, 1], atol=1e-6)


def test_a_table_that_is_too_short_is_an_error(write_dicom: WriteDicom) -> None:
    sequence = lut([0, 1, 2], 0, 8)
    sequence[0].LUTDescriptor = [300, 0, 8]  # type: ignore[index]
    with pytest.raises(ImageReadError, match="must have its 300 entries; got 3"):
        read_image(write_dicom(row(0, 1), VOILUTSequence=sequence))


# --- photometric interpretation


def test_monochrome1_is_inverted(write_dicom: WriteDicom) -> None:
    values = row(0, 51, 255, dtype=np.uint8)
    plain = write_dicom(values, name="plain.dcm")
    inverted = write_dicom(values, name="inverted.dcm", PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_allclose(shown(inverted), [1, 0.8, 0], atol=1e-6)
    np.testing.assert_allclose(shown(inverted), 1 - shown(plain), atol=1e-6)
    windowed = write_dicom(
        row(0, 100, 199), PhotometricInterpretation="MONOCHROME1", WindowCenter=100, WindowWidth=200
    )
    np.testing.assert_allclose(shown(windowed), [1, 99 / 199, 0], atol=1e-6)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("planar", [0, 1])
def test_rgb_pixel_by_pixel_and_plane_by_plane(write_dicom: WriteDicom, bits: int, planar: int) -> None:
    dtype, top = (np.uint8, 255) if bits == 8 else (np.uint16, 65535)
    color = np.random.default_rng(0).integers(0, top + 1, (4, 5, 3)).astype(dtype)
    stored = color if planar == 0 else np.ascontiguousarray(color.transpose(2, 0, 1)).reshape(4, 5, 3)
    path = write_dicom(stored, PlanarConfiguration=planar)
    np.testing.assert_allclose(read_image(path), color / top, atol=1e-6)


def test_ybr_full_is_converted(write_dicom: WriteDicom) -> None:
    # Red, green and grey in the terms of PS3.3, C.7.6.3.1.2.
    ybr = np.array([[[76, 85, 255], [150, 44, 21], [128, 128, 128]]], dtype=np.uint8)
    path = write_dicom(ybr, PhotometricInterpretation="YBR_FULL")
    np.testing.assert_allclose(read_image(path)[0], [[1, 0, 0], [0, 1, 0], [0.5, 0.5, 0.5]], atol=0.01)


def test_ybr_full_422_is_expanded_and_converted(write_dicom: WriteDicom) -> None:
    # Two pixels share their colour: Y Y Cb Cr.
    path = write_dicom(
        np.zeros((1, 4, 3), np.uint8),
        PhotometricInterpretation="YBR_FULL_422",
        PixelData=bytes([76, 76, 85, 255, 150, 150, 44, 21]),
    )
    np.testing.assert_allclose(read_image(path)[0], [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]], atol=0.01)


@pytest.mark.parametrize(("bits", "top"), [(8, 255), (16, 65535)])
def test_palette_color(write_dicom: WriteDicom, bits: int, top: int) -> None:
    def words(values: list[int]) -> bytes:
        return np.array(values, dtype="<u2" if bits == 16 else "u1").tobytes() + b"\0" * (len(values) % 2)

    tables = {"Red": [0, top, 0], "Green": [0, 0, top], "Blue": [top, 0, 0]}
    tags: dict[str, object] = {}
    for color, values in tables.items():
        tags[f"{color}PaletteColorLookupTableDescriptor"] = [3, 0, bits]
        tags[f"{color}PaletteColorLookupTableData"] = words(values)
    path = write_dicom(row(0, 1, 2, dtype=np.uint8), PhotometricInterpretation="PALETTE COLOR", **tags)
    decoded = read_decoded(path)
    assert decoded.mode == "PALETTE COLOR"
    np.testing.assert_allclose(decoded.pixels[0], [[0, 0, 1], [1, 0, 0], [0, 1, 0]], atol=1e-6)


def test_a_window_is_not_for_color(write_dicom: WriteDicom) -> None:
    with pytest.raises(ImageReadError, match="window is for grey DICOM images"):
        read_image(write_dicom(np.zeros((2, 2, 3), np.uint8)), window="lung")


def test_unknown_photometric_interpretation_is_not_quoted(write_dicom: WriteDicom) -> None:
    with pytest.raises(ImageReadError, match="photometric interpretation must be one of") as caught:
        read_image(write_dicom(row(1, 2), PhotometricInterpretation="HELLO"))
    assert "HELLO" not in str(caught.value)


# --- frames


def test_a_frame_must_be_asked_for(write_dicom: WriteDicom) -> None:
    frames = np.stack([np.full((4, 5), value, np.uint8) for value in (0, 51, 255)])
    path = write_dicom(frames, NumberOfFrames=3)
    with pytest.raises(ImageReadError, match=r"image\.dcm: frame must be given.*got 3 frames") as caught:
        read_image(path)
    step = "Pass read=ReadOptions(frame=0) to load_dataset, or frame=0 to read_image. There are 0 to 2."
    assert str(caught.value).endswith(step)
    assert read_decoded(path, ReadOptions(frame=0)).frames == 3
    assert read_image(path, frame=1).shape == (4, 5, 1)
    assert read_image(path, frame=1).max() == pytest.approx(0.2)
    every = read_image(path, frame="all")
    assert every.shape == (3, 4, 5, 1)
    np.testing.assert_allclose(every[:, 0, 0, 0], [0, 0.2, 1], atol=1e-6)
    with pytest.raises(ImageReadError, match="below the number of frames, 3; got 3"):
        read_image(path, frame=3)


def test_frames_of_one_bit(write_dicom: WriteDicom) -> None:
    masks = np.random.default_rng(0).integers(0, 2, (3, 5, 7)).astype(np.uint8)
    packed = np.packbits(masks.reshape(-1), bitorder="little").tobytes()
    path = write_dicom(masks, NumberOfFrames=3, BitsAllocated=1, BitsStored=1, HighBit=0,
                       PixelData=packed + b"\0" * (len(packed) % 2))  # fmt: skip
    for index in range(3):
        np.testing.assert_array_equal(read_image(path, frame=index)[..., 0], masks[index])


def test_functional_groups_of_an_enhanced_image(write_dicom: WriteDicom) -> None:
    import pydicom

    def item(**tags: object) -> object:
        dataset = pydicom.Dataset()
        for name, value in tags.items():
            setattr(dataset, name, value)
        return dataset

    shared = item(
        PixelValueTransformationSequence=[item(RescaleSlope=2, RescaleIntercept=0, RescaleType="US")],
    )
    per_frame = [
        item(FrameVOILUTSequence=[item(WindowCenter=100, WindowWidth=200)]),
        item(
            FrameVOILUTSequence=[item(WindowCenter=50, WindowWidth=100)],
            PixelValueTransformationSequence=[item(RescaleSlope=1, RescaleIntercept=0, RescaleType="US")],
        ),
    ]
    path = write_dicom(
        np.stack([row(0, 50, 90), row(0, 50, 90)]),
        NumberOfFrames=2,
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=per_frame,
    )
    # Frame 0: doubled, window 100/200. Frame 1: its own slope of 1, window 50/100.
    np.testing.assert_allclose(read_image(path, frame=0)[0, :, 0], [0, 100 / 199, 180 / 199], atol=1e-6)
    np.testing.assert_allclose(read_image(path, frame=1)[0, :, 0], [0, 50 / 99, 90 / 99], atol=1e-6)


# --- padding, overlays, unused bits, float


def test_padding_is_black_whatever_the_interpretation(write_dicom: WriteDicom) -> None:
    values = row(-2000, 0, 1000)
    plain = write_dicom(values, PixelPaddingValue=-2000, WindowCenter=0, WindowWidth=4000)
    assert shown(plain)[0] == 0
    inverted = write_dicom(
        values,
        PixelPaddingValue=-2000,
        PhotometricInterpretation="MONOCHROME1",
        WindowCenter=0,
        WindowWidth=4000,
    )
    assert shown(inverted)[0] == 0
    assert shown(inverted)[1] == pytest.approx(1 - 1999.0 / 3999 - 1 / 3999, abs=1e-3)


def test_padding_may_be_a_range(write_dicom: WriteDicom) -> None:
    path = write_dicom(row(10, 11, 12, 13, dtype=np.uint8), PixelPaddingValue=10, PixelPaddingRangeLimit=12)
    np.testing.assert_allclose(shown(path), [0, 0, 0, 13 / 255], atol=1e-6)


def test_padding_does_not_count_for_the_range_of_the_image(write_dicom: WriteDicom) -> None:
    path = write_dicom(row(-2000, 100, 200, 300), PixelPaddingValue=-2000)
    np.testing.assert_allclose(shown(path, value_range="image"), [0, 0, 0.5, 1], atol=1e-6)


def test_overlays_are_ignored(write_dicom: WriteDicom) -> None:
    import pydicom

    values = row(0, 819, 4095, dtype=np.uint16)
    plain = write_dicom(values, BitsStored=12, HighBit=11)
    expected = shown(plain)
    # An old kind of overlay lies in the unused bits.
    embedded = write_dicom(values | 0x1000, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(shown(embedded), expected)
    dataset = pydicom.dcmread(plain)
    dataset.add_new(0x60000010, "US", 1)
    dataset.add_new(0x60000011, "US", 3)
    dataset.add_new(0x60003000, "OW", b"\xff\xff")
    dataset.save_as(plain)
    np.testing.assert_array_equal(shown(plain), expected)


@given(bits=st.integers(1, 16), signed=st.booleans(), seed=st.integers(0, 2**31))
def test_any_number_of_stored_bits(
    tmp_path: Path, dicom_file: Callable[..., Path], bits: int, signed: bool, seed: int
) -> None:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    values = (
        np.random.default_rng(seed).integers(low, high + 1, (3, 4)).astype(np.int16 if signed else np.uint16)
    )
    path = dicom_file(tmp_path / "bits.dcm", values, BitsStored=bits, HighBit=bits - 1)
    np.testing.assert_allclose(
        read_image(path)[..., 0], (values.astype(float) - low) / (high - low), atol=1e-6
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float_pixels(write_dicom: WriteDicom, dtype: type) -> None:
    path = write_dicom(row(0, 0.25, 1, dtype=dtype))
    np.testing.assert_allclose(shown(path), [0, 0.25, 1], atol=1e-7)
    beyond = write_dicom(row(0, 500, 1000, dtype=dtype))
    with pytest.raises(ImageReadError, match="must lie in 0 to 1"):
        read_image(beyond)
    np.testing.assert_allclose(shown(beyond, value_range=(0, 1000)), [0, 0.5, 1], atol=1e-6)
    with pytest.raises(ImageReadError, match="must be finite"):
        read_image(write_dicom(row(0, np.nan, 1, dtype=dtype)))
