"""Latency records of several devices -> one comparison: merging, what is divided by what, words where no figure is."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_examples import column, cost, stored_cost
from timing_examples import (
    CPU,
    DEEPLAB,
    H200,
    PIDNET,
    T4,
    UNET,
    card,
    contents,
    latency,
    repeats,
    series,
    three_devices,
    timing,
    unfinished,
)

from bench.report import compared, plain, timings
from bench.report.comparison import Comparison, compare
from bench.report.devices import named, short
from bench.report.latency import markdown as latency_markdown
from bench.report.render import render
from bench.spec import BenchError, Component
from bench.store import Contents

HERE = Path(__file__).parent
MEDIAN = "end to end (ms), median"


def comparison(found: Any, **options: Any) -> Comparison:
    rows, left_out = timings.rows(found if isinstance(found, Contents) else contents(found))
    built = compare(rows, left_out, **options)
    assert built is not None
    return built


def of(found: Comparison, model: str, on: str, **setting: Any) -> Any:
    """The row, or ratio, of a model on the device of that name."""
    (device,) = [d for d, name in found.names.items() if name == on]
    (work,) = [
        w
        for w in found.works
        if w.component.name == model
        and all(
            getattr(w.setting, k) == v for k, v in {"mode": "eager", "precision": "fp32", "batch": 1, **setting}.items()
        )
    ]
    return work, device


# ------------------------------------------------------------------ merging folders


ALL = three_devices()
PARTS = [contents(s for s in ALL if s.path.parent.name == on["slug"]) for on in (H200, T4, CPU)]
"""Three machines' folders."""


def merged(first: Contents, second: Contents) -> Contents:
    """One folder laid over another, as `cp -r` does: all files of both, in whatever order the disk gives them."""
    return replace(first, latencies=(*second.latencies, *first.latencies))


def text(found: Contents) -> str:
    return render(found) + compared.markdown(comparison(found))


WHOLE = text(contents(ALL))


@settings(max_examples=10, deadline=None)
@given(st.permutations([0, 1, 2]), st.booleans(), st.sampled_from([0, 1, 2]), st.integers(0, 2**16))
def test_merging_folders_is_commutative_associative_and_idempotent(order, left, twice, seed):
    a, b, c = (PARTS[i] for i in order)
    whole = merged(merged(a, b), c) if left else merged(a, merged(b, c))
    whole = merged(whole, PARTS[twice])
    shuffled = list(whole.latencies)
    random.Random(seed).shuffle(shuffled)
    assert text(replace(whole, latencies=tuple(shuffled))) == WHOLE


def test_a_copy_under_another_name_counts_once():
    found = repeats({"pidnet_s": 10.0})
    copies = [replace(s, path=s.path.with_name("copy.json")) for s in found]
    rows, _ = timings.rows(contents([*found, *copies, *(replace(s, origin="reference") for s in found)]))
    assert [row.pooled["e2e"].repeats for row in rows] == [3]
    assert rows[0].device.origin == "reference"


def test_without_the_digest_a_copy_would_count_twice(monkeypatch):
    """Negative control of the two above."""
    monkeypatch.setattr(timings, "_distinct", list)
    found = repeats({"pidnet_s": 10.0})
    rows, _ = timings.rows(contents([*found, *found]))
    assert [row.pooled["e2e"].repeats for row in rows] == [6]


def test_golden_comparison():
    """Three devices give exactly golden/devices.md, which a reviewer can open."""
    golden = HERE / "golden" / "devices.md"
    assert render(contents(ALL)) == golden.read_text(encoding="utf-8"), f"write it anew if meant: {golden}"


# ------------------------------------------------------------------ pooling


def test_repeats_are_pooled_and_sessions_too():
    found = [*repeats({"pidnet_s": 10.0}), *repeats({"pidnet_s": 12.0}, session="another")]
    ((row,), left_out) = timings.rows(contents(found))
    assert (row.pooled["e2e"].repeats, row.pooled["e2e"].n) == (6, 1200)
    assert left_out == []


