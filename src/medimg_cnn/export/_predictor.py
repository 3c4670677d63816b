"""``Predictor``: a bundle applied to images, one batch after the other."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from medimg_cnn._types import Image, PathLike
from medimg_cnn._validation import check_integer
from medimg_cnn.data._progress import Advance, progress_of
from medimg_cnn.errors import MedimgCnnError
from medimg_cnn.export._bundle import Bundle, load_bundle
from medimg_cnn.export._engine import filled
from medimg_cnn.export._inputs import Inputs, Item, Loaded, identity_of, open_inputs, read_file
from medimg_cnn.export._journal import Journal
from medimg_cnn.export._reference import Observed, intensity_profile

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ImagePrediction", "PredictionSummary", "Predictor"]

_AHEAD = 256
_MOST_WAITING = 32
"""Batches' worth of rows that may wait, of which most are errors, before they are given out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePrediction:
    """What the model says of one image.

    Attributes:
        file: its path, relative to the folder that was given; or the number or id of the image.
        logit: the model's output before calibration; None where the image could not be read.
        probability: of the positive class, calibrated, 0 to 1; None where the image could not be read.
        decision: the class at the locked operating point; "" where the image could not be read.
        abstain: whether the probability lies in the bundle's abstention band; False where it has none.
        out_of_scope: whether the image is unlike the training images; None where that is not known.
        scope_reason: by what it is unlike them: "size", "intensity", "features", joined by " and ".
        seconds: of reading it, and its share of the batch.
        error: why it could not be read; "" where it could.

    Example:
        >>> ImagePrediction(file="a.png", seconds=0.1, error="cut off").decision
        ''
    """

    file: str
    logit: float | None = None
    probability: float | None = None
    decision: str = ""
    abstain: bool = False
    out_of_scope: bool | None = None
    scope_reason: str = ""
    seconds: float
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionSummary:
    """What ``Predictor.predict_to`` wrote.

    Attributes:
        path: of the table.
        images: rows of the table, those of earlier calls included.
        errors: images that could not be read.
        positives: images called positive.
        abstained: images in the abstention band.
        out_of_scope: images unlike the training images.
        resumed_after: rows that were there already.
        seconds: of this call.

    Example:
        >>> PredictionSummary(path="a.csv", images=3, errors=1, positives=1, abstained=0, out_of_scope=0,
        ...                   resumed_after=0, seconds=0.5).images
        3
    """

    path: str
    images: int
    errors: int
    positives: int
    abstained: int
    out_of_scope: int
    resumed_after: int
    seconds: float


