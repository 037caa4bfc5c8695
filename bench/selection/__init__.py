"""A network and target images without labels -> numbers by which a checkpoint can be chosen.

looking                                      one pass over the images, every score beside the others
shares, density, nuclear, agreement,
confidence, statistics                       the scores
The table stands here, so that reading it loads no torch.
"""

from __future__ import annotations

from typing import Literal, NamedTuple


class Selector(NamedTuple):
    """A row of the table: `higher` says whether more is better, `labels` whose labels it looks at."""

    label: str
    higher: bool
    labels: Literal["none", "source", "target"]
    source: str


SELECTORS = {
    "agreement": Selector("student and teacher agree", True, "none", "teacher as in arXiv 1703.01780"),
    "atc": Selector("predicted accuracy (ATC)", True, "source", "arXiv 2201.04234"),
    "bn_gap": Selector("gap of BN statistics", False, "none", "after arXiv 1603.04779"),
    "bnm": Selector("batch nuclear norm", True, "none", "arXiv 2003.12237"),
    "consistency": Selector("agreement under flip and jitter", True, "none", ""),
    "entropy": Selector("entropy", False, "none", "after arXiv 1811.12833"),
    "infomax": Selector("information maximisation", True, "none", "arXiv 2002.08546"),
    "oracle": Selector("oracle: target labels", True, "target", ""),
    "prior_distance": Selector("distance of class shares", False, "source", "Jensen-Shannon divergence"),
    "snd": Selector("soft neighbourhood density", True, "none", "arXiv 2108.10860"),
    "source_val": Selector("mIoU on source val", True, "source", ""),
}
"""What `choose` may say beside `last`.  All but `oracle` and `source_val`, which are read off the counts of an
evaluation, are worked out by `looking.label_free`."""

LABEL_FREE = tuple(name for name in SELECTORS if name not in ("oracle", "source_val"))


def worth(name: str, value: float | None) -> float | None:
    """`value` of a selector, turned so that more is better; None stays None."""
    return value if value is None or SELECTORS[name].higher else -value
