"""What each command does, with the library's public calls. Each returns its result, and a text for people."""

from __future__ import annotations

import csv
import io
import sys
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

import medimg_cnn as mc
from medimg_cnn.errors import ArgumentError

__all__ = ["audit", "compare", "demo", "evaluate", "export", "launch", "predict", "report", "serve", "train"]

_FIGURES = ("auroc", "sensitivity", "specificity", "ppv", "npv", "accuracy", "brier_score")


def demo(options: Namespace) -> dict[str, Any]:
    """Draw phantoms, train on them, and judge the result."""
    folder = mc.data.make_phantoms(
        Path(options.output) / "phantoms",
        patients=options.patients,
        image_size=options.image_size,
        seed=options.seed,
    )
    data = mc.load_dataset(
        folder,
        positive="lesion",
        patients="patient_id",
        image_size=options.image_size,
        seed=options.seed,
        progress=_progress(options),
    )
    return _trained(options, data, augment="chest_xray", synthetic=True)


def audit(options: Namespace) -> dict[str, Any]:
    """Look for leaks, copies and shortcuts."""
    data = _dataset(options, audit="off")
    found = mc.data.audit(data)
    return {"text": str(found), **found.to_dict()}


def train(options: Namespace) -> dict[str, Any]:
    """Train, judge on the test part, write run, report and bundle."""
    _check_free(options)
    data = _dataset(options)
    return _trained(options, data, augment=options.augment)


def evaluate(options: Namespace) -> dict[str, Any]:
    """Validate a bundle externally."""
    _check_report(options)
    bundle = mc.load_bundle(options.bundle)
    found = mc.external_validate(bundle, _external(options, bundle))
    result: dict[str, Any] = {
        "bundle": bundle.sha256,
        "findings": list(found.findings),
        "tests": [asdict(test) for test in found.tests],
        "alarms": [asdict(alarm) for alarm in found.alarms],
        "estimates": _estimates(found.report),
        "operating_point": bundle.operating_point.to_dict(),
    }
    lines = [*_lines(found.report), *(f"- {sentence}" for sentence in found.findings)]
    if options.output:
        result["report"] = str(found.save(options.output))
        lines.append(f"Report: {result['report']}")
    if options.recalibrated:
        try:
            again = found.recalibrate()
        except ArgumentError as error:
            # What was found must not be lost with it.
            result |= {"recalibrated": None, "status": 2}
            lines.append(f"NOT recalibrated, nothing written: {error}")
        else:
            result["recalibrated"] = str(again.bundle.save(options.recalibrated))
            lines += [str(again), f"Recalibrated bundle, marked as such: {result['recalibrated']}"]
    return result | {"text": "\n".join(lines)}


def predict(options: Namespace) -> dict[str, Any]:
    """Predict images."""
    predictor = mc.Predictor(options.bundle, scope=not options.no_scope)
    if options.output:
        summary = predictor.predict_to(
            options.output,
            options.images,
            batch_size=options.batch_size,
            overwrite=options.overwrite,
            progress=_progress(options),
        )
        text = (
            f"{summary.images} images: {summary.positives} {predictor.bundle.classes[1]}, {summary.out_of_scope} "
            f"unlike the training images, {summary.errors} unreadable\nTable: {summary.path}"
            + (f" (went on after {summary.resumed_after})" if summary.resumed_after else "")
        )
        return {**asdict(summary), "text": text}
    table = predictor.predict(options.images, batch_size=options.batch_size, progress=_progress(options))
    unread = int((table["error"] != "").sum())
    if unread:
        sys.stderr.write(
            f"medimg-cnn: {unread} of {len(table)} images could not be read; see the column error\n"
        )
    rows = [
        {str(name): None if value != value else value for name, value in row.items()}  # noqa: PLR0124 - NaN is not itself
        for row in table.to_dict("records")
    ]
    return {"images": rows, "text": _csv(rows)}


