"""TRIPOD+AI, item by item, in our own words."""

from __future__ import annotations

from medimg_cnn.reporting.checklists._items import Guideline, item

__all__ = ["TRIPOD_AI"]

_TITLE, _INTRO, _METHODS, _OPEN, _RESULTS, _DISCUSSION = (
    "Title and abstract",
    "Introduction",
    "Methods",
    "Open science and the public",
    "Results",
    "Discussion",
)

TRIPOD_AI = Guideline(
    name="tripod-ai",
    title="TRIPOD+AI",
    source="Collins et al. 2024, doi:10.1136/bmj-2023-078378",
    items=(
        item("1", _TITLE, "Title", ask="Does it name the model's task, the population and the outcome?"),
        item("2", _TITLE, "Abstract", fact="accuracy", ask="Follow TRIPOD+AI for Abstracts."),
        item("3a", _INTRO, "Health-care context", ask="Why is the model needed; which models exist?"),
        item("3b", _INTRO, "Population and purpose", ask="For whom, used by whom, at what point of care?"),
        item("3c", _INTRO, "Known inequalities", ask="Which differences in health between groups are known?"),
        item("4", _INTRO, "Objectives", ask="Development, evaluation, or both?"),
        item("5a", _METHODS, "Sources of data", ask="Which, why, and how representative?"),
        item("5b", _METHODS, "Dates", ask="From when to when?"),
        item("6a", _METHODS, "Setting", ask="Kind, number and place of centres?"),
        item("6b", _METHODS, "Eligibility", ask="Who could take part?"),
        item("6c", _METHODS, "Treatments", ask="Which were given, and how were they handled?"),
        item("7", _METHODS, "Preparation of the data", fact="preprocessing", ask="Alike in all groups?"),
        item("8a", _METHODS, "Outcome", ask="Defined how, assessed when, and alike in all groups?"),
        item("8b", _METHODS, "Assessors of the outcome", ask="Their qualification, if judgement is needed?"),
        item("8c", _METHODS, "Blinding to predictors", ask="Was the outcome assessed without the scores?"),
        item("9a", _METHODS, "Choice of predictors", ask="Why images alone, or with what else?"),
        item("9b", _METHODS, "Definition of predictors", ask="How and when were images taken?"),
        item("9c", _METHODS, "Assessors of predictors", ask="Their qualification, if judgement is needed?"),
        item("10", _METHODS, "Sample size", fact="sample-size", ask="How was it arrived at?"),
        item("11", _METHODS, "Missing data", fact="missing", ask="Why were they missing?"),
        item("12a", _METHODS, "Use of the data", fact="partitions", ask="How were parts made?"),
        item("12b", _METHODS, "Handling of predictors", fact="preprocessing", ask="Anything further?"),
        item("12c", _METHODS, "Model building", fact="training", ask="Why this model; how was it tuned?"),
        item("12d", _METHODS, "Clusters", fact="clusters", ask="And differences between hospitals?"),
        item("12e", _METHODS, "Measures and plots", fact="measures"),
        item("12f", _METHODS, "Updating", fact="calibration", ask="Was the model otherwise updated?"),
        item("12g", _METHODS, "How predictions were made", fact="output", ask="By code, a service, a file?"),
        item(
            "13", _METHODS, "Class imbalance", fact="prevalence", ask="Was it treated, and undone afterwards?"
        ),
        item("14", _METHODS, "Fairness", fact="subgroups", ask="Which approach, and why?"),
        item("15", _METHODS, "Output", fact="output", ask="Why this threshold?"),
        item("16", _METHODS, "Training and evaluation data", ask="How do they differ?"),
        item("17", _METHODS, "Ethics", ask="Which committee and consent, or why none?"),
        item("18a", _OPEN, "Funding", ask="Who paid, and what was their role?"),
        item("18b", _OPEN, "Conflicts of interest", ask="Which, and whose?"),
        item("18c", _OPEN, "Protocol", ask="Where can it be read?"),
        item("18d", _OPEN, "Registration", ask="Number and registry?"),
        item("18e", _OPEN, "Data", ask="Where can they be had?"),
        item("18f", _OPEN, "Code", fact="software", ask="Where can yours be had?"),
        item("19", _OPEN, "Patients and public", ask="How were they involved?"),
        item("20a", _RESULTS, "Flow of participants", fact="counts", ask="Draw the flow, with exclusions."),
        item("20b", _RESULTS, "Who they were", fact="prevalence", ask="Age, sex and features, by centre?"),
        item(
            "20c", _RESULTS, "Against the development data", fact="partitions", ask="Predictors and outcome?"
        ),
        item("21", _RESULTS, "Numbers in each analysis", fact="counts"),
        item("22", _RESULTS, "The full model", fact="training", ask="Where can model and weights be had?"),
        item("23a", _RESULTS, "Performance with intervals", fact="accuracy", ask="And in key subgroups?"),
        item("23b", _RESULTS, "Differences between clusters", fact="subgroups", ask="Between centres?"),
        item("24", _RESULTS, "Result of updating", fact="calibration", ask="Performance before and after?"),
        item("25", _DISCUSSION, "Interpretation", ask="Fairness, and other studies, included?"),
        item("26", _DISCUSSION, "Limitations", ask="Bias, uncertainty, generalisability?"),
        item("27a", _DISCUSSION, "Poor input", ask="What happens with a bad or missing image?"),
        item("27b", _DISCUSSION, "Users", ask="What must they do, and know?"),
        item("27c", _DISCUSSION, "Next steps", ask="Which research, and how applicable is it?"),
    ),
)
