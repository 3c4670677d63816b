"""The first pass: every image is hashed and decoded once, by a few threads, into shards."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._types import ImageSize
from medimg_cnn.data._cache import DamagedShardError, ShardFolder, default_cache_folder, shard_key
from medimg_cnn.data._preprocessing import Preprocessing
from medimg_cnn.data._progress import progress_of
from medimg_cnn.data._records import PixelSource
from medimg_cnn.data._store import ImageFacts, PixelStore, Shard, quantise
from medimg_cnn.data.readers import ReadOptions
from medimg_cnn.data.readers._quiet import quiet_decoders
from medimg_cnn.errors import ImageReadError, MissingDependencyError

__all__ = ["PixelOptions", "Prepared", "prepare"]

_SHARD_BYTES = 32 * 2**20
_WAITING_BYTES = 128 * 2**20
# The largest block that raises the threshold of glibc, 32 MiB, less its header.
_KEPT_BYTES = 31 * 2**20
_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelOptions:
    """How images become pixels of one size, and where these are kept.

    Attributes:
        image_size: (height, width) of the result.
        channels: 1, 3, or None: 1 where all images are grey, else 3.
        fit: how an image is made to fit; see ``Preprocessing``.
        read: see ``ReadOptions``.
        cache: folder to keep decoded images in for the next time; None for none unless memory is short.
        memory_budget: bytes of decoded images held in memory.
        workers: number of threads; None for the number of processors, at most 16.
        progress: see ``progress_of``.
    """

    image_size: ImageSize
    channels: Literal[1, 3] | None = None
    fit: Literal["stretch", "pad", "crop"] = "stretch"
    read: ReadOptions = field(default_factory=ReadOptions)
    cache: str | None = None
    memory_budget: int = 2 * 2**30
    workers: int | None = None
    progress: bool | None = None

    def preprocessing(self, channels: Literal[1, 3]) -> Preprocessing:
        """Return the preprocessing to a number of channels."""
        return Preprocessing(image_size=self.image_size, channels=channels, fit=self.fit, read=self.read)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What the first pass gives for n images.

    Attributes:
        store: the decoded images; a row of an unreadable one is not to be read.
        digests: the content hash of each image, "" where it is unreadable.
        facts: of each image as it was stored, None where it is unreadable.
        failures: position -> reason, for the unreadable.
        preprocessing: with the number of channels that was found.
        said: what a reader should know of the folder of decoded images: that images were written to it unasked, or
            that some in it were damaged; one sentence each.
    """

    store: PixelStore
    digests: Sequence[str]
    facts: Sequence[ImageFacts | None]
    failures: Mapping[int, str]
    preprocessing: Preprocessing
    said: tuple[str, ...] = ()


def prepare(pixels: PixelSource, options: PixelOptions) -> Prepared:
    """Hash and decode every image; take from the cache what is there already."""
    failures: dict[int, str] = {}
    _keep_freed_memory()
    workers = ThreadPoolExecutor(_workers(options.workers), thread_name_prefix="medimg_cnn-decode")
    with quiet_decoders(), workers as pool:  # once: to change the filters for each image costs
        digests = _digests(pixels, pool, failures, options.progress)
        first_of = {digest: index for index, digest in reversed(list(enumerate(digests))) if digest}
        builder = _Shards(pixels, options, pool, failures)
        shards, places, facts = builder.build(first_of)
    for digest, index in first_of.items():
        if index in failures:
            failures |= {copy: failures[index] for copy, other in enumerate(digests) if other == digest}
    known = [facts.get(digest) for digest in digests]
    colour = any(item.colour for item in known if item is not None)
    channels: Literal[1, 3] = options.channels or (3 if colour or options.read.channels_by_window == 3 else 1)
    where = np.array([places.get(digest, (-1, -1)) for digest in digests], dtype=np.int64).reshape(-1, 2)
    store = PixelStore(shards, where, (*options.image_size, channels), memory_budget=options.memory_budget)
    return Prepared(
        store=store,
        digests=digests,
        facts=known,
        failures=failures,
        preprocessing=options.preprocessing(channels),
        said=builder.said,
    )


