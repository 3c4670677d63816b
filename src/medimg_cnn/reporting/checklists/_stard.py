"""STARD 2015 and STARD-AI, item by item, in our own words."""

from __future__ import annotations

from medimg_cnn.reporting.checklists._items import Guideline, item

__all__ = ["STARD_2015", "STARD_AI"]

_TITLE, _INTRO, _METHODS, _RESULTS, _DISCUSSION, _OTHER = (
    "Title and abstract",
    "Introduction",
    "Methods",
    "Results",
    "Discussion",
    "Other information",
)

STARD_2015 = Guideline(
    name="stard-2015",
    title="STARD 2015",
    source="Bossuyt et al. 2015, doi:10.1136/bmj.h5527",
    items=(
        item(
            "1", _TITLE, "Diagnostic accuracy named", ask="Does the title or abstract say so, with a measure?"
        ),
        item(
            "2", _TITLE, "Structured abstract", fact="accuracy", ask="Write design, methods and conclusions."
        ),
        item("3", _INTRO, "Background and role of the test", ask="What is the test for, and where in care?"),
        item("4", _INTRO, "Objectives and hypotheses", ask="What was asked, and what was expected?"),
        item("5", _METHODS, "Prospective or retrospective", ask="Was the data collected before or after?"),
        item("6", _METHODS, "Eligibility", ask="Who could take part, and who could not?"),
        item("7", _METHODS, "How participants were found", ask="By symptoms, earlier tests, a registry?"),
        item("8", _METHODS, "Where and when", ask="Setting, places and dates?"),
        item("9", _METHODS, "Kind of series", ask="Consecutive, random or convenience?"),
        item(
            "10a",
            _METHODS,
            "Index test",
            fact="preprocessing",
            ask="Describe the model so it can be repeated.",
        ),
        item("10b", _METHODS, "Reference standard", ask="How was the truth established?"),
        item("11", _METHODS, "Why this reference standard", ask="Why this one, if there are others?"),
        item(
            "12a",
            _METHODS,
            "Cut-off of the index test",
            fact="threshold",
            ask="Why, and was it set beforehand?",
        ),
        item("12b", _METHODS, "Cut-off of the reference standard", ask="Which, why, and set beforehand?"),
        item(
            "13a",
            _METHODS,
            "What readers of the index test knew",
            ask="Were clinical data or the truth known?",
        ),
        item("13b", _METHODS, "What assessors of the truth knew", ask="Were clinical data or scores known?"),
        item("14", _METHODS, "Statistical methods", fact="methods"),
        item(
            "15",
            _METHODS,
            "Indeterminate results",
            fact="indeterminate",
            ask="And of the reference standard?",
        ),
        item("16", _METHODS, "Missing data", fact="missing", ask="And of the reference standard?"),
        item("17", _METHODS, "Variability", fact="subgroups", ask="Which analyses were planned beforehand?"),
        item("18", _METHODS, "Sample size", fact="sample-size", ask="What was planned, and how determined?"),
        item("19", _RESULTS, "Flow of participants", fact="counts", ask="Draw the flow, with exclusions."),
        item("20", _RESULTS, "Who they were", fact="prevalence", ask="Age, sex and clinical features?"),
        item("21a", _RESULTS, "Severity in those with the condition", ask="How was severity distributed?"),
        item("21b", _RESULTS, "Other diagnoses in those without", ask="What else did they have?"),
        item("22", _RESULTS, "Time between tests", ask="How long, and any treatment in between?"),
        item("23", _RESULTS, "Cross tabulation", fact="cross-tabulation"),
        item("24", _RESULTS, "Accuracy with precision", fact="accuracy"),
        item("25", _RESULTS, "Adverse events", ask="Any from the test or the reference standard?"),
        item("26", _DISCUSSION, "Limitations", ask="Bias, uncertainty, generalisability?"),
        item("27", _DISCUSSION, "Implications", ask="What does it mean for practice and the test's role?"),
        item("28", _OTHER, "Registration", ask="Number and registry?"),
        item("29", _OTHER, "Protocol", ask="Where can it be read?"),
        item("30", _OTHER, "Funding", ask="Who paid, and what was their role?"),
    ),
)

