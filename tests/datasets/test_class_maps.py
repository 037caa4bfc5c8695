"""Class maps: every code that can occur has a meaning, each meaning is a class or void."""

from __future__ import annotations

import dataclasses

import pytest

from bench.datasets.class_maps import (
    CARLA_IDS,
    CITYSCAPES13,
    CITYSCAPES16,
    CITYSCAPES19,
    CITYSCAPES_IDS,
    CITYSCAPES_TRAIN_IDS,
    CLASS_LISTS,
    CLASS_MAPS,
    GTA5_IDS,
    PALETTE,
    SYNTHIA_IDS,
    VOID,
    VOID_PALETTE,
    palette,
)
from bench.spec import IGNORE, BenchError

TRAIN_IDS = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
"""labelIds of train ids 0 to 18."""
SYNTHIA_TO_19 = {3: 0, 4: 1, 2: 2, 21: 3, 5: 4, 7: 5, 15: 6, 9: 7, 6: 8, 16: 9, 1: 10, 10: 11, 17: 12, 8: 13}
SYNTHIA_TO_19 |= {18: 14, 19: 15, 20: 16, 12: 17, 11: 18}


@pytest.mark.parametrize("classes", CLASS_LISTS)
@pytest.mark.parametrize("table", CLASS_MAPS, ids=lambda table: table.name)
def test_every_map_is_total_and_leads_into_the_class_list(table, classes):
    names = CLASS_LISTS[classes]
    labels = table.labels(names)
    assert labels.keys() == table.on_disk
    assert set(labels.values()) <= {*range(len(names)), IGNORE}
    for code, (_, to) in table.named.items():
        assert labels[code] == (names.index(to) if to in names else IGNORE)


def test_a_forgotten_an_impossible_and_a_misspelt_entry_are_named():
    named = dict(GTA5_IDS.named)
    for wrong, said in (
        ({code: named[code] for code in named if code not in (7, 34)}, "misses code 7, 34"),
        (named | {77: ("?", VOID)}, "impossible code 77"),
        (named | {7: ("road", "raod")}, "unknown class raod"),
    ):
        with pytest.raises(BenchError, match=said):
            dataclasses.replace(GTA5_IDS, named=wrong).labels(CITYSCAPES19)
    dataclasses.replace(GTA5_IDS, named=named).labels(CITYSCAPES19)  # control


def test_cityscapes_label_ids_are_the_known_train_ids():
    for table in (CITYSCAPES_IDS, GTA5_IDS):
        labels = table.labels(CITYSCAPES19)
        assert {code: label for code, label in labels.items() if label != IGNORE} == dict(
            zip(TRAIN_IDS, range(19), strict=True)
        )
    assert CITYSCAPES_TRAIN_IDS.labels(CITYSCAPES19) == {**{k: k for k in range(19)}, 255: IGNORE}


def test_synthia_and_carla_codes_are_the_known_ones():
    labels = SYNTHIA_IDS.labels(CITYSCAPES19)
    assert {code: label for code, label in labels.items() if label != IGNORE} == SYNTHIA_TO_19
    carla = CARLA_IDS.labels(CITYSCAPES19)
    assert [carla[k] for k in range(13)] == [255, 2, 4, 255, 11, 5, 0, 0, 1, 8, 13, 3, 7]


def test_shorter_lists_keep_the_order_and_lose_the_classes_synthia_lacks():
    assert (len(CITYSCAPES19), len(CITYSCAPES16), len(CITYSCAPES13)) == (19, 16, 13)
    assert set(CITYSCAPES19) - set(CITYSCAPES16) == {"terrain", "truck", "train"}
    assert set(CITYSCAPES16) - set(CITYSCAPES13) == {"wall", "fence", "pole"}
    for shorter in (CITYSCAPES16, CITYSCAPES13):
        assert list(shorter) == sorted(shorter, key=CITYSCAPES19.index)
    assert SYNTHIA_IDS.labels(CITYSCAPES16)[16] == IGNORE  # terrain
    assert SYNTHIA_IDS.labels(CITYSCAPES16)[11] == 15  # bicycle, 18 of 19
    assert SYNTHIA_IDS.labels(CITYSCAPES13)[21] == IGNORE  # wall


def test_colours_tell_all_classes_and_voids_apart():
    colours = [*PALETTE.values(), *VOID_PALETTE.values()]
    assert len(set(colours)) == len(colours) == 29
    assert palette(("road", "bicycle")) == ((128, 64, 128), (119, 11, 32))