def _digests(
    pixels: PixelSource, pool: ThreadPoolExecutor, failures: dict[int, str], show: bool | None
) -> list[str]:
    def digest(index: int) -> str | ImageReadError:
        try:
            return pixels.digest(index)
        except ImageReadError as error:
            return error

    found = []
    with progress_of("Hashing images", len(pixels), show=show) as advance:
        for index, result in enumerate(_bounded_map(pool, digest, range(len(pixels)), ahead=1024)):
            if isinstance(result, ImageReadError):
                failures[index] = str(result)
            found.append("" if isinstance(result, ImageReadError) else result)
            advance()
    return found


class _Shards:
    """Builds the shards of a set of images, by content."""

    def __init__(
        self, pixels: PixelSource, options: PixelOptions, pool: ThreadPoolExecutor, failures: dict[int, str]
    ) -> None:
        self._pixels, self._options, self._pool, self._failures = pixels, options, pool, failures
        # Grey images are decoded and kept as one channel also where three are asked for: the pixels are the same.
        self._grey = Preprocessing(image_size=options.image_size, channels=1, fit=options.fit)
        self._colour = Preprocessing(image_size=options.image_size, channels=3, fit=options.fit)
        self._key = options.preprocessing(options.channels or 3).sha256()
        self._folder = ShardFolder(default_cache_folder() if options.cache is None else Path(options.cache))
        self._held = 0
        self._spilled = 0
        self._damaged: list[str] = []
        self.shards: list[Shard] = []
        self.places: dict[str, tuple[int, int]] = {}
        self.facts: dict[str, ImageFacts] = {}

    def build(
        self, first_of: Mapping[str, int]
    ) -> tuple[list[Shard], dict[str, tuple[int, int]], dict[str, ImageFacts]]:
        with progress_of("Decoding images", len(first_of), show=self._options.progress) as advance:
            waiting: list[tuple[list[str], str]] = []
            buckets = _buckets(sorted(first_of), self._options.image_size)
            keys = [shard_key(digests, self._key) for digests in buckets]
            found = _bounded_map(self._pool, self._stored, keys, ahead=64)
            for digests, key, stored in zip(buckets, keys, found, strict=True):
                if stored is None:
                    waiting.append((digests, key))
                else:
                    self._add(digests, *stored)
                    advance(len(digests))
            jobs = [first_of[digest] for digests, _ in waiting for digest in digests]
            results = _bounded_map(self._pool, self._decode, jobs, ahead=_ahead(self._options.image_size))
            for digests, key in waiting:
                self._fill(digests, key, first_of, results, advance)
        return self.shards, self.places, self.facts

    @property
    def said(self) -> tuple[str, ...]:
        said = []
        if self._damaged:
            said.append(
                f"Damaged files of decoded images in {self._folder.path}: {len(self._damaged)}, for example "
                f"{self._damaged[0]}.npy. They were not used, and their images were decoded again. If this happens "
                "again, check the disk, or pass cache= with another folder."
            )
        if self._spilled:
            said.append(
                f"Decoded images beyond memory_budget ({self._options.memory_budget:,} bytes) were written to "
                f"{self._folder.path}: {self._spilled:,} bytes, which stay there. Pass cache= to choose the folder, or "
                "a larger memory_budget."
            )
        return tuple(said)

    def _stored(self, key: str) -> tuple[Shard, list[ImageFacts]] | None:
        if self._options.cache is None:
            return None
        try:
            return self._folder.load(key)
        except DamagedShardError:
            self._damaged.append(key)
            return None

    def _fill(
        self,
        digests: Sequence[str],
        key: str,
        first_of: Mapping[str, int],
        results: Iterator[tuple[NDArray[Any], ImageFacts] | str],
        advance: Callable[[int], None],
    ) -> None:
        images, facts, kept = [], [], []
        for digest in digests:
            result = next(results)
            advance(1)
            if isinstance(result, str):
                self._failures[first_of[digest]] = result
                continue
            images.append(result[0])
            facts.append(result[1])
            kept.append(digest)
        if not images:
            return
        pixels = _stack(images)
        if self._options.cache is not None or self._held + pixels.nbytes > self._options.memory_budget:
            # With an unreadable image the name is that of the images that are there, so it is tried again.
            shard = self._folder.save(
                key if len(kept) == len(digests) else shard_key(kept, self._key), pixels, facts
            )
            self._spilled += shard.nbytes if self._options.cache is None else 0
        else:
            shard = Shard(pixels, pixels.nbytes)
        self._add(kept, shard, facts)

    def _add(self, digests: Sequence[str], shard: Shard, facts: Sequence[ImageFacts]) -> None:
        if self._held + shard.nbytes <= self._options.memory_budget:
            self._held += shard.nbytes
            if not isinstance(shard.pixels, np.ndarray):
                shard = Shard(np.load(shard.pixels, allow_pickle=False), shard.nbytes)
        number = len(self.shards)
        self.shards.append(shard)
        for row, (digest, fact) in enumerate(zip(digests, facts, strict=True)):
            self.places[digest] = (number, row)
            self.facts[digest] = fact

    def _decode(self, index: int) -> tuple[NDArray[Any], ImageFacts] | str:
        try:
            image = self._pixels.decode(index, self._options.read, self._options.image_size)
        except (ImageReadError, MissingDependencyError) as error:
            return str(error)
        height, width, channels = image.pixels.shape
        grey = channels == 1 or self._options.channels == 1
        values = quantise(
            (self._grey if grey else self._colour).apply(image.pixels, extent=image.extent), image.bit_depth
        )
        facts = ImageFacts(
            format=image.format,
            mode=image.mode,
            bit_depth=image.bit_depth,
            height=int(image.metadata.get("stored_height", height)),
            width=int(image.metadata.get("stored_width", width)),
            colour=values.shape[2] == 3,
        )
        return values, facts


