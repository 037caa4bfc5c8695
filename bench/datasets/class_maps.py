"""Class lists of street scenes, and which class each code on disk means, as data.

Lists      `cityscapes19` is the benchmark's own (Cordts et al., CVPR 2016, arXiv 1604.01685).  `cityscapes16` leaves
           out terrain, truck and train, which SYNTHIA does not show; `cityscapes13` also wall, fence and pole.  The
           order is kept.
Maps       Every code that can occur in a file is written down with what its publisher calls it, so that a forgotten one
           is an error and never a silent void.  The class is one of the 19, or VOID.
Dropped    A class that a shorter list leaves out becomes IGNORE: its pixels are neither learned nor scored.  Averaging
           16 of the 19 IoUs of a longer list is another number, for there these pixels still count as mistakes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bench.spec import IGNORE, BenchError, DatasetInfo

Colour = tuple[int, int, int]

VOID = "void"

# fmt: off
CITYSCAPES19 = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation",
    "terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)
COLOURS19 = (
    (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153), (153, 153, 153),
    (250, 170, 30), (220, 220, 0), (107, 142, 35), (152, 251, 152), (70, 130, 180), (220, 20, 60), (255, 0, 0),
    (0, 0, 142), (0, 0, 70), (0, 60, 100), (0, 80, 100), (0, 0, 230), (119, 11, 32),
)
# fmt: on
"""Entry k is train id k.  Both are literals, so that `bench.names` can read them where nothing is imported."""

PALETTE: dict[str, Colour] = dict(zip(CITYSCAPES19, COLOURS19, strict=True))
"""The colour of each class in its official order."""

VOID_PALETTE: dict[str, Colour] = {
    "unlabeled": (0, 0, 0),
    "dynamic": (111, 74, 0),
    "ground": (81, 0, 81),
    "parking": (250, 170, 160),
    "rail track": (230, 150, 140),
    "guard rail": (180, 165, 180),
    "bridge": (150, 100, 100),
    "tunnel": (150, 120, 90),
    "caravan": (0, 0, 90),
    "trailer": (0, 0, 110),
}
"""Colours of what is no class.  Two more are painted as a class and cannot be told from it: pole groups and licence
plates look like poles and cars.  Ego vehicle, rectification border, out of roi and static are black as `unlabeled`."""

CITYSCAPES16 = tuple(name for name in CITYSCAPES19 if name not in ("terrain", "truck", "train"))
CITYSCAPES13 = tuple(name for name in CITYSCAPES16 if name not in ("wall", "fence", "pole"))

Classes = Literal["cityscapes19", "cityscapes16", "cityscapes13"]
CLASS_LISTS: dict[str, tuple[str, ...]] = {
    "cityscapes19": CITYSCAPES19,
    "cityscapes16": CITYSCAPES16,
    "cityscapes13": CITYSCAPES13,
}


def palette(class_names: Iterable[str]) -> tuple[Colour, ...]:
    """The official colour of each class."""
    return tuple(PALETTE[name] for name in class_names)


def facts_of(info: DatasetInfo, classes: str) -> DatasetInfo:
    """`info` under the class list `classes`.

    A dataset writes its default list out once more, for its facts are read from its source (see `bench.names.source`).
    """
    names = CLASS_LISTS[classes]
    return replace(info, class_names=names, palette=palette(names))


@dataclass(frozen=True)
class ClassMap:
    """What each code of a dataset's files means: `named[code]` is (the publisher's word, one of the 19 or VOID).

    `on_disk` are the codes that can occur, told apart from `named` so that a forgotten one is noticed.
    """

    name: str
    on_disk: frozenset[int]
    named: Mapping[int, tuple[str, str]]

    def labels(self, class_names: tuple[str, ...]) -> dict[int, int]:
        """Code on disk -> label in `class_names` or IGNORE, for `reading.label_table`.

        Raises BenchError naming codes without a meaning, codes that cannot occur, and words that are no class.
        """
        faults: dict[str, Sequence[object]] = {
            "misses code": sorted(self.on_disk - self.named.keys()),
            "has a meaning for the impossible code": sorted(self.named.keys() - self.on_disk),
            "leads to the unknown class": sorted({to for _, to in self.named.values()} - {*PALETTE, VOID}),
        }
        for fault, which in faults.items():
            if which:
                raise BenchError(f"class map '{self.name}' {fault} {', '.join(map(str, which))}")
        known = {name: label for label, name in enumerate(class_names)}
        return {code: known.get(to, IGNORE) for code, (_, to) in sorted(self.named.items())}


def _codes(*ranges: range) -> frozenset[int]:
    return frozenset(code for each in ranges for code in each)


_CITYSCAPES_IDS = {
    0: ("unlabeled", VOID),
    1: ("ego vehicle", VOID),
    2: ("rectification border", VOID),
    3: ("out of roi", VOID),
    4: ("static", VOID),
    5: ("dynamic", VOID),
    6: ("ground", VOID),
    7: ("road", "road"),
    8: ("sidewalk", "sidewalk"),
    9: ("parking", VOID),
    10: ("rail track", VOID),
    11: ("building", "building"),
    12: ("wall", "wall"),
    13: ("fence", "fence"),
    14: ("guard rail", VOID),
    15: ("bridge", VOID),
    16: ("tunnel", VOID),
    17: ("pole", "pole"),
    18: ("polegroup", VOID),
    19: ("traffic light", "traffic light"),
    20: ("traffic sign", "traffic sign"),
    21: ("vegetation", "vegetation"),
    22: ("terrain", "terrain"),
    23: ("sky", "sky"),
    24: ("person", "person"),
    25: ("rider", "rider"),
    26: ("car", "car"),
    27: ("truck", "truck"),
    28: ("bus", "bus"),
    29: ("caravan", VOID),
    30: ("trailer", VOID),
    31: ("train", "train"),
    32: ("motorcycle", "motorcycle"),
    33: ("bicycle", "bicycle"),
}

CITYSCAPES_IDS = ClassMap(
    "Cityscapes labelIds",
    _codes(range(34), range(255, 256)),
    {**_CITYSCAPES_IDS, 255: ("license plate, -1 in a byte", VOID)},
)
CITYSCAPES_TRAIN_IDS = ClassMap(
    "Cityscapes labelTrainIds",
    _codes(range(19), range(255, 256)),
    {**{k: (name, name) for k, name in enumerate(CITYSCAPES19)}, 255: ("not a class", VOID)},
)
GTA5_IDS = ClassMap("GTA5 labels", _codes(range(35)), {**_CITYSCAPES_IDS, 34: ("license plate", VOID)})
SYNTHIA_IDS = ClassMap(
    "SYNTHIA labels",
    _codes(range(23)),
    {
        0: ("void", VOID),
        1: ("sky", "sky"),
        2: ("building", "building"),
        3: ("road", "road"),
        4: ("sidewalk", "sidewalk"),
        5: ("fence", "fence"),
        6: ("vegetation", "vegetation"),
        7: ("pole", "pole"),
        8: ("car", "car"),
        9: ("traffic sign", "traffic sign"),
        10: ("pedestrian", "person"),
        11: ("bicycle", "bicycle"),
        12: ("motorcycle", "motorcycle"),
        13: ("parking-slot", VOID),
        14: ("road-work", VOID),
        15: ("traffic light", "traffic light"),
        16: ("terrain", "terrain"),
        17: ("rider", "rider"),
        18: ("truck", "truck"),
        19: ("bus", "bus"),
        20: ("train", "train"),
        21: ("wall", "wall"),
        22: ("lanemarking", VOID),
    },
)
CARLA_IDS = ClassMap(
    "CARLA tags",
    _codes(range(13)),
    {
        0: ("None", VOID),
        1: ("Buildings", "building"),
        2: ("Fences", "fence"),
        3: ("Other", VOID),
        4: ("Pedestrians", "person"),
        5: ("Poles", "pole"),
        6: ("RoadLines", "road"),
        7: ("Roads", "road"),
        8: ("Sidewalks", "sidewalk"),
        9: ("Vegetation", "vegetation"),
        10: ("Vehicles", "car"),  # lorries, buses and two-wheelers too: the tag does not tell them apart
        11: ("Walls", "wall"),
        12: ("TrafficSigns", "traffic sign"),
    },
)
CLASS_MAPS = (CARLA_IDS, CITYSCAPES_IDS, CITYSCAPES_TRAIN_IDS, GTA5_IDS, SYNTHIA_IDS)
