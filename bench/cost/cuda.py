"""A CUDA device behind the interface of `bench.cost.clock`: every method is one or two calls of torch."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import torch

from bench.cost.clock import CpuDevice, Mark

cuda: Any = torch.cuda
"""Half of what is asked of it has no types."""

CAPTURE_WARMUPS = 3
"""Calls on a side stream before a capture: what allocates, searches or compiles has to be over by then."""


class CudaMark:
    """A CUDA event with a time, recorded in the current stream when it is made."""

    def __init__(self, place: torch.device) -> None:
        self.event = cuda.Event(enable_timing=True)
        self.event.record(cuda.current_stream(place))

    def passed(self) -> bool:
        return bool(self.event.query())

    def ms_since(self, earlier: CudaMark) -> float:
        return float(earlier.event.elapsed_time(self.event))


class CudaDevice(CpuDevice):
    """A call only puts kernels into a queue; the host's clock and CPU time are those of the host."""

    queued = True

    def __init__(self, place: torch.device) -> None:
        self.place = torch.device("cuda", cuda.current_device() if place.index is None else place.index)
        cuda.set_device(self.place)
        seen = cuda.get_device_properties(self.place)
        self.capability = (seen.major, seen.minor)
        self.cache_bytes = getattr(seen, "L2_cache_size", None)
        self._graphs: Any = None

    def synchronise(self) -> None:
        cuda.synchronize(self.place)

    def spin(self, cycles: int) -> None:
        cuda._sleep(cycles)

    def mark(self) -> Mark:
        return CudaMark(self.place)

    def capture(self, call: Callable[[], Any]) -> Callable[[], Any]:
        side, main = cuda.Stream(self.place), cuda.current_stream(self.place)
        side.wait_stream(main)
        with cuda.stream(side):
            for _ in range(CAPTURE_WARMUPS):
                call()
        main.wait_stream(side)
        if self._graphs is None:
            # One pool for all graphs: they run one after another and nobody reads their outputs, so that each may
            # write over the others' intermediate results; own pools would hold all of them at once.
            self._graphs = cuda.graph_pool_handle()
        graph = cuda.CUDAGraph()
        with cuda.graph(graph, pool=self._graphs):
            call()
        replay: Callable[[], Any] = graph.replay
        return replay

    def held_bytes(self) -> int | None:
        return int(cuda.memory_allocated(self.place))

    def peak_bytes(self) -> int | None:
        return int(cuda.max_memory_allocated(self.place))

    def forget_peak(self) -> None:
        cuda.reset_peak_memory_stats(self.place)

    def free_bytes(self) -> int | None:
        return int(cuda.mem_get_info(self.place)[0])

    def release(self) -> None:
        gc.collect()
        cuda.empty_cache()
