"""A domain and split of a run's configuration -> its images and labels, decoded as seldom as can be."""

from __future__ import annotations

from functools import partial

from bench import faults, names
from bench.cache import FileDataset, Split, read_split, stored_split
from bench.names.code import code_digests
from bench.run.drawn import kept
from bench.run.events import Interrupted
from bench.run.parts import open_dataset
from bench.run.place import Place
from bench.spec import Domain, RunConfig


def read(config: RunConfig, domain: str, split: str, place: Place) -> Split:
    """The split of `domain` (`dataset/domain`), decoded or drawn once for all runs.

    Images to train on have labels of their own size, others labels as on disk: a score is one at that size.  Raises
    BenchError for anything wrong with the data, Interrupted when the run is to stop.
    """

    def tick() -> None:
        place.beat()
        faults.at("loader.item")
        if place.stop():
            raise Interrupted("stopped while reading images")

    dataset = open_dataset(config, domain, split, place.data_root)
    part = names.resolve("dataset", names.dataset_of(config.dataset, Domain.parse(domain)))
    native = split in ("val", "test")
    if isinstance(dataset, FileDataset):
        return stored_split(
            dataset,
            place.store.work / "cache",
            options=part.options,
            resize_px=config.resize_px,
            native_labels=native,
            workers=place.workers,
            tick=tick,
        )
    workers = max(1, place.workers)
    draw = partial(read_split, dataset, resize_px=config.resize_px, native_labels=native, workers=workers, tick=tick)
    code = code_digests(config)
    facts = [part.model_dump(mode="json"), domain, split, config.resize_px, dataset.digest()]
    made_of = [*facts, code["dataset"], code["loop"]]
    return place.cache.get(tuple(map(str, made_of)), lambda: kept(place.store.work / "cache", made_of, draw))
