"""DICOM files as they arrive: every byte order and compression, damaged, hostile, and full of names."""

from __future__ import annotations

import io
import logging
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medimg_cnn.data.readers import dicom_identifiers, is_image_file, read_decoded, read_image
from medimg_cnn.errors import ImageReadError, MissingDependencyError

WriteDicom = Callable[..., Path]
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
DEFLATED = "1.2.840.10008.1.2.1.99"


def ramp(dtype: type = np.uint8) -> np.ndarray:
    return (np.add.outer(np.arange(24) * 3, np.arange(32) * 2)).astype(dtype)


def encapsulate(path: Path, frames: list[bytes], syntax: str, **tags: object) -> Path:
    import pydicom
    from pydicom.encaps import encapsulate as join

    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = join(frames)
    dataset["PixelData"].is_undefined_length = True
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.save_as(path, implicit_vr=False, little_endian=True)
    return path


# --- transfer syntaxes


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16])
def test_uncompressed(write_dicom: WriteDicom, syntax: str, dtype: type) -> None:
    import pydicom

    values = ramp(dtype)
    path = write_dicom(values)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax.endswith(".2.2"):
        dataset.PixelData = values.byteswap().tobytes()
        dataset["PixelData"].VR = "OW" if dtype is np.int16 else "OB"
    pydicom.dcmwrite(
        path,
        dataset,
        implicit_vr=syntax.endswith("1.2"),
        little_endian=not syntax.endswith(".2.2"),
        force_encoding=True,
    )
    low, top = (-32768, 65535) if dtype is np.int16 else (0, 255)
    np.testing.assert_allclose(read_image(path)[..., 0], (values.astype(float) - low) / top, atol=1e-6)


def test_deflated(write_dicom: WriteDicom) -> None:
    path = write_dicom(ramp(), syntax=DEFLATED)
    np.testing.assert_allclose(read_image(path)[..., 0], ramp() / 255, atol=1e-6)


def test_run_lengths(write_dicom: WriteDicom) -> None:
    import pydicom
    from pydicom.uid import RLELossless

    path = write_dicom(ramp(np.uint16))
    dataset = pydicom.dcmread(path)
    dataset.compress(RLELossless)
    dataset.save_as(path)
    decoded = read_decoded(path)
    assert decoded.metadata["transfer_syntax"] == RLELossless
    np.testing.assert_allclose(decoded.pixels[..., 0], ramp() / 65535, atol=1e-7)


def test_jpeg_2000_lossless_and_its_frames(write_dicom: WriteDicom) -> None:
    frames = np.stack([ramp(np.uint16), ramp(np.uint16)[::-1]])
    streams = []
    for frame in frames:
        stream = io.BytesIO()
        Image.fromarray(frame).save(stream, "JPEG2000", no_jp2=True)
        streams.append(stream.getvalue())
    path = encapsulate(write_dicom(frames, NumberOfFrames=2), streams, JPEG_2000)
    for index in (0, 1):
        np.testing.assert_allclose(read_image(path, frame=index)[..., 0], frames[index] / 65535, atol=1e-7)


def test_jpeg_ls(write_dicom: WriteDicom) -> None:
    import jpeg_ls

    path = encapsulate(write_dicom(ramp()), [bytes(jpeg_ls.encode_array(ramp()))], JPEG_LS)
    np.testing.assert_allclose(read_image(path)[..., 0], ramp() / 255, atol=1e-6)


