"""A CUDA device without a card: virtual time, launches that cost the host, a bounded queue, kernels that run later."""

from __future__ import annotations

from collections import deque

from torch import Tensor, nn


class FakeCuda:
    """The host's clock is `host_s`; kernels run one after another and end in the future."""

    def __init__(self, *, launch_s: float = 7e-6, sync_s: float = 5e-6, queue: int = 1024) -> None:
        self.launch_s, self.sync_s, self.queue = launch_s, sync_s, queue
        self.host_s, self.busy_until_s = 0.0, 0.0
        self._ends: deque[float] = deque()

    def launch(self, kernel_s: float) -> None:
        """Put a kernel into the queue; a full queue holds the host until its oldest kernel has ended."""
        self.host_s += self.launch_s
        while self._ends and self._ends[0] <= self.host_s:
            self._ends.popleft()
        if len(self._ends) >= self.queue:
            self.host_s = self._ends.popleft()
        self.busy_until_s = max(self.busy_until_s, self.host_s) + kernel_s
        self._ends.append(self.busy_until_s)

    def synchronise(self) -> None:
        self.host_s = max(self.host_s, self.busy_until_s) + self.sync_s


class FakeClock:
    """The right clock of a fake device, as `bench.cost.clock.CudaClock` is of a real one."""

    queued = True

    def __init__(self, device: FakeCuda) -> None:
        self.device = device

    def now_s(self) -> float:
        return self.device.host_s

    def cpu_s(self) -> float:
        return self.device.host_s

    def synchronise(self) -> None:
        self.device.synchronise()


class NeverWaits(FakeClock):
    """A fault: time.time() around the call, as many published scripts have it."""

    def synchronise(self) -> None:
        return


class WaitsOnlyBefore(FakeClock):
    """A fault: the queue is empty when the watch starts (the last step read a result), nobody waits for the end."""

    def __init__(self, device: FakeCuda) -> None:
        super().__init__(device)
        self.calls = 0

    def synchronise(self) -> None:
        self.calls += 1
        if self.calls % 2:
            super().synchronise()


class FakeNet(nn.Module):
    """`kernels` launches of `kernel_s` each per image; the first call takes `first_call_s` more."""

    def __init__(self, device: FakeCuda, *, kernels: int, kernel_s: float, first_call_s: float = 0.0) -> None:
        super().__init__()
        self.device, self.kernels, self.kernel_s, self.first_call_s = device, kernels, kernel_s, first_call_s

    @property
    def device_s(self) -> float:
        """The true time of one image on the device."""
        return self.kernels * self.kernel_s

    def forward(self, images: Tensor) -> Tensor:
        self.device.host_s += self.first_call_s
        self.first_call_s = 0.0
        for _ in range(self.kernels):
            self.device.launch(self.kernel_s * images.shape[0])
        return images
