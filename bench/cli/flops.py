"""`bench flops`: networks -> parameters and operations of one image, in all or by stage, operator or module."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bench.cli.console import is_live, make_console, print_table, say
from bench.cli.plugins import Plugin
from bench.cli.sizes import parse_size
from bench.cli.sweeping import print_json
from bench.spec import BenchError, Component, ExitCode, Size

if TYPE_CHECKING:
    from torch import nn

    from bench.cost.breakdown import By, Row
    from bench.cost.counts import Counts, Parameters

Division = Literal["total", "stage", "operator", "module"]


@dataclass(frozen=True)
class Counted:
    """A network's figures for one image, and its parts where they are asked for."""

    name: str
    counts: Counts
    deployed: Parameters
    training: Parameters
    rows: tuple[Row, ...]


def flops(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help="Networks by name; all by default.")
    ] = None,
    size: Annotated[str, typer.Option(metavar="HxW", help="Height and width of the image.")] = "512x512",
    classes: Annotated[int, typer.Option(min=1, help="How many classes the networks tell apart.")] = 7,
    by: Annotated[Division, typer.Option(help="Totals, or the parts of each network.")] = "total",
    training: Annotated[
        bool, typer.Option("--training", help="Count the heads that only training needs, too.")
    ] = False,
    published: Annotated[
        bool, typer.Option("--published", help="Show how two published figures, 1.11T and 37.902G, came to be.")
    ] = False,
    plugin: Plugin = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> int:
    """Count parameters and operations, per image; needs no weights, no data and no GPU."""
    if published:
        if models:
            raise BenchError(
                "the published figures are those of two networks", remedy="name no MODEL", key="--published"
            )
        return _published(as_json)
    from bench import names

    wanted = list(dict.fromkeys(models or names.names("model")))
    for name in wanted:
        names.entry("model", name)
    height_width = parse_size(size)
    found, faults = _count_all(wanted, classes, height_width, by, training)
    if as_json:
        asked = {"size": height_width, "classes": classes, "images": 1, "graph": "training" if training else "deployed"}
        print_json({**asked, "models": [_document(one) for one in found], "failed": faults})
    elif found:
        _print(found, by)
        for line in _legend(height_width, classes, by, training):
            say(line)
    return ExitCode.USAGE if faults else ExitCode.OK


# ------------------------------------------------------------------ counting


def _count_all(
    wanted: Sequence[str], classes: int, size: Size, by: Division, training: bool
) -> tuple[list[Counted], dict[str, str]]:
    """The networks that can be counted, and why the others cannot, each of these told at once."""
    found, faults = [], {}
    for name in wanted:
        try:
            with _saying(f"counting {name}"):
                found.append(_count(name, classes, size, by, training))
        except BenchError as fault:
            if len(wanted) == 1:
                raise
            faults[name] = str(fault)
            say(f"bench: error: {name}: {fault}", sys.stderr)
    return found, faults


def _count(name: str, classes: int, size: Size, by: Division, training: bool) -> Counted:
    from bench.cost.breakdown import break_down
    from bench.cost.counts import count, parameters

    model = _without_values(name, classes)
    deployed = model.deployed()  # type: ignore[operator]
    counted, shape = model if training else deployed, (1, 3, *size)
    counts = count(counted, shape)
    part: By | None = None if by == "total" else by
    rows = break_down(counted, shape, part, counts) if part else ()
    return Counted(name, counts, parameters(deployed), parameters(model), rows)


def _without_values(name: str, classes: int, **options: Any) -> nn.Module:
    """A network whose tensors have shapes and no values: nothing is initialised, nothing fetched."""
    import torch

    from bench import names

    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that initialising a tensor without values does nothing
        model: nn.Module = names.build("model", Component(name=name, options=options), classes)
    return model


@contextmanager
def _saying(what: str) -> Iterator[None]:
    """`what` on the terminal while it takes place: loading torch takes some seconds."""
    if not is_live(sys.stderr):
        yield
        return
    with make_console(sys.stderr).status(what):
        yield


# ------------------------------------------------------------------ showing


