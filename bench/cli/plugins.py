"""`--plugin my_models.py`: a file of components -> known to this process and to all that it starts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.console import say


def _add(paths: list[Path] | None) -> list[Path] | None:
    """Have the files known; one that cannot be read is told of and left out.

    Raises BenchError for a file that is not there, and for a name that somebody else has.
    """
    if not paths:
        return paths
    from bench import names
    from bench.names import offers

    offers.add_plugins(paths)
    names.forget()
    given = {path.absolute() for path in paths}
    for file in offers.plugin_files():
        if file.path not in given:
            continue
        if file.fault:
            say(f"bench: warning: plug-in {file.path.name} is left out: {file.fault}", sys.stderr)
        for kind, table in names.TABLES.items():
            for name in file.offers.get(table.partition(":")[2], ()):
                names.entry(kind, name)
    return paths


Plugin = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        metavar="FILE",
        callback=_add,
        is_eager=True,
        help="A Python file of components of your own; repeatable, BENCH_PLUGINS beside it.",
    ),
]