def _buckets(digests: Sequence[str], size: ImageSize) -> list[list[str]]:
    """Group sorted digests by their first bits, so that one more image changes one group."""
    if not digests:
        return []
    wanted = max(1, _SHARD_BYTES // (size[0] * size[1] * 2))
    bits = max(0, (len(digests) // wanted).bit_length())
    groups: dict[int, list[str]] = {}
    for digest in digests:
        groups.setdefault(int(digest[:8], 16) >> (32 - bits), []).append(digest)
    return list(groups.values())


def _ahead(size: ImageSize) -> int:
    """Return how many decoded images may wait for the one before them."""
    return max(32, min(1024, _WAITING_BYTES // (size[0] * size[1] * 6)))


def _stack(images: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Stack images; 8 bits become 16 by 257, and one channel three, where another image needs it. Both are exact."""
    wide = any(image.dtype == np.uint16 for image in images)
    channels = max(image.shape[2] for image in images)
    shape = (len(images), *images[0].shape[:2], channels)
    out = np.empty(shape, dtype=np.uint16 if wide else np.uint8)
    for row, image in enumerate(images):
        factor = 257 if wide and image.dtype == np.uint8 else 1
        np.multiply(image, factor, out=out[row], dtype=out.dtype, casting="unsafe")
    return out


def _bounded_map(
    pool: ThreadPoolExecutor, function: Callable[[_T], _R], items: Sequence[_T], *, ahead: int
) -> Iterator[_R]:
    """Apply a function by threads, in order, with about ``ahead`` results waiting at most."""
    chunk = max(1, min(16, ahead // 64))  # a hand-over to a thread costs as much as a small image

    def several(start: int) -> list[_R]:
        return [function(item) for item in items[start : start + chunk]]

    waiting: deque[Future[list[_R]]] = deque()
    try:
        for start in range(0, len(items), chunk):
            waiting.append(pool.submit(several, start))
            if len(waiting) * chunk >= ahead:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _keep_freed_memory() -> None:
    """Have glibc keep the memory of one image for the next.

    It gives blocks above a threshold back at once, and the kernel then hands out and zeroes new pages for every image,
    which took a fifth of the time of decoding. The threshold follows the largest block that was ever freed (mallopt(3),
    M_MMAP_THRESHOLD); this one is never touched and so costs nothing. Other allocators are not changed by it.
    """
    np.empty(_KEPT_BYTES, dtype=np.uint8)  # freed at once


def _workers(workers: int | None) -> int:
    return workers or min(os.cpu_count() or 1, 16)
