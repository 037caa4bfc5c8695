"""What a table says of a model or dataset, and what a dataset is to the rest of the house."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np


class ModelSpec(NamedTuple):
    """Table entry of a model: `build` is "module:function" inside the package."""

    build: str
    label: str
    paper: str


class MethodSpec(NamedTuple):
    """Table entry of a method: `build` is "module:function" inside the package.

    `target` says what it sees of the target: nothing, its images, or (the reference rows) its labels too.  `networks`
    and `passes` are what it trains with beside the model and what a step costs, for people.
    """

    build: str
    label: str
    paper: str
    target: Literal["nothing", "images", "labels"]
    networks: str
    passes: str


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """The facts of a dataset that need no pixel: `palette[k]` is the (r, g, b) of class k."""

    name: str
    label: str
    domains: tuple[str, ...]
    class_names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    licence: str
    source: str
    needs_files: bool
    synthetic: bool = False

    @property
    def num_classes(self) -> int:
        return len(self.class_names)


class Dataset(Protocol):
    """Labelled images of one domain and split, in a fixed order."""

    @property
    def info(self) -> DatasetInfo: ...

    @property
    def domain(self) -> str: ...

    @property
    def split(self) -> str: ...

    def __len__(self) -> int: ...

    def image_name(self, index: int) -> str:
        """A name that is unique in the split, such as the file's stem."""

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """(image uint8 (H, W, 3) RGB, labels uint8 (H, W) in 0..K-1 or IGNORE); raises BenchError naming the file."""

    def digest(self) -> str:
        """sha256 over everything that decides the pixels and labels."""
