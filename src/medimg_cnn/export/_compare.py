"""Two bundles on the same images: one call, one document."""

from __future__ import annotations

from medimg_cnn._types import PathLike
from medimg_cnn.errors import ArgumentError
from medimg_cnn.export._bundle import Bundle, load_bundle
from medimg_cnn.reporting import ComparisonReport, compare_report
from medimg_cnn.training import ImageSource

__all__ = ["compare_bundles"]


def compare_bundles(
    a: Bundle | PathLike,
    b: Bundle | PathLike,
    data: ImageSource,
    *,
    data_b: ImageSource | None = None,
    names: tuple[str, str] | None = None,
    margin: float | None = None,
    level: float = 0.95,
    title: str | None = None,
) -> ComparisonReport:
    """Compare two frozen models on the same labelled images, each at its own locked threshold.

    Args:
        a: the first, or new, bundle or its path.
        b: the second, or reference, bundle or its path.
        data: read with ``load_external(source, preprocessing=a.preprocessing, classes=a.classes)``.
        data_b: the same images read with the preprocessing of ``b``, where that is another one.
        names: of both; by default those of the bundles.
        margin: non-inferiority margin of a against b, set before the data were seen.
        level: of every interval, above 0 and below 1.
        title: the heading.

    Raises:
        ArgumentError: the classes differ, or the preprocessing differs and ``data_b`` is not given.
        BundleError: a bundle at a path is refused.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> import medimg_cnn as mc
        >>> result = mc.artifacts.FitResult(
        ...     history=(), kept_epoch=0, operating_point=mc.OperatingPoint(threshold=0.4))
        >>> how = mc.data.Preprocessing(image_size=8, channels=1)
        >>> classes = ("well", "ill")
        >>> images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
        >>> elsewhere = mc.data.load_external(
        ...     (images, np.array(["well", "ill"] * 20)), preprocessing=how, classes=classes, patients=np.arange(40))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in "ab":
        ...         run = mc.Run(mc.build_cnn((8, 8, 1), width=4), result)
        ...         _ = mc.save_bundle(run, f"{folder}/{name}", preprocessing=how, classes=classes, name=name)
        ...     report = mc.export.compare_bundles(f"{folder}/a", f"{folder}/b", elsewhere)
        >>> report.auroc_difference.value
        0.0
    """
    first, second = (item if isinstance(item, Bundle) else load_bundle(item) for item in (a, b))
    if first.classes != second.classes:
        raise ArgumentError(f"b: must have the classes of a, {first.classes}; got {second.classes}.")
    if data_b is None and first.preprocessing != second.preprocessing:
        raise ArgumentError(
            "data_b: the bundles prepare images in different ways. Pass the same images read with "
            "load_external(..., preprocessing=b.preprocessing, classes=b.classes) as data_b=."
        )
    called = names or (first.name or "A", second.name or "B")
    if called[0] == called[1]:
        called = (f"{called[0]} (A)", f"{called[1]} (B)")
    return compare_report(
        first.run.predict(data),
        second.run.predict(data if data_b is None else data_b),
        names=called,
        operating_point_a=first.operating_point,
        operating_point_b=second.operating_point,
        margin=margin,
        level=level,
        title=title,
        facts={
            name: item.sha256[:16]
            for name, item in zip(("Bundle A", "Bundle B"), (first, second), strict=True)
        },
    )
