"""Photos of any size -> the class of every pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from bench import names
from bench.batches import normalise
from bench.evaluate.counting import predict
from bench.run.using import Used
from bench.spec import BenchError, Component, ExitCode

MULTIPLE = 64
"""Sides are filled up to a multiple of this: the deepest stride of our networks."""

WHOLE_PX = 4 * 2**20
"""Pixels up to which a photo is seen in one piece; larger ones go through in windows."""

WINDOWS = Component(name="sliding", options={"window_px": [1024, 1024], "stride_px": [768, 768]})

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")


def photos(paths: list[Path]) -> list[Path]:
    """The files of `paths`, folders replaced by the photos right in them, by name; each once.

    Raises BenchError (code DATA) for a path that is not there and a folder without photos.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
            if not inside:
                remedy = f"name a folder with {', '.join(SUFFIXES)}"
                raise BenchError("holds no photo", remedy=remedy, file=path, code=ExitCode.DATA)
            found |= dict.fromkeys(inside)
        elif path.is_file():
            found[path] = None
        else:
            raise BenchError("there is no such photo", remedy="check the path", file=path, code=ExitCode.DATA)
    return list(found)


def classes_of(used: Used, image: np.ndarray, device: torch.device) -> np.ndarray:
    """uint8 (H, W) of an image uint8 (H, W, 3): seen at the size that the run resized to, else at its own.

    Its sides are filled up by its last rows and columns, and the fill is cut off again.  Classes win at the photo's own
    size, as they do when a run is scored.
    """
    height, width = image.shape[:2]
    size = used.config.resize_px if used.config else None
    if size is not None and image.shape[:2] != size:
        image = np.asarray(Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BILINEAR))
    seen = image.shape[:2]
    fill = [-side % MULTIPLE for side in seen]
    pixels = torch.from_numpy(np.array(image.transpose(2, 0, 1), order="C"))[None]  # a copy: PIL lends its pixels
    padded = F.pad(pixels.float(), (0, fill[1], 0, fill[0]), mode="replicate").to(torch.uint8)
    part = used.scoring if image.size // 3 <= WHOLE_PX or used.scoring.name == "sliding" else WINDOWS
    grown = [-(-full * (side + more) // side) for full, side, more in zip((height, width), seen, fill, strict=True)]
    scoring = names.build("scoring", part)
    with used.computing(device):
        guess = predict(used.network, normalise(padded.to(device)), (grown[0], grown[1]), scoring)[0]
    return guess[:height, :width].numpy()
