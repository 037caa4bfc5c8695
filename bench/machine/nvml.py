"""A card's number -> questions to its driver (NVML), each asked on its own, because many cards refuse some."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bench.spec import JSON

Questions = Mapping[str, Callable[[Any, Any], JSON]]
"""{fact: f(the library, the card's handle)}."""

REASONS = {
    0x1: "idle",
    0x2: "application clocks",
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "thermal (software)",
    0x40: "thermal (hardware)",
    0x80: "power brake",
    0x100: "display clocks",
    0x200: "board limit",
    0x400: "reliability",
}
"""Why a card's clock is lower than asked for."""


class Asked:
    """A card that can be asked; without a driver every answer is null."""

    def __init__(self, library: Any, handle: Any, reason: str = "") -> None:
        self.library, self.handle, self.reason = library, handle, reason

    def __call__(self, questions: Questions) -> tuple[dict[str, JSON], dict[str, str]]:
        """Answers, and for each that is null the reason."""
        facts: dict[str, JSON] = dict.fromkeys(questions)
        if self.handle is None:
            return facts, dict.fromkeys(questions, self.reason)
        absent: dict[str, str] = {}
        for key, ask in questions.items():
            try:
                facts[key] = ask(self.library, self.handle)
            except (self.library.NVMLError, AttributeError, TypeError) as error:
                absent[key] = why(error)
        return facts, absent


@contextlib.contextmanager
def asking(uuid: str) -> Iterator[Asked]:
    """The card whose number torch gives as `uuid`; the driver's library is left again at the end."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        yield Asked(pynvml, None, why(error))
        return
    try:
        try:
            asked = Asked(pynvml, pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}"))
        except pynvml.NVMLError as error:
            asked = Asked(pynvml, None, why(error))
        yield asked
    finally:
        pynvml.nvmlShutdown()


def uuid_of(device: str) -> str:
    """The number of the card at "cuda" or "cuda:<n>", as torch sees it; '' where torch is too old to tell."""
    import torch

    seen = torch.cuda.get_device_properties(torch.device(device))
    return str(getattr(seen, "uuid", "")).removeprefix("GPU-")


def why(error: Exception) -> str:
    """An exception in one line."""
    return f"{type(error).__name__}: {error}"


def text(value: str | bytes) -> str:
    """Older drivers answer in bytes."""
    return value.decode() if isinstance(value, bytes) else value


def throttle_bits(library: Any, handle: Any) -> int:
    """Why the clock is low now, as NVML's bits; drivers before 2023 know the question by another name."""
    ask = getattr(library, "nvmlDeviceGetCurrentClocksEventReasons", None)
    return int((ask or library.nvmlDeviceGetCurrentClocksThrottleReasons)(handle))


def throttle_words(bits: int) -> list[str]:
    """The same in words; bits that are not known as hexadecimal numbers."""
    known = [word for bit, word in REASONS.items() if bits & bit]
    rest = bits & ~sum(REASONS)
    return [*known, hex(rest)] if rest else known