def test_jpeg_ls_cut_off_is_refused_and_does_not_hang(write_dicom: WriteDicom) -> None:
    import jpeg_ls

    stream = bytes(jpeg_ls.encode_array(ramp()))
    for length in (30, len(stream) // 2, len(stream) - 2):
        path = encapsulate(write_dicom(ramp()), [stream[:length]], JPEG_LS)
        with pytest.raises(ImageReadError, match="must have an end"):
            read_image(path)


def test_jpeg_baseline_color_is_converted(write_dicom: WriteDicom) -> None:
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 200
    stream = io.BytesIO()
    Image.fromarray(red).save(stream, "JPEG", quality=95)
    path = encapsulate(
        write_dicom(red), [stream.getvalue()], JPEG_BASELINE, PhotometricInterpretation="YBR_FULL_422"
    )
    np.testing.assert_allclose(read_image(path), red / 255, atol=0.02)


@pytest.mark.parametrize(
    ("photometric", "irreversible"), [("YBR_RCT", False), ("YBR_ICT", True), ("RGB", False)]
)
def test_jpeg_2000_color(write_dicom: WriteDicom, photometric: str, irreversible: bool) -> None:
    color = np.dstack([ramp(), ramp()[::-1], ramp()[:, ::-1]])
    stream = io.BytesIO()
    Image.fromarray(color).save(
        stream, "JPEG2000", no_jp2=True, irreversible=irreversible, mct=int(photometric != "RGB")
    )
    syntax = JPEG_2000 if not irreversible else "1.2.840.10008.1.2.4.91"
    path = encapsulate(write_dicom(color), [stream.getvalue()], syntax, PhotometricInterpretation=photometric)
    np.testing.assert_allclose(read_image(path), color / 255, atol=0.02 if irreversible else 1e-6)


def test_signed_jpeg_2000_whose_stream_says_unsigned(write_dicom: WriteDicom) -> None:
    values = ramp(np.int16) - 100
    stream = io.BytesIO()
    Image.fromarray(values.view(np.uint16)).save(stream, "JPEG2000", no_jp2=True)
    path = encapsulate(write_dicom(values), [stream.getvalue()], JPEG_2000)
    np.testing.assert_allclose(
        read_image(path, value_range=(-100, 200))[..., 0], (values + 100) / 300, atol=1e-6
    )


def test_a_missing_decoder_is_named(write_dicom: WriteDicom) -> None:
    pytest.importorskip("pydicom")
    from pydicom.pixels import get_decoder

    if get_decoder(JPEG_LOSSLESS).is_available:
        pytest.skip("a decoder for JPEG Lossless is installed here")
    path = encapsulate(write_dicom(ramp()), [b"\xff\xd8\xff\xd9"], JPEG_LOSSLESS)
    with pytest.raises(MissingDependencyError, match=r"image\.dcm: .*'pylibjpeg-libjpeg'.*GPL.*pip install"):
        read_image(path)


@pytest.mark.parametrize(
    ("module", "package", "syntax"),
    [("jpeg_ls", "pyjpegls", JPEG_LS), ("pylibjpeg", "pylibjpeg-openjpeg", "1.2.840.10008.1.2.4.201")],
)
def test_a_missing_package_of_the_extra_is_named(
    write_dicom: WriteDicom, module: str, package: str, syntax: str
) -> None:
    path = encapsulate(write_dicom(ramp()), [b"\xff\xd8\xff\xd9"], syntax)
    script = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from medimg_cnn.data.readers import read_image\n"
        "from medimg_cnn.errors import MissingDependencyError\n"
        f"try: read_image({str(path)!r})\n"
        "except MissingDependencyError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=120
    )
    assert package in done.stdout, done.stderr
    assert 'pip install "medimg-cnn[dicom]"' in done.stdout


# --- damage


def test_pixel_data_shorter_than_announced(write_dicom: WriteDicom) -> None:
    path = write_dicom(ramp(), PixelData=bytes(700))
    with pytest.raises(ImageReadError, match="must have the 768 bytes that the header announces; got 700"):
        read_image(path)


def test_a_file_cut_off(write_dicom: WriteDicom) -> None:
    path = write_dicom(ramp())
    whole = path.read_bytes()
    for length in (0, 100, 132, 140, 300, len(whole) - 700, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ImageReadError, match=r"image\.dcm: "):
            read_image(path)


@pytest.mark.parametrize(
    ("tags", "rule"),
    [
        ({"Rows": 0}, "rows must be 1 to 65535; got 0"),
        ({"Rows": 65535, "Columns": 65535}, "at most 36,000,000 pixels|bytes that the header announces"),
        ({"BitsAllocated": 24}, "bits allocated must be"),
        ({"BitsStored": 40}, "bits stored must be 1 to 32; got 40"),
        ({"SamplesPerPixel": 2}, "samples per pixel must be"),
        ({"PixelRepresentation": 3}, "pixel representation must be"),
        ({"NumberOfFrames": -1}, "number of frames must be"),
        ({"BitsStored": None}, "bits stored must be 1 to 32; got none"),
        ({"PhotometricInterpretation": None}, "photometric interpretation must be given"),
    ],
)
def test_a_header_that_breaks_its_rules(write_dicom: WriteDicom, tags: dict[str, object], rule: str) -> None:
    many = np.zeros((1, 24, 32), np.uint8) if "NumberOfFrames" in tags else ramp()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = write_dicom(many, **tags)
    with pytest.raises(ImageReadError, match=rule):
        read_image(path)


