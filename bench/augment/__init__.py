"""Joint image and label transforms: build(**options) -> f(images, labels, generator) -> (images, labels)."""

AUGMENT = {
    "flip": "bench.augment.flip:flip",
    "rotate90": "bench.augment.rotate90:rotate90",
}
