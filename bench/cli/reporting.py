"""`bench report`: records -> the tables between README's markers, or on stdout in another format."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bench.cli.console import harmless
from bench.spec import BenchError, ExitCode, counted

if TYPE_CHECKING:
    from bench.store import Contents

Format = Literal["md", "csv", "json", "html"]


def report(
    results: Annotated[Path, typer.Option("--results", metavar="DIR", help="Where records lie.")] = Path("results"),
    readme: Annotated[Path, typer.Option(metavar="FILE", help="The file with the markers.")] = Path("README.md"),
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 when the file is stale.")] = False,
    format_: Annotated[
        Format | None, typer.Option("--format", help="Print on stdout instead of writing the file.")
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also draw the adaptation methods' scores (.png or .svg)."),
    ] = None,
) -> int:
    """Write the leaderboards from the records; text outside the markers is untouched."""
    from bench.store import Store

    if check and (format_ is not None or picture is not None):
        told = "--check changes nothing, --format prints and --picture draws"
        raise BenchError(told, remedy="use --check by itself", key="--check")
    if not results.is_dir():
        what = "there is no such results folder"
        raise BenchError(what, remedy="run `bench sweep` first, or name it with --results", file=results)
    contents = Store(results).read()
    for problem in contents.problems:
        print("bench: error:", problem, file=sys.stderr)
    code = ExitCode.STORE if contents.problems else ExitCode.OK
    if picture is not None:
        _draw(picture, contents)
    if format_ is not None:
        text = _formatted(contents, format_)
        # CSV says to a program what the record says; to a person looking on nothing that would steer the terminal.
        sys.stdout.write(harmless(text.replace("\r\n", "\n")) if sys.stdout.isatty() else text)
        return code
    from bench.report import card
    from bench.report.readme import is_current, update
    from bench.report.render import render

    text, more = render(contents), {}
    try:
        more = {"card": card.markdown(card.read(results))}
    except BenchError as error:
        print("bench: error:", error, file=sys.stderr)
        code = ExitCode.STORE
    if check:
        if is_current(readme, text, more):
            print(f"{readme} is current")
            return code
        print(f"bench: error: {readme}: its tables are not those of {results}; run `bench report`", file=sys.stderr)
        return code or ExitCode.RUNS_FAILED
    changed = update(readme, text, more)
    local = sum(1 for s in contents.runs if s.origin == "local")
    counts = f"{counted(local, 'run')} of this machine, {counted(len(contents.runs) - local, 'reference run')}"
    print(f"{readme}: {'tables written' if changed else 'already current'} ({counts})")
    return code


def _draw(path: Path, contents: Contents) -> None:
    from bench.report.gains import gains
    from bench.report.gains_picture import picture
    from bench.report.rows import boards

    picture(path, gains(contents, boards(contents)))
    print(f"wrote {path}", file=sys.stderr)


def _formatted(contents: Contents, format_: Format) -> str:
    """The report as Markdown, as an HTML page, or its rows as CSV or JSON."""
    if format_ == "md":
        from bench.report.render import render

        return render(contents)
    if format_ == "html":
        from bench.report.page import to_html

        return to_html(contents)
    from bench.report.export import to_csv, to_json

    return to_csv(contents) if format_ == "csv" else to_json(contents)
