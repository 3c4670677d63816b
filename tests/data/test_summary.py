from __future__ import annotations

from medimg_cnn.data._summary import DatasetSummary, PartSummary

SUMMARY = DatasetSummary(
    origin="a <b>folder</b>",
    classes=("normal", "<script>"),
    image_shape=(32, 48, 3),
    parts=(
        PartSummary(part="train", images=1200, share=0.8, patients=400, positives=300),
        PartSummary(part="test", images=300, share=0.2, patients=None, positives=60),
    ),
    notes=("A note & more.",),
    fingerprint="0123456789abcdef0123",
)


def test_text_is_aligned_and_complete() -> None:
    assert str(SUMMARY).splitlines() == [
        "a <b>folder</b>: 1,500 images",
        "",
        "part   images  share   patients  positive  prevalence",
        "train   1,200  80.0%        400       300       25.0%",
        "test      300  20.0%  not known        60       20.0%",
        "",
        "Positive is '<script>', negative is 'normal'.",
        "Images are 32 x 48, colour (3 channels), 0 to 1.",
        "Fingerprint 0123456789abcdef.",
        "A note & more.",
    ]


def test_html_escapes_what_it_was_given() -> None:
    html = SUMMARY._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "<b>" not in html
    assert "A note &amp; more." in html
    assert html.count("<tr>") == 3


def test_rich_markup_in_names_is_plain_text() -> None:
    import io

    from rich.console import Console

    console = Console(file=io.StringIO(), width=120)
    console.print(SUMMARY)
    assert "a <b>folder</b>: 1,500 images" in console.file.getvalue()
    assert "<script>" in console.file.getvalue()
