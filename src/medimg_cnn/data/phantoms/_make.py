"""``make_phantoms``: a folder of synthetic images with a table of labels."""

from __future__ import annotations

import csv
import io
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medimg_cnn._types import ImageSize, PathLike
from medimg_cnn._validation import explain
from medimg_cnn.data.phantoms._cohort import CLASSES, Cohort, PhantomFormat, Shot
from medimg_cnn.data.phantoms._files import write_image
from medimg_cnn.data.phantoms._render import render_phantom
from medimg_cnn.errors import ArgumentError

__all__ = ["make_phantoms"]

_VERSION = 1  # of the drawing: raise it with every change that alters a pixel
_RECORD = "phantoms.json"
_TABLE = "labels.csv"
_NOTICE = """SYNTHETIC IMAGES

Every image in this folder was drawn by a program (medimg_cnn.data.phantoms). None shows a person, and the
patients, hospitals, sexes and ages in labels.csv are made up. They look a little like chest films so that
software can be tried out. Nothing that is measured on them says anything about medicine.

The classes: patients of "lesion" have one soft, irregular, round shadow in a lung; those of "no_lesion" have
a streak of the same brightness and area instead. Calcifications, vessels and smaller streaks occur in both.
A label belongs to the patient: on some images of a "lesion" patient the shadow is too faint to see.

How it was made: {record}. To make it again: make_phantoms with those parameters.
"""


def make_phantoms(
    folder: PathLike,
    *,
    patients: int = 400,
    images_per_patient: tuple[int, int] | int = (1, 4),
    prevalence: float = 0.5,
    effect: float = 1.0,
    image_size: ImageSize | int = (64, 64),
    format: PhantomFormat = "png",  # noqa: A002 - the word users look for
    sites: int = 3,
    seed: int = 0,
    progress: bool = True,
) -> Path:
    """Write a folder of synthetic chest-film-like images in two classes, "no_lesion" and "lesion".

    For trying the library out, for its documentation and for tests: the images are drawn, show no person
    and say nothing about medicine; the folder's README.txt and every DICOM header say so too.

    A patient of "lesion" has one soft, irregular, round shadow in a lung; its contrast varies, and on some
    images it is too faint to see. A patient of "no_lesion" has a streak of the same contrast and area
    instead, and both have calcifications, vessels and smaller streaks, so that grey-level statistics hardly
    tell the classes apart. The label belongs to the patient. Images of a patient share the anatomy and differ in pose,
    exposure and noise. Site, sex and age say nothing about the class; each site has its own exposure and noise.

    The folder holds ``<class>/<patient>_<image>.<png or dcm>``, ``labels.csv`` (path, label, patient_id, site,
    sex, age), ``README.txt`` and ``phantoms.json`` (the parameters). It is written beside its place and then
    moved there, so that a folder that exists is complete. The same parameters give the same bytes, with the
    same versions of NumPy, SciPy and Pillow.

    Args:
        folder: where to write. It must not exist, be empty, or hold phantoms of the same parameters, which
            are then used as they are.
        patients: number of patients, at least 2.
        images_per_patient: (fewest, most), each equally likely, at least 1; or one number.
        prevalence: share of patients with a lesion, 0 to 1, rounded to whole patients.
        effect: factor on the contrast of lesions and streaks, 0 to 10. With 0 the classes do not differ.
        image_size: (height, width) in pixels, or one number for a square; at least 16.
        format: "png" (8 bits), "png16" (16 bits) or "dicom" (12 bits, uncompressed, secondary capture).
        sites: number of hospitals, 1 to 26.
        seed: 0 to 2**31 - 1.
        progress: whether to show a bar on a terminal while many images are written.

    Returns:
        The folder.

    Raises:
        ArgumentError: an argument breaks its rule, or the folder holds something else.

    Example:
        >>> import tempfile
        >>> from medimg_cnn.data.phantoms import make_phantoms
        >>> folder = make_phantoms(tempfile.mkdtemp(), patients=4, images_per_patient=2, image_size=32)
        >>> sorted(path.name for path in folder.iterdir())
        ['README.txt', 'labels.csv', 'lesion', 'no_lesion', 'phantoms.json']
        >>> (folder / "labels.csv").read_text().splitlines()[0]
        'path,label,patient_id,site,sex,age'
    """
    cohort = Cohort(
        patients=patients,
        images_per_patient=images_per_patient,  # type: ignore[arg-type] # the record turns one number into two
        prevalence=prevalence,
        effect=effect,
        image_size=image_size,  # type: ignore[arg-type] # the same
        format=format,
        sites=sites,
        seed=seed,
    )
    target = Path(folder)
    if _is_usable(target, cohort):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as temporary:
        unfinished = Path(temporary) / "phantoms"
        _write(unfinished, cohort, progress=progress)
        _move(unfinished, target, cohort)
    return target


