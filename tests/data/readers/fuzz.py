"""Reads mutated files one after another: python fuzz.py SEED FIRST COUNT [FOLDER of more files].

Every file follows from (SEED, its number) alone, so that any one can be made again. Prints the number before each
file, so that whoever started it knows on which one it died: ten seconds without an end are a death too.
"""

from __future__ import annotations

import gzip
import io
import json
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from conftest import build_dicom, build_png, build_tiff, png_chunk
from medimg_cnn.data.readers import ReadOptions, is_image_file, read_decoded
from medimg_cnn.errors import ImageReadError, MissingDependencyError

SECONDS = 10
LARGEST_SEED = 60_000


def seeds(folder: Path) -> list[bytes]:
    """Small files of every kind that there is a reader for."""
    rows, columns = np.mgrid[:40, :48]
    grey = ((np.sin(columns / 7) + np.cos(rows / 5) + 2) * 60).astype(np.uint8)
    grey16 = grey.astype(np.uint16) * 250
    color = np.stack([grey, grey[::-1], grey[:, ::-1]], axis=-1)
    return pictures(grey, grey16, color) + dicoms(folder, grey, grey16, color) + volumes(grey16)


def pictures(grey: np.ndarray, grey16: np.ndarray, color: np.ndarray) -> list[bytes]:
    """Pictures of every format, depth and compression."""
    exif = Image.Exif()
    exif[274] = 6
    found = []

    def add(image: Image.Image, format_name: str, **options: object) -> None:
        stream = io.BytesIO()
        image.save(stream, format_name, **options)  # type: ignore[arg-type]
        found.append(stream.getvalue())

    one, three = Image.fromarray(grey), Image.fromarray(color)
    rgba = three.copy()
    rgba.putalpha(one)
    pages = {"save_all": True, "append_images": [three.rotate(90), three.rotate(180)]}
    for image in (one, three, rgba, Image.fromarray(grey16), three.quantize(16), one.convert("1")):
        add(image, "PNG", exif=exif)
    add(three, "PNG", **pages)
    for image, options in (
        (one, {}),
        (three, {"progressive": True}),
        (three.convert("CMYK"), {"exif": exif}),
    ):
        add(image, "JPEG", **options)
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        add(three, "TIFF", compression=compression)
    add(one.convert("1"), "TIFF", compression="group4")
    add(Image.fromarray(grey.astype(np.float32) / 255), "TIFF", exif=exif)
    add(three, "TIFF", big_tiff=True, **pages)
    for options in ({"quality": 60}, {"lossless": True, **pages}):
        add(rgba, "WEBP", **options)
    add(one, "GIF")
    add(three, "GIF", **pages)
    for image in (one, three, three.quantize(4)):
        add(image, "BMP")
    for image in (one, three, Image.fromarray(grey16)):
        add(image, "JPEG2000")
    add(one, "JPEG2000", no_jp2=True)
    found += [build_png(np.dstack([grey16] * 3), 2, interlace=True), build_png(np.dstack([grey16] * 2), 4)]
    found += [build_tiff(np.dstack([grey16] * 3), order=">"), build_tiff(grey.astype(np.int8))]
    return found


def dicoms(folder: Path, grey: np.ndarray, grey16: np.ndarray, color: np.ndarray) -> list[bytes]:
    """DICOM of several transfer syntaxes and photometric interpretations."""
    import jpeg_ls
    import pydicom
    from pydicom.encaps import encapsulate
    from pydicom.uid import RLELossless

    path = folder / "seed.dcm"
    found = []

    def add(pixels: np.ndarray, **tags: object) -> None:
        found.append(build_dicom(path, pixels, **tags).read_bytes())

    window = {
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "WindowCenter": [40, 50],
        "WindowWidth": [400, 90],
    }
    add(grey)
    add(grey16.astype(np.int16), Modality="CT", PixelPaddingValue=0, **window)
    add(grey16, PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11)
    add(color, PlanarConfiguration=1)
    add(color, PhotometricInterpretation="YBR_FULL")
    add(np.stack([grey, grey]), NumberOfFrames=2)
    add(grey.astype(np.float32) / 255)
    add(grey, syntax="1.2.840.10008.1.2.1.99")
    palette = {
        f"{name}PaletteColorLookupTable{part}": value
        for name in ("Red", "Green", "Blue")
        for part, value in (("Descriptor", [256, 0, 16]), ("Data", bytes(range(256)) * 2))
    }
    add(grey, PhotometricInterpretation="PALETTE COLOR", **palette)
    for syntax, stream in (
        ("1.2.840.10008.1.2.4.50", jpeg(grey, "JPEG")),
        ("1.2.840.10008.1.2.4.80", bytes(jpeg_ls.encode_array(grey))),
        ("1.2.840.10008.1.2.4.90", jpeg(grey, "JPEG2000", no_jp2=True)),
    ):
        dataset = pydicom.dcmread(build_dicom(path, grey))
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.PixelData = encapsulate([stream])
        dataset["PixelData"].is_undefined_length = True
        dataset.save_as(path)
        found.append(path.read_bytes())
    dataset = pydicom.dcmread(build_dicom(path, grey))
    dataset.compress(RLELossless)
    dataset.save_as(path)
    found.append(path.read_bytes())
    return found


