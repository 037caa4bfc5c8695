"""F4, G2: no text of a record or a sweep file becomes markup, a formula, a terminal code, a path or a shell word."""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from oracle import PREFIX, refused, snapshot
from report_hostile import PAYLOADS, hostile
from test_report_export import ALLOWED, FORMULAS, elements
from test_report_tables import structure
from timing_examples import contents as timed
from timing_examples import three_devices

from bench import machine
from bench.cli import run_command_line
from bench.report import export, page
from bench.report.render import render
from bench.spec import CostRecord, ExitCode, Failure, LatencyRecord, RunRecord, Sweep, printable
from bench.store import Contents, Store, Stored
from bench.sweep import load_sweep

Figure = Callable[[str, str], None]
STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ufeff]")
FORMATS: dict[str, Callable[[Contents], str]] = {
    "Markdown": render,
    "HTML": page.to_html,
    "CSV": export.to_csv,
    "JSON": export.to_json,
}


def seen(name: str, text: str) -> Any:
    """What a reader of the format takes for structure; text of a record must not change it."""
    if name == "Markdown":
        assert not STEERING.search(text)
        return structure(text), [line.count("|") for line in text.splitlines() if line.startswith("|")]
    if name == "HTML":
        assert not STEERING.search(text)
        found = elements(text).seen
        assert {tag for tag, _ in found} <= ALLOWED
        return sorted(found)  # rows may stand in another order
    if name == "CSV":
        rows = list(csv.reader(io.StringIO(text, newline="")))
        assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
        return [len(row) for row in rows]
    assert text.isascii()
    return _shape(json.loads(text))


def _shape(value: Any) -> Any:
    """A JSON value without its texts; the names of scores hold the domain."""
    if isinstance(value, dict):
        return len(value), sorted(map(str, map(_shape, value.values())))
    return sorted(str(_shape(one)) for one in value) if isinstance(value, list) else type(value).__name__


def shapes(contents: Contents) -> dict[str, Any]:
    """What is seen in each format; a format that breaks a rule has none."""
    found = {}
    for name, show in FORMATS.items():
        with contextlib.suppress(AssertionError):
            found[name] = seen(name, show(contents))
    return found


def breaches(own: dict[str, Any], harmless: dict[str, Any]) -> list[str]:
    """The formats in which two contents that differ in their texts alone have another structure."""
    return [name for name in FORMATS if name not in own or own[name] != harmless[name]]


@functools.cache
def harmless_shapes() -> dict[str, Any]:
    return shapes(hostile("harmless"))


def some(texts: Sequence[str], mark: pytest.MarkDecorator) -> list[Any]:
    """Every fifth of `texts` by default, all of them where `mark` runs; `test_report_*.py` have each format alone."""
    return [pytest.param(text, marks=() if n % 5 == 0 else mark, id=ascii(text)[:40]) for n, text in enumerate(texts)]


@pytest.mark.parametrize("payload", some(PAYLOADS, pytest.mark.card))
def test_hostile_text_breaks_no_report(payload: str, figure: Figure) -> None:
    """In every text field at once."""
    assert breaches(shapes(hostile(payload)), harmless_shapes()) == []
    figure("G2 hostile text in every field at once", "1 text in 4 formats, 0 breaches")


def test_the_check_sees_reports_that_do_not_escape(monkeypatch: pytest.MonkeyPatch, figure: Figure) -> None:
    """Negative control: the same payloads, with the escaping of each format switched off."""
    from bench.report import leaderboard, markdown, models

    for module in (leaderboard, models):
        if hasattr(module, "escape"):
            monkeypatch.setattr(module, "escape", markdown.Markup)
    monkeypatch.setattr(markdown, "escape", markdown.Markup)
    monkeypatch.setattr(page, "TEMPLATE", page.TEMPLATE.replace("}}", "| safe }}"))
    monkeypatch.setattr(page, "printable", lambda text: text)
    monkeypatch.setattr(export, "spreadsheet_safe", lambda value: value)
    harmless = shapes(hostile("harmless"))
    found = [breaches(shapes(hostile(payload)), harmless) for payload in (*PAYLOADS[::3], *FORMULAS)]
    for name in ("Markdown", "HTML", "CSV"):
        assert sum(name in broken for broken in found) >= 5, name
    figure("G2 control: no escaping", f"{sum(map(bool, found))} of {len(found)} texts break a report")


# ------------------------------------------------------------------ field by field

KINDS: tuple[tuple[str, type[Any]], ...] = (
    ("runs", RunRecord),
    ("costs", CostRecord),
    ("latencies", LatencyRecord),
    ("sweeps", Sweep),
    ("failures", Failure),
)


