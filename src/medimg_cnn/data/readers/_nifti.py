"""NIfTI: one slice of a volume, turned as a radiologist would see it."""

from __future__ import annotations

import gzip
import zlib
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import ImageSize
from medimg_cnn._validation import import_optional
from medimg_cnn.data.readers._base import DecodedImage, check_pixels, pass_option, unreadable
from medimg_cnn.data.readers._options import ReadOptions
from medimg_cnn.data.readers._values import check_finite, map_window, scale_values

__all__ = ["NiftiReader"]

# The anatomical axes are right, anterior, superior: which one each plane cuts.
_AXES = {"sagittal": 0, "coronal": 1, "axial": 2}
_MAX_VOLUME = 2 * 2**30
_NIFTI_2_HEADER = 540


class NiftiReader:
    """Reads one slice of a NIfTI volume (.nii or .nii.gz) with nibabel.

    Slices are counted from the feet (axial), from the back (coronal) or from the patient's left (sagittal).
    Axial and coronal slices show the patient's right at the left of the picture, sagittal ones the front.
    The upper edge is the front in axial slices and the head in the others. A volume that lies obliquely is
    turned to the nearest axes, without interpolation.
    """

    name = "nifti"

    def accepts(self, head: bytes) -> bool:
        """Say whether the file is a NIfTI-1 or NIfTI-2 volume in one file, compressed or not."""
        if head.startswith(b"\x1f\x8b"):
            try:
                head = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(head, 1024)
            except zlib.error:
                return False
        return head[344:348] == b"n+1\x00" or head[4:8] == b"n+2\x00"

    def read(
        self, stream: BinaryIO, options: ReadOptions, *, minimum_size: ImageSize | None = None
    ) -> DecodedImage:
        """Decode one slice; see ``Reader.read``. ``minimum_size`` is not used."""
        del minimum_size
        volume = _volume(stream)
        values, count = _slice(volume, options)
        check_finite(values)
        planes = [map_window(values, *bounds) for bounds in options.window_bounds]
        dtype = volume.get_data_dtype()
        if not planes:
            planes = [scale_values(values, _full_range(dtype, volume.dataobj), options.value_range)]
        return DecodedImage(
            pixels=np.stack(planes, axis=-1),
            bit_depth=8 if dtype.itemsize == 1 else 16 if dtype.itemsize == 2 else 32,
            format="NIFTI",
            mode=str(dtype),
            frames=count,
        )


def _volume(stream: BinaryIO) -> Any:
    """Return the nibabel image, its header checked and its voxels not read yet."""
    nibabel = import_optional("nibabel", extra="nifti", why="a NIfTI volume")
    compressed = stream.read(2) == b"\x1f\x8b"
    stream.seek(0)
    source: Any = gzip.GzipFile(fileobj=stream, mode="rb") if compressed else stream
    first = source.read(4)
    source.seek(0)
    second_version = _NIFTI_2_HEADER in (int.from_bytes(first, "little"), int.from_bytes(first, "big"))
    volume = (nibabel.Nifti2Image if second_version else nibabel.Nifti1Image).from_stream(source)
    shape, dtype = volume.shape, volume.get_data_dtype()
    if len(shape) < 3 or min(shape) < 1 or any(side != 1 for side in shape[3:]):
        raise unreadable(
            "a NIfTI file must hold one volume of three dimensions", shape, "Split the file into volumes."
        )
    if dtype.kind not in "iuf":
        raise unreadable("voxels must be plain numbers", dtype, "Convert the volume.")
    size = dtype.itemsize * shape[0] * shape[1] * shape[2]
    if size > _MAX_VOLUME:
        raise unreadable(
            f"a volume may have at most {_MAX_VOLUME:,} bytes", f"{size:,}", "Cut it into parts."
        )
    return volume


def _slice(volume: Any, options: ReadOptions) -> tuple[NDArray[Any], int]:
    """Read one slice, turned upright; return it and the number of slices."""
    from nibabel import io_orientation

    shape = volume.shape
    # Which stored axis runs along each anatomical axis, and whether backwards.
    stored: dict[int, int] = {}
    backwards: dict[int, bool] = {}
    for place, (anatomical, direction) in enumerate(io_orientation(volume.affine)):
        if np.isfinite(anatomical):
            stored[int(anatomical)], backwards[int(anatomical)] = place, direction < 0
    if set(stored) != {0, 1, 2}:
        raise unreadable("the header must give an orientation", "none", "Repair the affine matrix.")
    cut = _AXES[options.plane]
    rows, columns = (axis for axis in (2, 1, 0) if axis != cut)
    check_pixels(shape[stored[rows]], shape[stored[columns]], options)
    count = int(shape[stored[cut]])
    if options.frame is None and count > 1:
        raise unreadable(
            "frame must be given for a volume",
            f"{count} slices and no frame",
            f"{pass_option(f'frame={count // 2}')} There are 0 to {count - 1}.",
        )
    frame = options.frame or 0
    if frame >= count:
        raise unreadable(
            f"frame must be below the number of slices, {count}",
            frame,
            f"{pass_option(f'frame={count // 2}')} There are 0 to {count - 1}.",
        )
    index: list[int | slice] = [slice(None)] * 3 + [0] * (len(shape) - 3)
    index[stored[cut]] = count - 1 - frame if backwards[cut] else frame
    values = np.asarray(volume.dataobj[tuple(index)])
    if stored[rows] > stored[columns]:
        values = values.T
    # Shown from the far end of each axis: the head or the front first, the right first.
    values = values if backwards[rows] else values[::-1]
    return values if backwards[columns] else values[:, ::-1], count


def _full_range(dtype: np.dtype[Any], scaling: Any) -> tuple[float, float] | None:
    """Return the range of whole-number voxels after the header's scaling; None for float voxels."""
    if dtype.kind == "f":
        return None
    limits: np.iinfo[Any] = np.iinfo(dtype)
    low, high = sorted(float(end) * scaling.slope + scaling.inter for end in (limits.min, limits.max))
    return low, high