def _print(found: Sequence[Counted], by: Division) -> None:
    if by == "total":
        header = ("model", "parameters", "training", "GMAC", "GFLOP", "fvcore G", "MB")
        print_table(header, [_total(one) for one in found], right=range(1, 7))
    for number, one in enumerate(found if by != "total" else ()):
        say(("\n" if number else "") + one.name)
        header = (by, "what", "parameters", "GMAC", "% of MACs", "fvcore G", "% of fvcore")
        keep = [i for i in range(7) if (i != 1 or by == "module") and (i != 2 or by != "operator")]
        rows = [[_cells(row, one)[i] for i in keep] for row in (*one.rows, _sum(one))]
        print_table([header[i] for i in keep], rows, right=[n for n, i in enumerate(keep) if i > 1])
    for one in found:
        if one.counts.fvcore_refused:
            say(f"{one.name}: fvcore's sum is refused: {one.counts.fvcore_refused}")


def _sum(one: Counted) -> Row:
    from bench.cost.breakdown import Row

    held = sum(row.parameters or 0 for row in one.rows)
    return Row(
        name="total",
        parameters=held,
        macs=one.counts.macs,
        fvcore=one.counts.fvcore.total if one.counts.fvcore else None,
    )


def _total(one: Counted) -> tuple[str, ...]:
    counts = one.counts
    return (
        one.name,
        f"{one.deployed.total:,}",
        f"{one.training.total:,}" if one.training.total != one.deployed.total else "same",
        _giga(counts.macs),
        _giga(2 * counts.macs),
        _giga(counts.fvcore.total) if counts.fvcore else "refused",
        f"{one.deployed.bytes / 1e6:.1f}",
    )


def _cells(row: Row, one: Counted) -> tuple[str, ...]:
    parameters = "" if row.parameters is None else f"{row.parameters:,}"
    if row.met is not None:
        return (row.name, row.what, parameters, "", "", f"met {row.met} x", "not counted")
    whole = one.counts.fvcore.total if one.counts.fvcore else 0
    fvcore = (_giga(row.fvcore), _share(row.fvcore, whole)) if row.fvcore is not None else ("refused", "")
    return (row.name, row.what, parameters, _giga(row.macs), _share(row.macs, one.counts.macs), *fvcore)


def _giga(number: int) -> str:
    return f"{number / 1e9:,.3f}" if number else "-"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}" if part else "-"


def _legend(size: Size, classes: int, by: Division, training: bool) -> Iterator[str]:
    graph = "with the heads that only training needs" if training else "as deployed, without training heads"
    yield f"\nPer image of {size[0]}x{size[1]} (height x width), {classes} classes, {graph}."
    yield "GFLOP = 2 x GMAC, on which three counters agree."
    if by == "total":
        yield "training: parameters with the heads that only training needs.  MB: the deployed parameters' bytes."
    yield "fvcore G adds its counts of normalisation, resizing and pooling to GMAC; papers call it GFLOPs."


def _document(one: Counted) -> dict[str, Any]:
    counts = one.counts
    return {
        "model": one.name,
        "parameters": {"deployed": asdict(one.deployed), "training": asdict(one.training)},
        "macs": counts.macs,
        "flop": 2 * counts.macs,
        "winograd_macs": counts.winograd_macs,
        "fvcore": counts.fvcore.total if counts.fvcore else None,
        "fvcore_refused": counts.fvcore_refused or None,
        "fvcore_uncounted": counts.fvcore.uncounted if counts.fvcore else None,
        "rows": [asdict(row) for row in one.rows],
    }


def _published(as_json: bool) -> int:
    from bench.cost.published import IMAGES, origins

    with _saying("counting two networks"):
        found = origins(_without_values)
    if as_json:
        print_json({"images": IMAGES, "figures": [{**asdict(o), "batch": o.batch} for o in found]})
        return ExitCode.OK
    header = ("printed as", "network", "counted", "GMAC", "+ others G", "= fvcore G", f"x {IMAGES} images G")
    rows = [
        (o.printed, o.network, o.what, _giga(o.macs), _giga(o.fvcore - o.macs), _giga(o.fvcore), _giga(o.batch))
        for o in found
    ]
    print_table(header, rows, right=range(3, 7))
    say(f"Both are fvcore's sums over a batch of {IMAGES} images of 512x512, in multiply-adds (not FLOP), 7 classes.")
    for o in found:
        say(f"{o.network}, as deployed, one image: {_giga(o.deployed_macs)} GMAC = {_giga(2 * o.deployed_macs)} GFLOP.")
    return ExitCode.OK
