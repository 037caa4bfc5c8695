"""A profile holds what a CostRecord needs, for the deployed and for the training graph."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from bench.cost import profile as module
from bench.cost.latency import Latency
from bench.cost.profile import profile
from bench.spec import BenchError, Component, CostRecord, Measurement

from .nets import HEAD, NORM, STEM, Attention, TwoHeads

PIXELS = 16 * 16


def test_counts_of_both_graphs_per_image() -> None:
    found = profile(TwoHeads().train(), (6, 3, 16, 16), device="cpu", latency=False)
    assert found.input_shape == (1, 3, 16, 16)
    assert (found.params_deployed, found.params_training) == (STEM + 61, STEM + 106)
    assert (found.macs, found.macs_training_graph) == (PIXELS * (STEM + HEAD), PIXELS * (STEM + 2 * HEAD))
    assert found.fvcore_total == PIXELS * (STEM + HEAD + NORM)
    assert found.fvcore_total_training_graph == PIXELS * (STEM + 2 * HEAD + NORM)
    assert (found.latency, found.latency_refused, found.latency_flags) == (None, None, ())


def test_a_net_without_other_outputs_is_traced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    traced = []

    def counted(model: Any, shape: Any) -> Any:
        traced.append(shape)
        return 1, {}

    monkeypatch.setattr(module, "count_fvcore", counted)
    assert profile(TwoHeads(aux=False), (1, 3, 8, 8), device="cpu", latency=False).fvcore_total_training_graph == 1
    assert len(traced) == 1
    profile(TwoHeads(aux=True), (1, 3, 8, 8), device="cpu", latency=False)
    assert len(traced) == 3


def test_latency_on_the_cpu_and_honest_nulls() -> None:
    net = TwoHeads().train()
    found = profile(net, (1, 3, 16, 16), device="cpu", budget_s=0.05)
    if found.latency_refused is None:  # a busy machine may scatter so much that the figure is refused
        assert found.latency.unit == "ms"
        assert all(value > 0 for value in found.latency.values)
    assert found.memory_bytes == {"inference": None}
    assert found.protocol["memory"] == "not measured"
    assert found.protocol["threads"] == 1
    assert found.protocol["precision"] == "fp32"
    assert net.training


def test_a_sum_that_fvcore_cannot_give_is_null_with_its_reason() -> None:
    found = profile(Attention(), (1, 3, 8, 8), device="cpu", latency=False)
    assert found.macs > 0
    assert found.fvcore_total is None
    assert found.protocol["fvcore"].startswith("refused: fvcore counts 0 multiply-adds")


def test_a_size_that_the_net_does_not_take_is_an_error() -> None:
    with pytest.raises(BenchError, match=r"fails at \(1, 4, 8, 8\)"):
        profile(TwoHeads(), (1, 4, 8, 8), device="cpu")


def test_a_record_can_be_built_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    timed = Latency(
        Measurement(unit="ms", values=(1.0, 1.1, 1.2)), flags=("few samples (n=3)",), protocol={"threads": 1}
    )
    monkeypatch.setattr(module, "measure_latency", lambda *args, **options: timed)
    found = profile(TwoHeads(), (1, 3, 8, 8), device="cpu")
    record = CostRecord(
        model=Component(name="two_heads"),
        num_classes=5,
        device="a processor, 1 thread",
        machine={},
        software={},
        commit=None,
        dirty=None,
        measured_utc="2026-11-20T00:00:00Z",
        **{field.name: getattr(found, field.name) for field in dataclasses.fields(found)},
    )
    assert CostRecord.model_validate_json(record.model_dump_json()) == record
    assert record.latency_flags == ("few samples (n=3)",)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_card() -> None:
    from bench.machine import describe

    found = profile(TwoHeads(), (1, 3, 512, 512), device="cuda", budget_s=2.0, machine=describe("cuda"))
    assert found.latency_refused is None
    assert found.memory_bytes["inference"] > 4 * 8 * 512 * 512
