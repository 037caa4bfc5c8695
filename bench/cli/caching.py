"""`bench data cache`: decode everything a sweep reads now, so that its runs start at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.console import counting, print_table
from bench.cli.sweeping import DataRoot, Override, Results, Select


def cache(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A sweep file.")],
    select: Select = None,
    override: Override = None,
    results: Results = Path("results"),
    data_root: DataRoot = None,
) -> int:
    """Decode every split that a sweep reads into .bench/cache/; what is there and unchanged is left as it is."""
    from bench.run.data import read
    from bench.run.parts import splits_of
    from bench.run.place import Place
    from bench.store import Store
    from bench.sweep import load_sweep

    sweep = load_sweep(file, overrides=override or [], select=select)
    place = Place(store=Store(results), sweep=sweep.name, data_root=data_root)
    wanted = {
        (repr(run.config.dataset), domain, split, run.config.resize_px): run.config
        for run in sweep.runs
        for split, domains in splits_of(run.config).items()
        for domain in domains
    }
    rows = []
    with counting("decoding", len(wanted)) as tick:
        for (_, domain, split, _), config in wanted.items():
            found = read(config, domain, split, place)
            height, width = found.images.shape[-2:]
            megabytes = f"{found.nbytes / 2**20:.1f}"
            rows.append((domain, split, str(len(found)), f"{width}x{height}", megabytes, found.digest[:12]))
            tick()
    print_table(("domain", "split", "images", "size", "MiB", "digest"), rows, right=(2, 4))
    return 0
