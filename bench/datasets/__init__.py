"""Labelled images of a domain: build(root, domain, split, **options) -> Dataset.  numpy and Pillow only, no torch."""

DATASETS = {
    "acdc": "bench.datasets.acdc:acdc",
    "camvid": "bench.datasets.camvid:camvid",
    "carla": "bench.datasets.carla:carla",
    "cityscapes": "bench.datasets.cityscapes:cityscapes",
    "cityscapes_pairs": "bench.datasets.cityscapes_pairs:cityscapes_pairs",
    "dark_zurich": "bench.datasets.dark_zurich:dark_zurich",
    "folder": "bench.datasets.folder:folder",
    "gta5": "bench.datasets.gta5:gta5",
    "landcover": "bench.datasets.landcover:landcover",
    "loveda": "bench.datasets.loveda:loveda",
    "openearthmap": "bench.datasets.openearthmap:openearthmap",
    "potsdam": "bench.datasets.potsdam:potsdam",
    "synthia": "bench.datasets.synthia:synthia",
    "vaihingen": "bench.datasets.vaihingen:vaihingen",
}
