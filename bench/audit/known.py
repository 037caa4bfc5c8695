"""Networks whose counts are known exactly: the package's own, counted by its own counters (a test counts them again).

Counts are for one image of 512 x 512; multiply-adds grow with the area, which is exact for sides divisible by 32 and
within 3 % elsewhere.  `per_class` is what each class beyond the seventh adds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

AREA, CLASSES = 512 * 512, 7


class Count(NamedTuple):
    """For 7 classes, and what one more class adds."""

    at_seven: int
    per_class: int

    def of(self, classes: int) -> int:
        """The count for a number of classes."""
        return self.at_seven + self.per_class * (classes - CLASSES)


@dataclass(frozen=True, kw_only=True)
class Network:
    """`params` and `macs` of the deployed graph; `trained` with auxiliary heads (None: it has none).

    `sum_` is fvcore's sum (multiply-adds, normalisation, resizing), which many tables print; `eligible` multiply-adds
    could be Winograd's (3x3, stride 1, undilated, ungrouped).
    """

    label: str
    aliases: tuple[str, ...]
    params: Count
    macs: Count
    sum_: int
    eligible: Count
    trained: tuple[Count, Count, int] | None = None
    family: str = ""


def _pidnet(letter: str, words: str, *counts: Count, sums: tuple[int, int]) -> Network:
    params, macs, eligible, params_trained, macs_trained = counts
    return Network(
        label=f"PIDNet-{letter}",
        aliases=(f"pidnet{letter.casefold()}", f"pidnet{words}"),
        params=params,
        macs=macs,
        sum_=sums[0],
        eligible=eligible,
        trained=(params_trained, macs_trained, sums[1]),
        family="PIDNet",
    )


NETWORKS = (
    Network(
        label="DeepLabV2-ResNet101",
        aliases=("deeplabv2resnet101", "deeplabv2r101", "deeplabv2rn101", "deeplabresnet101v2"),
        params=Count(43_016_284, 73_732),
        macs=Count(184_519_925_760, 311_500_800),
        sum_=185_007_815_424,
        eligible=Count(4_332_367_872, 0),
        family="DeepLabV2",
    ),
    _pidnet(
        "S",
        "small",
        Count(7_624_167, 129),
        Count(5_893_029_888, 524_288),
        Count(4_945_084_416, 0),
        Count(7_717_839, 258),
        Count(6_274_318_336, 1_048_576),
        sums=(5_933_385_728, 6_317_033_472),
    ),
    _pidnet(
        "M",
        "medium",
        Count(28_536_967, 129),
        Count(22_159_884_288, 524_288),
        Count(18_572_378_112, 0),
        Count(28_760_015, 258),
        Count(23_069_786_112, 1_048_576),
        sums=(22_239_338_496, 23_152_910_336),
    ),
    _pidnet(
        "L",
        "large",
        Count(36_936_487, 257),
        Count(34_354_200_576, 1_048_576),
        Count(31_435_849_728, 0),
        Count(37_308_143, 514),
        Count(35_871_752_192, 2_097_152),
        sums=(34_445_355_008, 35_967_625_216),
    ),
    Network(
        label="UNet-ResNet18",
        aliases=("unetresnet18", "unetr18", "unetrn18", "resnet18unet"),
        params=Count(14_329_079, 145),
        macs=Count(21_818_769_408, 37_748_736),
        sum_=21_893_480_448,
        eligible=Count(20_195_573_760, 37_748_736),
    ),
    Network(
        label="UNet-ResNet34",
        aliases=("unetresnet34", "unetr34", "unetrn34", "resnet34unet"),
        params=Count(24_437_239, 145),
        macs=Count(31_482_445_824, 37_748_736),
        sum_=31_570_264_064,
        eligible=Count(29_859_250_176, 37_748_736),
    ),
)

_ALIASES: dict[str, tuple[Network, ...]] = {alias: (net,) for net in NETWORKS for alias in net.aliases}
for _net in NETWORKS:
    if _net.family:  # a name that leaves the size or the backbone open
        _key = _net.family.casefold()
        _ALIASES[_key] = (*_ALIASES.get(_key, ()), _net)
_LONGEST = 5


class Named(NamedTuple):
    """`networks` are all that a name may mean; `full` where it leaves nothing open (`DeepLabV2` has no backbone)."""

    networks: tuple[Network, ...]
    full: bool

    @property
    def label(self) -> str:
        """`PIDNet-S`, or `PIDNet` where the size is open."""
        return self.networks[0].label if self.full else self.networks[0].family


def tokens(text: str) -> list[str]:
    """Words of letters and digits, small letters."""
    return re.findall(r"[a-z0-9]+", text.casefold())


@cache
def named(text: str, *, anywhere: bool = False) -> Named | None:
    """The known network that a cell begins with (or, `anywhere`, that a line of text speaks of); None for none."""
    found, words = list[Named](), tokens(text)[:200]
    for start in range(len(words) if anywhere else min(1, len(words))):
        for end in range(min(len(words), start + _LONGEST), start, -1):
            joined = "".join(words[start:end])
            if joined in _ALIASES:
                networks = _ALIASES[joined]
                found.append(Named(networks, joined in networks[0].aliases))
                break
    apart = {one.label for one in found}
    return found[0] if len(apart) == 1 else None