def jpeg(pixels: np.ndarray, format_name: str, **options: object) -> bytes:
    """Encode a picture with Pillow."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format_name, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def volumes(grey16: np.ndarray) -> list[bytes]:
    """NIfTI volumes, where nibabel is installed."""
    try:
        import nibabel
    except ImportError:
        return []
    plain = nibabel.Nifti1Image(np.dstack([grey16.astype(np.int16)] * 3), np.eye(4)).to_bytes()
    second = nibabel.Nifti2Image(np.dstack([grey16.astype(np.float32)] * 3), np.eye(4)).to_bytes()
    return [plain, second, gzip.compress(plain)]


def mutated(files: list[bytes], rng: np.random.Generator) -> bytes:
    """Damage one of the files in one to eight places, mostly one or two."""
    content = bytearray(files[rng.integers(len(files))])
    for _ in range(min(rng.geometric(0.5), 8)):
        if not content:
            break
        # Headers are where the harm is done.
        end = len(content) if rng.random() < 0.5 else min(len(content), 600)
        at, length = int(rng.integers(end)), int(2 ** rng.integers(0, 9))
        match int(rng.integers(8)):
            case 0:
                content[at] ^= 1 << int(rng.integers(8))
            case 1:
                content[at] = int(rng.integers(256))
            case 2:
                content[at : at + 4] = [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\1\0\0\0"][
                    rng.integers(4)
                ]
            case 3:
                del content[at : at + length]
            case 4:
                content[at:at] = rng.bytes(length)
            case 5:
                content[at : at + length] = rng.bytes(length)
            case 6:
                content[at:at] = content[at : at + length]
            case _:
                other = files[rng.integers(len(files))]
                place = int(rng.integers(len(other)))
                content[at : at + length] = other[place : place + length]
    if rng.random() < 0.1:
        del content[int(rng.integers(len(content) + 1)) :]
    if content.startswith(b"\x89PNG") and rng.random() < 0.7:
        content = bytearray(with_checksums(bytes(content)))
    return bytes(content)


def with_checksums(content: bytes) -> bytes:
    """Make the checksums of a damaged PNG right again: else hardly one gets past its first chunk."""
    fixed, at = content[:8], 8
    while at + 12 <= len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        if at + 12 + length > len(content):
            break
        fixed += png_chunk(content[at + 4 : at + 8], content[at + 8 : at + 8 + length])
        at += 12 + length
    return fixed + content[at:]


def read(content: bytes, folder: Path, rng: np.random.Generator) -> str:
    """Read one file with some options; anything but an image or the library's own error ends the process."""
    options = [
        ReadOptions(),
        ReadOptions(frame=0),
        ReadOptions(frame=1, value_range="image"),
        ReadOptions(frame=0, window=("lung", (40, 400), "bone")),
        ReadOptions(frame=0, value_range=(-1000, 3000), background=1.0),
    ][rng.choice(5, p=[0.4, 0.3, 0.1, 0.1, 0.1])]
    path = folder / "mutated"
    path.write_bytes(content)
    is_image_file(path)
    try:
        decoded = read_decoded(path, options, minimum_size=(8, 8) if rng.random() < 0.3 else None)
    except (ImageReadError, MissingDependencyError) as error:
        if str(path) not in str(error):
            raise RuntimeError("the message does not name the file") from error
        return "refused"
    assert np.isfinite(decoded.pixels).all()
    return "read"


def is_read(content: bytes, folder: Path) -> bool:
    """Say whether an unharmed file is read: were most of them not, the test would test little."""
    path = folder / "seed"
    path.write_bytes(content)
    try:
        read_decoded(path, ReadOptions(frame=0))
    except (ImageReadError, MissingDependencyError):
        return False
    return True


def main(seed: int, first: int, count: int, more: str = "") -> None:
    """Read ``count`` files and print what became of them."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    done = {"read": 0, "refused": 0}
    slowest = 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = seeds(folder)
        if more:
            extra = [path.read_bytes() for path in sorted(Path(more).iterdir()) if path.suffix != ".csv"]
            files += [content for content in extra if len(content) <= LARGEST_SEED]
        unharmed = sum(is_read(content, folder) for content in files)
        for number in range(first, first + count):
            print(number, flush=True)
            rng = np.random.default_rng([seed, number])
            content = mutated(files, rng)
            signal.alarm(SECONDS)
            started = time.perf_counter()
            done[read(content, folder, rng)] += 1
            slowest = max(slowest, time.perf_counter() - started)
            signal.alarm(0)
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    peak = next(line.split()[1] for line in status if line.startswith("VmHWM"))
    print(
        json.dumps(
            {**done, "seeds": len(files), "seeds_read": unharmed, "slowest": slowest, "peak_kib": int(peak)}
        ),
        flush=True,
    )


if __name__ == "__main__":
    main(*(int(value) for value in sys.argv[1:4]), *sys.argv[4:5])
