"""`bench latency`: networks and settings -> timed in fresh processes on this machine, with a table at the end."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from bench.cli.console import print_table, say
from bench.cli.plugins import Plugin
from bench.cli.sizes import parse_size
from bench.cli.sweeping import Results, print_json
from bench.spec import BenchError, ExitCode, counted

if TYPE_CHECKING:
    from bench.cli.stopping import Wish
    from bench.run.latency import Asked, Finished
    from bench.spec import Component, Workload
    from bench.store import Store

USUAL = ("deeplabv2_resnet101", "pidnet_s", "unet_resnet18")
"""The networks that are timed where none is named."""


def latency(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help=f"Networks by name; {', '.join(USUAL)} by default.")
    ] = None,
    size: Annotated[str, typer.Option(metavar="HxW", help="Height and width of an image; 512x512 by default.")] = "",
    classes: Annotated[int, typer.Option(min=1, help="How many classes the networks tell apart.")] = 7,
    batch: Annotated[str, typer.Option(metavar="N,...", help="Images per call.")] = "1",
    precision: Annotated[str, typer.Option(metavar="NAME,...", help="fp32, tf32, bf16, fp16.")] = "fp32",
    layout: Annotated[str, typer.Option(metavar="NAME,...", help="nchw, nhwc.")] = "nchw",
    mode: Annotated[
        str,
        typer.Option(metavar="NAME,...", help="eager, graph, compile, onnx; eager (on a GPU also graph) by default."),
    ] = "",
    sweep: Annotated[
        Path | None, typer.Option("--from", metavar="SWEEP", help="The networks of a sweep file, as configured there.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, max=100, help="How many fresh processes.")] = 3,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda[:N]", help="Where to measure.")] = "auto",
    results: Results = Path("results"),
    plugin: Plugin = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
    energy: Annotated[
        bool, typer.Option("--energy", help="Also measure joules per image, where the GPU tells.")
    ] = False,
    pause: Annotated[float, typer.Option(metavar="S", min=0, help="Seconds between two processes.")] = 0.0,
    budget: Annotated[
        float | None, typer.Option(metavar="S", min=0.1, help="At most so many seconds per workload and process.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads on a CPU.")] = 1,
) -> int:
    """Time networks on this machine and store what was measured; tables show it."""
    from bench.cli.measuring import workloads
    from bench.cli.stopping import alone
    from bench.run.place import pick_device
    from bench.store import Store

    at = pick_device(device)
    plain = [
        w.model_copy(update={"batch": b, "precision": p, "layout": la})
        for w in _networks(models or [], sweep, size, classes)
        for b in _numbers(batch)
        for p in _choices("precision", precision)
        for la in _choices("layout", layout)
    ]
    if mode:
        wanted = [w.model_copy(update={"mode": m}) for w in plain for m in _choices("mode", mode)]
    else:
        wanted = workloads(plain, at)
    store = Store(results)
    with alone(store) as wish:
        from bench.run.latency import Asked

        asked = Asked(
            workloads=tuple(wanted),
            device=at,
            repeats=repeats,
            threads=threads,
            budget_s=budget,
            pause_s=pause,
            energy=energy,
        )
        return run(asked, store, wish, as_json)


def run(asked: Asked, store: Store, wish: Wish, as_json: bool) -> int:
    """Measure, show, and choose the exit code."""
    from bench.cli.timing_progress import timing_display
    from bench.run.latency import Finished, measure_latency

    finished: list[Finished] = []
    with timing_display(asked) as shown:
        for event in measure_latency(asked, store, stop=wish):
            shown.event(event)
            finished += [event] if isinstance(event, Finished) else []
    if as_json:
        print_json({"repeats": asked.repeats, "records": [event.record for event in finished]})
    elif finished:
        _print(finished, store)
    if wish.code is not None:
        say(f"stopped: {len(finished)} of {asked.repeats} processes stored", sys.stderr)
        return wish.code
    without = [t for event in finished for t in event.record.timings if t.failed or t.refused]
    return ExitCode.RUNS_FAILED if without or len(finished) < asked.repeats else ExitCode.OK


def _print(finished: list[Finished], store: Store) -> None:
    from bench.cli.timing_table import NUMBERS, rows_of, timing_table

    header, rows, notes = timing_table(rows_of(finished))
    print_table(header, rows, right=[i for i, name in enumerate(header) if name in NUMBERS])
    for note in notes:
        say(note)
    folders = ", ".join(dict.fromkeys(str(event.path.parent) for event in finished))
    lie = "lies" if len(finished) == 1 else "lie"
    say(f"{counted(len(finished), 'record')}, raw readings beside, {lie} in {folders}/")
    say("`bench compare` and `bench report` show them")


# ------------------------------------------------------------------ what is asked for


def _networks(names: list[str], sweep: Path | None, size: str, classes: int) -> list[Workload]:
    """One plain workload for each network."""
    from bench.plan import eager, without_weights
    from bench.plan.costs import with_classes
    from bench.spec import CostRequest, Workload

    if sweep is None:
        height_width = parse_size(size or "512x512")
        return [
            Workload(model=without_weights(model), num_classes=classes, size=height_width) for model in _models(names)
        ]
    if names:
        raise BenchError("networks are given by name and by a sweep", remedy="leave out one of the two", key="--from")
    from bench.sweep import load_sweep

    loaded = load_sweep(sweep)
    request = loaded.cost or CostRequest()
    if size:
        request = request.model_copy(update={"size": parse_size(size)})
    every = [eager(run.config.model, number, request) for run, number in with_classes(loaded)]
    return list({str(w): w for w in every}.values())


def _models(wanted: list[str]) -> list[Component]:
    from bench import names
    from bench.spec import Component

    return [names.resolve("model", Component(name=name)) for name in dict.fromkeys(wanted or USUAL)]


def _numbers(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch("[1-9][0-9]{0,5}", part) for part in parts):
        raise BenchError(f"'{text}' is no list of batch sizes", remedy="write such as 1,4,16", key="--batch")
    return list(dict.fromkeys(map(int, parts)))


def _choices(option: str, text: str) -> list[str]:
    """The words of a comma-separated list, each one of those the field of Workload allows."""
    from bench.names import near
    from bench.spec import Workload

    allowed = get_args(Workload.model_fields[option].annotation)
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        if part not in allowed:
            raise BenchError(f"unknown {option} '{part}'", remedy=near(part, allowed), key=f"--{option}")
    return list(dict.fromkeys(parts))
