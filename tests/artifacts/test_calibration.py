"""The map from logit to probability: its forms, and one after another."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import expit

from medimg_cnn.artifacts import Calibration
from medimg_cnn.errors import ArgumentError
from medimg_cnn.evaluation import fit_calibration

Z = np.linspace(-8, 8, 33)
LINES = st.builds(
    lambda slope, intercept: Calibration(
        method="platt", parameters=(("slope", slope), ("intercept", intercept)), fitted_on="a"
    ),
    st.floats(0.2, 4),
    st.floats(-3, 3),
)
TEMPERATURES = st.builds(
    lambda t: Calibration(method="temperature", parameters=(("temperature", t),), fitted_on="b"),
    st.floats(0.2, 5),
)
FOCAL = st.builds(
    lambda gamma, offset, slope, intercept: Calibration(
        method="focal",
        parameters=(("gamma", gamma), ("offset", offset), ("slope", slope), ("intercept", intercept)),
        fitted_on="c",
    ),
    st.floats(0, 5),
    st.floats(-2, 2),
    st.floats(0.3, 3),
    st.floats(-2, 2),
)
STEPS = Calibration(
    method="isotonic",
    parameters=(("logits", (-2.0, 0.0, 0.5, 3.0)), ("probabilities", (0.1, 0.3, 0.3, 0.9))),
    fitted_on="d",
)


@given(st.one_of(LINES, TEMPERATURES, FOCAL), st.one_of(LINES, TEMPERATURES, st.just(STEPS)))
def test_one_after_another_is_both(first: Calibration, second: Calibration) -> None:
    joined = first.then(second)
    # Isotonic maps are bent between their points where the first map is: they agree at the points.
    z = first.inverse(np.array(dict(second.parameters)["logits"])) if second is STEPS else Z
    np.testing.assert_allclose(joined.apply(z), second.apply(first.logit(z)), atol=1e-9)
    assert joined.fitted_on == f"{second.fitted_on}, after {first.fitted_on}"


@given(st.one_of(LINES, TEMPERATURES, FOCAL, st.just(Calibration())))
def test_the_inverse_undoes_it(calibration: Calibration) -> None:
    np.testing.assert_allclose(calibration.logit(calibration.inverse(Z)), Z, atol=1e-9)


@given(st.one_of(LINES, TEMPERATURES, FOCAL, st.just(STEPS), st.just(Calibration())))
def test_every_form_rises_is_saved_and_does_nothing_to_the_identity(calibration: Calibration) -> None:
    probability = calibration.apply(Z)
    assert ((probability >= 0) & (probability <= 1)).all()
    assert (np.diff(probability) >= 0).all()
    np.testing.assert_allclose(expit(calibration.logit(Z)), probability, atol=1e-12)
    assert Calibration.from_dict(json.loads(json.dumps(calibration.to_dict()))) == calibration
    assert Calibration().then(calibration) == calibration == calibration.then(Calibration())
    assert calibration.description.startswith(calibration.method)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("truth", [0.001, 0.1, 0.5, 0.8, 0.999])
def test_focal_undoes_the_minimum_of_the_focal_risk(gamma: float, truth: float) -> None:
    def risk(z: float) -> float:
        q = expit(z)
        return truth * (1 - q) ** gamma * np.logaddexp(0, -z) + (1 - truth) * q**gamma * np.logaddexp(0, z)

    z = minimize_scalar(risk, bounds=(-15, 15), method="bounded", options={"xatol": 1e-10}).x
    focal = Calibration(
        method="focal", parameters=(("gamma", gamma), ("offset", 0.0), ("slope", 1.0), ("intercept", 0.0))
    )
    assert focal.apply(np.array([z]))[0] == pytest.approx(truth, rel=2e-4)
    assert np.isfinite(focal.logit(np.array([-800.0, 800.0]))).all()


@pytest.mark.parametrize(
    "parameters",
    [
        (("logits", (0.0, -1.0)), ("probabilities", (0.1, 0.2))),
        (("logits", (0.0, 1.0)), ("probabilities", (0.3, 0.2))),
        (("logits", (0.0, 1.0)), ("probabilities", (0.3,))),
        (("logits", ()), ("probabilities", ())),
        (("logits", (0.0, 1.0)), ("probabilities", (0.3, 1.2))),
        (("logits", (0.0, float("nan"))), ("probabilities", (0.3, 0.4))),
        (("logits", 1.0), ("probabilities", 0.5)),
    ],
)
def test_points_that_are_no_map_are_refused(parameters: tuple) -> None:
    with pytest.raises(ArgumentError, match=r"logits|probabilities"):
        Calibration(method="isotonic", parameters=parameters)


def test_what_cannot_be_joined_is_refused() -> None:
    halve = Calibration(method="temperature", parameters=(("temperature", 2.0),))
    with pytest.raises(ArgumentError, match="cannot be joined"):
        STEPS.then(halve)
    with pytest.raises(ArgumentError, match="isotonic"):
        STEPS.inverse(Z)
    with pytest.raises(ArgumentError, match="slope"):
        Calibration(method="platt", parameters=(("slope", -1.0), ("intercept", 0.0))).inverse(Z)


def test_isotonic_agrees_with_scikit_learn() -> None:
    from sklearn.isotonic import IsotonicRegression

    rng = np.random.default_rng(0)
    z = np.round(rng.normal(0, 2, 400), 1)  # with ties
    y = (rng.uniform(0, 1, 400) < expit(2 * z - 1)).astype(int)
    ours = fit_calibration(z, y, method="isotonic")
    theirs = IsotonicRegression(y_min=1 / 802, y_max=1 - 1 / 802, out_of_bounds="clip").fit(z, y)
    np.testing.assert_allclose(ours.apply(z), theirs.predict(z), atol=1e-12)
    assert ours.apply(np.array([-99.0, 99.0])).tolist() == pytest.approx([1 / 802, 1 - 1 / 802])


def test_isotonic_of_scores_that_say_nothing_is_the_identity() -> None:
    from medimg_cnn.errors import MedimgCnnWarning

    for z, y in (([1.0, 2.0, 3.0, 4.0], [1, 1, 0, 0]), ([1.0] * 4, [0, 1, 0, 1])):
        with pytest.warns(MedimgCnnWarning, match="left uncalibrated"):
            assert fit_calibration(z, y, method="isotonic").method == "identity"


def test_isotonic_of_few_images_warns() -> None:
    from medimg_cnn.errors import MedimgCnnWarning

    z = np.linspace(-2, 2, 300)
    y = (np.arange(300) % 3 == 0) & (z > -1.9)
    assert y.sum() < 100
    with pytest.warns(MedimgCnnWarning, match=rf"fitted on {y.sum()} images of the rarer class.* 'platt'"):
        assert fit_calibration(z, y, method="isotonic").method == "isotonic"
    fit_calibration(z, y, method="platt")