STARD_AI = Guideline(
    name="stard-ai",
    title="STARD-AI",
    source="Sounderajah et al. 2025, doi:10.1038/s41591-025-03953-8",
    items=(
        item("1", _TITLE, "AI diagnostic accuracy named", ask="Does the title say so, with a measure?"),
        item(
            "2", _TITLE, "Structured abstract", fact="accuracy", ask="Write design, methods and conclusions."
        ),
        item(
            "3", _INTRO, "Background and place in the workflow", ask="What is the AI for, and where in care?"
        ),
        item("4", _INTRO, "Objectives and hypotheses", ask="What was asked, and what was expected?"),
        item("5", _METHODS, "Prospective or retrospective", ask="Was the data collected before or after?"),
        item("6", _METHODS, "Ethics approval", ask="Which committee, or why none?"),
        item(
            "7",
            _METHODS,
            "Eligibility of participants and data",
            ask="Who, and which images, could take part?",
        ),
        item("8", _METHODS, "How participants were found", ask="By symptoms, earlier tests, a registry?"),
        item("9", _METHODS, "Where and when", ask="Setting, places and dates?"),
        item("10", _METHODS, "Kind of series", ask="Consecutive, random or convenience?"),
        item("11", _METHODS, "Source of the data", ask="Routine care, a study, a public set?"),
        item("12", _METHODS, "Annotation", ask="By whom, with what experience, how?"),
        item("13", _METHODS, "Devices and software", fact="software", ask="Which devices made the images?"),
        item(
            "14",
            _METHODS,
            "Acquisition and preprocessing",
            fact="preprocessing",
            ask="How were images taken?",
        ),
        item(
            "15a",
            _METHODS,
            "Index test",
            fact="training",
            ask="Name the model, its version and architecture.",
        ),
        item("15b", _METHODS, "Development and its data", fact="partitions", ask="How were parts made?"),
        item(
            "15c",
            _METHODS,
            "Cut-off of the index test",
            fact="threshold",
            ask="Why, and was it set beforehand?",
        ),
        item("15d", _METHODS, "End user", ask="Who uses it, with what expertise and training?"),
        item("16a", _METHODS, "Reference standard", ask="How was the truth established?"),
        item("16b", _METHODS, "Why this reference standard", ask="Why this one, if there are others?"),
        item("16c", _METHODS, "Cut-off of the reference standard", ask="Which, why, and set beforehand?"),
        item(
            "17a",
            _METHODS,
            "What readers of the index test knew",
            ask="Were clinical data or the truth known?",
        ),
        item("17b", _METHODS, "What assessors of the truth knew", ask="Were clinical data or scores known?"),
        item("18", _METHODS, "Statistical methods", fact="methods"),
        item(
            "19",
            _METHODS,
            "Indeterminate results",
            fact="indeterminate",
            ask="And of the reference standard?",
        ),
        item("20", _METHODS, "Missing data", fact="missing", ask="And of the reference standard?"),
        item("21", _METHODS, "Variability", fact="subgroups", ask="Which analyses were planned beforehand?"),
        item("22", _METHODS, "Sample size", fact="sample-size", ask="What was planned, and how determined?"),
        item(
            "23", _METHODS, "Fairness and errors", fact="errors", ask="How was algorithmic bias looked for?"
        ),
        item(
            "24",
            _RESULTS,
            "Flow of participants and data",
            fact="counts",
            ask="Draw the flow, with exclusions.",
        ),
        item(
            "25", _RESULTS, "Who they were, by part", fact="partitions", ask="Age, sex and features by part?"
        ),
        item("26a", _RESULTS, "Severity in those with the condition", ask="How was severity distributed?"),
        item("26b", _RESULTS, "Other diagnoses in those without", ask="What else did they have?"),
        item("27", _RESULTS, "Time between tests", ask="How long, and any treatment in between?"),
        item("28", _RESULTS, "Test set and intended use", fact="prevalence", ask="How else is it like them?"),
        item(
            "29", _RESULTS, "Outside data", fact="evaluated-on", ask="How does it differ from training data?"
        ),
        item("30", _RESULTS, "Cross tabulation", fact="cross-tabulation"),
        item("31", _RESULTS, "Accuracy with precision", fact="accuracy"),
        item("32", _RESULTS, "Adverse events", ask="Any from the test or the reference standard?"),
        item("33", _DISCUSSION, "Limitations", ask="Bias, uncertainty, generalisability?"),
        item("34", _DISCUSSION, "Implications", ask="What does it mean for practice?"),
        item("35", _DISCUSSION, "Ethics and fairness", ask="Which harms or inequities could follow?"),
        item("36", _OTHER, "Registration", ask="Number and registry?"),
        item("37", _OTHER, "Protocol", ask="Where can it be read?"),
        item("38", _OTHER, "Funding", ask="Who paid, and what was their role?"),
        item("39", _OTHER, "Commercial interests", ask="Which, and whose?"),
        item("40a", _OTHER, "Data and code", fact="software", ask="Where can data, code and model be had?"),
        item("40b", _OTHER, "Audit of the outputs", ask="How can the outputs be examined by others?"),
    ),
)
