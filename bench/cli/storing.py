"""`bench store`: is every record whole, and what to do when one is not; old records, and those of somebody else."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.console import print_table, say
from bench.cli.sweeping import Results, print_json
from bench.spec import BenchError, ExitCode, counted

if TYPE_CHECKING:
    from bench.store import Store
    from bench.store.checking import Finding

app = typer.Typer(help="Check, repair, migrate and merge results.", no_args_is_help=True, rich_markup_mode=None)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Tell what would be done; change nothing.")]


@app.command("check")
def check(results: Results = Path("results"), as_json: Json = False) -> int:
    """Look at every file of a results folder and of .bench/; exit 4 if anything is wrong."""
    from bench.store.checking import check as look
    from bench.store.checking import files_in

    store = _open(results)
    found, files = look(store), files_in(store)
    faults = [one for one in found if one.is_fault]
    if as_json:
        print_json({"results": str(results), "files": files, "findings": _plain(found), "wrong": len(faults)})
    else:
        _show(found)
        say(f"{counted(files, 'file')}, {counted(len(faults), 'thing') if faults else 'nothing'} wrong")
        if any(one.moves for one in faults):
            say("`bench store repair` moves what is wrong to .bench/quarantine/; nothing is deleted")
    return ExitCode.STORE if faults else ExitCode.OK


@app.command("repair")
def repair(results: Results = Path("results"), dry_run: DryRun = False, as_json: Json = False) -> int:
    """Move what `bench store check` finds to .bench/quarantine/<utc>/; nothing is deleted, whole records stay."""
    from bench.store.repairing import repair as mend

    store = _open(results)
    done = mend(store, dry_run=dry_run)
    if as_json:
        moves = [{"path": str(m.path), "to": str(m.to), "why": m.why} for m in done.moves]
        print_json({"results": str(results), "dry_run": dry_run, "moved": moves, "left": _plain(done.left)})
        return ExitCode.STORE if done.left else ExitCode.OK
    _show_moves([(str(m.path), m.why) for m in done.moves])
    verb = "would be moved" if dry_run else "moved"
    where = f" to {done.noted.parent}; moved.json there lists them" if done.noted else ""
    say(f"{counted(len(done.moves), 'file')} {verb}{where}" if done.moves else "nothing to move")
    _show(done.left)
    if done.left:
        say(f"wrong and not to be mended here: {counted(len(done.left), 'thing')}")
    return ExitCode.STORE if done.left else ExitCode.OK


@app.command("migrate")
def migrate(results: Results = Path("results"), dry_run: DryRun = False, as_json: Json = False) -> int:
    """Rewrite records of earlier schema numbers; originals go to .bench/quarantine/, and no number changes."""
    from bench.store.migrating import migrate as rewrite

    store = _open(results)
    done = rewrite(store, dry_run=dry_run)
    code = ExitCode.STORE if done.problems else ExitCode.OK
    if as_json:
        moves = [{"path": str(m.path), "kept": str(m.to), "why": m.why} for m in done.moves]
        problems = [str(problem) for problem in done.problems]
        print_json({"dry_run": dry_run, "rewritten": moves, "current": done.current, "problems": problems})
        return code
    _show_moves([(str(m.path), m.why) for m in done.moves])
    _complain(done.problems)
    verb = "would be rewritten" if dry_run else "rewritten"
    where = f"; the originals lie in {done.noted.parent}" if done.noted else ""
    say(f"{counted(len(done.moves), 'record')} {verb}, {done.current} current{where}")
    return code


@app.command("merge")
def merge(
    other: Annotated[Path, typer.Argument(metavar="OTHER", help="Another results folder.")],
    results: Results = Path("results"),
    dry_run: DryRun = False,
    as_json: Json = False,
) -> int:
    """Copy the records of another results folder into this one; what is here stays as it is.

    A run that is here with other numbers becomes its next attempt.
    """
    from bench.store import Store
    from bench.store.merging import merge as take

    if not other.is_dir():
        raise BenchError("there is no such results folder", file=other)
    inside = other / "results"
    theirs = Store(inside if inside.is_dir() and not (other / "runs").is_dir() else other)
    done = take(Store(results), theirs, dry_run=dry_run)
    code = ExitCode.STORE if done.problems else ExitCode.OK
    counts = {"added": len(done.added), "same": done.same, "kept_ours": len(done.kept), "left": len(done.problems)}
    if as_json:
        files = {"added_files": [str(path) for path in done.added], "kept_files": [str(path) for path in done.kept]}
        print_json({**counts, **files, "dry_run": dry_run, "problems": [str(problem) for problem in done.problems]})
        return code
    if done.added:
        print_table(("would be added" if dry_run else "added",), [(str(path),) for path in done.added])
    _complain(done.problems)
    words = {"added": "to add" if dry_run else "added", "same": "here already"}
    words |= {"kept_ours": "plans differ (ours stay)", "left": "left out"}
    say(", ".join(f"{counts[key]} {word}" for key, word in words.items() if counts[key] or key in ("added", "same")))
    return code


def _open(results: Path) -> Store:
    from bench.store import Store

    if not results.is_dir():
        what = "there is no such results folder"
        raise BenchError(what, remedy="run `bench sweep` first, or name it with --results", file=results)
    return Store(results)


def _plain(found: Sequence[Finding]) -> list[dict[str, Any]]:
    return [
        {"kind": one.kind, "path": str(one.path), "problem": one.problem, "moves": [str(path) for path in one.moves]}
        for one in found
    ]


def _show(found: Sequence[Finding]) -> None:
    if found:
        print_table(("what", "file", "why"), [(one.kind, str(one.path), one.problem) for one in found])


def _show_moves(rows: Sequence[tuple[str, str]]) -> None:
    if rows:
        print_table(("file", "why"), rows)


def _complain(problems: Sequence[BenchError]) -> None:
    for problem in problems:
        print("bench: error:", problem, file=sys.stderr)
