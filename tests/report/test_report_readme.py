"""The block between README's markers is replaced; nothing else of the file ever changes."""

from __future__ import annotations

import pytest

from bench.report.readme import BEGIN, END, is_current, update
from bench.spec import BenchError

BEFORE, AFTER = "# Title\n\ntext \n\n", "\n\nmore\ttext  \nlast line without an end"


@pytest.fixture
def readme(tmp_path):
    return tmp_path / "README.md"


def write(path, text: str) -> None:
    path.write_bytes(text.encode())


def test_the_block_is_replaced_and_the_rest_kept(readme):
    write(readme, f"{BEFORE}{BEGIN}\nold\n{END}{AFTER}")
    assert not is_current(readme, "new\n")
    assert update(readme, "new\n")
    assert readme.read_bytes().decode() == f"{BEFORE}{BEGIN}\n\nnew\n\n{END}{AFTER}"


def test_a_second_update_changes_nothing(readme):
    write(readme, f"{BEGIN}\n{END}\n")
    assert update(readme, "a\n\nb\n")
    stamp = readme.stat().st_mtime_ns
    assert is_current(readme, "a\n\nb\n")
    assert not update(readme, "a\n\nb\n")
    assert readme.stat().st_mtime_ns == stamp


def test_carriage_returns_are_kept(readme):
    write(readme, f"one\r\n{BEGIN}\r\n{END}\r\ntwo\r\n")
    assert update(readme, "a\nb\n")
    content = readme.read_bytes()
    assert content == f"one\r\n{BEGIN}\r\n\r\na\r\nb\r\n\r\n{END}\r\ntwo\r\n".encode()
    assert is_current(readme, "a\nb\n")


def test_bytes_outside_that_are_no_text_are_kept(readme):
    readme.write_bytes(b"\xff\xfe\x00 \r mixed\n" + f"{BEGIN}\n{END}\n".encode() + b"\x80\r\n\xff")
    assert update(readme, "x")
    content = readme.read_bytes()
    assert content.startswith(b"\xff\xfe\x00 \r mixed\n")
    assert content.endswith(b"\x80\r\n\xff")


def test_a_link_stays_a_link(readme, tmp_path):
    real = tmp_path / "real.md"
    write(real, f"{BEGIN}\n{END}\n")
    readme.symlink_to(real)
    assert update(readme, "x")
    assert readme.is_symlink()
    assert "x" in real.read_text()


def test_a_marker_inside_a_sentence_is_text(readme):
    write(readme, f"write `{BEGIN}` and `{END}`\n{BEGIN}\n{END}\n")
    assert update(readme, "x")
    assert readme.read_text().startswith(f"write `{BEGIN}`")


FENCES = (
    ("```", "```"),
    ("~~~", "~~~~ "),
    ("````md", " ````"),
    (" ~~~ a", "~~~"),
    ("- ```", "  ```"),
    ("1. ~~~", "~~~"),
)


@pytest.mark.parametrize(("opens", "shuts"), FENCES)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_markers_inside_code_are_text(readme, opens, shuts, newline):
    shown = f"{opens}\n{BEGIN}\nshown\n``\n{END}\n{shuts}\n"
    write(readme, f"{shown}{BEGIN}\nold\n{END}\n{shown}".replace("\n", newline))
    assert update(readme, "new")
    assert readme.read_bytes().decode() == f"{shown}{BEGIN}\n\nnew\n\n{END}\n{shown}".replace("\n", newline)


@pytest.mark.parametrize("line", ["``", "x ```", "``` a ` b", "~~", "`` `"])
def test_what_opens_no_code_hides_no_marker(readme, line):
    write(readme, f"{line}\n{BEGIN}\n{END}\n")
    assert update(readme, "new")


def test_a_shorter_or_another_fence_closes_nothing(readme):
    write(readme, f"````\n```\n~~~~\n{BEGIN}\n{END}\n````\n{BEGIN}\n{END}\n")
    assert update(readme, "new")
    assert readme.read_text().startswith(f"````\n```\n~~~~\n{BEGIN}\n{END}\n````\n{BEGIN}\n\nnew")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "has no line"),
        ("a\nb\n", 2, "has no line"),
        (f"{BEGIN}\n", 1, "has no line <!-- bench:report end"),
        (f"{END}\n", 1, "has no line <!-- bench:report begin"),
        (f"{BEGIN}\n{BEGIN}\n{END}\n", 2, "a second time"),
        (f"{BEGIN}\n{END}\nx\n{END}\n", 4, "a second time"),
        (f"{BEGIN}\n{END}\n{BEGIN}\n{END}\n", 3, "a second time"),
        (f"{BEGIN}\n{BEGIN}\n{END}\n{END}\n", 2, "a second time"),
        (f"x\n{END}\n{BEGIN}\n", 2, "before"),
        (f"```\n{BEGIN}\n{END}\n```\n", 2, "only inside a block of code"),
        (f"{BEGIN}\n```\n{END}\n", 3, "only inside a block of code"),
    ],
)
def test_broken_markers_are_refused_with_their_line(readme, text, line, words):
    write(readme, text)
    for action in (update, is_current):
        with pytest.raises(BenchError, match=words) as caught:
            action(readme, "x")
        assert (caught.value.file, caught.value.line) == (readme, line)
        assert caught.value.remedy
    assert readme.read_bytes().decode() == text


def test_a_missing_file_is_one_line(readme):
    with pytest.raises(BenchError, match="cannot be read"):
        update(readme, "x")


def test_the_report_cannot_end_its_own_block(readme):
    """A record called like a marker is escaped; were it not, the next update would refuse the file (control)."""
    from bench.report.markdown import escape

    write(readme, f"{BEGIN}\n{END}\n")
    update(readme, escape(END))
    update(readme, escape(END) + " again")
    update(readme, END)
    with pytest.raises(BenchError, match="a second time"):
        update(readme, "x")


def test_a_kill_before_the_rename_leaves_the_old_file(readme, monkeypatch):
    import os

    old = f"{BEGIN}\nold\n{END}\n"
    write(readme, old)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        update(readme, "new")
    assert readme.read_text() == old
