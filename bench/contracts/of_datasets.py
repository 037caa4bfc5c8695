"""What a dataset promises: facts that fit, and images and labels that fit the facts."""

from __future__ import annotations

import numpy as np

from bench import names
from bench.contracts.promise import Promise, Subject
from bench.spec import IGNORE, Dataset, DatasetInfo


def _info(subject: Subject) -> DatasetInfo:
    return names.dataset_info(names.resolve("dataset", subject.component))


def facts(subject: Subject) -> str:
    info = _info(subject)
    if not 1 < info.num_classes < IGNORE:
        return f"{info.num_classes} classes"
    if len(info.palette) != info.num_classes or len(set(info.class_names)) != info.num_classes:
        return f"{len(info.palette)} colours and {len(set(info.class_names))} names for {info.num_classes} classes"
    if len(set(info.palette)) != info.num_classes or any(not 0 <= part <= 255 for c in info.palette for part in c):
        return "colours that are no bytes, or one colour twice"
    missing = [word for word in ("domains", "licence", "source", "label") if not getattr(info, word)]
    return f"it does not say its {missing[0]}" if missing else ""


def pairs(subject: Subject) -> str:
    info = _info(subject)
    if info.needs_files:
        return ""  # which are not here; `bench data verify` looks at those
    for split in ("train", "val", "test"):
        found: Dataset = subject.build(None, info.domains[0], split)
        names_of = [found.image_name(i) for i in range(len(found))]
        if not names_of or len(set(names_of)) != len(names_of):
            return f"{split}: {len(names_of)} images of {len(set(names_of))} names"
        image, labels = found.read(0)
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or labels.shape != image.shape[:2]:
            return f"{split}: image {image.dtype} {image.shape}, labels {labels.dtype} {labels.shape}"
        strange = set(np.unique(labels)) - {*range(info.num_classes), IGNORE}
        if labels.dtype != np.uint8 or strange:
            return f"{split}: labels {labels.dtype} with {sorted(map(int, strange))[:3]}"
    return ""


def twice(subject: Subject) -> str:
    info = _info(subject)
    if info.needs_files:
        return ""
    one, two = (subject.build(None, info.domains[0], "test") for _ in range(2))
    same = one.digest() == two.digest() and all(
        np.array_equal(a, b) for a, b in zip(one.read(0), two.read(0), strict=True)
    )
    return "" if same else "two of the same domain and split differ"


PROMISES = (
    Promise(
        "facts that fit each other", facts, "give INFO a name and a colour for each class, domains, licence, source"
    ),
    Promise("uint8 images (H, W, 3) with labels 0..K-1 or 255", pairs, "map labels on disk to 0..K-1, void to 255"),
    Promise("the same images every time", twice, "draw from seeds of your own; let digest() cover what decides pixels"),
)