@pytest.mark.parametrize(
    "changed",
    [
        {"software": {**H200["software"], "torch": "2.14.1"}},
        {"software": {**H200["software"], "cudnn": 91100}},
        {"software": {**H200["software"], "cuda": "13.3"}},
        {"machine": {"gpu": {**H200["machine"]["gpu"], "driver": "590.10"}}},
        {"protocol": 3},
        {"slug": "nvidia-h200-141g-600w"},
        {"origin": "reference"},
    ],
    ids=lambda c: str(next(iter(c.values())))[:30],
)
def test_another_context_is_another_row_with_a_name_of_its_own(changed):
    found = [*repeats({"pidnet_s": 10.0}), *repeats({"pidnet_s": 11.0}, **changed)]
    rows, left_out = timings.rows(contents(found))
    if "protocol" in changed:
        assert [(row.device.protocol, len(row.shown)) for row in rows] == [(3, 3)]
        assert left_out == ["timings of an older protocol, measured again since: 1"]
        return
    assert [len(row.shown) for row in rows] == [3, 3]
    assert len(set(named(row.device for row in rows).values())) == 2


def test_a_patch_release_is_the_same_context():
    newer = {**H200["software"], "torch": "2.15.1", "cudnn": 91099}
    rows, _ = timings.rows(contents([*repeats({"pidnet_s": 10.0}), *repeats({"pidnet_s": 11.0}, software=newer)]))
    assert [len(row.shown) for row in rows] == [6]
    assert short("2.15.0+cu132") == "2.15"


@pytest.mark.parametrize("text", ["1. item", "580.65 ", "580 65", "v580.65", "580.65\n", "", ".5", None, 580.65])
def test_what_is_no_version_counts_as_not_recorded(text):
    """A text that only begins with a number is no version: in the data it is null, as any other such text."""
    surroundings = {
        "machine": {"gpu": {**H200["machine"]["gpu"], "driver": text}},
        "software": dict.fromkeys(("torch", "cuda", "cudnn"), text),
    }
    ((row,), _) = timings.rows(contents(repeats({"pidnet_s": 10.0}, **surroundings)))
    told = plain.device(row.device)
    assert [told[name] for name in ("driver", "torch", "cuda", "cudnn")] == [None] * 4


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2.15.0+cu132", "2.15"),
        ("2.15.0a0+git1234567", "2.15"),
        ("2.15rc1", "2.15"),
        ("13", "13"),
        ("580.65.06", "580.65"),
        ("580.", "580"),
    ],
)
def test_a_version_is_its_first_two_numbers(text, found):
    assert short(text) == found


def test_a_network_with_other_counts_is_not_pooled():
    newer = repeats({"pidnet_s": 7.0}, macs=5_000_000_000, measured_utc="2027-01-01T00:00:00Z")
    ((row,), left_out) = timings.rows(contents([*newer, *repeats({"pidnet_s": 10.0})]))
    assert (row.macs, len(row.shown)) == (5_000_000_000, 3)
    assert left_out == ["processes of PIDNet-S on NVIDIA H200 141 GB that timed another network (other counts): 3"]


def test_weights_make_no_difference():
    bare = Component(name="pidnet_s", options={"aux": True})
    found = [latency([timing(PIDNET)]), latency([timing(bare)], repeat=1)]
    assert [len(row.shown) for row in timings.rows(contents(found))[0]] == [2]


# ------------------------------------------------------------------ words instead of numbers


def one(*found: Any) -> tuple[Any, str]:
    rows, left_out = timings.rows(contents(found))
    return rows, latency_markdown(rows, left_out)


