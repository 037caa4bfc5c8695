"""Headers, however worded, announce what stands below them."""

from __future__ import annotations

import pytest

from bench.audit.columns import column


@pytest.mark.parametrize(
    ("title", "quantity", "scale"),
    [
        ("Model", "model", 0),
        ("Method", "model", 0),
        ("模型", "model", 0),
        ("Backbone", "backbone", 0),
        ("Params", "params", 0),
        ("#Params (M)", "params", 1e6),
        ("Params(M)", "params", 1e6),
        ("Parameters (in million)", "params", 1e6),
        ("params_M", "params", 1e6),
        ("param_count", "params", 0),
        ("Model parameters", "params", 0),
        ("FLOPs", "work", 0),
        ("FLOPs (G)", "work", 1e9),
        ("GFLOPs", "work", 1e9),
        ("FLOPs (in million)", "work", 1e6),
        ("MACs (G)", "work", 1e9),
        ("infer_gmacs", "work", 1e9),
        ("Mult-Adds (M)", "work", 1e6),
        ("Latency (ms)", "latency", 1),
        ("Latency (s)", "latency", 1e3),
        ("Latency (sec)", "latency", 1e3),
        ("mean_latency_ms", "latency", 1),
        ("Mean inference time", "latency", 0),
        ("inference time(V100) (ms/img)", "latency", 1),
        ("inferenceTime (ms)", "latency", 1),
        ("Runtime [ms]", "latency", 1),
        ("CPU ms", "other", 0),
        ("FPS", "fps", 1),
        ("FPS (RTX 3090)", "fps", 1),
        ("Throughput (img/s)", "fps", 1),
        ("infer_samples_per_sec", "fps", 1),
        ("Std (ms)", "std", 1),
        ("latency std (ms)", "std", 1),
        ("Standard deviation of inference time", "std", 0),
        ("std_latency_ms", "std", 1),
        ("mIoU std", "other", 0),
        ("Device", "device", 0),
        ("GPU", "device", 0),
        ("Picture Size", "size", 0),
        ("Input size", "size", 0),
        ("Resolution", "size", 0),
        ("infer_img_size", "size", 0),
        ("Batch size", "batch", 0),
        ("infer_batch_size", "batch", 0),
        ("bs", "batch", 0),
        ("#Classes", "classes", 0),
        ("mIoU (%)", "miou", 0),
        ("Val (% mIOU)", "miou", 0),
        ("Precision", "precision", 0),
        ("Training time (h)", "other", 0),
        ("Epoch time (s)", "other", 0),
        ("GPU memory (GB)", "other", 0),
        ("Model size (MB)", "other", 0),
        ("TFLOP/s", "other", 0),
        ("Optimizer", "other", 0),
        ("lr", "other", 0),
        ("", "other", 0),
    ],
)
def test_titles(title: str, quantity: str, scale: float) -> None:
    found = column(title)
    assert found.quantity == quantity
    if quantity not in ("other", "model", "size", "batch", "device", "miou"):
        assert found.scale == scale


@pytest.mark.parametrize(
    ("title", "unit"), [("GFLOPs", "flop"), ("GMACs", "mac"), ("MAdds (M)", "mac"), ("FLOPs", "flop")]
)
def test_flop_and_multiply_add_are_told_apart(title: str, unit: str) -> None:
    assert column(title).unit == unit
