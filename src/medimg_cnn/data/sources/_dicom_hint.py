"""What to say to those who have a tree of DICOM files and have not found ``dicom_key`` yet."""

from __future__ import annotations

from collections.abc import Sequence

from medimg_cnn.data._records import DICOM_KEYS
from medimg_cnn.data.sources._files import Tree
from medimg_cnn.errors import ImageReadError

__all__ = ["hint_for_tree"]


def hint_for_tree(tree: Tree, paths: Sequence[str]) -> str:
    """Return the next step for images that a table labels by identifiers; "" where the first one is not DICOM."""
    from medimg_cnn.data.readers._sniff import is_dicom

    try:
        if not paths or not is_dicom(tree.head(paths[0], 132)):
            return ""
    except ImageReadError:
        return ""
    return (
        f"If a table gives the labels of these DICOM files by {' or '.join(DICOM_KEYS)}, pass it as the source, with "
        f"root={tree.name!r} and dicom_key= with the name of the identifier."
    )
