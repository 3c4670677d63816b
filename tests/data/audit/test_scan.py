from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from medimg_cnn.data._audit._scan import joined


@given(
    st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=20),
    st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=10),
)
def test_joined_names_are_the_first_of_what_is_connected(
    names: list[str], links: list[tuple[int, int]]
) -> None:
    n = len(names)
    pairs = np.array([(a % n, b % n) for a, b in links], dtype=np.int64).reshape(-1, 2)
    expected = list(names)
    changed = True
    while changed:
        changed = False
        for a, b in pairs.tolist():
            least = min(expected[a], expected[b])
            for index, name in enumerate(names):
                if name in (names[a], names[b]) and expected[index] > least:
                    expected[index], changed = least, True
    assert joined(np.array(names), pairs).tolist() == expected
