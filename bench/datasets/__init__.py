"""Labelled images of a domain: build(root, domain, split, **options) -> Dataset.  numpy and Pillow only, no torch."""

DATASETS = {
    "camvid": "bench.datasets.camvid:camvid",
    "carla": "bench.datasets.carla:carla",
    "folder": "bench.datasets.folder:folder",
    "landcover": "bench.datasets.landcover:landcover",
    "loveda": "bench.datasets.loveda:loveda",
    "openearthmap": "bench.datasets.openearthmap:openearthmap",
    "potsdam": "bench.datasets.potsdam:potsdam",
    "vaihingen": "bench.datasets.vaihingen:vaihingen",
}
