"""The header of a column, or the key of a `key: value` line -> what stands below it, and in which unit."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from bench.audit.figures import FLOPS, MACS, SCALES, TIMES, WORDS

Quantity = Literal[
    "model",
    "backbone",
    "params",
    "work",
    "latency",
    "std",
    "fps",
    "device",
    "size",
    "batch",
    "classes",
    "precision",
    "miou",
    "other",
]

LATENCY = {"latency", "latencies", "lat", "inference", "runtime", "forward"}
TIME = {"time", "times", "duration", "speed"}
NOT_LATENCY = {
    "train",
    "training",
    "epoch",
    "epochs",
    "epoch/s",
    "total",
    "gpu-hours",
    "hours",
    "hour",
    "h",
    "convergence",
}
RATES = {"fps", "throughput", "imgs/s", "img/s", "images/s", "im/s", "hz", "frames/s", "images/sec", "img/sec"}
SPREAD = {"std", "stdev", "sd", "deviation", "stddev", "σ", "sigma"}
NAMES = {"model", "models", "network", "networks", "net", "architecture", "arch", "method", "methods", "modello"}
NAMES |= {"modell", "modelo", "modèle", "模型", "方法", "algorithm", "detector", "segmenter", "variant"}
DEVICES = {"device", "gpu", "hardware", "platform", "accelerator", "machine", "card", "hw"}
SIZES = {"shape", "resolution", "resizing", "resize", "resized", "input", "crop", "imgsz"}


class Column(NamedTuple):
    """`scale` turns a bare number into base units (0: the header names no unit); `unit` is "mac", "flop" or ""."""

    quantity: Quantity
    title: str
    scale: float = 0.0
    unit: str = ""


def column(title: str) -> Column:
    """What `title` announces; `other` where nobody could tell."""
    text = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", title)  # inferenceTime
    text = re.sub(r"[_|]", " ", text).casefold().replace("mult-add", "multadd").replace("multiply-add", "multiplyadd")
    words = re.findall(r"[^\W_]+(?:/s(?:ec)?\b)?|#|%|σ|µs", text)
    have = set(words)
    if have & SPREAD:
        timed = have & (LATENCY | TIME | {"ms", "s"}) or have <= SPREAD | {"ms", "s", "standard", "±"}
        return Column("std" if timed else "other", title, _time_scale(words))
    if found := _work(title, words):
        return found
    if have & RATES or text.strip() in RATES or re.search(r"\b(f|frames?|im(g|age)?s?|samples?)\s*(/|per)\s*s", text):
        return Column("fps", title, 1.0)
    if _is_latency(words, have):
        return Column("latency", title, _time_scale(words))
    return Column(_plain(words, have, text), title, _scale(words))


def _is_latency(words: list[str], have: set[str]) -> bool:
    if have & NOT_LATENCY:
        return False
    return bool(have & LATENCY or have & TIME or words in (["ms"], ["ms", "img"], ["ms", "image"]))


def _work(title: str, words: list[str]) -> Column | None:
    """FLOPs or multiply-adds, but no rate of them."""
    joined = " ".join(words)
    if re.search(r"flops?/s|flop\s*/\s*s|\bflops?\s+(utili[sz]ation|%)|tflops\s*/", title.casefold()):
        return None
    for word in words:
        for unit, names in (("mac", MACS), ("flop", FLOPS)):
            stem = next((n for n in sorted(names, key=len, reverse=True) if word.endswith(n)), None)
            if stem and word.removesuffix(stem) in SCALES:
                letter = word.removesuffix(stem)
                return Column("work", title, SCALES[letter] if letter else _scale(words), unit)
    return Column("work", title, _scale(words)) if re.search(r"\bcomput(e|ation)s?\b(?! capab)", joined) else None


def _plain(words: list[str], have: set[str], text: str) -> Quantity:
    if {"params", "param", "parameters", "parameter", "weights"} & have and not {"mb", "gb"} & have:
        return "params"
    if "batch" in have or words in (["bs"], ["batchsize"]) or "batchsize" in have:
        return "batch"
    if have & {"classes", "nclasses"}:
        return "classes"
    if have & {"miou", "iou"} or "mean iou" in text or "mean intersection" in text:
        return "miou"
    if have & SIZES or words == ["size"] or ("size" in have and have & {"image", "img", "picture", "frame", "patch"}):
        return "size"
    if have & DEVICES and not have & {"memory", "mem", "mb", "gb", "gpus", "hours", "util"}:
        return "device"
    if have & {"precision", "dtype", "amp"}:
        return "precision"
    if have & {"backbone", "encoder"}:
        return "backbone"
    return "model" if have & NAMES and not have & {"size", "mb", "file", "path", "id"} else "other"


def _scale(words: list[str]) -> float:
    """`(M)`, `[G]`, `in millions`, `10^6`: what multiplies a bare number, 0 where the header does not say."""
    for word in reversed(words):
        letter = WORDS.get(word.removesuffix("s"), word)
        if letter in SCALES and letter:
            return SCALES[letter]
    powers = re.search(r"\b(?:10 ?|e)(6|9|12)\b", " ".join(words))
    return 10.0 ** int(powers[1]) if powers else 0.0


def _time_scale(words: list[str]) -> float:
    return next((TIMES[word] for word in reversed(words) if word in TIMES), 0.0)
