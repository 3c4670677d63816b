"""Several sources, one for each site, as one."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from re import Pattern
from typing import TYPE_CHECKING, Any

from medimg_cnn._types import ImageSize
from medimg_cnn._validation import explain
from medimg_cnn.data._records import Patients, PixelSource, Records, SourceOptions
from medimg_cnn.errors import ArgumentError

if TYPE_CHECKING:
    from medimg_cnn.data.readers import DecodedImage, ReadOptions

__all__ = ["JoinedPixels", "join_sites"]

_COLUMN = "site"


def join_sites(
    sources: Mapping[str, Any], options: SourceOptions, open_source: Callable[[Any, SourceOptions], Records]
) -> Records:
    """Read each site's source and put them one after the other, with a column "site".

    Sample ids and patient ids get the site's name in front; patient ids not where the user says that an id is one
    patient at all sites.

    Raises:
        ArgumentError: there are fewer than two sites, or only some of them know patients or parts.
    """
    if len(sources) < 2:
        raise ArgumentError(explain("source", "a mapping must name at least two sites", list(sources)))
    plain = _without_site(options)
    found = {
        site: open_source(source, replace(plain, patients=_of_site(options.patients, site)))
        for site, source in sources.items()
    }
    tables = list(found.values())
    for what, argument in (("patients", "patients"), ("parts", "split")):
        without = [site for site, table in found.items() if getattr(table, what) is None]
        if 0 < len(without) < len(found):
            raise ArgumentError(
                f"{argument}: either all sites or none must give {what}; {', '.join(map(repr, without))} give none. "
                "Add the column there, or pass None."
            )
    patients, said = _patients(found, shared=options.shared_patient_ids)
    names = list(tables[0].columns)
    columns: dict[str, Sequence[str]] = {
        name: _chain([table.columns[name] for table in tables]) for name in names
    }
    columns[_COLUMN] = [site for site, table in found.items() for _ in table.labels]
    return Records(
        sample_ids=[f"{site}/{name}" for site, table in found.items() for name in table.sample_ids],
        labels=_chain([table.labels for table in tables]),
        pixels=JoinedPixels([table.pixels for table in tables]),
        patients=patients,
        parts=None if tables[0].parts is None else _chain([table.parts or () for table in tables]),
        columns=columns,
        label_kind="boolean" if all(table.label_kind == "boolean" for table in tables) else "text",
        origin=" + ".join(found),
        label_hint=next((table.label_hint for table in tables if table.label_hint), ""),
        patient_hint=next((table.patient_hint for table in tables if table.patient_hint), ""),
        notes=(*(f"{site}: {note}" for site, table in found.items() for note in table.notes), *said),
        cautions=tuple(f"{site}: {text}" for site, table in found.items() for text in table.cautions),
    )


class JoinedPixels:
    """Several pixel sources, one after the other."""

    def __init__(self, sources: Sequence[PixelSource]) -> None:
        self._sources = sources
        self._starts = [0, *accumulate(len(source) for source in sources)]

    def __len__(self) -> int:
        return self._starts[-1]

    @property
    def native_size(self) -> ImageSize | None:
        """(height, width) where all sources have the same, else None."""
        sizes = {source.native_size for source in self._sources}
        return next(iter(sizes)) if len(sizes) == 1 else None

    def digest(self, index: int) -> str:
        """Return the digest of the image."""
        source, place = self._find(index)
        return source.digest(place)

    def decode(self, index: int, options: ReadOptions, minimum_size: ImageSize | None) -> DecodedImage:
        """Return the decoded image."""
        source, place = self._find(index)
        return source.decode(place, options, minimum_size)

    def _find(self, index: int) -> tuple[PixelSource, int]:
        which = bisect.bisect_right(self._starts, index) - 1
        return self._sources[which], index - self._starts[which]


def _without_site(options: SourceOptions) -> SourceOptions:
    if isinstance(options.subgroups, Mapping):
        step = "Name columns that every site's table has."
        raise ArgumentError(explain("subgroups", "must be names where sites are joined", "a mapping", step))
    return replace(options, subgroups=tuple(name for name in options.subgroups if name != _COLUMN))


def _patients(found: Mapping[str, Records], *, shared: bool) -> tuple[list[str] | None, tuple[str, ...]]:
    ids = {site: table.patients for site, table in found.items() if table.patients is not None}
    if not ids:
        return None, ()
    if shared:
        return _chain(list(ids.values())), ()
    sites_of = Counter(patient for patients in ids.values() for patient in set(patients))
    at_several = sum(count > 1 for count in sites_of.values())
    note = (
        f"Patient ids that occur at more than one site, taken for different patients: {at_several}. If they are the "
        "same patients pass shared_patient_ids=True."
    )
    prefixed = [f"{site}/{patient}" for site, patients in ids.items() for patient in patients]
    return prefixed, (note,) if at_several else ()


def _of_site(patients: Patients, site: str) -> Patients:
    if isinstance(patients, Mapping):
        start = f"{site}/"
        return {path.removeprefix(start): value for path, value in patients.items() if path.startswith(start)}
    if patients is None or isinstance(patients, (str, Pattern)) or callable(patients):
        return patients
    step = "Pass a column, a pattern, a function of the path, or a mapping from 'site/path'."
    raise ArgumentError(
        explain("patients", "several sites have no common order", type(patients).__name__, step)
    )


def _chain(columns: Sequence[Sequence[str]]) -> list[str]:
    return [value for column in columns for value in column]
