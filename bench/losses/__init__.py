"""Segmentation losses: build(**options) -> f(outputs, labels) -> scalar."""

LOSSES = {
    "cross_entropy": "bench.losses.cross_entropy:cross_entropy",
    "ohem": "bench.losses.ohem:ohem",
    "pidnet": "bench.losses.pidnet:pidnet",
}
