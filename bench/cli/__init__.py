"""Words typed in a terminal -> a verb, and its exit code.  Each verb imports what it needs when it runs."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from bench.cli import (
    auditing,
    caching,
    comparing,
    data,
    doctor,
    evaluating,
    flops,
    latency,
    listing,
    lr_find,
    predicting,
    reporting,
    shifting,
    storing,
    sweeping,
    testing,
    using,
)
from bench.spec import BenchError, ExitCode, printable

app = typer.Typer(
    name="bench",
    help="Train, score and time segmentation networks across domains; every number traceable to its record.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("sweep")(sweeping.sweep)
app.command("doctor")(doctor.doctor)
app.command("latency")(latency.latency)
app.command("lr-find")(lr_find.lr_find)
app.command("flops")(flops.flops)
app.command("compare")(comparing.compare)
app.command("audit")(auditing.audit)
app.command("shift")(shifting.shift)
app.command("eval")(evaluating.evaluate)
app.command("predict")(predicting.predict)
app.command("export")(using.export)
app.command("report")(reporting.report)
app.command("status")(listing.status)
app.command("validate")(listing.validate)
app.command("list")(listing.list_components)
app.command("show")(listing.show)
app.command("test-plugin")(testing.try_plugin)
data.app.command("cache")(caching.cache)
app.add_typer(data.app, name="data")
app.add_typer(storing.app, name="store")


def _version(wanted: bool) -> None:
    if wanted:
        from bench import __version__

        typer.echo(f"bench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and leave.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


def run_command_line(words: Sequence[str]) -> int:
    """Carry out one command; every fault becomes one line on stderr and a documented exit code."""
    try:
        code = app(list(words) or ["--help"], prog_name="bench", standalone_mode=False)
        sys.stdout.flush()
        return int(code) if isinstance(code, int) else ExitCode.OK
    except BenchError as error:
        return _fail(str(error), error.code)
    except KeyboardInterrupt:
        return ExitCode.CTRL_C
    except (BrokenPipeError, SystemExit) as left:  # the reader of a pipe left early, as `head` does; typer says 1
        if isinstance(left, SystemExit) and not isinstance(left.__context__, BrokenPipeError):
            raise
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # typer's usage errors
            return _fail(f"{error.format_message()} (bench --help)", ExitCode.USAGE)
        if os.environ.get("BENCH_DEBUG") == "1":
            raise
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return _fail("cannot write the output: no space left on the device", ExitCode.ENVIRONMENT)
        what = f"{type(error).__name__}: {error}"
        return _fail(str(BenchError(f"internal error: {what}", remedy="see it with BENCH_DEBUG=1")), ExitCode.INTERNAL)


def _fail(message: str, code: int) -> int:
    print("bench: error:", printable(" ".join(message.split()), 300), file=sys.stderr)  # typer repeats what was typed
    return code
