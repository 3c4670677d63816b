"""The methods: how each figure was made, with its source, so that it can be repeated and cited."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib import metadata

from medimg_cnn._version import __version__
from medimg_cnn.reporting._document import Block, Bullets, Column, Facts, Paragraph, Table
from medimg_cnn.reporting._evidence import Evidence

__all__ = ["Methods"]

_SOURCES: tuple[tuple[str, str, str], ...] = (
    (
        "Proportions (sensitivity, specificity, PPV, NPV, accuracy, prevalence)",
        "Wilson's score interval",
        "Wilson 1927, doi:10.1080/01621459.1927.10502953",
    ),
    (
        "Proportions, several images of a patient",
        "Ratio estimator with between-patient variance",
        "Rao and Scott 1992, doi:10.2307/2532311",
    ),
    (
        "AUROC",
        "DeLong's variance, interval on the logit scale",
        "DeLong et al. 1988, doi:10.2307/2531595; Sun and Xu 2014, doi:10.1109/LSP.2014.2337313",
    ),
    (
        "AUROC, several images of a patient",
        "Obuchowski's variance for clustered data",
        "Obuchowski 1997, doi:10.2307/2533958",
    ),
    (
        "AUPRC",
        "Average precision with ties grouped; bootstrap interval",
        "Boyd et al. 2013, doi:10.1007/978-3-642-40994-3_29",
    ),
    ("Likelihood ratios", "Interval on the log scale", "Simel et al. 1991, doi:10.1016/0895-4356(91)90128-V"),
    ("Diagnostic odds ratio", "Woolf's log interval", "Glas et al. 2003, doi:10.1016/S0895-4356(03)00177-X"),
    (
        "PPV and NPV at a stated prevalence",
        "Bayes' rule, logit interval",
        "Mercaldo et al. 2007, doi:10.1002/sim.2677",
    ),
    (
        "F1, balanced accuracy, MCC and others without closed form",
        "Bootstrap percentile interval, by patient where patients are known",
        "Efron and Tibshirani 1993, doi:10.1201/9780429246593",
    ),
    (
        "Calibration slope and intercepts",
        "Logistic recalibration",
        "Van Calster et al. 2019, doi:10.1186/s12916-019-1466-7",
    ),
    ("Brier score", "Mean squared error of the probabilities", "Brier 1950"),
    ("Decision curve", "Net benefit", "Vickers and Elkin 2006, doi:10.1177/0272989X06295361"),
    (
        "Differences between subgroups",
        "Newcombe's hybrid score interval",
        "Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I",
    ),
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
                    f"Bootstrap intervals rest on {inputs.bootstrap:,} resamples, seed {inputs.seed}.",
                )
            ),
            Table(
                "sources",
                "Methods and their sources",
                (Column("Figure"), Column("Method"), Column("Source")),
                _SOURCES,
            ),
            Facts(
                (
                    ("medimg-cnn", __version__),
                    ("Python", platform.python_version()),
                    *((name, metadata.version(name)) for name in _PACKAGES),
                )
            ),
        )
