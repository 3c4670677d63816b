"""CLAIM 2024, item by item, wholly in our own words: its text is not free to copy."""

from __future__ import annotations

from medimg_cnn.reporting.checklists._items import Guideline, item

__all__ = ["CLAIM_2024"]

_TITLE, _INTRO, _METHODS, _RESULTS, _DISCUSSION, _OTHER = (
    "Title and abstract",
    "Introduction",
    "Methods",
    "Results",
    "Discussion",
    "Other information",
)

CLAIM_2024 = Guideline(
    name="claim-2024",
    title="CLAIM 2024",
    source="Tejani et al. 2024, doi:10.1148/ryai.240300",
    items=(
        item("1", _TITLE, "AI and its kind named", ask="Does the title or abstract say which technology?"),
        item(
            "2", _TITLE, "Structured abstract", fact="accuracy", ask="Write design, methods and conclusions."
        ),
        item("3", _INTRO, "Background and intended use", ask="Which problem, and which role for the AI?"),
        item("4", _INTRO, "Aims and hypotheses", ask="What was asked, and what was expected?"),
        item("5", _METHODS, "Prospective or retrospective", ask="Which was it?"),
        item("6", _METHODS, "Goal of the study", ask="A new model, a test of one, feasibility, comparison?"),
        item("7", _METHODS, "Where the data came from", ask="Institutions, archives, dates?"),
        item("8", _METHODS, "Who and what was included", ask="How, where and when were cases chosen?"),
        item("9", _METHODS, "Preprocessing", fact="preprocessing", ask="Anything done before the library?"),
        item("10", _METHODS, "Subsets", ask="Was any part of an image or set picked out, and how?"),
        item("11", _METHODS, "De-identification", ask="How were identities removed?"),
        item("12", _METHODS, "Missing data", fact="missing", ask="Was anything missing before this point?"),
        item("13", _METHODS, "Image acquisition", ask="Scanners, protocols, settings?"),
        item("14", _METHODS, "How the truth was defined", ask="Which reference standard?"),
        item("15", _METHODS, "Why that reference standard", ask="Why this one?"),
        item("16", _METHODS, "Who annotated", ask="How many, with which training, by which instructions?"),
        item("17", _METHODS, "Annotation of the test set", ask="Was it done in the same way?"),
        item(
            "18", _METHODS, "Agreement between annotators", ask="How was it measured, and disputes settled?"
        ),
        item("19", _METHODS, "Parts of the data", fact="partitions", ask="How were cases assigned to parts?"),
        item(
            "20",
            _METHODS,
            "Level of separation",
            fact="clusters",
            ask="No patient in two parts? Say how known.",
        ),
        item("21", _METHODS, "Size of the test set", fact="sample-size", ask="What was planned, and why?"),
        item("22", _METHODS, "The model", fact="training", ask="Inputs, layers, outputs?"),
        item("23", _METHODS, "Software", fact="software"),
        item("24", _METHODS, "Starting weights", ask="Random, or pretrained on what?"),
        item(
            "25",
            _METHODS,
            "Training",
            fact="training",
            ask="Augmentation, loss, and how settings were found?",
        ),
        item(
            "26",
            _METHODS,
            "Choice of the final model",
            fact="training",
            ask="By which figure, on which data?",
        ),
        item("27", _METHODS, "Ensembles", ask="Were models combined, and how?"),
        item("28", _METHODS, "Measures", fact="measures"),
        item("29", _METHODS, "Uncertainty", fact="methods"),
        item("30", _METHODS, "Robustness", fact="subgroups", ask="Which further sensitivity analyses?"),
        item("31", _METHODS, "Explanations", ask="Which method, and was it checked?"),
        item("32", _METHODS, "Internal testing", fact="evaluated-on", ask="How was it done?"),
        item(
            "33",
            _METHODS,
            "External testing",
            fact="evaluated-on",
            ask="On which other data, or why on none?",
        ),
        item("34", _METHODS, "Trial registration", ask="Number and registry, if a trial?"),
        item("35", _RESULTS, "Numbers included", fact="counts", ask="Draw the flow, with exclusions."),
        item(
            "36", _RESULTS, "Who they were, by part", fact="prevalence", ask="Age, sex and features by part?"
        ),
        item("37", _RESULTS, "Performance by part and subgroup", fact="subgroups", ask="On the other parts?"),
        item("38", _RESULTS, "Accuracy with precision", fact="accuracy"),
        item("39", _RESULTS, "Analysis of failures", fact="errors", ask="What do the wrong cases share?"),
        item("40", _DISCUSSION, "Limitations", ask="Bias, uncertainty, generalisability?"),
        item("41", _DISCUSSION, "Implications", ask="What does it mean for practice?"),
        item("42", _OTHER, "Protocol", ask="Where can it be read?"),
        item("43", _OTHER, "Software, model and data", fact="software", ask="Where can they be had?"),
        item("44", _OTHER, "Funding", ask="Who paid, and what was their role?"),
    ),
)
