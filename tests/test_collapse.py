"""Classes that seeds lose: what counts as lost, in how many seeds, and since when."""

from __future__ import annotations

import numpy as np
import pytest

from bench.scores.collapse import Collapse, collapsed, dead

ALIVE = [[9, 1, 0], [1, 9, 0], [0, 0, 0]]
GONE = [[9, 1, 0], [9, 1000, 0], [0, 0, 0]]
GONE[0][0], GONE[0][1] = 0, 10


def test_a_dead_class_has_labels_and_no_hits() -> None:
    assert dead(ALIVE) == set()  # the third class has no labels: that it is not found is no fault
    assert dead(GONE) == {0}
    assert dead([[0, 5], [0, 0]]) == {0}  # nor is the second: it is predicted and has none


def test_collapse_tells_seeds_and_the_first_step_of_the_end() -> None:
    steps = [(100, GONE), (200, ALIVE), (400, GONE), (300, GONE)]  # in any order
    (found,) = collapsed([(GONE, steps), (ALIVE, []), (GONE, [(100, GONE)]), (GONE, [(100, ALIVE)])])
    assert (found.index, found.seeds, found.of, found.born) == (0, 3, 4, 2)
    assert found.since == (300, 100, None)
    assert collapsed([(ALIVE, steps)]) == []  # alive at the end


@pytest.mark.parametrize(("missed", "lost"), [(99, set()), (100, {0})])
def test_a_class_is_lost_below_one_percent(missed: int, lost: set[int]) -> None:
    """One pixel right of 100 is an IoU of exactly 0.01."""
    confusion = [[1, missed], [0, 1000]]
    assert dead(confusion) == dead(np.array(confusion)) == lost


def test_several_classes_stand_in_their_order() -> None:
    both, second = [[0, 5, 5], [5, 0, 5], [0, 0, 9]], [[9, 0, 0], [5, 0, 5], [0, 0, 9]]
    assert collapsed([(both, [(7, second)]), (second, [])]) == [
        Collapse(index=0, seeds=1, of=2, since=(None,), born=1),
        Collapse(index=1, seeds=2, of=2, since=(7, None), born=0),
    ]
    assert collapsed([]) == []
