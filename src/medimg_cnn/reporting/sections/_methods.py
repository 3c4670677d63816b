"""The methods: how each figure was made, with its source, so that it can be repeated and cited."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib import metadata

from medimg_cnn._version import __version__
from medimg_cnn.reporting._document import Block, Bullets, Column, Facts, Paragraph, Table
from medimg_cnn.reporting._evidence import Evidence

__all__ = ["Methods"]

_NEWCOMBE = "Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I"
_PROPORTIONS = "Sensitivity, specificity, PPV, NPV, accuracy, prevalence"

_INDEPENDENT: tuple[tuple[str, str, str], ...] = (
    (_PROPORTIONS, "Wilson's score interval", "Wilson 1927, doi:10.1080/01621459.1927.10502953"),
    (
        "AUROC",
        "DeLong's variance, interval on the logit scale; where few pairs are misplaced, drawn to a score limit",
        "DeLong et al. 1988, doi:10.2307/2531595; Newcombe 2006, doi:10.1002/sim.2324",
    ),
    ("Balanced accuracy, Youden index", "Newcombe's hybrid of two Wilson intervals", _NEWCOMBE),
    ("F1", "Wilson's interval of the Jaccard index, which fixes F1", "as above"),
    (
        "MCC, kappa",
        "Delta method on Fisher's z scale",
        "Matthews 1975, doi:10.1016/0005-2795(75)90109-9; Fleiss et al. 1969, doi:10.1037/h0028106",
    ),
    ("Likelihood ratios", "Log scale", "Simel et al. 1991, doi:10.1016/0895-4356(91)90128-V"),
    ("Diagnostic odds ratio", "Log scale", "Woolf 1955, doi:10.1111/j.1469-1809.1955.tb01348.x"),
)
_CLUSTERED: tuple[tuple[str, str, str], ...] = (
    (
        f"{_PROPORTIONS}, F1",
        "Ratio estimator with the variance between patients, Wilson's form",
        "Rao and Scott 1992, doi:10.2307/2532311; Wilson 1927, doi:10.1080/01621459.1927.10502953",
    ),
    (
        "AUROC",
        (
            "Variance for several images of a patient, interval on the logit scale with Student's t; where few "
            "pairs are misplaced, drawn to a score limit"
        ),
        "Obuchowski 1997, doi:10.2307/2533958; Newcombe 2006, doi:10.1002/sim.2324",
    ),
    (
        "Balanced accuracy, Youden index, MCC, kappa, likelihood and odds ratios",
        "Bootstrap of patients, percentile interval",
        "Efron and Tibshirani 1993, doi:10.1201/9780429246593",
    ),
)
_ALWAYS: tuple[tuple[str, str, str], ...] = (
    (
        "AUPRC",
        "Average precision with ties grouped; bootstrap error, interval on the logit scale with Student's t",
        "Davis and Goadrich 2006, doi:10.1145/1143844.1143874; Boyd et al. 2013, doi:10.1007/978-3-642-40994-3_29",
    ),
    (
        "Calibration slope, intercepts, O:E",
        (
            "Logistic recalibration; slope and intercept jointly, and the intercept with the slope held at 1, "
            "whose limits O:E carries over"
        ),
        "Van Calster et al. 2016, doi:10.1016/j.jclinepi.2015.12.005",
    ),
    (
        "Brier score",
        "Mean squared error of the probabilities",
        "Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2",
    ),
    (
        "Log loss",
        "Mean negative log likelihood, in nats; interval of the mean on the log scale",
        "Good 1952, doi:10.1111/j.2517-6161.1952.tb00104.x",
    ),
    (
        "Decision curve",
        "Net benefit, and the same less that of acting on all; limits of two shares combined, at each threshold",
        "Vickers and Elkin 2006, doi:10.1177/0272989X06295361; Zou and Donner 2008, doi:10.1002/sim.3095",
    ),
)
_ELSEWHERE = (
    "PPV and NPV at a stated prevalence",
    "Bayes' rule, interval on the logit scale",
    "Mercaldo et al. 2007, doi:10.1002/sim.2677",
)
_SUBGROUPS = (
    "Differences between subgroups",
    "Limits of both groups combined; Bonferroni within a column",
    _NEWCOMBE,
)
_CONFORMAL = (
    "Prediction sets",
    "Split conformal by class; a class is in the set where 1 less its probability is at most the quantile",
    "Vovk 2013, doi:10.1007/s10994-013-5355-6; Angelopoulos and Bates 2023, doi:10.1561/2200000101",
)
_ABSTENTION = (
    "Abstention",
    "Error rate of the surest cases; confidence is the distance from the threshold in logits",
    "Geifman and El-Yaniv 2017, arXiv:1705.08500",
)
_PACKAGES = ("numpy", "scipy")


@dataclass(frozen=True, slots=True)
class Methods:
    """Conventions, methods with sources, software."""

    key: str = "methods"
    title: str = "Methods"

    def build(self, evidence: Evidence) -> tuple[Block, ...]:
        """Return what a methods section of a paper would say."""
        inputs = evidence.inputs
        return (
            Paragraph(
                f"Intervals are two-sided at {100 * inputs.level:g}%. The method that made each one stands "
                "beside it in its table; their sources follow."
            ),
            Bullets(
                (
                    (
                        "A case is positive if and only if its probability is at least the threshold. Scores "
                        "and labels are never turned round."
                    ),
                    (
                        "What cannot be computed is said to be not defined, with the reason; it is never put at "
                        "0."
                    ),
                    (
                        '"Too few" stands where coverage of a 95% interval was not between 0.93 and 0.97 in '
                        "simulations: fewer than 20 of a class, fewer than 10 on one side of a proportion, an AUROC "
                        "too near to 0 or 1 for the size of the smaller class."
                    ),
                    f"Bootstrap intervals rest on {inputs.bootstrap:,} resamples, seed {inputs.seed}.",
                )
            ),
            Table(
                "sources",
                "Methods and their sources",
                (Column("Figure"), Column("Method"), Column("Source")),
                _sources(evidence),
            ),
            Facts(
                (
                    ("medimg-cnn", __version__),
                    ("Python", platform.python_version()),
                    *((name, metadata.version(name)) for name in _PACKAGES),
                )
            ),
        )


def _sources(evidence: Evidence) -> tuple[tuple[str, str, str], ...]:
    """Only what this report used, so that the table can go into a paper as it is."""
    return (
        *(_CLUSTERED if evidence.inputs.clustered else _INDEPENDENT),
        *_ALWAYS,
        *((_ELSEWHERE,) if evidence.predictive_values else ()),
        *((_SUBGROUPS,) if evidence.inputs.subgroups else ()),
        *((_CONFORMAL,) if evidence.conformal else ()),
        *((_ABSTENTION,) if evidence.risk_coverage is not None else ()),
    )
