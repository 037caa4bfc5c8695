"""Learning-rate shapes: build(**options) -> f(progress in [0, 1)) -> factor >= 0."""

SCHEDULERS = {
    "constant": "bench.schedulers.constant:constant",
    "poly": "bench.schedulers.poly:poly",
}
