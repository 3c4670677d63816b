"""Decoders are kept quiet, and nobody else is."""

from __future__ import annotations

import logging
import threading
import warnings

import pytest

from medimg_cnn.data.readers._quiet import quiet_decoders


def warn_as(module: str) -> None:
    warnings.warn_explicit("a warning", UserWarning, f"{module}.py", 1, module=module)


def test_only_decoders_are_quiet() -> None:
    with quiet_decoders():
        warn_as("PIL.TiffImagePlugin")
        warn_as("pydicom.valuerep")
        warn_as("medimg_cnn.data.readers._dicom")
        with pytest.warns(UserWarning, match="a warning"):
            warn_as("somebody.elses")
        with pytest.warns(UserWarning, match="a warning"):
            warn_as("medimg_cnn.data._dataset")
    with pytest.warns(UserWarning, match="a warning"):
        warn_as("PIL.TiffImagePlugin")


def test_log_lines_of_pydicom_are_dropped(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("pydicom")
    with quiet_decoders():
        logger.warning("inside")
    logger.warning("outside")
    assert [record.message for record in caplog.records] == ["outside"]


def test_filters_are_as_before_after_an_error_and_after_nesting() -> None:
    before = list(warnings.filters)
    with pytest.raises(ValueError, match="on purpose"), quiet_decoders(), quiet_decoders():
        raise ValueError("on purpose")
    assert list(warnings.filters) == before


def test_filters_are_as_before_after_many_threads() -> None:
    before = list(warnings.filters)
    barrier = threading.Barrier(8)

    def work() -> None:
        barrier.wait()
        for _ in range(200):
            with quiet_decoders():
                warn_as("PIL.Image")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before
