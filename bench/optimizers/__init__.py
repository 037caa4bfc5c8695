"""Parameter groups + optimizer: build(groups, **options) -> torch.optim.Optimizer."""

OPTIMIZERS = {
    "adam": "bench.optimizers.adam:adam",
    "adamw": "bench.optimizers.adamw:adamw",
    "sgd": "bench.optimizers.sgd:sgd",
}
