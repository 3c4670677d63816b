"""One DICOM file: what its header says, and the stored values of a frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medimg_cnn.data.readers._base import unreadable
from medimg_cnn.data.readers._codestream import codestream_size, is_cut_off
from medimg_cnn.errors import MissingDependencyError

__all__ = ["DicomFile"]

_EXTENDED_JPEG = "1.2.840.10008.1.2.4.51"
_JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")
# Not gdcm: on a damaged stream it was seen not to return.
_PLUGINS = ("pylibjpeg", "pyjpegls", "pillow", "pydicom")
_GPL = "pylibjpeg-libjpeg"
_PACKAGES = {
    "1.2.840.10008.1.2.4.51": _GPL,
    "1.2.840.10008.1.2.4.57": _GPL,
    "1.2.840.10008.1.2.4.70": _GPL,
    "1.2.840.10008.1.2.4.80": "pyjpegls",
    "1.2.840.10008.1.2.4.81": "pyjpegls",
    "1.2.840.10008.1.2.4.90": "pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.91": "pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.201": "pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.202": "pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.203": "pylibjpeg-openjpeg",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomFile:
    """A checked header, and where its pixels are.

    Attributes:
        header: the pydicom dataset of the tags in ``_TAGS``.
        source: what the pixels are decoded from: a stream, or a dataset that holds them.
        start: where in the stream the pixels begin; None for a dataset.
        syntax: transfer syntax UID.
        options: what pydicom's decoder needs to know.
        rows: height of a frame in pixels.
        columns: width of a frame in pixels.
        frames: number of frames.
        bits_stored: bits of a stored value; 32 for float.
        signed: whether stored values are signed.
        photometric: the photometric interpretation.
    """

    header: Any
    source: Any
    start: int | None
    syntax: str
    options: dict[str, Any]
    rows: int
    columns: int
    frames: int
    bits_stored: int
    signed: bool
    photometric: str

    @property
    def is_float(self) -> bool:
        """Whether the file holds float values."""
        return "Float" in self.options["pixel_keyword"]

    def facts(self) -> dict[str, str]:
        """Return facts for ``DecodedImage.metadata``; nothing of the patient."""
        facts = {"transfer_syntax": self.syntax, "bits_stored": str(self.bits_stored)}
        if str(self.header.get("BurnedInAnnotation", "")).upper() == "YES":
            facts["burned_in_annotation"] = "yes"
        return facts

    def stored_values(self, frame: int) -> tuple[NDArray[Any], str]:
        """Decode one frame.

        Returns:
            (rows, columns) or (rows, columns, 3) numbers, and the photometric interpretation they are now in.

        Raises:
            ImageReadError: the pixels do not fit the header.
            MissingDependencyError: no installed package decodes this transfer syntax.
        """
        from pydicom.pixels import get_decoder

        try:
            decoder = get_decoder(self.syntax)
        except NotImplementedError:
            raise unreadable(
                "the transfer syntax must be one that pydicom decodes",
                "another",
                "Decompress the file first.",
            ) from None
        samples = self.options["samples_per_pixel"]
        if not decoder.is_native:
            array, photometric = self._decompress(decoder, frame)
        elif self.options["bits_allocated"] == 1 and samples == 1:
            array, photometric = self._bits(frame), self.photometric
        else:
            array, properties = decoder.as_array(self._rewound(), index=frame, **self.options)
            photometric = str(properties["photometric_interpretation"])
        wanted = (self.rows, self.columns, samples) if samples > 1 else (self.rows, self.columns)
        if array.shape != wanted:
            raise unreadable(f"a frame must have the shape {wanted}", array.shape, "The file is damaged.")
        return array, photometric

    def _bits(self, frame: int) -> NDArray[np.uint8]:
        """Unpack a frame of single bits, which may begin within a byte: pydicom 3.0 then misses the last bits."""
        pixels = self.rows * self.columns
        first = frame * pixels
        begin, end = first // 8, (first + pixels + 7) // 8
        if self.start is None:
            packed = self.source.PixelData[begin:end]
        else:
            self.source.seek(self.start + begin)
            packed = self.source.read(end - begin)
        bits = np.unpackbits(np.frombuffer(packed, dtype=np.uint8), bitorder="little")
        return bits[first % 8 :][:pixels].reshape(self.rows, self.columns)

    def _decompress(self, decoder: Any, frame: int) -> tuple[NDArray[Any], str]:
        """Decode a compressed frame with the first plug-in that can."""
        failure: Exception = self._missing(decoder)
        for plugin in self._plugins(decoder):
            self._check_codestream(frame)
            try:
                array, properties = decoder.as_array(
                    self._rewound(), index=frame, decoding_plugin=plugin, **self.options
                )
                return array, str(properties["photometric_interpretation"])
            except ImportError:  # registered, but not importable
                continue
            except Exception as error:  # noqa: BLE001 - another plug-in may know better
                failure = error
        raise failure

    def _plugins(self, decoder: Any) -> list[str]:
        known = [name for name in _PLUGINS if name in decoder.available_plugins]
        if self.syntax == _EXTENDED_JPEG and self.bits_stored > 8:
            known = [name for name in known if name != "pillow"]  # its JPEG decoder has 8 bits
        return known

    def _missing(self, decoder: Any) -> MissingDependencyError:
        package = _PACKAGES.get(self.syntax, "pylibjpeg")
        free = package != _GPL
        install = 'pip install "medimg-cnn[dicom]"' if free else f"pip install pylibjpeg {_GPL}"
        note = "" if free else " (licensed under the GPL, therefore not part of an extra)"
        return MissingDependencyError(
            f"the transfer syntax {decoder.UID.name!r} needs the package {package!r}{note}, which is not "
            f"installed. Install it with: {install}"
        )

    def _check_codestream(self, frame: int) -> None:
        """Refuse, before decoding, compressed data that is cut off or of another size than the header's."""
        from pydicom.encaps import get_frame

        source = self._rewound()
        data = get_frame(
            source.PixelData if self.start is None else source,
            frame,
            number_of_frames=self.frames,
            extended_offsets=self.options.get("extended_offsets"),
        )
        if self.syntax in _JPEG_LS and is_cut_off(data):
            raise unreadable(
                "the compressed pixels must have an end", "none", "The file is cut off; get it again."
            )
        size = codestream_size(data)
        if size is not None and size != (self.rows, self.columns):
            raise unreadable(
                f"the compressed pixels must have the header's size, {self.rows} x {self.columns}",
                f"{size[0]} x {size[1]}",
                "The file is damaged; get it again.",
            )

    def _rewound(self) -> Any:
        if self.start is not None:
            self.source.seek(self.start)
        return self.source
