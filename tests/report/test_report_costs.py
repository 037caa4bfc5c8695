"""Cost records and the table per model: units, devices, and words where nothing was measured."""

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

from bench.report import costs
from bench.report.render import render
from bench.spec import Component, Measurement
from bench.store import Contents


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


def test_flop_are_twice_the_macs_per_image_and_latency_names_its_device():
    text = costs.markdown([stored_cost(cost())])
    assert column(text, "model", "GMAC per image") == ["5.893"]
    assert column(text, "model", "GFLOP = 2 x GMAC") == ["11.786"]
    assert column(text, "model", "fvcore G") == ["5.933"]
    assert column(text, "model", "latency (ms), mean ± std") == ["10.000 ± 1.000 (n = 3)"]
    assert "Example CPU" in column(text, "model", "measured")[0]


def test_latency_in_other_units_is_converted_and_what_is_no_reading_is_not_shown():
    seconds = cost(latency=Measurement(unit="s", values=(0.010, 0.012)))
    assert "11.000 ± 1.414 (n = 2)" in costs.markdown([stored_cost(seconds)])
    for values, unit in (((1.0,), "parsec"), ((), "ms"), ((-1.0,), "ms"), ((1e308, 1e308), "ms")):
        text = costs.markdown([stored_cost(cost(latency=Measurement(unit=unit, values=values)))])
        assert column(text, "model", "latency (ms), mean ± std") == [""]
        assert not re.search(r"\b(nan|inf)\b", text)


def test_one_reading_has_no_standard_deviation():
    text = render(
        Contents(costs=(stored_cost(cost(latency=Measurement(unit="ms", values=(3.0,)))),), runs=(stored(record(1)),))
    )
    assert column(text, "model", "latency (ms), mean ± std") == ["3.000 (n = 1)"]
    assert "Standard deviation of inference time: not defined for one reading" in text


def test_a_refused_latency_is_words():
    refused = cost(latency=None, latency_refused="faster than the card can multiply")
    text = costs.markdown([stored_cost(refused)])
    assert column(text, "model", "median (ms)") == [""]
    assert "refused: faster than the card can multiply" in column(text, "model", "remarks")[0]


def test_the_newest_measurement_per_device_is_shown():
    old, new = cost(latency=Measurement(unit="ms", values=(99.0, 99.0))), cost(measured_utc="2026-12-01T00:00:00Z")
    text = costs.markdown([stored_cost(new), stored_cost(old), stored_cost(cost(device="Example GPU"))])
    assert column(text, "model", "median (ms)") == ["10.000", "10.000"]


def test_the_models_table_has_the_columns_the_field_uses():
    text = render(Contents(runs=(stored(record(1)),), costs=(stored_cost(cost()),)))
    assert cells(text, "VERSION")[0] == [
        *("VERSION", "DATA AUG", "SRC DOMAIN", "BATCH SIZE", "CRITERION", "OPTIMIZER", "SCHEDULER", "EPOCHS"),
        *("mIoU (%) (urban)", "mIoU (%) (rural)", "RUNS"),
    ]
    for line in ("Model parameters: 7624167 deployed", "FLOPs: 11.786 GFLOP", "Mean inference time: 10.000 ms"):
        assert f"\n{line}" in text
    assert "Standard deviation of inference time: 1.000 ms" in text
    assert column(text, "VERSION", "OPTIMIZER") == ["sgd(lr: 0.01, momentum: 0.9, weight_decay: 0.0005)"]


def test_unmeasured_costs_are_words():
    text = render(Contents(runs=(stored(record(1)),)))
    assert "Parameters, FLOPs and inference time: not measured." in text
    assert "### Costs" not in text


def test_examples_are_what_they_say():
    """The other tests rest on these: ids differ, classes fit, the model's label is known."""
    assert run_id(1) != run_id(2)
    assert len(CLASSES) == len(record(1).confusion["landcover/urban"])
    assert "PIDNet-S" in render(Contents(runs=(stored(record(1, config=config(model=PIDNET))),)))