@pytest.mark.parametrize(
    ("given_timing", "cell", "reason"),
    [
        (unfinished(refused="impossible: 4 ms is 91 TFLOP/s", verdict="impossible"), "refused", "91 TFLOP/s"),
        (unfinished(failed="out of memory"), "failed", "failed: out of memory"),
        (unfinished(), "failed", "no times in the record"),
        (timing(verdict="invalid"), "refused", "verdict invalid"),
        (timing(ms={"device": 1.0}), "failed", "no end-to-end time"),
        (timing(times={"e2e": series(1.0).model_copy(update={"min": -1.0})}), "refused", "a time of -1 ms"),
        (timing(times={"e2e": series(1.0).model_copy(update={"min": 0.0})}), "refused", "a time of 0 ms"),
        (timing(times={"e2e": series(1.0).model_copy(update={"mean": -5.0})}), "refused", "a time of -5 ms"),
        (timing(times={"e2e": series(1.0).model_copy(update={"max": 1e300})}), "refused", "30 years"),
        (timing(times={"e2e": series(1.0).model_copy(update={"n": 0})}), "refused", "contradict"),
        (timing(times={"e2e": series(1.0).model_copy(update={"median": 2.0})}), "refused", "contradict"),
    ],
    ids=range(11),
)
def test_what_is_no_time_is_words(given_timing, cell, reason):
    _, shown = one(latency([given_timing, timing(UNET, 5.0)]))
    header = "model "
    own = dict(zip(column(shown, header, "model"), column(shown, header, MEDIAN), strict=True))
    assert own["PIDNet-S"] == cell
    told = dict(zip(column(shown, header, "model"), column(shown, header, "remarks"), strict=True))
    assert reason in told["PIDNet-S"]
    figures = dict(zip(column(shown, header, "model"), column(shown, header, "mean ± std (ms)"), strict=True))
    assert figures["PIDNet-S"] == ""
    if "a time of" not in reason and reason not in ("30 years", "contradict"):
        assert figures["UNet-ResNet18"].startswith("4.99")  # one cell fails, the others stand
    else:
        assert own["UNet-ResNet18"] == "refused"  # a record that lies once is not used


def test_a_process_of_three_that_failed_is_told_and_the_others_stand():
    found = [*repeats({"pidnet_s": 10.0})[:2], latency([unfinished(failed="killed")], repeat=2)]
    (row,), shown = one(*found)
    assert row.pooled["e2e"].repeats == 2
    assert "another process failed (killed)" in shown


def test_one_impossible_time_spoils_its_session_only():
    """A timer that says once what cannot be did not wait the other times either."""
    lying = latency([unfinished(refused="impossible: too fast", verdict="impossible")], repeat=2)
    (row,), shown = one(*repeats({"pidnet_s": 10.0})[:2], lying)
    assert row.shown == ()
    assert column(shown, "model", MEDIAN) == ["refused"]
    (row,), shown = one(*repeats({"pidnet_s": 10.0}, session="another"), lying)
    assert row.pooled["e2e"].repeats == 3
    assert "another process was refused (impossible: too fast)" in shown


def test_few_readings_and_no_convergence_have_a_dagger():
    assert column(one(latency([timing(n=99)]))[1], "model", MEDIAN)[0].endswith("†")
    assert column(one(latency([timing(converged=False)]))[1], "model", MEDIAN)[0].endswith("†")
    assert not column(one(latency([timing(n=100)]))[1], "model", MEDIAN)[0].endswith("†")


def test_flags_of_several_processes_are_told_once():
    flags = [("std 9 % of mean", "contended (0.9)"), ("std 22 % of mean", "contended (0.8)"), ("throttled",)]
    (row,), _ = one(*(latency([timing(flags=own)], repeat=n) for n, own in enumerate(flags)))
    assert row.remarks == ["contended", "std up to 22 % of mean", "throttled"]
    (row,), _ = one(latency([timing(flags=flags[0])]))
    assert row.remarks == ["contended (0.9)", "std 9 % of mean"]


def test_nothing_unknown_is_printed_as_a_number():
    text = render(contents([*ALL, latency([timing(n=1)], CPU, session="x", slug="y")]))
    assert not re.search(r"\b(nan|NaN|inf|None|null)\b", text)


def test_the_graph_of_a_network_stands_beside_its_calls():
    eager, graph = timing(PIDNET, card(4.0, 1.3, 3.9)), timing(PIDNET, card(1.2, 1.1, 0.1), mode="graph")
    shown = one(latency([eager, graph, timing(UNET, 2.0, mode="graph")]))[1]
    assert column(shown, "model", "graph (ms)")[0] == "1.100"
    assert column(shown, "model", "would have been reported as (ms)")[0].startswith("3.89")
    assert column(shown, "model", "mode") == ["eager", "graph"]  # a graph without its calls is a row of its own


