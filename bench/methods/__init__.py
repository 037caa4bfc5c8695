"""How a batch becomes losses: build(loss, num_classes, **options) -> Method."""

METHODS = {
    "combined": "bench.methods.combined:combined",
    "joint": "bench.methods.oracle:joint",
    "oracle": "bench.methods.oracle:oracle",
    "source_only": "bench.methods.source_only:source_only",
}