def text_places(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all texts inside a JSON value; the last of a key ends in None."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from text_places(inner, (*here, key))
            if key == "harmless":
                yield (*here, key, None)
    elif isinstance(value, list):
        for n, inner in enumerate(value):
            yield from text_places(inner, (*here, n))
    elif isinstance(value, str):
        yield here


def put(value: Any, path: tuple[Any, ...], text: str) -> Any:
    whole = inside = json.loads(json.dumps(value))
    for key in path[: -2 if path[-1] is None else -1]:
        inside = inside[key]
    if path[-1] is None:
        inside[text] = inside.pop(path[-2])
    else:
        inside[path[-1]] = text
    return whole


def fields() -> list[tuple[str, type[Any], Any, Any, tuple[Any, ...]]]:
    """(kind, model, how it is stored, its plain values, path) for every text field of one record of each kind."""
    base, found = hostile("harmless"), []
    for kind, model in KINDS:
        item = getattr(base, kind)[0]
        stored = isinstance(item, Stored)
        record = item.record if stored else item[0] if isinstance(item, tuple) else item
        plain = record.model_dump(mode="json")
        found += [(kind, model, item, plain, path) for path in text_places(plain)]
    return found


def only(kind: str, model: type[Any], item: Any, plain: Any) -> Contents:
    """Contents of one record."""
    record = model.model_validate(plain)
    if isinstance(item, Stored):
        whole: Any = Stored(record, item.path, item.origin)
    else:
        whole = (record, item[1]) if isinstance(item, tuple) else record
    return Contents(**{kind: (whole,)})


def field_breaches(texts: tuple[str, ...]) -> tuple[int, int, list[Any]]:
    """(fields, texts shown, breaches) with each text in each field by itself."""
    found, shown, every = [], 0, fields()
    for kind, model, item, plain, path in every:
        try:
            harmless = shapes(only(kind, model, item, put(plain, path, "unharmful")))
        except ValueError:  # a choice of words, a date: no place for any text
            continue
        for text in texts:
            try:
                own = only(kind, model, item, put(plain, path, text))
            except ValueError:
                continue
            shown += 1
            found += [(kind, path, text, name) for name in breaches(shapes(own), harmless)]
    return len(every), shown, found


WORST = "=cmd|' /C calc'!A0 a|b\n# c <script>alert(1)</script> `[x](javascript:y) \x1b[2J\u202e\0"


@pytest.mark.parametrize("texts", [(WORST,), pytest.param(PAYLOADS, marks=pytest.mark.card)], ids=len)
def test_hostile_text_in_any_one_field_breaks_no_report(texts: tuple[str, ...], figure: Figure) -> None:
    count, shown, found = field_breaches(texts)
    assert found == []
    assert shown >= 50 * len(texts)
    figure("G2 hostile texts field by field", f"{len(texts)} texts x {count} fields x 4 formats, {len(found)} breaches")


# ------------------------------------------------------------------ terminal

YAML = "name: {name}\nbase: {{model: {model}, dataset: {dataset}, source: {source}, steps: 1}}\nseeds: [{seed}]\n"


def project(folder: Path, text: str) -> Path:
    """A project whose files say `text` wherever a file can."""
    found = hostile(text)
    store = Store(folder / "results")
    for number, (stored, origin) in enumerate(zip(found.runs, (store, Store(store.root / "reference")), strict=True)):
        plain = {"run_id": f"r-{number:016x}", "images_file": None, "images_sha256": None}
        origin.add_run(stored.record.model_copy(update=plain), {})
    for stored_cost in found.costs:
        store.add_cost(stored_cost.record, "device")
    for number, one in enumerate((*found.latencies, *timed(three_devices()).latencies)):
        store.add_latency(one.record, f"device-{number}", {})
    for failure in found.failures:
        store.add_failure(failure.model_copy(update={"run_id": "r-00000000000000ff"}))
    store.save_sweep(found.sweeps[0][0].model_copy(update={"name": "sweep"}))
    (store.root / "runs" / "r-00000000000000aa.json").write_text(json.dumps({"sha256": text}))
    return folder


VERBS = (
    *(("report", "--format", name) for name in ("md", "html", "json")),
    *(("show", "r-0000000000000000"), ("compare",), ("compare", "--markdown"), ("compare", "--json")),
    *(("store", "check"), ("store", "check", "--json"), ("store", "repair", "-n"), ("store", "migrate", "-n")),
    *(("store", "merge", "results/reference", "-n"), ("report", "--check")),
)


@pytest.mark.parametrize("payload", some([p for p in PAYLOADS if STEERING.search(p)], pytest.mark.card))
def test_no_text_of_a_record_steers_a_terminal(
    tmp_path: Path, payload: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, figure: Figure
) -> None:
    monkeypatch.chdir(project(tmp_path / "project", payload))
    shutil.copy(Path(__file__).parents[2] / "README.md", "README.md")
    for words in VERBS:
        code = run_command_line(words)
        assert code != ExitCode.INTERNAL
        out, err = capsys.readouterr()
        assert out + err
        assert not STEERING.search(out + err), words
    figure("F4 records that would steer a terminal", f"1 text, {len(VERBS)} commands, 0 raw control characters")


def test_csv_steers_no_terminal_and_says_all_to_a_program(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a file CSV says what the record says; for a person, what would steer the terminal is spelled out."""
    monkeypatch.chdir(project(tmp_path / "project", "a\x1b[2Jb"))
    run_command_line(["report", "--format", "csv"])
    assert "a\x1b[2Jb" in capsys.readouterr().out  # the control of what follows
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    run_command_line(["report", "--format", "csv"])
    shown = capsys.readouterr().out
    assert not STEERING.search(shown)
    assert "a\\x1b[2Jb" in shown


# ------------------------------------------------------------------ names

ODD_NAMES = (
    *(
        "../x",
        "/etc/x",
        "a/b",
        "..\\x",
        "CON",
        "n" * 300,
        "nul\0",
        "a\nb",
        "-rf",
        ".",
        "..",
        "é",
        "e\u0301",
        "A",
        ".hidden",
    ),
    *(
        "\u202egnp",
        "\x1b[2J",
        "\x1b]8;;http://a\x07",
        "$(id)",
        "`id`",
        ";x",
        "%s",
        "{0}",
        "%2e%2e/x",
        "%252e",
        "~",
        "*",
    ),
    *("a b", " ", "a'b", 'a"b', "a&b", "a|b", "<b>", "#x", "!x", "=1", "@x", "\ufeffx", "&x", "\\\\server\\x"),
)


def attempts(text: str) -> list[tuple[str, ...]]:
    """Commands that are given `text` for a name.  A NUL in an argument never reaches a program."""
    argument = text.replace("\0", "")
    return [
        ("show", argument),
        ("list", argument),
        ("data", "get", argument),
        ("data", "check", argument),
        ("data", "show", f"{argument}/urban", "-o", "sheet.png"),
        ("sweep", "good.yaml", "-k", f"zz{argument}"),
        ("sweep", "good.yaml", "--set", f"base.model={argument}"),
        *(("sweep", f"{field}.yaml", "-n", "--no-check") for field in ("name", "model", "dataset", "source", "seed")),
    ]


@pytest.mark.parametrize("text", some(ODD_NAMES, pytest.mark.card))
def test_no_name_becomes_a_path(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, figure: Figure
) -> None:
    """Every name of a file or a command that is not in a table is refused in one line; nothing appears anywhere."""
    sandbox = tmp_path / "project"
    (sandbox / "results").mkdir(parents=True)
    good = {"name": "good", "model": "pidnet_s", "dataset": "landcover", "source": "urban", "seed": "0"}
    (sandbox / "good.yaml").write_text(YAML.format(**good))
    for field in good:
        (sandbox / f"{field}.yaml").write_text(YAML.format(**{**good, field: json.dumps(text)}))
    monkeypatch.chdir(sandbox)

    def bench(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        return (run_command_line(words), *capsys.readouterr())

    done = attempts(text)
    for words in done:
        assert "\n" not in refused(bench, words, sandbox).removeprefix(PREFIX)
    slug = machine.device_slug("cpu", facts={"cpu": {"name": text}, "gpu": None})
    assert re.fullmatch(r"[a-z0-9-]+", slug)
    figure("F4 odd names", f"1 name in {len(done)} places, 0 files outside")


@pytest.mark.parametrize("text", some(ODD_NAMES, pytest.mark.card))
def test_a_name_that_stays_text_is_shown_harmless(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is free text in a sweep file: what it is about, the names of classes and of one's own tree."""
    dataset = {"name": "folder", "root": "tree", "classes": [f"c{text}", "other"]}
    asked = {"name": "named", "about": text, "base": {"model": "pidnet_s", "dataset": dataset, "steps": 1}}
    (tmp_path / "named.yaml").write_text(json.dumps(asked))
    monkeypatch.chdir(tmp_path)
    before = snapshot(tmp_path)
    for words in (("sweep", "named.yaml", "-n", "--no-check"), ("validate", "named.yaml"), ("show", "named.yaml")):
        run_command_line(words)
    out, err = capsys.readouterr()
    assert not STEERING.search(out + err)
    assert snapshot(tmp_path) == before


def test_a_sweep_of_an_odd_name_would_leave_its_folder(tmp_path: Path) -> None:
    """Negative control: what the store would do with a name that nobody had refused."""
    (tmp_path / "good.yaml").write_text(
        YAML.format(name="good", model="pidnet_s", dataset="landcover", source="urban", seed="0")
    )
    whole = load_sweep(tmp_path / "good.yaml")
    store = Store(tmp_path / "project" / "results")
    store.save_sweep(whole.model_copy(update={"name": "../../../escaped"}))
    assert (tmp_path / "escaped.json").exists()
    assert printable("\x1b") == "\\x1b"
