"""One part of a dataset, as batches that Keras takes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medimg_cnn._keras import keras
from medimg_cnn._types import Images, IntVector, StrVector
from medimg_cnn._validation import check_integer, check_seed, explain
from medimg_cnn.artifacts import DatasetFingerprint
from medimg_cnn.data._preprocessing import Preprocessing
from medimg_cnn.data._store import PixelStore
from medimg_cnn.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BatchIterator", "PartTable", "Split"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PartTable:
    """The rows of one part: what is known of its n images but for their pixels.

    Attributes:
        rows: (n,) int64, where each image lies in the store.
        facts: of each image as it was stored at its source: format, mode, bit_depth, height, width.
    """

    part: str
    labels: NDArray[np.int8]
    sample_ids: StrVector
    rows: IntVector
    classes: tuple[str, str]
    patient_ids: StrVector | None = None
    subgroups: Mapping[str, StrVector] = field(default_factory=dict)
    facts: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def select(self, chosen: IntVector, *, part: str | None = None) -> PartTable:
        """Return the rows at these positions, under the name of a part."""
        return replace(
            self,
            part=self.part if part is None else part,
            labels=self.labels[chosen],
            sample_ids=self.sample_ids[chosen],
            rows=self.rows[chosen],
            patient_ids=None if self.patient_ids is None else self.patient_ids[chosen],
            subgroups={name: values[chosen] for name, values in self.subgroups.items()},
            facts={name: values[chosen] for name, values in self.facts.items()},
        )


class Split(keras.utils.PyDataset):  # type: ignore[misc] # Keras ships no types
    """One part of a dataset: labels, ids and batches of images.

    Feeds ``keras.Model.fit``, ``evaluate`` and ``predict`` directly. Where ``shuffle`` is True the order of the
    images is another one each epoch, and follows from the seed and the epoch alone; ``order`` gives it. Keras's
    ``fit`` also shuffles the batches, by Python's global generator: pass ``shuffle=False`` to it for an order that
    follows from the seed alone. A second ``fit`` goes on with the epochs that follow; ``restart`` begins again.

    Batches are read from decoded images, so Keras's worker threads would gain nothing, and with them ``fit`` sees
    some batches twice in its first epoch and others not (Keras 3.15: what it read ahead while it looked at the first
    batch is served again). ``workers`` is therefore 1, and cannot be set higher.

    Made by ``load_dataset`` and ``load_external``; not to be built by hand.

    Attributes:
        part: "train", "validation", "test" or "external".
        labels: (n,) int8, 1 = positive.
        sample_ids: (n,) texts.
        patient_ids: (n,) texts, or None where patients are not known.
        subgroups: column -> (n,) texts.
        facts: of each image as it was stored at its source: format, mode, bit_depth, height, width.
        classes: (negative, positive) names.
        image_shape: (height, width, channels).
        batch_size: images in a batch; the last one of an epoch may be smaller.
        seed: of the order.
        shuffle: whether the order changes each epoch.
        fingerprint: of the whole dataset.
        preprocessing: how an image became a model's input; what a prediction on a new image must repeat.

    Example:
        >>> import numpy as np
        >>> from medimg_cnn.data import load_dataset
        >>> images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
        >>> data = load_dataset((images, np.arange(40) % 2), positive=1, patients=np.arange(40), batch_size=16)
        >>> x, y = data.train[0]
        >>> x.shape, x.dtype.name, y.shape, len(data.train)
        ((16, 8, 8, 1), 'float32', (16, 1), 2)
    """

    def __init__(
        self,
        table: PartTable,
        store: PixelStore,
        *,
        fingerprint: DatasetFingerprint,
        preprocessing: Preprocessing,
        batch_size: int = 32,
        seed: int = 0,
        shuffle: bool = False,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        super().__init__()
        self._table = table
        self._store = store
        self._preprocessing = preprocessing
        self.fingerprint = fingerprint
        self.batch_size = check_integer("batch_size", batch_size, low=1)
        self.seed = check_seed("seed", seed)
        self.shuffle = shuffle
        self._share = share
        self._epoch = 0
        self._served: set[int] = set()
        self._current: tuple[int, IntVector] | None = None

    @property
    def workers(self) -> int:
        """Always 1; see above."""
        return 1

    @workers.setter
    def workers(self, value: int) -> None:
        rule = "must be 1: with more, Keras repeats some batches of the first epoch and omits others"
        if value != 1:
            raise ArgumentError(explain("workers", rule, value))

    @property
    def part(self) -> str:
        """The part's name: "train", "validation", "test" or "external"."""
        return self._table.part

    @property
    def labels(self) -> NDArray[np.int8]:
        """(n,) int8, 1 = positive."""
        return self._table.labels

    @property
    def sample_ids(self) -> StrVector:
        """(n,) texts, each its own."""
        return self._table.sample_ids

    @property
    def patient_ids(self) -> StrVector | None:
        """(n,) texts, or None where patients are not known."""
        return self._table.patient_ids

    @property
    def subgroups(self) -> Mapping[str, StrVector]:
        """Column name -> (n,) texts."""
        return self._table.subgroups

    @property
    def facts(self) -> Mapping[str, NDArray[Any]]:
        """Of each image as it was stored at its source, (n,) each: format, mode, bit_depth, height, width."""
        return self._table.facts

    @property
    def classes(self) -> tuple[str, str]:
        """(negative, positive) names."""
        return self._table.classes

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self._store.image_shape

    @property
    def preprocessing(self) -> Preprocessing:
        """How an image became a model's input; that of the dataset."""
        return self._preprocessing

    @property
    def n(self) -> int:
        """Number of images."""
        return int(self._table.labels.size)

    @property
    def prevalence(self) -> float:
        """Share of positives, 0 to 1."""
        return float(self._table.labels.mean())

    @property
    def table(self) -> pd.DataFrame:
        """A pandas table with one row per image."""
        import pandas as pd

        table = self._table
        columns: dict[str, Any] = {"sample_id": table.sample_ids, "part": table.part}
        columns |= {"label": np.asarray(table.classes)[table.labels], "y": table.labels}
        if table.patient_ids is not None:
            columns["patient_id"] = table.patient_ids
        return pd.DataFrame(columns | dict(table.subgroups) | dict(table.facts))

    def __len__(self) -> int:
        return math.ceil(self._served_images / self.batch_size)

    def __getitem__(self, index: int) -> tuple[Images, NDArray[np.float32]]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        index %= len(self)
        self._served.add(index)
        return self.batch(index, epoch=self._epoch)

    def __repr__(self) -> str:
        height, width, channels = self.image_shape
        return (
            f"<Split {self.part}: {self.n} images of {height} x {width} x {channels}, "
            f"{int(self.labels.sum())} {self.classes[1]}, {len(self)} batches>"
        )

    @property
    def epoch(self) -> int:
        """The epoch, counted from 0, whose order ``split[i]`` follows."""
        return self._epoch

    def restart(self, epoch: int = 0) -> None:
        """Make ``epoch`` the one whose order comes next."""
        self._epoch = check_integer("epoch", epoch, low=0)
        self._served = set()

    def on_epoch_end(self) -> None:
        """Go on to the next epoch's order; Keras calls this. Nothing happens before all batches were read."""
        if len(self._served) == len(self):  # Keras also calls this after it has looked at the first batch
            self._epoch += 1
            self._served = set()

    def order(self, epoch: int) -> IntVector:
        """Return the positions of the images in an epoch, (n,) int64: a pure function of seed and epoch.

        Without shuffling it is 0, 1, 2, ... A sharded split returns the share of its process.
        """
        check_integer("epoch", epoch, low=0)
        if not self.shuffle:
            return np.arange(self.n, dtype=np.int64)
        # A fixed algorithm under fixed keys; a plain default_rng could change with NumPy.
        key = hashlib.sha256(f"medimg_cnn order {self.seed} {epoch}".encode()).digest()
        bits = np.random.Philox(key=np.frombuffer(key[:16], dtype=np.uint64))
        ranks = bits.random_raw(self.n)
        order = np.argsort(ranks, kind="stable").astype(np.int64)
        index, count = self._share
        return order[index : self._served_images * count : count]

    def batch(self, index: int, *, epoch: int) -> tuple[Images, NDArray[np.float32]]:
        """Return batch ``index`` of an epoch: x (b, h, w, c) float32 in 0 to 1 and y (b, 1) float32."""
        chosen = self._order(epoch)[index * self.batch_size : (index + 1) * self.batch_size]
        return self.read(chosen), self.labels[chosen].astype(np.float32)[:, None]

    def iterate(self, *, epoch: int = 0, batch: int = 0) -> BatchIterator:
        """Return an endless iterator over batches, epoch after epoch, from a given place.

        Its ``state`` says where it is; passed here again it goes on from there.
        """
        return BatchIterator(self, epoch=epoch, batch=batch)

    def read(self, indices: IntVector) -> Images:
        """Return the images at these positions, (m, h, w, c) float32 in 0 to 1; safe from several threads."""
        return self._store.read(self._table.rows[np.asarray(indices, dtype=np.int64)])

    def read_stored(self, indices: IntVector) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Return what ``read`` returns as it is kept: integers, of which the largest value of their kind is 1.

        (m, h, w, c) uint8, or uint16 where an image of the dataset has more than 8 bits; where all of it is grey there
        is one channel, also where ``read`` repeats it. A quarter of the bytes or less, so that a device that turns
        them into float32 itself waits less for them.
        """
        return self._store.read_stored(self._table.rows[np.asarray(indices, dtype=np.int64)])

    def arrays(self) -> tuple[Images, NDArray[np.int8]]:
        """Return all images (n, h, w, c) float32 and labels (n,) int8, in the order of the table."""
        return self.read(np.arange(self.n, dtype=np.int64)), self.labels.copy()

    def ordered(self) -> Split:
        """Return the same images in the order of the table, without shuffling."""
        return self._like(shuffle=False, share=(0, 1))

    def with_batch_size(self, batch_size: int) -> Split:
        """Return the same images in batches of another size."""
        return self._like(batch_size=batch_size)

    def select(self, indices: IntVector) -> Split:
        """Return a split of the images at these positions, for example to look at a few or to learn from fewer."""
        chosen = np.asarray(indices, dtype=np.int64)
        if chosen.size == 0:
            raise ArgumentError(explain("indices", "must name at least one image", indices))
        return self._like(table=self._table.select(chosen))

    def shard(self, index: int, count: int) -> Split:
        """Return the share of one of several processes that train together: 1 / count of each epoch's order.

        All shares have the same number of images and batches: where ``count`` does not divide n, the images left
        over, fewer than ``count`` and others each epoch, sit out.

        Raises:
            ArgumentError: the split is not shuffled (every image of validation and test must be seen once: let
                each process see them all), or there are more processes than images.
        """
        check_integer("count", count, low=1, high=self.n)
        check_integer("index", index, low=0, high=count - 1)
        if not self.shuffle or self._share != (0, 1):
            raise ArgumentError(
                explain(
                    "shard",
                    "only a shuffled split that is not a share already can be shared",
                    self,
                    "Give every process all images of validation and test.",
                )
            )
        return self._like(share=(index, count))

    @property
    def _served_images(self) -> int:
        return self.n // self._share[1]

    def _order(self, epoch: int) -> IntVector:
        current = self._current
        if current is None or current[0] != epoch:
            current = (epoch, self.order(epoch))
            self._current = current
        return current[1]

    def _like(self, **changes: Any) -> Split:
        values: dict[str, Any] = {
            "table": self._table,
            "store": self._store,
            "fingerprint": self.fingerprint,
            "preprocessing": self._preprocessing,
            "batch_size": self.batch_size,
            "seed": self.seed,
            "shuffle": self.shuffle,
            "share": self._share,
        }
        return Split(**(values | changes))


class BatchIterator:
    """Batches without end; ``state`` names the next one.

    Example:
        >>> import numpy as np
        >>> from medimg_cnn.data import load_dataset
        >>> images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
        >>> data = load_dataset((images, np.arange(40) % 2), positive=1, patients=np.arange(40), batch_size=16)
        >>> batches = data.train.iterate()
        >>> _ = next(batches)
        >>> batches.state
        {'epoch': 0, 'batch': 1}
        >>> again = data.train.iterate(**batches.state)
        >>> bool((next(batches)[0] == next(again)[0]).all())
        True
    """

    def __init__(self, split: Split, *, epoch: int = 0, batch: int = 0) -> None:
        self._split = split
        self._epoch = check_integer("epoch", epoch, low=0)
        self._batch = check_integer("batch", batch, low=0, high=len(split))

    @property
    def state(self) -> dict[str, int]:
        """The epoch and batch that come next, for ``Split.iterate``."""
        return {"epoch": self._epoch, "batch": self._batch}

    def __iter__(self) -> Iterator[tuple[Images, NDArray[np.float32]]]:
        return self

    def __next__(self) -> tuple[Images, NDArray[np.float32]]:
        if self._batch >= len(self._split):
            self._epoch, self._batch = self._epoch + 1, 0
        batch = self._split.batch(self._batch, epoch=self._epoch)
        self._batch += 1
        return batch
