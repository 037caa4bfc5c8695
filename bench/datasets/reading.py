"""One image or mask file -> a uint8 array, or a BenchError that names the file.

Pillow's own `open` accepts some sixty formats, and warns about huge images instead of refusing them; here three
decoders are called by name, and the size in the header is judged before a pixel is decoded.  (torchvision's reader is
no choice: a damaged PNG can kill the process.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ImageFile, JpegImagePlugin, PngImagePlugin, TiffImagePlugin

from bench.spec import IGNORE, BenchError, ExitCode

MAX_PIXELS = 64 * 2**20
"""Largest image that is decoded: a 400 kB PNG can claim 400 million pixels."""

_DECODERS: dict[bytes, type[ImageFile.ImageFile]] = {
    b"\x89PNG\r\n\x1a\n": PngImagePlugin.PngImageFile,
    b"\xff\xd8\xff": JpegImagePlugin.JpegImageFile,
    b"II*\0": TiffImagePlugin.TiffImageFile,
    b"MM\0*": TiffImagePlugin.TiffImageFile,
}
_UNKNOWN = 254  # marks a value on disk that has no label; never a label itself


def data_error(problem: str, file: Path, remedy: str = "") -> BenchError:
    """A fault of the data in `file`."""
    return BenchError(problem, remedy=remedy, file=file, code=ExitCode.DATA)


def label_table(codes: Mapping[int, int]) -> np.ndarray:
    """uint8 (256,): value on disk -> label, for `read_labels`; values missing from `codes` are faults."""
    table = np.full(256, _UNKNOWN, np.uint8)
    table[list(codes)] = list(codes.values())
    return table


def read_image(path: Path) -> np.ndarray:
    """The photo as uint8 (H, W, 3) RGB, read-only; raises BenchError naming the file.

    In memory the three colours of a row follow each other: planes of it, which is what is stored, are copies of rows.
    """
    with decoding(path) as image:
        if image.mode not in ("RGB", "RGBA", "L"):
            raise data_error(f"a photo of mode '{image.mode}' is not 8-bit colour", path, "save it as 8-bit RGB")
        rows = (image if image.mode == "RGB" else image.convert("RGB")).tobytes("raw", "RGB;L")
        return np.frombuffer(rows, np.uint8).reshape(image.height, 3, image.width).transpose(0, 2, 1)


def read_labels(path: Path, table: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The mask as labels, uint8 (H, W) = `size`; a palette file counts by its indices.

    Raises BenchError naming the file, and the value where one is not in `table`.
    """
    return to_labels(read_mask(path, size), table, path)


def read_mask(
    path: Path,
    size: tuple[int, int],
    modes: tuple[str, ...] = ("L", "P"),
    remedy: str = "labels are 8-bit class numbers",
) -> np.ndarray:
    """The mask as it is on disk, uint8 (H, W) or (H, W, channels), where (H, W) = `size`.

    Raises BenchError naming the file, with `remedy` for one of another Pillow mode than `modes`.
    """
    with decoding(path) as image:
        if image.mode not in modes:
            wanted = "one byte a pixel" if "L" in modes else " or ".join(modes)
            raise data_error(f"a mask of mode '{image.mode}' does not hold {wanted}", path, remedy)
        if (image.height, image.width) != size:
            raise data_error(
                f"the mask is {image.width}x{image.height} pixels, its photo {size[1]}x{size[0]}",
                path,
                "restore the pair from the original archive",
            )
        return np.array(image)


def to_labels(values: np.ndarray, table: np.ndarray, path: Path, remedy: str = "") -> np.ndarray:
    """Values on disk -> labels by `table`; raises BenchError naming the file `path` and a value that has no label."""
    labels: np.ndarray = table.take(values)  # half the time of an index
    unknown = labels == _UNKNOWN
    if unknown.any():
        worst = int(values[unknown][0])
        known = ", ".join(str(v) for v in np.flatnonzero(table != _UNKNOWN))
        raise data_error(f"label {worst} in {int(unknown.sum())} pixels is none of {known}", path, remedy)
    return labels


def no_labels(image: np.ndarray) -> np.ndarray:
    """Labels of an image whose labels must not be seen: all IGNORE, uint8 (H, W)."""
    return np.full(image.shape[:2], IGNORE, np.uint8)


@contextmanager
def decoding(
    path: Path, before: Callable[[ImageFile.ImageFile], None] = lambda image: None
) -> Iterator[ImageFile.ImageFile]:
    """The fully decoded image; whatever a decoder raises on damaged bytes becomes one BenchError.

    `before` sees it when its header is read and no pixel is.
    """
    try:
        with path.open("rb") as file:
            head = file.read(8)
            file.seek(0)
            decoder = next((d for magic, d in _DECODERS.items() if head.startswith(magic)), None)
            if decoder is None:
                raise data_error("neither a PNG nor a JPEG nor a TIFF" if head else "the file is empty", path)
            with decoder(file) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise data_error(
                        f"{image.width}x{image.height} pixels are more than {MAX_PIXELS >> 20} megapixels", path
                    )
                before(image)
                image.load()
                yield image
    except (BenchError, MemoryError):
        raise
    except OSError as error:
        raise data_error(f"cannot be read ({error.strerror or error})", path, "restore the file") from error
    except Exception as error:  # damaged bytes raise SyntaxError, ValueError, struct.error, zlib.error and others
        raise data_error(f"cannot be decoded ({error})", path, "restore the file") from error
