"""Counts and the older times in cost records, and the table per model: units, devices, words where nothing is known."""

from __future__ import annotations

import re

import pytest
from report_examples import (
    CLASSES,
    PIDNET,
    UNET,
    cells,
    column,
    config,
    cost,
    record,
    run_id,
    stored,
    stored_cost,
)
from timing_examples import repeats

from bench.report import costs, latency, timings
from bench.report.render import render
from bench.spec import Component, CostRecord, Measurement
from bench.store import Contents

MEDIAN = "end to end (ms), median"


def timed(*found: CostRecord) -> str:
    """The latency table of cost records."""
    rows, left_out = timings.rows(Contents(costs=tuple(stored_cost(c) for c in found)))
    return latency.markdown(rows, left_out)


# ------------------------------------------------------------------ counts


def test_published_total_is_the_product_of_the_records_own_numbers():
    deeplab = cost(
        model=Component(name="deeplabv2_resnet101"), fvcore_total_training_graph=185_015_155_456, macs=184_519_925_760
    )
    text = costs.markdown([stored_cost(cost()), stored_cost(deeplab)])
    assert "PIDNet-S 6 x 6.317 G = 37.902 G" in text
    assert "DeepLabV2-ResNet101 6 x 185.015 G = 1.11 T" in text


@pytest.mark.parametrize(
    "changes",
    [{"input_shape": (1, 3, 256, 512)}, {"num_classes": 19}, {"fvcore_total_training_graph": None}, {"model": UNET}],
)
def test_published_total_is_not_claimed_elsewhere(changes):
    assert "Published totals" not in costs.markdown([stored_cost(cost(**changes))])


def test_flop_are_twice_the_macs_per_image():
    text = costs.markdown([stored_cost(cost())])
    assert column(text, "model", "GMAC per image") == ["5.893"]
    assert column(text, "model", "GFLOP = 2 x GMAC") == ["11.786"]
    assert column(text, "model", "fvcore G") == ["5.933"]
    assert column(text, "model", "counted") == ["this machine; 01234567+"]


def test_equal_counts_of_several_devices_stand_once_and_unequal_ones_all():
    cpu, gpu = stored_cost(cost()), stored_cost(cost(device="Example GPU"), "reference")
    text = costs.markdown([cpu, gpu])
    assert column(text, "model", "counted") == ["reference; 01234567+"]
    assert costs.markdown([gpu, cpu]) == text
    other = stored_cost(cost(device="Third device", macs=6_000_000_000))
    assert column(costs.markdown([cpu, gpu, other]), "model", "GMAC per image") == ["5.893", "6.000"]


def test_what_a_device_counted_before_is_not_shown():
    old = cost(macs=6_000_000_000, measured_utc="2026-01-01T00:00:00Z")
    assert column(costs.markdown([stored_cost(old), stored_cost(cost())]), "model", "GMAC per image") == ["5.893"]


def test_a_sum_that_fvcore_refused_is_words():
    refused = cost(fvcore_total=None, protocol={"fvcore": "refused: conv differs"})
    text = costs.markdown([stored_cost(refused)])
    assert column(text, "model", "fvcore G") == ["not counted"]
    assert column(text, "model", "remarks") == ["fvcore refused: conv differs"]


# ------------------------------------------------------------------ times of the first protocol


def test_an_older_time_is_one_process_of_protocol_1():
    text = timed(cost())
    assert column(text, "model", MEDIAN) == ["10.00 †"]
    assert column(text, "model", "mean ± std (ms)") == ["10.00 ± 1.00 (n = 3)"]
    assert column(text, "model", "between processes") == ["one process"]
    assert column(text, "model", "remarks") == ["few readings (3)"]
    assert "#### Example CPU" in text
    assert "protocol 1 (one process, end to end only)" in text