def test_energy_and_memory_are_shown_where_they_are_known():
    known = timing(energy={"gross_j": 2.5, "net_j": 1.25, "flag": "only 20 calls"}, memory_bytes={"inference": 2**30})
    shown = one(latency([known, timing(UNET, energy={"gross_j": None}, memory_bytes={"inference": None})]))[1]
    assert column(shown, "model", "J per image, gross / net") == ["2.5 / 1.25", ""]
    assert column(shown, "model", "peak memory (MiB)") == ["1,024", ""]
    assert column(shown, "model", "remarks")[0] == "energy doubtful (only 20 calls)"
    assert "peak memory (MiB)" not in one(latency([timing()]))[1].partition("\n\n- ")[0]


def test_a_share_of_peak_is_of_the_declared_precision():
    rows = timings.rows(contents(repeats({"deeplabv2_resnet101": 100.0}, T4)))[0]
    assert compared.group(rows[0], "e2e")[2] == "46 %"  # 369.04 GFLOP in 0.1 s of 8.1 TFLOP/s
    unknown = {**T4, "machine": {"gpu": {"name": "Unheard-of card"}}}
    assert compared.group(timings.rows(contents(repeats({"pidnet_s": 1.0}, unknown)))[0][0], "e2e")[2] == ""


# ------------------------------------------------------------------ ratios


def test_ratios_are_to_the_reference_and_models_keep_their_own():
    found = comparison(ALL)
    assert found.names[found.reference] == "NVIDIA H200 141 GB"
    assert found.ratios[of(found, "deeplabv2_resnet101", "Tesla T4 16 GB")].value == pytest.approx(96.5 / 8.92)
    assert found.ratios[of(found, "pidnet_s", "AMD EPYC, 1 thread")].verdict == "SLOWER"
    turned = comparison(ALL, reference="t4")
    there = turned.ratios[of(turned, "deeplabv2_resnet101", "NVIDIA H200 141 GB")]
    assert there.value == pytest.approx(8.92 / 96.5)
    assert there.verdict == "FASTER"


def test_devices_own_time_can_be_compared_and_what_has_none_is_left_out():
    found = comparison(ALL, time="device")
    assert found.ratios[of(found, "pidnet_s", "Tesla T4 16 GB")].value == pytest.approx(5.84 / 1.3)
    assert of(found, "pidnet_s", "AMD EPYC, 1 thread") not in found.ratios


OLDER = {**T4, "software": {**T4["software"], "torch": "2.14.0"}}


def test_other_software_is_not_divided_unless_asked():
    mixed = [*repeats({"pidnet_s": 4.0}), *repeats({"pidnet_s": 6.0}, OLDER)]
    found = comparison(mixed)
    assert found.ratios == {}
    assert found.reasons == ("Tesla T4 16 GB and NVIDIA H200 141 GB: torch 2.14 and 2.15",)
    assert "Not comparable because:\n\n- Tesla T4 16 GB and NVIDIA H200 141 GB: torch 2.14" in compared.markdown(found)
    assert "6.000" in compared.markdown(found)  # shown all the same
    asked = comparison(mixed, across_software=True)
    assert [r.value for r in asked.ratios.values()] == [pytest.approx(1.5)]


def test_cudnn_counts_between_cards_and_not_against_a_cpu():
    newer = {**T4, "software": {**T4["software"], "cudnn": 91100}}
    assert comparison([*repeats({"pidnet_s": 4.0}), *repeats({"pidnet_s": 6.0}, newer)]).ratios == {}
    assert comparison([*repeats({"pidnet_s": 4.0}), *repeats({"pidnet_s": 90.0}, CPU)]).ratios