def _is_usable(target: Path, cohort: Cohort) -> bool:
    """Whether the folder already holds these phantoms; False where it is free.

    Raises:
        ArgumentError: the folder holds something else.
    """
    if not target.exists():
        return False
    if not target.is_dir():
        raise ArgumentError(explain("folder", "must be a folder", str(target), "Name another place."))
    if not any(target.iterdir()):
        return False
    found = _read_record(target)
    another = "Name another folder, or delete this one."
    if found is None:
        raise ArgumentError(
            explain("folder", "must be empty, new, or hold phantoms already", str(target), another)
        )
    if found.get("version") != _VERSION:
        raise ArgumentError(f"folder: {target} holds phantoms of another version of medimg_cnn. {another}")
    differences = cohort.differences(found)
    if differences:
        raise ArgumentError(
            f"folder: {target} holds phantoms made with other parameters ({'; '.join(differences)}). {another}"
        )
    missing = [shot.path for shot in cohort.shots() if not (target / shot.path).is_file()]
    missing += [name for name in (_TABLE,) if not (target / name).is_file()]
    if missing:
        raise ArgumentError(
            f"folder: {target} has lost {len(missing)} of its files, {missing[0]} for one. {another}"
        )
    return True


def _read_record(target: Path) -> dict[str, Any] | None:
    try:
        content = json.loads((target / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _write(folder: Path, cohort: Cohort, *, progress: bool) -> None:
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
    shots = cohort.shots()
    with _progress_bar(shots, show=progress) as images:
        for shot in images:
            pixels = render_phantom(
                seed=cohort.seed,
                patient=shot.member.number,
                image=shot.image,
                lesion=shot.member.lesion,
                effect=cohort.effect,
                site=shot.member.site,
                image_size=cohort.image_size,
            )
            write_image(folder / shot.path, pixels, cohort=cohort, shot=shot)
    table = io.StringIO()
    rows = [shot.row() for shot in shots]
    writer = csv.DictWriter(table, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    record = {"synthetic": True, "version": _VERSION, **cohort.to_dict()}
    for name, text in (
        (_TABLE, table.getvalue()),
        ("README.txt", _NOTICE.format(record=json.dumps(record))),
        (_RECORD, json.dumps(record, indent=2) + "\n"),
    ):
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


def _move(unfinished: Path, target: Path, cohort: Cohort) -> None:
    """Put the finished folder in its place; another process may have been faster."""
    if target.is_dir() and not any(target.iterdir()):
        target.rmdir()
    try:
        unfinished.rename(target)
    except OSError:
        if not _is_usable(target, cohort):
            raise


@contextmanager
def _progress_bar(shots: Sequence[Shot], *, show: bool) -> Iterator[Iterator[Shot]]:
    if not (show and len(shots) >= 200 and sys.stderr.isatty()):
        yield iter(shots)
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(file=sys.stderr), transient=True) as bar:
        yield iter(bar.track(shots, description="Drawing phantoms"))