class Predictor:
    """Predicts images of any number with a bundle.

    The same images in the same order and batch size give bit for bit the probabilities of ``Run.predict`` on the
    same machine: reading, resizing, rounding and batches are the same.

    Args:
        bundle: what ``load_bundle`` returned, or the path of a bundle.
        scope: whether to look for images unlike the training images; it takes a second pass through the network.
        workers: threads that decode; None for the number of processors, at most 16.

    Raises:
        BundleError: the bundle at the path is refused.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> import medimg_cnn as mc
        >>> result = mc.artifacts.FitResult(
        ...     history=(), kept_epoch=0, operating_point=mc.OperatingPoint(threshold=0.4))
        >>> how = mc.data.Preprocessing(image_size=8, channels=1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = mc.Run(mc.build_cnn((8, 8, 1), width=4), result)
        ...     path = mc.save_bundle(run, f"{folder}/model", preprocessing=how, classes=("well", "ill"))
        ...     table = mc.Predictor(path).predict(np.zeros((2, 8, 8), np.uint8))
        >>> table[["probability", "decision"]].values.tolist()
        [[0.5, 'ill'], [0.5, 'ill']]
    """

    def __init__(self, bundle: Bundle | PathLike, *, scope: bool = True, workers: int | None = None) -> None:
        self.bundle = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
        self._reference = self.bundle.reference if scope else None
        threads = min(os.cpu_count() or 1, 16) if workers is None else workers
        self._workers = check_integer("workers", threads, low=1)

    def predict(self, images: Inputs, *, batch_size: int = 128, progress: bool | None = None) -> pd.DataFrame:
        """Return a table with one row per image, in their order; an unreadable one has its error.

        Args:
            images: a file, a folder, an archive (.zip, .tar) or paths, of any format that ``load_dataset`` reads; an
                array (n, height, width[, channels]) of uint8, uint16, or float in 0 to 1; or a ``Split``.
            batch_size: images at a time; at least 1.
            progress: None for a bar on a terminal; True for lines elsewhere; False for nothing.

        Returns:
            A pandas table with the columns of ``ImagePrediction``.

        Raises:
            ArgumentError: nothing of that kind can be predicted.
            DataError: a folder holds no image.
        """
        import pandas as pd

        rows = [
            asdict(row)
            for batch in self.stream(images, batch_size=batch_size, progress=progress)
            for row in batch
        ]
        return pd.DataFrame(rows, columns=[item.name for item in fields(ImagePrediction)])

    def predict_to(
        self,
        output: PathLike,
        images: Inputs,
        *,
        batch_size: int = 128,
        overwrite: bool = False,
        progress: bool | None = None,
    ) -> PredictionSummary:
        """Predict into a CSV file, a batch at a time; after an interruption, call it again to go on.

        Memory does not grow with the number of images. Each image has one row, also where the process was killed in
        between: what was being written then is cut off and written again. ``output + ".progress.json"`` says how far
        it is and what for; a finished table stays as it is.

        Args:
            output: ends with .csv.
            images: as in ``predict``.
            batch_size: as in ``predict``.
            overwrite: whether to begin anew where there is such a table.
            progress: as in ``predict``.

        Raises:
            ArgumentError: the table is of another bundle, batch size or source of images, a file of that name is no
                such table, or another process writes to it.
        """
        started = time.perf_counter()
        names = [item.name for item in fields(ImagePrediction)]
        job = {
            "bundle": self.bundle.sha256 or self.bundle.content_sha256(),
            "batch_size": check_integer("batch_size", batch_size, low=1),
            "scope": self._reference is not None,
            "images": identity_of(images),
        }
        opened = open_inputs(images, self.bundle.preprocessing)  # before anything is written
        with Journal.open(Path(output), columns=names, job=job, overwrite=overwrite) as journal:
            resumed = journal.rows
            batches = self._batches(
                opened, batch_size=batch_size, size=journal.size, done=journal.done, progress=progress
            )
            for rows, size in batches:
                counts = {
                    "errors": sum(bool(row.error) for row in rows),
                    "positives": sum(row.decision == self.bundle.classes[1] for row in rows),
                    "abstained": sum(row.abstain for row in rows),
                    "out_of_scope": sum(bool(row.out_of_scope) for row in rows),
                }
                journal.write([list(asdict(row).values()) for row in rows], counts, size=size)
            return PredictionSummary(
                path=str(output),
                images=journal.rows,
                **journal.counts,
                resumed_after=resumed,
                seconds=time.perf_counter() - started,
            )

    def stream(
        self, images: Inputs, *, batch_size: int = 128, progress: bool | None = None
    ) -> Iterator[list[ImagePrediction]]:
        """Yield the predictions batch by batch, in the order of the images; memory does not grow."""
        check_integer("batch_size", batch_size, low=1)
        opened = open_inputs(images, self.bundle.preprocessing)
        for rows, _ in self._batches(opened, batch_size=batch_size, progress=progress):
            yield rows

    def examine(self, file: PathLike | BinaryIO) -> tuple[ImagePrediction, Image | None]:
        """Predict one file, or binary stream that can seek, and return the prepared image beside it.

        Returns:
            The prediction, and the model's input (height, width, channels) float32; None where it cannot be read.
        """
        name = (
            os.fspath(file)
            if isinstance(file, (str, os.PathLike))
            else str(getattr(file, "name", None) or "stream")
        )
        one = _read(Item(name, lambda: read_file(file, self.bundle.preprocessing)))
        row = self._rows([one], 1)[0]
        return row, None if one.loaded is None else one.loaded.pixels

    def _batches(
        self,
        opened: tuple[Iterator[Item], int | None],
        *,
        batch_size: int,
        size: int | None = None,
        done: Any = None,
        progress: bool | None = None,
    ) -> Iterator[tuple[list[ImagePrediction], int]]:
        """Yield rows and the number of images that the compiled function takes."""
        items, total = opened
        todo = items if done is None else (item for item in items if not done(item.name))
        with (
            progress_of("Predicting images", total or 0, show=progress) as advance,
            ThreadPoolExecutor(self._workers, thread_name_prefix="medimg_cnn-decode") as pool,
        ):
            yield from self._batched(_in_order(pool, todo), batch_size, size, advance)

    def _batched(
        self, read: Iterator[_Read], batch_size: int, size: int | None, advance: Advance
    ) -> Iterator[tuple[list[ImagePrediction], int]]:
        waiting: list[_Read] = []
        readable = 0
        for one in read:
            waiting.append(one)
            readable += one.loaded is not None
            if readable == (size or batch_size) or len(waiting) >= _MOST_WAITING * batch_size:
                size = size or batch_size
                yield self._rows(waiting, size), size
                advance(len(waiting))
                waiting, readable = [], 0
        if waiting:
            # Fewer images than a batch in all: Run.predict then takes a batch of as many.
            size = size or max(readable, 1)
            yield self._rows(waiting, size), size
            advance(len(waiting))

    def _rows(self, waiting: list[_Read], size: int) -> list[ImagePrediction]:
        started = time.perf_counter()
        loaded = [one.loaded for one in waiting if one.loaded is not None]
        rows = iter(self._predicted(loaded, size) if loaded else [])
        share = (time.perf_counter() - started) / max(len(loaded), 1)
        return [
            ImagePrediction(file=one.name, seconds=one.seconds, error=one.error)
            if one.loaded is None
            else ImagePrediction(file=one.name, seconds=one.seconds + share, **next(rows))
            for one in waiting
        ]

    def _predicted(self, loaded: list[Loaded], size: int) -> list[dict[str, Any]]:
        bundle, n = self.bundle, len(loaded)
        images = filled(np.stack([one.pixels for one in loaded]), size)
        logit = bundle.engine.logits(images)[:n]
        probability = bundle.calibration.apply(logit)
        positive = probability >= bundle.operating_point.threshold
        low, high = bundle.abstention or (2.0, 2.0)
        abstain = (probability >= low) & (probability < high)
        out: list[bool | None] = [None] * n
        reasons = [""] * n
        if self._reference is not None:
            features = bundle.engine.features(images)[:n]
            sizes = np.array([one.size or (np.nan, np.nan) for one in loaded], dtype=np.float64)
            flags, reasons = self._reference.judge(Observed(sizes, intensity_profile(images[:n]), features))
            out = [bool(flag) for flag in flags]
        return [
            {
                "logit": float(logit[i]),
                "probability": float(probability[i]),
                "decision": bundle.classes[int(positive[i])],
                "abstain": bool(abstain[i]),
                "out_of_scope": out[i],
                "scope_reason": reasons[i],
            }
            if np.isfinite(logit[i])
            else {"error": "the model gives no finite value for this image"}
            for i in range(n)
        ]


@dataclass(frozen=True, slots=True)
class _Read:
    name: str
    loaded: Loaded | None
    error: str
    seconds: float


def _read(item: Item) -> _Read:
    started = time.perf_counter()
    try:
        loaded, error = item.load(), ""
    except (MedimgCnnError, OSError, MemoryError) as problem:
        loaded, error = None, " ".join(str(problem).split()) or f"{item.name}: {type(problem).__name__}"
    return _Read(item.name, loaded, error, time.perf_counter() - started)


def _in_order(pool: ThreadPoolExecutor, items: Iterable[Item]) -> Iterator[_Read]:
    """Read images by threads, in order, with a bounded number ahead."""
    waiting: deque[Future[_Read]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(_read, item))
            if len(waiting) >= _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