def test_a_device_is_divided_by_the_reference_under_its_own_software():
    before = repeats({"pidnet_s": 5.0}, software={**H200["software"], "torch": "2.14.0"})
    found = comparison([*repeats({"pidnet_s": 4.0, "unet_resnet18": 1.0}), *before, *repeats({"pidnet_s": 6.0}, OLDER)])
    ratio = found.ratios[of(found, "pidnet_s", "Tesla T4 16 GB")]
    assert ratio.value == pytest.approx(6 / 5)
    assert "Tesla T4 16 GB / NVIDIA H200 141 GB, torch 2.14" in compared.markdown(found)


def test_protocols_never_merge_and_are_not_divided_even_when_asked():
    old = stored_cost(cost(model=PIDNET, device="Old CPU", software={"torch": "2.15.0"}))
    mixed = contents(repeats({"pidnet_s": 4.0}), costs=(old,))
    found = comparison(mixed, across_software=True)
    assert found.ratios == {}
    assert found.reasons == ("Old CPU and NVIDIA H200 141 GB: measured by protocol 1 and 2",)
    assert len(timings.rows(mixed)[0]) == 2


def test_a_new_protocol_replaces_the_old_one_of_the_same_device():
    slug, software = "nowhere", {"torch": "2.15.0"}
    old = stored_cost(cost(model=PIDNET, device="AMD EPYC, 1 thread", software=software))
    mixed = contents(repeats({"pidnet_s": 90.0}, CPU, slug=slug), costs=(old,))
    ((row,), left_out) = timings.rows(mixed)
    assert (row.device.protocol, len(left_out)) == (2, 1)


def test_another_network_of_the_same_name_is_not_divided():
    mixed = [*repeats({"pidnet_s": 4.0}), *repeats({"pidnet_s": 6.0}, T4, macs=6_274_000_000)]
    found = comparison(mixed)
    assert found.ratios == {}
    assert "networks of 6.274 and 5.893 GMAC" in found.reasons[0]


def test_two_processes_give_a_ratio_without_interval():
    found = comparison([*repeats({"pidnet_s": 4.0}), *repeats({"pidnet_s": 6.0}, T4, (1.0, 1.01))])
    assert "‡ AMBIGUOUS" in compared.markdown(found)


def test_launch_bound_models_that_change_places_are_named():
    found = comparison(ALL)
    (summary,) = [s for s in found.summaries if found.names[s.device] == "Tesla T4 16 GB"]
    assert summary.tau == pytest.approx(1 / 3)
    swap = "PIDNet-S and UNet-ResNet18 change places (launch-bound on NVIDIA H200 141 GB: PIDNet-S, UNet-ResNet18)"
    assert summary.swaps == (swap,)
    assert summary.mean.value == pytest.approx((96.5 / 8.92 * 6.03 / 4.1 * 14.8 / 1.62) ** (1 / 3))
    assert (summary.smallest, summary.largest) == (pytest.approx(6.03 / 4.1), pytest.approx(96.5 / 8.92))


def test_one_device_has_no_ratios_and_nothing_no_comparison():
    found = comparison(repeats({"pidnet_s": 4.0}))
    assert (found.ratios, found.summaries, found.reasons) == ({}, [], ())
    assert "Time relative to" not in compared.markdown(found)
    assert compare([]) is None


@pytest.mark.parametrize(
    ("word", "problem"),
    [("h100", "no device 'h100' has been measured here; known: "), ("1", "'1' is several devices: ")],
)
def test_an_unknown_or_unclear_reference_names_the_known_ones(word, problem):
    with pytest.raises(BenchError, match=re.escape(problem)) as caught:
        comparison(ALL, reference=word)
    assert "tesla-t4-16g-70w" in str(caught.value)


def test_a_reference_without_the_other_models_divides_what_it_can():
    found = comparison([*repeats({"pidnet_s": 4.0}), *repeats({"deeplabv2_resnet101": 9.0, "pidnet_s": 6.0}, T4)])
    assert found.names[found.reference] == "Tesla T4 16 GB"  # most figures
    assert len(found.ratios) == 1
    assert DEEPLAB.name in {w.component.name for w in found.works}