def test_latency_in_other_units_is_converted_and_what_is_no_reading_is_not_shown():
    text = timed(cost(latency=Measurement(unit="s", values=(0.010, 0.012))))
    assert column(text, "model", "mean ± std (ms)") == ["11.00 ± 1.41 (n = 2)"]
    for values, unit in (((1.0,), "parsec"), ((), "ms"), ((-1.0,), "ms"), ((0.0,), "ms"), ((1e308, 1e308), "ms")):
        text = timed(cost(latency=Measurement(unit=unit, values=values)))
        assert column(text, "model", MEDIAN) == ["refused"]
        assert column(text, "model", "mean ± std (ms)") == [""]
        assert "no reading that could be one" in column(text, "model", "remarks")[0]
        assert not re.search(r"\b(nan|inf)\b", text)


def test_one_reading_has_no_standard_deviation():
    single = stored_cost(cost(latency=Measurement(unit="ms", values=(3.0,))))
    text = render(Contents(costs=(single,), runs=(stored(record(1)),)))
    assert column(text, "model    | precision", "mean ± std (ms)") == ["3.000 (n = 1)"]
    assert "Standard deviation of inference time: not defined for one reading" in text


def test_a_refused_latency_is_words():
    text = timed(cost(latency=None, latency_refused="faster than the card can multiply"))
    assert column(text, "model", MEDIAN) == ["refused"]
    assert column(text, "model", "mean ± std (ms)") == [""]
    assert column(text, "model", "remarks") == ["refused: faster than the card can multiply"]


def test_the_newest_measurement_per_device_is_shown():
    old, new = cost(latency=Measurement(unit="ms", values=(99.0, 99.0))), cost(measured_utc="2026-12-01T00:00:00Z")
    found, _ = timings.rows(Contents(costs=tuple(map(stored_cost, (new, old, cost(device="Example GPU"))))))
    assert [row.pooled["e2e"].median for row in found] == [10.0, 10.0]
    assert {row.pooled["e2e"].repeats for row in found} == {1}


def test_conditions_that_differ_are_columns():
    text = timed(cost(), cost(protocol={"precision": "bfloat16", "threads": 1, "layout": "nhwc"}))
    assert sorted(column(text, "model", "precision")) == ["bf16", "fp32"]
    assert sorted(column(text, "model", "layout")) == ["nchw", "nhwc"]


# ------------------------------------------------------------------ the table per model


def test_the_models_table_has_the_columns_the_field_uses():
    text = render(Contents(runs=(stored(record(1)),), costs=(stored_cost(cost()),)))
    assert cells(text, "VERSION")[0] == [
        *("VERSION", "DATA AUG", "SRC DOMAIN", "BATCH SIZE", "CRITERION", "OPTIMIZER", "SCHEDULER", "EPOCHS"),
        *("mIoU (%) (urban)", "mIoU (%) (rural)", "RUNS"),
    ]
    for line in ("Model parameters: 7624167 deployed", "FLOPs: 11.786 GFLOP", "Mean inference time: 10.00 ms over 3"):
        assert f"\n{line}" in text
    assert "Standard deviation of inference time: 1.00 ms" in text
    assert column(text, "VERSION", "OPTIMIZER") == ["sgd(lr: 0.01, momentum: 0.9, weight_decay: 0.0005)"]


def test_below_a_models_table_stands_what_all_processes_took():
    found = Contents(runs=(stored(record(1)),), latencies=tuple(repeats({"pidnet_s": 10.0, "unet_resnet18": 5.0})))
    text = render(found)
    assert "Parameters and FLOPs: not counted." in text
    (line,) = re.findall(r"^Mean inference time: .*", text, re.MULTILINE)
    assert line.startswith("Mean inference time: 9.997 ms over 600 readings of 3 processes (fp32, ")
    assert "protocol 2" in line


def test_unmeasured_costs_are_words():
    text = render(Contents(runs=(stored(record(1)),)))
    assert "Parameters and FLOPs: not counted." in text
    assert "Inference time: not measured." in text
    for title in ("### Costs", "### Latency", "### Devices compared", "### Score against time"):
        assert title not in text


def test_examples_are_what_they_say():
    """The other tests rest on these: ids differ, classes fit, the model's label is known."""
    assert run_id(1) != run_id(2)
    assert len(CLASSES) == len(record(1).confusion["landcover/urban"])
    assert "PIDNet-S" in render(Contents(runs=(stored(record(1, config=config(model=PIDNET))),)))
