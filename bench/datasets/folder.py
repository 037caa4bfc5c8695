"""Any tree of images and masks, described where it is used: in the sweep file.

    dataset:
      name: folder
      tree: mydata                                  # a folder beside the other datasets
      class_names: [road, car]
      domains: [summer, winter]
      images: "images/{domain}/{split}/*.png"       # `*` is any text within a name; what it stands for joins the pair
      masks: "masks/{domain}/{split}/*.png"
      codes: {0: 0, 3: 1, 255: 255}                 # value on disk: class number, or 255 for IGNORE
      # or, for coloured masks: colours: {"128,64,128": 0, "0,0,142": 1, "0,0,0": 255}

Without `codes` and `colours` the values on disk are the class numbers, and those in `ignore` are IGNORE.  `splits`
names the folders of train, val and test where they are called otherwise; target = the photos of train.  What is not
described is an error, as in every other dataset: a value, a colour, a photo without a mask.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np

from bench.datasets.colours import DecodedFolder, colour_table, read_colours
from bench.datasets.folders import Sample, check_request, natural
from bench.datasets.reading import data_error, label_table, read_mask, to_labels
from bench.datasets.tree import plain_name, tree_files
from bench.spec import IGNORE, BenchError, DatasetInfo, ExitCode

MOST_CLASSES = 250
"""Labels are bytes, and the last few have meanings of their own."""


def facts(
    *,
    tree: str,
    class_names: tuple[str, ...],
    domains: tuple[str, ...],
    palette: tuple[tuple[int, int, int], ...] | None = None,
) -> DatasetInfo:
    """The facts that the options state; raises BenchError where they cannot be."""
    plain_name(tree, "tree")
    for domain in domains:
        plain_name(domain, "domains")
    for key, words in (("class_names", class_names), ("domains", domains)):
        if not words or len(set(words)) < len(words) or "" in words:
            raise BenchError("must be at least one name, each of them once", remedy=f"write `{key}: [a, b]`", key=key)
    if len(class_names) > MOST_CLASSES:
        raise BenchError(
            f"{len(class_names)} classes are too many", remedy=f"at most {MOST_CLASSES}", key="class_names"
        )
    colours = made_up_palette(len(class_names)) if palette is None else tuple(tuple(c) for c in palette)
    if len(colours) != len(class_names) or any(not 0 <= part <= 255 for colour in colours for part in colour):
        remedy = f"write {len(class_names)} of them, or leave `palette` out"
        raise BenchError("must be one colour of 0..255 for each class", remedy=remedy, key="palette")
    return DatasetInfo(
        name="folder",
        label=tree,
        domains=tuple(domains),
        class_names=tuple(class_names),
        palette=colours,  # type: ignore[arg-type]
        licence="that of the tree",
        source=f"the folder {tree}, as described in the sweep file",
        needs_files=True,
    )


INFO = DatasetInfo(
    name="folder",
    label="a folder of one's own",
    domains=(),
    class_names=(),
    palette=(),
    licence="that of the tree",
    source="described in the sweep file",
    needs_files=True,
)


def folder(
    root: Path | None,
    domain: str,
    split: str,
    *,
    tree: str,
    class_names: tuple[str, ...],
    domains: tuple[str, ...],
    images: str = "images/{domain}/{split}/*.png",
    masks: str = "masks/{domain}/{split}/*.png",
    codes: dict[str, int] | None = None,
    colours: dict[str, int] | None = None,
    ignore: tuple[int, ...] = (255,),
    splits: dict[str, str] | None = None,
    palette: tuple[tuple[int, int, int], ...] | None = None,
) -> DecodedFolder:
    """Your own tree of images and masks: classes, codes and folders as the sweep file says.

    `root` is where a dataset called folder would lie; the tree is its neighbour `tree`.  Raises BenchError for options
    that contradict each other, and when the tree is not as they say.
    """
    info = facts(tree=tree, class_names=class_names, domains=domains, palette=palette)
    check_request(info, domain, split)
    table, decode = _decoder(len(class_names), codes, colours, ignore)
    place = None if root is None else root.parent / tree
    if place is None or not place.is_dir():
        raise BenchError(
            f"{tree} was not found" + ("" if place else ": no data folder is set"),
            remedy=f"set BENCH_DATA, or pass --data-root, to the folder that holds {tree}/",
            file=place,
            code=ExitCode.DATA,
        )
    words = {"domain": domain, "split": _split_folder(split, splits)}
    photos = tree_files(place, images, "images", words, len(domains) > 1)
    partners = tree_files(place, masks, "masks", words, len(domains) > 1)
    return DecodedFolder(info, domain, split, _paired(photos, partners, split == "target", place), table, decode)


def made_up_palette(count: int) -> tuple[tuple[int, int, int], ...]:
    """`count` colours that differ: the bits of k+1 spread over red, green and blue, highest first."""

    def colour(number: int) -> tuple[int, int, int]:
        parts = [sum((number >> (3 * bit + channel) & 1) << (7 - bit) for bit in range(3)) for channel in range(3)]
        return parts[0], parts[1], parts[2]

    return tuple(colour(k + 1) for k in range(count))


def _split_folder(split: str, splits: dict[str, str] | None) -> str:
    """What `{split}` stands for; target shares train's."""
    official = "train" if split == "target" else split
    if splits is None:
        return official
    unknown = sorted(set(splits) - {"train", "val", "test"})
    if unknown or official not in splits:
        problem = f"has the unknown split '{unknown[0]}'" if unknown else f"says nothing of '{official}'"
        raise BenchError(problem, remedy="write `splits: {train: ..., val: ..., test: ...}`", key="splits")
    return plain_name(splits[official], "splits")


