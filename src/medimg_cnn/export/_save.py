"""``save_bundle``: from a run to a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from medimg_cnn._environment import describe_environment
from medimg_cnn._types import PathLike
from medimg_cnn._validation import explain
from medimg_cnn.artifacts import Predictions
from medimg_cnn.data import Dataset, Preprocessing
from medimg_cnn.errors import ArgumentError
from medimg_cnn.export._architecture import ArchitectureConfig
from medimg_cnn.export._bundle import Bundle, checked_band, printable
from medimg_cnn.export._card import short_card
from medimg_cnn.export._engine import Engine
from medimg_cnn.export._reference import Development, Reference
from medimg_cnn.training import CrossValidation, Ensemble, Run

__all__ = ["save_bundle"]


def save_bundle(
    run: Run,
    path: PathLike,
    *,
    data: Dataset | None = None,
    test: Predictions | None = None,
    name: str = "",
    intended_use: str = "",
    out_of_scope: str = "",
    developers: str = "",
    licence: str = "",
    abstain_between: Sequence[float] | None = None,
    preprocessing: Preprocessing | None = None,
    classes: Sequence[str] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a run as a bundle: one folder, or one .zip, that predicts the same elsewhere.

    It holds the weights, the architecture's arguments, preprocessing, classes, calibration, operating point, the
    fingerprint of the training data, intended use and limits, a model card, versions, and the sha256 of every file.
    No code, no pickle, no image, no name of a file or a patient.

    Args:
        run: what ``Trainer.fit`` or ``load_run`` returned; its model is one of ``build_cnn``.
        path: a folder, or a name that ends with .zip.
        data: the dataset that the run was trained on. From it the bundle learns what the training images looked
            like: without it, predictions have no out-of-scope flag and an external validation no tests of shift.
        test: predictions of the test part, for the model card and to compare an external validation with.
        name: of the model, with its version.
        intended_use: for whom, on which patients, for which decision.
        out_of_scope: what it must not be used for.
        developers: who made it, and whom to ask.
        licence: under which it may be used.
        abstain_between: (low, high) probabilities between which predictions get an abstain flag; the threshold lies
            between them.
        preprocessing: where the run does not know it (images of your own ``ImageSource``).
        classes: (negative, positive) names, where the run does not know them.
        overwrite: whether a bundle at this path may be replaced.

    Returns:
        The path.

    Raises:
        ArgumentError: an argument breaks its rule, or the run's model is not one of ``build_cnn``.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> import medimg_cnn as mc
        >>> from medimg_cnn.training import TrainerConfig
        >>> images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
        >>> data = mc.load_dataset((images, np.arange(40) % 2), positive=1, patients=np.arange(40))
        >>> model = mc.build_cnn(data.image_shape, width=4)
        >>> point = mc.OperatingPoint(threshold=0.5)
        >>> result = mc.artifacts.FitResult(
        ...     history=(), kept_epoch=0, operating_point=point, fingerprint=data.fingerprint,
        ...     preprocessing=data.preprocessing.to_dict())
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = mc.save_bundle(mc.Run(model, result), f"{folder}/model.zip", data=data)
        ...     mc.load_bundle(path).classes
        ('0', '1')
    """
    given: object = run
    if not isinstance(given, Run):
        hint = "Pass what fit, or load_run, returned."
        if isinstance(given, (Ensemble, CrossValidation)):
            hint = (
                "A bundle holds one model: save one of .runs, or train one on all of the images. Several are kept by "
                "their directories: Ensemble([load_run(directory) for directory in ...])."
            )
        raise ArgumentError(explain("run", "must be the Run that Trainer.fit returns", run, hint))
    architecture = ArchitectureConfig.of(run.model)
    how = preprocessing or run.preprocessing
    if how is None:
        raise ArgumentError(
            "preprocessing: the run does not know how an image file becomes an input. Pass preprocessing=."
        )
    if how.image_shape != architecture.image_shape:
        raise ArgumentError(
            f"preprocessing: must give images of the model's shape {architecture.image_shape}; got {how.image_shape}."
        )
    fingerprint = run.result.fingerprint
    names = classes or (None if fingerprint is None else fingerprint.classes)
    if names is None or len(names) != 2 or isinstance(names, str) or names[0] == names[1]:
        raise ArgumentError(explain("classes", "must be (negative, positive), two names", names))
    reference, development = _described(run, data, test)
    answers = {
        "developers": developers,
        "licence": licence,
        "intended_use": intended_use,
        "out_of_scope": out_of_scope,
    }
    pair = (printable("classes", str(names[0])), printable("classes", str(names[1])))
    bundle = Bundle(
        run=run,
        architecture=architecture,
        classes=pair,
        preprocessing=how,
        reference=reference,
        development=development,
        abstention=checked_band(abstain_between, run.operating_point.threshold),
        name=printable("name", name),
        intended_use=intended_use,
        out_of_scope=out_of_scope,
        model_card=_card(run, test, name=name, classes=pair, answers=answers),
        versions=describe_environment(),
    )
    return bundle.save(path, overwrite=overwrite)


def _described(
    run: Run, data: Dataset | None, test: Predictions | None
) -> tuple[Reference | None, Development | None]:
    reference, development = None, None if test is None else Development.of(test)
    if data is not None:
        trained = run.result.fingerprint
        if trained is not None and trained != data.fingerprint:
            raise ArgumentError(
                "data: must be the dataset that the run was trained on; another has other fingerprints: "
                + "; ".join(trained.differences(data.fingerprint))
            )
        if data.validation is None:
            raise ArgumentError(
                "data: must have a validation part, on which the out-of-scope limit is set; it has none. "
                "Leave data= out for a bundle without that limit."
            )
        reference = Reference.fit(Engine(run.model), data.train, data.validation)
        development = development or Development.of(run.predict(data.validation))
    return reference, development


def _card(
    run: Run, test: Predictions | None, *, name: str, classes: tuple[str, str], answers: Mapping[str, str]
) -> str:
    if test is None:
        return short_card(run, name=name, classes=classes, answers=answers)
    from medimg_cnn.reporting import clinical_report

    return clinical_report(test, run=run, bootstrap=500).model_card(name=name, **answers)
