"""`bench shift`: how two domains differ, in what they hold and in how they look, and what a run could do about it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.console import counting, print_table
from bench.cli.data import WORKERS, Asked, Json, Option, Picture
from bench.cli.sweeping import DataRoot, Results, print_json
from bench.spec import BenchError, ExitCode

if TYPE_CHECKING:
    from bench.run.remedies import Remedy
    from bench.spec import RunRecord

MEASURES = {
    "class_shares": "class shares (Jensen-Shannon, bits)",
    "colours": "colours (Hellinger, 0 to 1)",
    "low_frequencies": "low frequencies (dB)",
    "high_frequencies": "high frequencies (dB)",
}


def shift(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="The dataset that holds both domains.")],
    source: Annotated[str, typer.Option("--source", metavar="A", help="The domain that is learnt from.")],
    target: Annotated[str, typer.Option("--target", metavar="B", help="The domain that is adapted to.")],
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN_ID", help="Also what would close the gap of this finished run.")
    ] = None,
    count: Annotated[int, typer.Option("-n", min=2, help="Images of each domain to look at, at most.")] = 200,
    option: Option = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda[:N]", help="Where to score.")] = "auto",
    results: Results = Path("results"),
    data_root: DataRoot = None,
    picture: Picture = None,
    as_json: Json = False,
) -> int:
    """Say what kind of shift lies between two domains: what is in the images, how they look, and what would help.

    Labels of the target are read: this is a diagnosis of the data, and none of its figures is a method's score.
    """
    from bench.datasets.appearance import distances, looks, within

    record = None if run is None else _record(run, dataset, option, results)
    asked = Asked(dataset, option, data_root)
    if record is not None:
        asked.component, asked.domains = record.config.dataset, asked.info.domains
    for key, domain in (("--source", source), ("--target", target)):
        if domain not in asked.info.domains:
            remedy = f"choose one of: {', '.join(asked.info.domains)}"
            raise BenchError(f"{dataset} has no domain '{domain}'", remedy=remedy, key=key)
    if source == target:
        raise BenchError(f"{source} is both", remedy="name another domain", key="--target")
    splits = [asked.open(domain, "train") for domain in (source, target)]
    with counting("looking", sum(min(count, len(split)) for split in splits)) as tick:
        one, other = (looks(split, count, workers=WORKERS, tick=tick) for split in splits)
    found = {"between": distances(one, other), "within_source": within(one), "within_target": within(other)}
    help_ = [] if record is None else _remedies(record, source, target, device, results, data_root)
    if picture:
        from bench.report.shares import shares

        shares(picture, {source: one.shares.tolist(), target: other.shares.tolist()}, asked.info)
    if as_json:
        plain = [{"name": r.name, "miou": r.miou, "closes": r.closes, "why_not": r.why_not} for r in help_]
        facts = {"dataset": dataset, "source": source, "target": target, "images": [len(one), len(other)], "run": run}
        print_json({**facts, "distances": found, "remedies": plain})
        return ExitCode.OK
    _print_distances(found, source, target)
    if record is not None:
        _print_remedies(record, help_)
    if picture:
        print(f"picture: {picture}")
    return ExitCode.OK


def _record(run: str, dataset: str, option: list[str] | None, results: Path) -> RunRecord:
    from bench.spec import RunRecord
    from bench.store import Store, parse

    file = Store(results).newest_run_file(run)
    if file is None:
        raise BenchError(f"there is no record of run '{run}' in {results}", remedy="see `bench status`", key="--run")
    record = RunRecord.model_validate(parse(file))
    if record.config.dataset.name != dataset or option:
        problem = f"run {run} has the dataset {record.config.dataset.name} with options of its own"
        raise BenchError(problem, remedy=f"write `bench shift {record.config.dataset.name}` without --set", key="--run")
    return record


def _remedies(
    record: RunRecord, source: str, target: str, device: str, results: Path, data_root: Path | None
) -> list[Remedy]:
    from bench.run.place import Place, pick_device
    from bench.run.remedies import remedies
    from bench.store import Store

    place = Place(store=Store(results), sweep=record.sweep, device=pick_device(device), data_root=data_root)
    home = record.config.dataset.name
    with counting("scoring", None) as tick:

        def tell(name: str) -> None:
            tick()

        return remedies(record, f"{home}/{source}", f"{home}/{target}", place, tell)


def _print_distances(found: dict[str, Any], source: str, target: str) -> None:
    columns = ("between", "within_source", "within_target")
    header = ("distance", f"{source} to {target}", f"within {source}", f"within {target}")
    rows = [
        (title, *("" if found[c] is None else f"{found[c][name]:.3f}" for c in columns))
        for name, title in MEASURES.items()
    ]
    print_table(header, rows, right=(1, 2, 3))


def _print_remedies(record: RunRecord, found: list[Remedy]) -> None:
    print()
    print(f"{record.name}, the weights of step {record.chosen_step}, scored on test:")
    rows = [
        (
            r.name,
            r.why_not or ("" if r.miou is None else f"{100 * r.miou:.2f}"),
            "" if r.closes is None else f"{100 * r.closes:.0f} %",
        )
        for r in found
    ]
    print_table(("help at test time", "mIoU (%)", "closes"), rows, right=(1, 2))
    if all(r.closes is None for r in found):
        print("the target scores no worse than the source: there is no gap to close", file=sys.stderr)
