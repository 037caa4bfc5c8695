"""The reliability card in README: what a record says and nothing else; a claim without a figure is never kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from report_hostile import PAYLOADS

from bench.cli import run_command_line
from bench.report.card import Card, Row, markdown, read
from bench.report.readme import markers
from bench.spec import BenchError, ExitCode
from bench.store import dump

REPORT, CARD = markers("report"), markers("card")
BLOCKS = "{}\n{}\nbetween\n{}\nold\n{}\n".format(*REPORT, *CARD)


def row(**changes: Any) -> Row:
    fields = {"claim": "Kills", "state": "kept", "figure": "200 kills, 0 lost", "tests": ("fault/a.py::test_b",)}
    return Row.model_validate({**fields, "ran": 2, "of": 2, **changes})


def card(*claims: Row, **changes: Any) -> Card:
    fields = {"machine": "AMD EPYC", "cores": 2, "commit": "0123456789abcdef", "dirty": False, "seconds": 600.0}
    rows = {"claims": claims or (row(),), "promises": (("A1", row(claim="A result survives")),)}
    return Card.model_validate({**fields, "measured_utc": "2026-11-20T10:00:00Z", **rows, **changes})


def ship(results: Path, whole: Card) -> Path:
    path = results / "reference" / "card.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(dump(whole))
    return path


@pytest.fixture
def readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "results").mkdir()
    (tmp_path / "README.md").write_text(BLOCKS)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "README.md"


def test_the_card_says_what_its_record_says() -> None:
    assert markdown(card(row(control="178 of 200 | broke it", reference="none"))) == (
        "Made by `pytest -m card` in 10 min on AMD EPYC (2 cores) at 01234567, 2026-11-20. A claim is kept when every "
        "one of its tests ran and passed; `control` is the same check against a variant that is wrong on purpose.\n"
        "\n1 kept\n\n"
        "| claim | figure            | control                    | elsewhere | tests | made by      |\n"
        "|-------|-------------------|----------------------------|-----------|------:|--------------|\n"
        "| Kills | 200 kills, 0 lost | 178 of 200 &#124; broke it | none      |   2/2 | `fault/a.py` |\n"
        "\n<details>\n<summary>1 promise: 1 kept</summary>\n\n"
        "|     | promise           | figure            | tests | made by      |\n"
        "|-----|-------------------|-------------------|------:|--------------|\n"
        "| A1  | A result survives | 200 kills, 0 lost |   2/2 | `fault/a.py` |\n"
        "\n</details>\n"
    )


@pytest.mark.parametrize("state", ["broken", "partly measured", "not measured"])
def test_what_is_not_kept_says_so_before_any_figure(state: str) -> None:
    text = markdown(card(row(state=state, why="no strace", ran=1)))
    assert f"| {state}: no strace: 200 kills, 0 lost |" in text
    assert f"1 {state}\n" in text
    assert "1/2" in text


def test_a_claim_without_a_figure_is_not_measured() -> None:
    text = markdown(card(row(state="not measured", figure="", tests=(), ran=0, of=0)))
    assert "| Kills | not measured |" in text


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_hostile_text_changes_no_structure(payload: str) -> None:
    def structure(text: str) -> list[str]:
        told = {"claim": text, "figure": text, "control": text, "reference": text, "tests": (f"{text}::x",)}
        whole = card(row(**told), row(**told, state="broken", why=text), machine=text, promises=((text, row(**told)),))
        found = []
        for token in MarkdownIt("gfm-like", {"linkify": False, "html": True}).parse(markdown(whole)):
            inner = [c.type for c in token.children or [] if c.type not in ("text", "code_inline", "text_special")]
            found += [token.type, *inner]
        return found

    assert structure(payload) == structure("harmless")


def test_without_escaping_the_structure_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: most payloads do change it when nothing is escaped."""
    from bench.report import card as module
    from bench.report import markdown as written

    for one in (module, written):
        monkeypatch.setattr(one, "escape", written.Markup)
    broken = 0
    for payload in PAYLOADS:
        try:
            test_hostile_text_changes_no_structure(payload)
        except AssertionError:
            broken += 1
    assert broken >= 10


# ------------------------------------------------------------------ the command


def test_the_command_writes_and_checks_it(readme: Path) -> None:
    ship(readme.parent / "results", card())
    assert run_command_line(["report", "--check"]) == ExitCode.RUNS_FAILED
    assert run_command_line(["report"]) == ExitCode.OK
    text = readme.read_text()
    assert markdown(card()) in text
    assert "old" not in text
    assert "\nbetween\n" in text
    assert run_command_line(["report", "--check"]) == ExitCode.OK
    readme.write_text(text.replace("200 kills", "900 kills"))
    assert run_command_line(["report", "--check"]) == ExitCode.RUNS_FAILED
    assert run_command_line(["report"]) == ExitCode.OK
    assert readme.read_text() == text


def test_without_a_card_nothing_is_claimed(readme: Path) -> None:
    assert run_command_line(["report"]) == ExitCode.OK
    assert readme.read_text().endswith("between\n{}\n{}\n".format(*CARD))


def test_without_markers_a_readme_needs_no_card(readme: Path) -> None:
    ship(readme.parent / "results", card())
    readme.write_text("{}\n{}\n".format(*REPORT))
    assert run_command_line(["report"]) == ExitCode.OK
    assert "Kills" not in readme.read_text()


@pytest.mark.parametrize("content", [b"{", dump(card()).replace(b"200 kills", b"900 kills"), dump(row())])
def test_a_card_that_cannot_be_trusted_is_named_and_nothing_of_it_shown(
    readme: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = ship(readme.parent / "results", card())
    path.write_bytes(content)
    with pytest.raises(BenchError):
        read(readme.parent / "results")
    for words in (["report"], ["report", "--check"]):
        assert run_command_line(words) == ExitCode.STORE
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("bench: error: results/reference/card.json: ")
    assert "old" in readme.read_text()


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("{r[0]}\n{c[0]}\n{c[1]}\n{r[1]}\n", 2, "the block card inside the block report"),
        ("{r[0]}\n{c[0]}\n{r[1]}\n{c[1]}\n", 2, "the block card inside the block report"),
        ("{c[0]}\n{r[0]}\n{r[1]}\n{c[1]}\n", 2, "the block report inside the block card"),
        ("{r[0]}\n{r[1]}\n{c[0]}\n", 3, "has no line <!-- bench:card end -->"),
        ("{r[0]}\n{r[1]}\n{c[1]}\n{c[0]}\n", 3, "before <!-- bench:card begin -->"),
    ],
)
def test_crossed_markers_are_refused(
    readme: Path, text: str, line: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    written = text.format(r=REPORT, c=CARD)
    readme.write_text(written)
    assert run_command_line(["report"]) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith(f"bench: error: README.md:{line}: has ")
    assert run_command_line(["report", "--check"]) == ExitCode.USAGE
    assert words in capsys.readouterr().err
    assert readme.read_text() == written
