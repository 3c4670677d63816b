"""NIfTI: one slice of a volume, turned as a radiologist would see it."""

from __future__ import annotations

import gzip
import zlib
from typing import Any, BinaryIO

import numpy as np

from medimg_cnn._types import ImageSize
from medimg_cnn._validation import import_optional
from medimg_cnn.data.readers._base import DecodedImage, check_pixels, unreadable
from medimg_cnn.data.readers._options import ReadOptions
from medimg_cnn.data.readers._values import check_finite, map_window, scale_values

__all__ = ["NiftiReader"]

_AXES = {"sagittal": 0, "coronal": 1, "axial": 2}
_MAX_VOLUME = 2 * 2**30


class NiftiReader:
    """Reads one slice of a NIfTI volume (.nii or .nii.gz) with nibabel."""

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
        """Decode one slice; see ``Reader.read``. ``minimum_size`` is not used.

        The volume is turned to the nearest anatomical axes. Slices are counted from the feet (axial), from the back
        (coronal) or from the patient's left (sagittal). Axial and coronal slices show the patient's right at
        the left of the picture; the upper edge is anterior in axial slices and superior in the others.
        """
        del minimum_size
        nibabel = import_optional("nibabel", extra="nifti", why="a NIfTI volume")
        compressed = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        source = gzip.GzipFile(fileobj=stream, mode="rb") if compressed else stream
        size = int.from_bytes(source.read(4), "little")
        source.seek(0)
        kind = nibabel.Nifti2Image if size in (540, 0x1C020000) else nibabel.Nifti1Image
        volume = kind.from_stream(source)
        shape = volume.shape
        if len(shape) < 3 or any(side != 1 for side in shape[3:]):
            raise unreadable(
                "a NIfTI file must hold one volume of three dimensions", shape, "Split the file into volumes."
            )
        dtype = volume.get_data_dtype()
        if dtype.kind not in "iuf":
            raise unreadable("voxels must be plain numbers", dtype, "Convert the volume.")
        if min(shape) < 1 or int(np.prod(shape[:3], dtype=np.float64)) * dtype.itemsize > _MAX_VOLUME:
            raise unreadable(f"a volume may have at most {_MAX_VOLUME:,} bytes", shape, "Cut it into parts.")
        # For each anatomical axis (right, anterior, superior): which stored axis, and in which direction.
        orientation = nibabel.io_orientation(volume.affine)
        axis = _AXES[options.plane]
        stored_axis = {int(row[0]): place for place, row in enumerate(orientation)}
        flips = {int(row[0]): row[1] < 0 for row in orientation}
        if set(stored_axis) != {0, 1, 2}:
            raise unreadable(
                "the orientation must be given by the header", "none", "Repair the affine matrix."
            )
        count = shape[stored_axis[axis]]
        rows, columns = (other for other in (2, 1, 0) if other != axis)
        check_pixels(shape[stored_axis[rows]], shape[stored_axis[columns]], options)
        if options.frame is None and count > 1:
            raise unreadable(
                "frame must be given for a volume",
                f"{count} slices and no frame",
                f"Pass frame=0 to {count - 1}.",
            )
        frame = options.frame or 0
        if frame >= count:
            raise unreadable(
                f"frame must be below the number of slices, {count}",
                frame,
                f"Pass a frame from 0 to {count - 1}.",
            )
        index: list[int | slice] = [slice(None)] * 3 + [0] * (len(shape) - 3)
        index[stored_axis[axis]] = count - 1 - frame if flips[axis] else frame
        values = np.asarray(volume.dataobj[tuple(index)])
        if stored_axis[rows] > stored_axis[columns]:
            values = values.T
        # Now (rows, columns) along increasing stored direction; show superior or anterior first, right first.
        if not flips[rows]:
            values = values[::-1]
        if not flips[columns]:
            values = values[:, ::-1]
        slope, inter = volume.dataobj.slope, volume.dataobj.inter
        values = np.ascontiguousarray(values)
        check_finite(values)
        planes = [map_window(values, *bounds) for bounds in options.window_bounds]
        if not planes:
            planes = [scale_values(values, _full_range(dtype, slope, inter), options.value_range)]
        return DecodedImage(
            pixels=np.stack(planes, axis=-1),
            bit_depth=8 if dtype.itemsize == 1 else 16 if dtype.itemsize == 2 else 32,
            format="NIFTI",
            mode=str(dtype),
            frames=count,
        )


def _full_range(dtype: np.dtype[np.generic], slope: float, intercept: float) -> tuple[float, float] | None:
    """Return the range of whole-number voxels after the header's scaling; None for float voxels."""
    if dtype.kind == "f":
        return None
    limits: np.iinfo[Any] = np.iinfo(dtype)
    low, high = sorted((limits.min * slope + intercept, limits.max * slope + intercept))
    return low, high
