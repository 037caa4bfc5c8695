"""`bench data`: what data there is, whether it is whole, and what it looks like."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bench.cli.console import counting, is_live, make_console, print_table
from bench.cli.listing import some
from bench.cli.sweeping import DataRoot, print_json
from bench.spec import BenchError, ExitCode, counted

if TYPE_CHECKING:
    from bench.datasets.statistics import Tally
    from bench.spec import Component, Dataset, DatasetInfo

app = typer.Typer(help="List, check, measure and look at datasets.", no_args_is_help=True, rich_markup_mode=None)

SPLITS = ("train", "val", "test")
WORKERS = min(8, os.cpu_count() or 1)

Name = Annotated[str, typer.Argument(metavar="DATASET[/DOMAIN]", help="A dataset, or one domain of it.")]
Option = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An option of the dataset; repeatable.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Picture = Annotated[Path | None, typer.Option("--picture", metavar="FILE", help="Also draw this PNG.")]


class Asked:
    """A dataset as asked for on the command line: its facts, its domains, its splits that can be opened."""

    def __init__(
        self, name: str, settings: list[str] | None, data_root: Path | None, component: Component | None = None
    ) -> None:
        from bench import names
        from bench.spec import Component
        from bench.sweep import option_values

        dataset, _, domain = name.partition("/")
        written = component or Component(name=dataset, options=option_values(settings or []))
        self.component = names.resolve("dataset", written)
        self.info: DatasetInfo = names.dataset_info(self.component)
        if domain and domain not in self.info.domains:
            remedy = names.near(domain, self.info.domains)
            raise BenchError(f"{dataset} has no domain '{domain}'", remedy=remedy, key=name)
        self.domains = (domain,) if domain else self.info.domains
        self.root = data_root / dataset if data_root is not None else None

    def open(self, domain: str, split: str) -> Dataset:
        from bench import names

        dataset: Dataset = names.build("dataset", self.component, self.root, domain, split)
        return dataset

    def all(self, splits: tuple[str, ...] = SPLITS) -> Iterator[Dataset]:
        """Every domain and split, images that stand in two splits of a domain once."""
        for domain in self.domains:
            for split in splits:
                yield self.open(domain, split)


@app.command("list")
def list_datasets(data_root: DataRoot = None, as_json: Json = False) -> int:
    """Show every dataset with its domains, and how many images of each split are here."""
    from bench import names

    rows, documents = [], []
    for name in names.names("dataset"):
        info = names.dataset_info(name)
        found = _found(name, data_root)
        rows.append((name, some(info.domains), str(info.num_classes), found, info.licence))
        documents.append({"name": name, "domains": info.domains, "classes": info.class_names, "found": found})
    if as_json:
        print_json({"datasets": documents, "data_root": str(data_root) if data_root else None})
    else:
        print_table(("dataset", "domains", "classes", "here", "licence"), rows, right=(2,))
        if data_root is None:
            print("no data folder is set: BENCH_DATA or --data-root names the folder that holds each dataset's folder")
    return ExitCode.OK


def _found(name: str, data_root: Path | None) -> str:
    from bench import names

    if any(option.required for option in names.options("dataset", name).values()):
        return "described in the sweep file"
    try:
        asked = Asked(name, None, data_root)
        if not asked.info.needs_files:
            return "drawn by the program"
        if asked.root is None or not asked.root.is_dir():
            return "no"
        return counted(sum(len(dataset) for dataset in asked.all()), "image")
    except BenchError as error:
        return f"not whole: {error.problem}"


@app.command()
def get(
    name: Annotated[str, typer.Argument(metavar="DATASET", help="The dataset to get.")],
    data_root: DataRoot = None,
    test: Annotated[bool, typer.Option("--test", help="Also get archives that no split reads.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the archives after unpacking.")] = False,
) -> int:
    """Download a dataset that may be downloaded, whole or not at all; for the others print the exact steps."""
    from bench.fetch.get import get as fetch
    from bench.fetch.recipes import recipe

    wanted = recipe(name)
    if data_root is None:
        remedy = "name the folder that holds each dataset's folder with --data-root or BENCH_DATA"
        raise BenchError("no data folder is set", remedy=remedy, key="--data-root")
    root = data_root / name
    print(f"{name}: {wanted.terms}")
    if not wanted.archives:
        for number, step in enumerate(wanted.steps_for(root), 1):
            print(f"{number}. {step}")
        return ExitCode.OK
    with _telling() as tell:
        folders = fetch(wanted, root, optional=test, keep=keep, tell=tell)
    for folder in folders:
        print(f"{folder}: complete")
    return ExitCode.OK


@contextmanager
def _telling() -> Iterator[Callable[[str, int, int | None], None]]:
    """Progress of a download or an archive on stderr; a line for each without a terminal."""
    if not is_live(sys.stderr):
        said: set[str] = set()

        def tell(what: str, done: int, total: int | None) -> None:
            if what not in said:
                said.add(what)
                print(what, file=sys.stderr, flush=True)

        yield tell
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=make_console(sys.stderr)) as bars:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield show


@app.command()
def check(
    name: Name,
    option: Option = None,
    data_root: DataRoot = None,
    limit: Annotated[int, typer.Option(help="How many faults to list at most.")] = 20,
    as_json: Json = False,
) -> int:
    """Read every image and label and list all that is wrong, each by its file."""
    from bench.datasets.checking import check_all

    asked = Asked(name, option, data_root)
    with counting("checking", None) as tick:
        report = check_all(asked.open, asked.domains, (*SPLITS, "target"), workers=WORKERS, limit=limit, tick=tick)
    if as_json:
        print_json({"dataset": name, "images": report.images, "faults": [str(fault) for fault in report.faults]})
    elif report.images:
        print_table(("domain", "split", "images"), [(d, s, str(n)) for d, s, n in report.images], right=(2,))
    for fault in report.faults:
        print("bench: error:", fault, file=sys.stderr)
    if not as_json:
        count = len(report.faults)
        print(
            f"{name}: "
            + ("no fault" if not count else counted(count, "fault") + (" or more" if count >= limit else ""))
        )
    return ExitCode.DATA if report.faults else ExitCode.OK


@app.command()
def stats(
    name: Name,
    by: Annotated[
        Literal["domain", "split", "sequence"], typer.Option(help="What the images are grouped by.")
    ] = "domain",
    option: Option = None,
    data_root: DataRoot = None,
    picture: Picture = None,
    as_json: Json = False,
) -> int:
    """Class shares of labelled pixels, class weights, colours and label shift, over train, val and test."""
    from bench.datasets.statistics import tally

    asked = Asked(name, option, data_root)
    datasets = list(asked.all())
    if by == "sequence" and not all(hasattr(d, "sequence") for d in datasets):
        raise BenchError(f"{name} knows no sequences", remedy="use --by domain or --by split", key="--by")

    def group(dataset: Dataset, index: int) -> str:
        if by == "sequence":
            return str(dataset.sequence(index))  # type: ignore[attr-defined]
        return dataset.domain if by == "domain" else f"{dataset.domain}:{dataset.split}"

    with counting("reading", sum(map(len, datasets))) as tick:
        found = tally(datasets, group, workers=WORKERS, tick=tick)
    if picture:
        from bench.report.shares import shares

        shares(picture, {key: value.shares.tolist() for key, value in found.items()}, asked.info)
    if as_json:
        print_json({"dataset": name, "by": by, "groups": {key: _plain(value) for key, value in found.items()}})
        return ExitCode.OK
    _print_stats(asked.info, found)
    if picture:
        print(f"picture: {picture}")
    return ExitCode.OK


def _plain(tally: Tally) -> dict[str, object]:
    return {
        "images": tally.images,
        "pixels": tally.pixels.tolist(),
        "void": tally.void,
        "shares": tally.shares.tolist(),
        "median_frequency": tally.median_frequency,
        "mean": tally.mean.tolist(),
        "std": tally.std.tolist(),
    }


def _print_stats(info: DatasetInfo, found: dict[str, Tally]) -> None:
    from bench.datasets.statistics import jensen_shannon

    groups = list(found)
    header = ("share of labelled pixels (%)", *groups)
    titles = [f"{k} {name}" for k, name in enumerate(info.class_names)]
    rows = [(title, *(f"{100 * found[g].shares[k]:.2f}" for g in groups)) for k, title in enumerate(titles)]
    rows.append(("void (of all pixels)", *(f"{100 * found[g].void_share:.2f}" for g in groups)))
    rows.append(("images", *(str(found[g].images) for g in groups)))
    for channel, title in enumerate(("red", "green", "blue")):
        cells = (f"{found[g].mean[channel]:.1f} ± {found[g].std[channel]:.1f}" for g in groups)
        rows.append((f"{title}, mean ± std over pixels", *cells))
    print_table(header, rows, right=range(1, len(header)))
    weights = [
        (title, *("absent" if (w := found[g].median_frequency[k]) is None else f"{w:.3f}" for g in groups))
        for k, title in enumerate(titles)
    ]
    print()
    print_table(("median-frequency weight", *groups), weights, right=range(1, len(header)))
    if len(groups) > 1:
        shifts = [
            (a, *("" if a == b else f"{jensen_shannon(found[a].shares, found[b].shares):.3f}" for b in groups))
            for a in groups
        ]
        print()
        print_table(("label shift (Jensen-Shannon, bits)", *groups), shifts, right=range(1, len(header)))


@app.command()
def show(
    name: Name,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The PNG to draw.")] = Path(
        "contact_sheet.png"
    ),
    count: Annotated[int, typer.Option("-n", min=1, max=200, help="How many images of each domain.")] = 4,
    split: Annotated[Literal["train", "val", "test"], typer.Option(help="Which split.")] = "train",
    option: Option = None,
    data_root: DataRoot = None,
) -> int:
    """Draw a contact sheet: images beside their coloured labels."""
    from bench.report.pictures import contact_sheet

    if out.suffix.lower() != ".png":
        raise BenchError(f"{out.name} is no name of a PNG", remedy="end it in .png", key="--out")
    asked, samples = Asked(name, option, data_root), []
    for dataset in asked.all((split,)):
        n = min(count, len(dataset))
        for index in (i * len(dataset) // n for i in range(n)):
            samples.append((f"{dataset.domain} {dataset.image_name(index)}", *dataset.read(index)))
    contact_sheet(out, samples, asked.info)
    print(f"{out}: {counted(len(samples), 'image')} of {name}, {split}")
    return ExitCode.OK
