"""What was timed -> its words in a table: settings that all rows share are said once, the others are columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bench.report import wording
from bench.report.processes import Setting, Work
from bench.report.settings import varying_options
from bench.spec import Size

SETTINGS: dict[str, Callable[[Setting], str]] = {
    "precision": lambda s: s.precision,
    "input": lambda s: image(s.size),
    "classes": lambda s: str(s.classes),
    "batch": lambda s: str(s.batch),
    "layout": lambda s: s.layout,
    "mode": lambda s: s.mode,
}
ALWAYS = ("precision",)
NUMBERS = ("classes", "batch")


def image(size: Size) -> str:
    """`512 x 512`: height and width."""
    return f"{size[0]} x {size[1]}"


class Labels:
    """Words for each of `works`, which stand in one table."""

    def __init__(self, works: Iterable[Work]) -> None:
        every = sorted(set(works))
        self.varying = [n for n, say in SETTINGS.items() if n in ALWAYS or len({say(w.setting) for w in every}) > 1]
        self.shared = ", ".join(
            f"{name} {say(every[0].setting)}" for name, say in SETTINGS.items() if every and name not in self.varying
        )
        named = wording.grouped((w.component for w in every), lambda component: component.name)
        self.options = {models[0].name: varying_options(models) for models in named}
        self.header = ["model", *self.varying]

    def model(self, work: Work) -> str:
        """The model's label, with the options that tell it from others of its name."""
        return wording.model(work.component, self.options[work.component.name])

    def cells(self, work: Work) -> list[str]:
        """One cell per entry of `header`."""
        return [self.model(work), *(SETTINGS[name](work.setting) for name in self.varying)]

    def line(self, work: Work) -> str:
        """`PIDNet-S, fp32, batch 4`."""
        return ", ".join([self.model(work), self.setting(work.setting)])

    def setting(self, setting: Setting) -> str:
        """`fp32, batch 4`: what varies beside the model."""
        plain = ("precision", "layout", "mode", "input")
        said = ((name, SETTINGS[name](setting)) for name in self.varying)
        return ", ".join(text if name in plain else f"{name} {text}" for name, text in said)
