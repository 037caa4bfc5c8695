"""The measuring session on virtual devices whose true times are known, and once on this host."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.cost import findings, rounds
from bench.cost.evidence import contradictions, recomputed
from bench.cost.session import measure_session
from bench.cost.stopping import CPU_LIMITS, GPU_LIMITS
from bench.spec import BenchError, Series, Timing, Workload

from .fake_cuda import FakeCuda, FakeHost, FakeNet, FakeWatch
from .sessions import SHORT, SHORT_CPU, deeplab, quick_collections, session, timing, workload  # noqa: F401


def median(found: Timing, name: str = "e2e") -> float:
    return found.times[name].median


# ------------------------------------------------------------------ the four times are the true ones


def test_times_of_a_busy_device_are_true_within_a_thousandth() -> None:
    """Noise of 0.5 % per call; the bias of mean and median stays below 0.1 %."""
    device = FakeCuda(noise=0.005)
    eager, graph = session(
        device, workload(), workload(mode="graph"), limits=dataclasses.replace(SHORT, min_kept_s=30.0, cap_s=90.0)
    ).timings
    work_ms, launch_ms, sync_ms = 60.0, 1e3 * device.launch_s, 1e3 * device.sync_s
    truth = {"e2e": work_ms + launch_ms + sync_ms, "device": work_ms, "enqueue": 20 * launch_ms}
    for name, true_ms in truth.items():
        assert median(eager, name) == pytest.approx(true_ms, rel=1e-3), name
        assert eager.times[name].mean == pytest.approx(true_ms, rel=1e-3), name
    assert median(graph, "device") == pytest.approx(work_ms, rel=1e-3)
    assert median(graph, "enqueue") == pytest.approx(launch_ms, rel=1e-3)
    assert (eager.verdict, graph.verdict) == ("ok", "ok")
    assert eager.converged
    assert graph.converged


def test_a_launch_bound_network_and_its_graph() -> None:
    """300 launches of 7 us for kernels of 1 us: the host decides, but for the graph."""
    device = FakeCuda()
    eager, graph = session(
        device,
        workload(),
        workload(mode="graph"),
        net=lambda asked: FakeNet(device, kernels=300, kernel_s=1e-6),
        macs=10**8,
    ).timings
    launches_ms, work_ms, sync_ms = 1e3 * 300 * device.launch_s, 0.3, 1e3 * device.sync_s
    assert median(eager) == pytest.approx(launches_ms + 1e-3 + sync_ms, rel=1e-3)
    assert median(eager, "device") == pytest.approx(work_ms, rel=1e-2)  # the marks lie in the queue, too
    assert eager.verdict == "launch-bound"
    assert median(graph) == pytest.approx(1e3 * device.launch_s + work_ms + sync_ms, rel=1e-3)
    assert graph.verdict == "ok"


def test_times_of_a_host_are_true_and_count_its_own_processor_time() -> None:
    found = timing(FakeHost(noise=0.005), limits=dataclasses.replace(SHORT_CPU, min_kept_s=30.0, cap_s=60.0))
    assert set(found.times) == {"e2e", "cpu"}
    for name in found.times:
        assert found.times[name].mean == pytest.approx(60.0, rel=1e-3)
    assert found.memory_bytes == {"inference": None, "per_image": None}
    crowded = timing(FakeHost(share=0.5))
    assert median(crowded) == pytest.approx(120.0, rel=1e-3)
    assert median(crowded, "cpu") == pytest.approx(60.0, rel=1e-3)


def test_precisions_and_batches_take_their_times() -> None:
    device = FakeCuda(card="NVIDIA A100-SXM4-40GB", capability=(8, 0))
    asked = (workload(), workload(precision="tf32"), workload(precision="bf16"), workload(batch=4))
    fp32, tf32, bf16, four = session(device, *asked).timings
    assert median(fp32) / median(tf32) == pytest.approx(4, rel=0.01)
    assert median(fp32) / median(bf16) == pytest.approx(6, rel=0.01)
    assert median(four) / median(fp32) == pytest.approx(4, rel=0.01)
    assert {t.verdict for t in (fp32, tf32, bf16, four)} == {"ok"}
    assert bf16.weight_bytes * 2 == fp32.weight_bytes


# ------------------------------------------------------------------ what cannot be measured


@pytest.mark.parametrize(
    ("asked", "capability", "reason"),
    [
        (workload(precision="tf32"), (7, 5), "tf32 needs a device of capability 8.0; this one has 7.5"),
        (workload(precision="bf16"), (7, 0), "bf16 needs a device of capability 8.0; this one has 7.0"),
        (workload(mode="onnx", layout="nhwc"), (8, 0), "onnxruntime chooses its layout itself; use nchw"),
    ],
    ids=["tf32", "bf16", "onnx-nhwc"],
)
def test_what_a_card_lacks_fails_in_words_and_the_others_stand(
    asked: Workload, capability: tuple[int, int], reason: str
) -> None:
    failed, good = session(FakeCuda(capability=capability), asked, workload()).timings
    assert failed.failed == reason
    assert failed.times == {}
    assert good.failed is None
    assert good.verdict == "ok"


@pytest.mark.parametrize("asked", [workload(mode="graph"), workload(precision="tf32")], ids=["graph", "tf32"])
def test_what_a_host_lacks_fails_in_words(asked: Workload) -> None:
    assert "CUDA devices" in str(timing(FakeHost(), asked).failed)


def test_out_of_memory_says_how_much_was_held_and_smaller_batches_stand() -> None:
    device = FakeCuda(memory_bytes=8 * 2**30)
    asked = (workload(batch=1), workload(batch=4), workload(batch=16))
    one, four, sixteen = session(device, *asked, net=lambda w: deeplab(device, activations=2**30)).timings
    assert (one.failed, four.failed) == (None, None)
    assert str(sixteen.failed).startswith("out of memory at batch 16")
    assert "at_failure" in sixteen.memory_bytes
    image_bytes = 3 * 4 * 4 * 4
    assert one.memory_bytes["per_image"] == four.memory_bytes["per_image"] == 2**30 + image_bytes
    assert four.memory_bytes["inference"] == 4 * (2**30 + image_bytes) + four.weight_bytes


def test_a_model_that_cannot_be_built_fails_in_words() -> None:
    def build(asked: Workload) -> nn.Module:
        raise BenchError("no weights of this name", remedy="use another")

    assert timing(FakeCuda(), net=build).failed == "no weights of this name; use another"


def test_only_a_session_without_any_workload_is_empty() -> None:
    found = measure_session((), nn.Identity, device=FakeCuda())  # type: ignore[arg-type]
    assert found.timings == ()


# ------------------------------------------------------------------ order, stop, progress


class Noted(FakeNet):
    """Writes down when it is called."""

    def __init__(self, log: list[str], name: str, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.log, self.name = log, name

    def forward(self, images: Tensor) -> Tensor:
        self.log.append(self.name)
        return super().forward(images)


def test_a_host_takes_turns_call_by_call_there_and_back() -> None:
    device, log = FakeHost(), list[str]()
    nets = {name: Noted(log, name, device, kernels=1, kernel_s=0.05) for name in "abc"}
    session(device, *map(workload, nets), net=lambda asked: nets[asked.model.name])
    calls = log[6:]  # two calls each to get ready
    for there_and_back in zip(*[iter(calls[:60])] * 6, strict=True):
        assert sorted(there_and_back[:3]) == list("abc")
        assert there_and_back[3:] == there_and_back[2::-1]
    orders = {there[:3] for there in zip(*[iter(calls[:60])] * 6, strict=True)}
    assert len(orders) > 1, "the order is drawn"


def test_a_card_takes_turns_round_by_round_and_every_second_backwards() -> None:
    notes = [t.rounds for t in session(FakeCuda(), *map(workload, "abc")).timings]
    places = [[note["place"] for note in each] for each in notes]
    assert all(len(each) >= rounds.LEAST_ROUNDS for each in places)
    for even in range(0, rounds.LEAST_ROUNDS - 1, 2):
        assert [each[even] + each[even + 1] for each in places] == [2, 2, 2]
    assert all(note["n"] >= rounds.TURN_READINGS for each in notes for note in each)


def test_the_same_seed_takes_the_same_order() -> None:
    first, again, other = (
        [t.rounds for t in session(FakeCuda(), *map(workload, "abc"), seed=seed).timings] for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_a_series_that_does_not_settle_ends_at_the_cap_and_says_so() -> None:
    device = FakeCuda(noise=0.2)
    found = timing(device)
    assert not found.converged
    assert "ci" in found.not_converged
    wild = session(device).conditions["workloads"][0]["seconds"]
    assert SHORT.cap_s <= wild < 1.5 * SHORT.cap_s


@pytest.mark.parametrize(("call_s", "least"), [(1.0, 10), (3.0, rounds.FEWEST_READINGS)])
def test_a_slow_model_gets_ten_readings_unless_that_overruns_the_cap_by_half(call_s: float, least: int) -> None:
    device = FakeHost()
    limits = dataclasses.replace(CPU_LIMITS, cap_s=8.0)
    found = timing(device, net=lambda asked: FakeNet(device, kernels=1, kernel_s=call_s), limits=limits)
    taken = found.times["e2e"].n + found.warm_cut
    assert least <= taken
    assert taken * call_s <= 1.5 * limits.cap_s + 2 * call_s


def test_the_usual_limits_are_those_of_the_kind_of_device() -> None:
    card, host = session(limits=None), session(FakeHost(), limits=None)
    assert card.conditions["limits"] == vars(GPU_LIMITS)
    assert host.conditions["limits"] == vars(CPU_LIMITS)
    assert (card.conditions["threads"], host.conditions["threads"]) == (None, 1)


def test_progress_rises_to_the_end() -> None:
    told: list[tuple[str, float]] = []
    session(FakeCuda(), workload(), workload("other"), tell=lambda what, share: told.append((what, share)))
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert told[0][0] == "canaries"
    assert any(what == "other 4x4 b1 fp32 nchw eager: warm-up" for what, _ in told)


# ------------------------------------------------------------------ throttling


def test_a_throttled_round_is_repeated_once_the_card_has_recovered() -> None:
    """Hot from the fourth second to the ninth: what was read then is set aside, not thrown away, and not counted."""
    device = FakeCuda(clock=lambda seconds: 0.5 if 4 < seconds < 9 else 1.0)
    hot = FakeWatch(device, throttle_bits=lambda: 0x20 if 4 < device.host_s < 11 else 0)
    taken = session(device, watch=hot, limits=dataclasses.replace(SHORT, min_kept_s=6.0))
    found = taken.timings[0]
    assert "throttled" not in found.flags
    assert any(flag.endswith("repeated") for flag in found.flags)
    aside = taken.samples["0.aside"]
    assert len(aside) >= rounds.TURN_READINGS
    assert aside.max() > 1e5  # the slow ones are there, in us
    assert found.times["e2e"].max < 61
    assert [note["aside"] for note in found.rounds].count(True) == len(aside) // rounds.TURN_READINGS


def test_a_card_that_stays_hot_is_measured_all_the_same() -> None:
    device = FakeCuda()
    limits = dataclasses.replace(SHORT, cap_s=30.0)
    found = timing(device, watch=FakeWatch(device, throttle_bits=lambda: 0x8), limits=limits)
    assert "throttled" in found.flags
    assert found.times["e2e"].n >= 100
    assert sum(note["aside"] for note in found.rounds) == rounds.REPEATS, "waiting in vain is not tried twice"


# ------------------------------------------------------------------ evidence


def test_statistics_follow_from_the_samples_and_the_record_is_plain() -> None:
    found = session(FakeCuda(noise=0.01), workload(), workload(mode="graph"))
    for index, each in enumerate(found.timings):
        assert recomputed(found.samples, index, each.warm_cut) == each.times
        assert contradictions(each, found.samples, index) == ()
    assert {values.dtype for values in found.samples.values()} == {np.dtype(np.float32)}
    assert {"0.e2e", "0.device", "0.enqueue", "0.warmup", "1.e2e"} <= set(found.samples)
    json.dumps([found.canaries, found.conditions, *(t.model_dump(mode="json") for t in found.timings)], allow_nan=False)


def test_what_does_not_follow_is_named() -> None:
    found = session(FakeCuda(noise=0.01))
    timed, samples = found.timings[0], found.samples
    e2e = timed.times["e2e"]

    def with_times(**times: Series) -> Timing:
        return timed.model_copy(update={"times": {**timed.times, **times}})

    better = with_times(e2e=e2e.model_copy(update={"std": 0.5 * e2e.std}))
    assert contradictions(better, samples, 0) == (f"e2e: std not those of the {e2e.n} readings kept",)
    assert "cpu: statistics without readings" in contradictions(with_times(cpu=e2e), samples, 0)
    less = {key: values for key, values in samples.items() if key != "0.device"}
    assert contradictions(timed, less, 0) == ("device: statistics without readings",)
    assert contradictions(timed, {**samples, "0.cpu": samples["0.e2e"]}, 0) == ("cpu: readings without statistics",)
    assert "negative" in contradictions(timed, {**samples, "0.e2e": -samples["0.e2e"]}, 0)[0]
    assert contradictions(timed.model_copy(update={"failed": "x"}), {}, 0) == ()


def test_the_readings_have_to_add_up_to_their_time() -> None:
    taken = rounds.Track(0, workload(), runner=None)  # type: ignore[arg-type]
    taken.readings = [findings_reading(10.0)] * 100
    for around_s, flag in (
        (1.0, ""),
        (1.6, ""),
        (1.7, "readings cover 59 % of their time"),
        (0.981, ""),
        (0.97, "longer"),
    ):
        taken.around_s = around_s
        assert flag in findings.covers(taken)[0]
        assert (findings.covers(taken)[1] is not None) == (around_s == 0.97)


def findings_reading(ms: float) -> rounds.Reading:
    return rounds.Reading(ms, ms, ms)


# ------------------------------------------------------------------ this host


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, 7, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        assert torch.is_inference_mode_enabled()
        assert not self.training
        assert torch.get_num_threads() == 1
        return self.head(images)


def test_a_tiny_network_on_this_host() -> None:
    limits = dataclasses.replace(CPU_LIMITS, min_kept_s=0.01, cap_s=0.2)
    asked = [workload(layout=layout, batch=batch) for layout in ("nchw", "nhwc") for batch in (1, 2)]
    found = measure_session(asked, lambda w: Tiny().train(), device=torch.device("cpu"), limits=limits)
    for each in found.timings:
        assert each.failed is None
        assert each.params == 7 * 3 * 9 + 7
        assert each.times["e2e"].n >= 1
        assert each.first_call_ms is not None
    assert found.canaries["float32"] == {"exact": True}
    assert found.canaries["product"]["checked"] is False
    json.dumps(found.conditions)