def _paired(photos: dict[str, Path], masks: dict[str, Path], unlabelled: bool, place: Path) -> tuple[Sample, ...]:
    """Photos and masks whose wildcards stand for the same text, in numeric order."""
    if not photos:
        raise data_error("holds no file like `images`", place, "compare the pattern with the folder")
    if unlabelled:
        return tuple(Sample(name, photos[name], None) for name in sorted(photos, key=natural))
    for these, others, lacks in ((photos, masks, "mask"), (masks, photos, "photo")):
        alone = sorted(these.keys() - others.keys(), key=natural)
        if alone:
            more = f" (and {len(alone) - 1} more)" if len(alone) > 1 else ""
            raise data_error(
                f"no {lacks} belongs to this file{more}", these[alone[0]], "restore it, or remove this file"
            )
    return tuple(Sample(name, photos[name], masks[name]) for name in sorted(photos, key=natural))


def _decoder(
    classes: int, codes: dict[str, int] | None, colours: dict[str, int] | None, ignore: tuple[int, ...]
) -> tuple[np.ndarray, partial[np.ndarray]]:
    """The label table and the reader of masks that go with the options."""
    if codes is not None and colours is not None:
        raise BenchError("`codes` and `colours` exclude each other", remedy="keep one of the two", key="colours")
    if colours is not None:
        table = colour_table({_colour(text): _label(label, classes, "colours") for text, label in colours.items()})
        return table, partial(read_colours, table=table, remedy="add it to `colours`; 255 ignores it")
    written = {str(k): k for k in range(classes)} if codes is None else codes
    labels = {_code(value, "codes"): _label(label, classes, "codes") for value, label in written.items()}
    void = {_code(value, "ignore"): IGNORE for value in ignore}
    for value in void.keys() & labels.keys():
        if labels[value] != IGNORE:
            remedy = "say in `codes` what each value means"
            raise BenchError(f"{value} is class {labels[value]} and ignored as well", remedy=remedy, key="ignore")
    table = label_table({**labels, **void})
    return table, partial(_read_codes, table=table)


def _read_codes(path: Path, size: tuple[int, int], *, table: np.ndarray) -> np.ndarray:
    values = read_mask(path, size, remedy='a coloured mask needs `colours: {"r,g,b": class}`, its palette')
    return to_labels(values, table, path, "add it to `codes`; 255 ignores it")


def _code(value: int | str, key: str) -> int:
    if not re.fullmatch("[0-9]{1,3}", str(value)) or int(value) > 255:
        raise BenchError(f"'{value}' is no value of a byte", remedy="write 0..255", key=key)
    return int(value)


def _label(label: int, classes: int, key: str) -> int:
    if label != IGNORE and not 0 <= label < classes:
        remedy = f"write 0..{classes - 1}, or {IGNORE} to ignore it"
        raise BenchError(f"{label} is none of the {classes} classes", remedy=remedy, key=key)
    return label


def _colour(text: str) -> tuple[int, int, int]:
    parts = re.fullmatch(r"([0-9]{1,3}), ?([0-9]{1,3}), ?([0-9]{1,3})", text)
    if parts is None or max(map(int, parts.groups())) > 255:
        raise BenchError(f"'{text}' is no colour", remedy='write "r,g,b" with 0..255 each', key="colours")
    red, green, blue = map(int, parts.groups())
    return red, green, blue
