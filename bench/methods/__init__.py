"""How a batch becomes losses: build(loss, num_classes, **options) -> Method."""

METHODS = {
    "source_only": "bench.methods.source_only:source_only",
}
