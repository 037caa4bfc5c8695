"""The updates of a run -> the same, the device's work of one recorded once and repeated: a CUDA graph of the step.

A graph repeats kernels on the addresses and with the numbers that they had when it was recorded.  So batches are copied
to where the recorded ones lay, learning rates stand on the device, and whatever else changes from step to step keeps a
run from being recorded (`obstacle`) or stays outside: augmentation, the method's `after_step`, averages of the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from bench.groups.freezing import resting
from bench.names.combined import title
from bench.run.parts import Parts
from bench.spec import BenchError, RunConfig
from bench.update import Note, Update

if TYPE_CHECKING:
    from bench.batches import Batch

WARMUPS = 3
"""Updates made step by step before one is recorded: what allocates, searches or compiles has to be over by then."""

cuda: Any = torch.cuda
"""Half of what is asked of it has no types."""

Layout = tuple[tuple[torch.Size, tuple[int, ...], torch.dtype] | None, ...]


def obstacle(config: RunConfig, parts: Parts, device: torch.device) -> str | None:
    """Why the updates of a run cannot be recorded and repeated; None where they can.  `parts` are those of the run."""
    if device.type != "cuda":
        return "the device is no GPU"
    if not parts.method.capturable:
        return f"the step of {title(config.method)} is not the same every time"
    if parts.scaler is not None:
        return "fp16 scales its losses anew from step to step"
    if getattr(parts.shape, "momentum", None) is not None:
        return "momentum changes from step to step"
    if resting(parts.model).stages and resting(parts.model).until is not None:
        return "stages that rest begin to learn on the way"
    if not all(group.get("fused") for optimizer in parts.optimizers for group in optimizer.param_groups):
        return "its optimizer is not one of torch's fused ones"
    return None


class Recorder(Protocol):
    """What records work of a device: a CUDA stream, or in tests something that behaves like one."""

    rates: torch.dtype
    """In which type fused optimizers read a learning rate from the device."""

    def aside(self, work: Callable[[], None]) -> None:
        """Do `work` where a recording is made, after all that was asked for before and ahead of all that follows."""

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """Take `work` down without doing it; gives what does it.  Raises RuntimeError for what waits for the device."""


class CudaRecorder:
    """Records with CUDA graphs."""

    rates = torch.float32

    def __init__(self, device: torch.device) -> None:
        self.device, self.stream = device, cuda.Stream(device)

    def aside(self, work: Callable[[], None]) -> None:
        main = cuda.current_stream(self.device)
        self.stream.wait_stream(main)
        with cuda.stream(self.stream):
            work()
        main.wait_stream(self.stream)

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        graph = cuda.CUDAGraph()
        # thread_local: what a thread that reads images does meanwhile, as to pin memory, spoils no recording.
        with cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"):
            work()
        replay: Callable[[], None] = graph.replay
        return replay


class Graphed:
    """Makes the updates of `update`: WARMUPS of them step by step, then by repeating what was recorded.

    Each is the update that `update` would have made.  Batches of another shape than the first are taken step by step.
    Nothing of it outlives a process: a run that goes on records again.
    """

    def __init__(self, update: Update, recorder: Recorder) -> None:
        self.update, self.recorder = update, recorder
        self.rates = [torch.zeros((), dtype=recorder.rates, device=update.device) for _ in self.groups]
        self.layout: list[Layout] | None = None
        self.warm = self.made = self.repeated = 0
        self.replay: Callable[[], None] | None = None
        self.held: list[Batch] = []
        self.values: list[tuple[str, Tensor]] = []

    def __call__(self, batches: Iterable[Batch], note: Note) -> None:
        taken = list(batches)
        layout = [_layout(batch) for batch in taken]
        self.layout = self.layout or layout
        with self._rates_on_device():
            if layout != self.layout:
                self.update(taken, note)
            elif self.warm < WARMUPS:
                self.recorder.aside(lambda: self.update(taken, note))
                self.warm += 1
            else:
                self._repeat(taken, note)
        self.made += 1

    @property
    def groups(self) -> list[dict[str, Any]]:
        """Of all optimizers; made anew when one of them is loaded."""
        return [group for optimizer in self.update.optimizers for group in optimizer.param_groups]

    def told(self) -> str:
        """What a record says of it."""
        return f"losses, gradients and steps: {self.repeated} of {self.made} updates repeated"

    def _repeat(self, taken: list[Batch], note: Note) -> None:
        if self.replay is None:
            self.held = [_twin(batch) for batch in taken]
            self.replay = self._recorded()
        for held, batch in zip(self.held, taken, strict=True):
            for there, tensor in zip(_tensors(held), _tensors(batch), strict=True):
                if there is not None and tensor is not None:
                    there.copy_(tensor, non_blocking=True)
        self.replay()
        self.repeated += 1
        for name, value in self.values:
            note(name, value.clone())  # the next replay writes over it

    def _recorded(self) -> Callable[[], None]:
        """What repeats an update of `held` batches; its scalars will stand in `values`."""
        self.values = []
        try:
            with self._capturable():
                return self.recorder.record(lambda: self.update(self.held, lambda *said: self.values.append(said)))
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as fault:
            first = str(fault).strip().partition("\n")[0]
            problem = f"the training step cannot be recorded as a CUDA graph: {first}"
            raise BenchError(problem, remedy="leave `cuda_graph` out", key="cuda_graph") from fault

    @contextmanager
    def _rates_on_device(self) -> Iterator[None]:
        """Every group's rate is a tensor meanwhile, always the same: a number would stay what it was when recorded."""
        numbers = [group["lr"] for group in self.groups]
        try:
            for group, rate, number in zip(self.groups, self.rates, numbers, strict=True):
                group["lr"] = rate.fill_(number)
            yield
        finally:
            for group, number in zip(self.groups, numbers, strict=True):
                group["lr"] = number

    @contextmanager
    def _capturable(self) -> Iterator[None]:
        """Adam wants to be told that it is recorded; it keeps its counters on the device in any case, being fused."""
        told = [group for group in self.groups if "capturable" in group]
        try:
            for group in told:
                group["capturable"] = True
            yield
        finally:
            for group in told:
                group["capturable"] = False


def _tensors(batch: Batch) -> tuple[Tensor | None, ...]:
    return batch.images, batch.labels, batch.target_images


def _twin(batch: Batch) -> Batch:
    """The same batch in memory of its own."""
    target = None if batch.target_images is None else batch.target_images.clone()
    return replace(batch, images=batch.images.clone(), labels=batch.labels.clone(), target_images=target)


def _layout(batch: Batch) -> Layout:
    return tuple(None if one is None else (one.shape, one.stride(), one.dtype) for one in _tensors(batch))