def compare(options: Namespace) -> dict[str, Any]:
    """Compare two bundles on one set of images."""
    _check_report(options)
    from medimg_cnn.export import compare_bundles

    first, second = mc.load_bundle(options.bundle), mc.load_bundle(options.other)
    found = compare_bundles(
        first,
        second,
        _external(options, first),
        data_b=None if first.preprocessing == second.preprocessing else _external(options, second),
        names=_names(options, first, second),
        margin=options.margin,
    )
    result: dict[str, Any] = {"comparison": found.to_dict()["comparison"], "names": list(found.facts.names)}
    lines = [found.title, f"AUROC difference: {found.auroc_difference}"]
    if options.output:
        result["report"] = str(found.save(options.output))
        lines.append(f"Report: {result['report']}")
    return result | {"text": "\n".join(lines)}


def report(options: Namespace) -> dict[str, Any]:
    """Judge scores."""
    _check_report(options)
    path = Path(options.scores)
    if options.threshold is not None and not 0.0 <= options.threshold <= 1.0:
        raise ArgumentError(f"--threshold: must be a probability, 0 to 1; got {options.threshold}.")
    point = (
        None
        if options.threshold is None
        else mc.OperatingPoint(threshold=options.threshold, chosen_on=options.chosen_on)
    )
    if path.suffix.lower() == ".npz":
        found = mc.clinical_report(mc.Predictions.load(path), operating_point=point)
    else:
        columns = _columns(path, [options.outcome, options.probability, *filter(None, [options.patients])])
        outcomes: list[Any] = columns[options.outcome]
        if options.positive is None:
            outcomes = _numbers(path, options.outcome, outcomes)
        found = mc.clinical_report(
            outcomes,
            _numbers(path, options.probability, columns[options.probability]),
            positive=options.positive,
            patients=columns.get(options.patients),
            operating_point=point,
        )
    result: dict[str, Any] = {
        "estimates": _estimates(found),
        "operating_point": found.operating_point.to_dict(),
    }
    lines = _lines(found)
    if options.output:
        result["report"] = str(found.save(options.output))
        lines.append(f"Report: {result['report']}")
    return result | {"text": "\n".join(lines)}


def export(options: Namespace) -> dict[str, Any]:
    """Write a bundle as ONNX or StableHLO."""
    from medimg_cnn.export import export_model

    written = export_model(mc.load_bundle(options.bundle), options.output, overwrite=options.overwrite)
    return {**asdict(written), "text": str(written)}


def serve(options: Namespace) -> dict[str, Any]:
    """Open a local page."""
    from medimg_cnn.export import serve as run

    def announce(address: str) -> None:
        if not options.quiet:
            sys.stderr.write(f"{address}  (research use only; end with Ctrl+C)\n")
            sys.stderr.flush()

    run(mc.load_bundle(options.bundle), host=options.host, port=options.port, announce=announce)
    return {"text": ""}


def _dataset(options: Namespace, **more: Any) -> mc.Dataset:
    return mc.load_dataset(
        options.source,
        positive=options.positive,
        image_size=options.image_size,
        patients=options.patients,
        label=options.label,
        path=options.path,
        seed=getattr(options, "seed", 0),
        progress=_progress(options),
        **more,
    )


def _external(options: Namespace, bundle: Any) -> mc.Split:
    return mc.data.load_external(
        options.source,
        preprocessing=bundle.preprocessing,
        classes=bundle.classes,
        labels=options.labels,
        patients=options.patients,
        label=options.label,
        path=options.path,
        progress=_progress(options),
    )


def _check_report(options: Namespace) -> None:
    """See that the report can be written, over none of the inputs, before the work is done."""
    if not options.output:
        return
    mc.ClinicalReport.check_path(options.output)
    target = Path(options.output).resolve()
    for name in ("scores", "source", "bundle", "other"):
        given = getattr(options, name, None)
        if given is not None and Path(given).resolve() == target:
            raise ArgumentError(f"--output: {options.output} is an input. Name another file.")


def _check_free(options: Namespace) -> None:
    for name in ("result.json", "bundle.zip"):
        if not options.overwrite and (Path(options.output) / name).exists():
            raise ArgumentError(
                f"--output: {options.output} holds a run already ({name}). Pass another folder, or --overwrite."
            )