def test_no_pixel_data(write_dicom: WriteDicom) -> None:
    with pytest.raises(ImageReadError, match="must hold an image; got no pixel data"):
        read_image(write_dicom(ramp(), PixelData=None))


def test_compressed_pixels_of_another_size_are_refused_before_decoding(write_dicom: WriteDicom) -> None:
    stream = io.BytesIO()
    Image.fromarray(np.zeros((900, 700), np.uint8)).save(stream, "JPEG2000", no_jp2=True)
    path = encapsulate(write_dicom(ramp()), [stream.getvalue()], JPEG_2000)
    with pytest.raises(ImageReadError, match="must have the header's size, 24 x 32; got 900 x 700"):
        read_image(path)


def test_a_deflated_bomb_is_refused(write_dicom: WriteDicom) -> None:
    path = write_dicom(ramp(), syntax=DEFLATED)
    content = path.read_bytes()
    group_length = struct.unpack("<L", content[140:144])[0]
    head = content[: 144 + group_length]
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = b"".join(deflater.compress(bytes(2**24)) for _ in range(20)) + deflater.flush()
    path.write_bytes(head + bomb)
    assert path.stat().st_size < 2**20
    with pytest.raises(ImageReadError, match="may inflate to at most"):
        read_image(path)


def test_a_file_without_its_preamble_is_refused(write_dicom: WriteDicom) -> None:
    path = write_dicom(ramp())
    path.write_bytes(path.read_bytes()[132:])
    assert not is_image_file(path)
    with pytest.raises(ImageReadError, match=r"DICOM \(with its preamble\)"):
        read_image(path)


def test_the_directory_of_a_medium_is_no_image(write_dicom: WriteDicom) -> None:
    import pydicom

    path = write_dicom(ramp(), name="DICOMDIR")
    dataset = pydicom.dcmread(path)
    dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    dataset.save_as(path)
    assert not is_image_file(path)
    with pytest.raises(ImageReadError, match=r"DICOMDIR: .*directories of media \(DICOMDIR\)"):
        read_image(path)


def test_a_preamble_that_looks_like_a_tiff(write_dicom: WriteDicom) -> None:
    path = write_dicom(ramp())
    path.write_bytes(b"II*\0" + path.read_bytes()[4:])
    assert read_decoded(path).format == "DICOM"


# --- privacy


def test_no_text_of_a_tag_in_messages_logs_warnings_or_metadata(
    write_dicom: WriteDicom, secret: str, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    caplog.set_level(logging.DEBUG)
    good = write_dicom(ramp(), name="good.dcm", WindowCenter=9, WindowWidth=9, BurnedInAnnotation="YES")
    decoded = read_decoded(good)
    assert decoded.metadata["burned_in_annotation"] == "yes"
    said = repr(dict(decoded.metadata))
    raw = good.read_bytes()
    # A number that is none: pydicom's own message quotes it.
    for old, new in (
        (b"\x28\x00\x50\x10DS\x04\x009.0 ", b"\x28\x00\x50\x10DS\x04\x00S!S!"),
        (b"MONOCHROME2", b"SECRETPHOTO"),
    ):
        assert old in raw
        bad = good.with_name("bad.dcm")
        bad.write_bytes(raw.replace(old, new))
        with pytest.raises(ImageReadError) as caught:
            read_image(bad)
        error: BaseException | None = caught.value
        while error is not None:
            said += str(error)
            error = error.__cause__
    said += caplog.text + "".join(str(item.message) for item in recwarn)
    for text in (secret, "SECRET", "S!"):
        assert text not in said


def test_identifiers(write_dicom: WriteDicom, tmp_path: Path) -> None:
    path = write_dicom(ramp())
    found = dicom_identifiers(path)
    assert set(found) == {"patient_id", "study_uid", "series_uid", "sop_uid"}
    assert found["patient_id"] == "SECRET-ID-7"
    assert found["sop_uid"].startswith("1.2.826.0.1.3680043.8.498.") or found["sop_uid"]
    assert dicom_identifiers(write_dicom(ramp(), PatientID=None))["patient_id"] == ""
    other = tmp_path / "other.png"
    Image.new("L", (2, 2)).save(other)
    with pytest.raises(ImageReadError, match=r"other\.png: must be a DICOM file"):
        dicom_identifiers(other)
