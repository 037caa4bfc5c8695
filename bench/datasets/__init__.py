"""Labelled images of a domain: build(root, domain, split, **options) -> Dataset.  numpy and Pillow only, no torch."""

DATASETS = {
    "camvid": "bench.datasets.camvid:camvid",
    "landcover": "bench.datasets.landcover:landcover",
    "loveda": "bench.datasets.loveda:loveda",
}
