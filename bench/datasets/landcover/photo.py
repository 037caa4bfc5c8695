"""The map of a tile and the looks of a place -> the photograph, uint8 RGB."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.datasets.landcover.bits import WORLD, Bits, smooth
from bench.datasets.landcover.map import Map
from bench.datasets.landcover.materials import MATERIALS, column


@dataclass(frozen=True)
class Look:
    """Air, season and camera of a domain."""

    haze: float
    warmth: float
    saturation: float
    gain: float
    season: float
    blur: float
    noise: float
    shadow: float


_RGB = column("rgb")
_GRAIN, _BLOTCH, _ROWS = column("grain"), column("blotch"), column("rows")
_GREEN, _PITCH, _UPRIGHT = column("green"), 1 / np.maximum(column("period"), 1), column("upright", bool)
_AUTUMN = np.array([44, 8, -20], np.float32)  # what a full step of season adds to green things
_AIR = (196, 204, 214)  # plain numbers: numpy 1 and 2 round float32 scalars differently


def photograph(bits: Bits, ground: Map, look: Look) -> np.ndarray:
    """uint8 (px, px, 3)."""
    px = len(ground.material)
    number = ground.material.astype(np.intp)
    relief = _texture(bits, ground, number, px)
    relief *= ground.light * np.float32(look.shadow) + np.float32(1 - look.shadow)
    relief *= ground.shade
    colours = _colours(bits, look)
    tone = smooth(bits.uniforms(1, 7, 7) - 0.5, px)[0] * np.take(_GREEN, number)
    planes = np.empty((3, px, px), np.float32)
    for i, drift in enumerate((26, 6, -14)):
        np.take(np.ascontiguousarray(colours[:, i]), number, out=planes[i])
        planes[i] += tone * np.float32(drift)
    planes *= relief
    planes = _soften(planes, look.blur)
    gain = look.gain * bits.uniform(0.94, 1.06)
    warm = look.warmth + bits.uniform(-0.03, 0.03)
    noise = bits.bytes(3, px, px).astype(np.float32)
    noise -= np.float32(127.5)
    noise *= np.float32(look.noise / 74)  # 74: standard deviation of a byte
    for i, balance in enumerate((1 + warm, 1.0, 1 - warm)):
        planes[i] *= np.float32(gain * balance * (1 - look.haze))
        planes[i] += np.float32(_AIR[i] * look.haze)
    planes += noise
    planes += np.float32(0.5)
    np.clip(planes, 0, 255, out=planes)
    return np.ascontiguousarray(planes.astype(np.uint8).transpose(1, 2, 0))


def _colours(bits: Bits, look: Look) -> np.ndarray:
    """float32 (256, 3): what each material looks like here and today."""
    colours = _RGB + _GREEN[:, None] * np.float32(look.season) * _AUTUMN
    varied = bits.uniforms(256, 4).astype(np.float32) - np.float32(0.5)
    colours[: len(MATERIALS)] += (varied[:, :1] * 22 + varied[:, 1:] * 10)[: len(MATERIALS)]
    grey = (colours[:, 0] * np.float32(0.3) + colours[:, 1] * np.float32(0.59) + colours[:, 2] * np.float32(0.11))[
        :, None
    ]
    vivid: np.ndarray = grey + (colours - grey) * np.float32(look.saturation)
    return vivid


def _texture(bits: Bits, ground: Map, number: np.ndarray, px: int) -> np.ndarray:
    """float32 (px, px) about 1: grain, blotches, and the rows of crops along the field."""
    rows = np.where(np.take(_UPRIGHT, number), ground.along, ground.across)
    rows *= np.take(_PITCH, number)
    rows -= np.floor(rows)
    rows -= np.float32(0.5)
    np.abs(rows, out=rows)
    rows -= np.float32(0.25)
    rows *= np.take(_ROWS, number)
    rows *= np.float32(4 * min(1.0, px / WORLD))  # rows finer than a pixel blur into grey
    grain = bits.bytes(px, px).astype(np.float32)
    grain -= np.float32(127.5)
    grain *= np.take(_GRAIN, number)
    grain *= np.float32(1 / 74)
    blotch = smooth(bits.uniforms(1, 33, 33) - 0.5, px)[0]
    blotch += smooth(bits.uniforms(1, 11, 11) - 0.5, px)[0]
    blotch *= np.take(_BLOTCH, number)
    rows += grain
    rows += blotch
    rows += np.float32(1)
    return rows


def _soften(planes: np.ndarray, amount: float) -> np.ndarray:
    """The lens: each pixel gives `amount` of its light to each neighbour, first down, then sideways."""
    for view in (planes, planes.transpose(0, 2, 1)):
        given = view * np.float32(amount)
        view *= np.float32(1 - 2 * amount)
        view[:, 1:] += given[:, :-1]
        view[:, :-1] += given[:, 1:]
        view[:, 0] += given[:, 0]
        view[:, -1] += given[:, -1]
    return planes