def _trained(
    options: Namespace, data: mc.Dataset, *, augment: str, synthetic: bool = False
) -> dict[str, Any]:
    _check_free(options)
    if data.test is None:
        raise ArgumentError(
            "source: has no test part to judge the model on. Leave the division to load_dataset."
        )
    output = Path(options.output)
    named = getattr(options, "architecture", None)
    model = mc.build_cnn(
        data.image_shape,
        prior=data.train.prevalence,
        seed=options.seed,
        **({} if named is None else {"architecture": named}),
    )
    run = mc.Trainer(
        model,
        augment=None if augment == "none" else mc.augmentations.preset(augment),
        epochs=options.epochs,
        seed=options.seed,
        directory=output,
        overwrite=options.overwrite,
        progress=not options.quiet,
    ).fit(data.train, data.validation)
    predictions = run.predict(data.test)
    predictions.save(output / "test_predictions.npz")
    found = mc.clinical_report(
        predictions,
        run=run,
        images=data.test,
        title="Synthetic phantoms: not a study of patients" if synthetic else None,
        facts={"Images": "SYNTHETIC, drawn by medimg_cnn"} if synthetic else None,
    )
    page = found.save(output / "report.html")
    bundle = mc.save_bundle(
        run,
        output / "bundle.zip",
        data=None if data.validation is None else data,
        test=predictions,
        name=getattr(options, "name", "") or ("Synthetic phantoms" if synthetic else ""),
        intended_use=getattr(options, "intended_use", ""),
        out_of_scope=getattr(options, "out_of_scope", ""),
        overwrite=options.overwrite,
    )
    text = [
        *(["Synthetic images: not a study of patients."] if synthetic else []),
        *_lines(found),
        f"Report: {page}",
        f"Bundle: {bundle}",
    ]
    return {
        "estimates": _estimates(found),
        "operating_point": run.operating_point.to_dict(),
        "report": str(page),
        "bundle": str(bundle),
        "run": str(output),
        "text": "\n".join(text),
    }


def _progress(options: Namespace) -> bool | None:
    return False if options.quiet else None


def _estimates(found: mc.ClinicalReport) -> dict[str, Any]:
    return {name: estimate.to_dict() for name, estimate in found.estimates.items()}


def _lines(found: mc.ClinicalReport) -> list[str]:
    point = found.operating_point
    chosen = found.estimates
    return [
        found.document.subtitle,
        *(f"{name.replace('_', ' '):13}{chosen[name]}" for name in _FIGURES),
        f"threshold    {point.threshold:.4g} by {point.rule}, "
        + (point.chosen_on if point.chosen_on.startswith("not ") else f"chosen on {point.chosen_on}"),
    ]


def _names(options: Namespace, first: Any, second: Any) -> tuple[str, str]:
    a, b = first.name or options.bundle, second.name or options.other
    return (a, b) if a != b else (f"{a} ({options.bundle})", f"{b} ({options.other})")


def launch(options: Namespace) -> dict[str, Any]:
    """Start processes that train together; their exit status is that of the command."""
    from medimg_cnn.cli._launch import launch as start

    status = start(
        ["-m", *options.script] if options.module else options.script,
        processes=options.processes,
        hosts=options.hosts,
        host=options.host,
        coordinator=options.coordinator,
    )
    if status:
        raise SystemExit(status)
    return {"processes": options.processes * options.hosts}


def _csv(rows: list[dict[str, Any]]) -> str:
    from medimg_cnn.reporting.render import csv_text

    return (
        csv_text(list(rows[0]) if rows else [], [list(row.values()) for row in rows])
        .replace("\r\n", "\n")
        .rstrip()
    )


def _columns(path: Path, names: list[str]) -> dict[str, list[str]]:
    if not path.is_file():
        raise ArgumentError(f"{path}: must be a table of scores; there is no such file.")
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(io.StringIO(stream.read())))
    known = [str(name) for name in rows[0]] if rows else []
    for name in names:
        if name not in known:
            raise ArgumentError(f"{path}: has no column {name!r}; it has {', '.join(known) or 'no rows'}.")
    return {name: [row[name] for row in rows] for name in names}


def _numbers(path: Path, name: str, values: list[str]) -> list[float]:
    found = []
    for row, value in enumerate(values, start=1):
        try:
            found.append(float(value))
        except (TypeError, ValueError) as error:
            raise ArgumentError(
                f"{path}, column {name!r}, data row {row}: must be a number; got {value!r}. "
                "For outcomes in words pass --positive."
            ) from error
    return found
