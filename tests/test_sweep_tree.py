"""A sweep file as a tree: what each value is, where it is written, how large it is, and which limits hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.spec import BenchError
from bench.sweep import composer, document
from bench.sweep.composer import Node, parse
from bench.sweep.document import Document, read


def fault(text: str) -> BenchError:
    with pytest.raises(BenchError) as caught:
        parse(text)
    return caught.value


def place(text: str) -> tuple[int | None, int | None, str]:
    error = fault(text)
    return error.line, error.column, error.key


# ------------------------------------------------------------------ values and places

TREE = """\
name: x
base: &b
  model: {name: unet,  width: 3}
  list: [1, [2, a]]
more:
  <<: *b
  list: []
"""


def test_values_are_plain_lists_dicts_and_scalars() -> None:
    base = {"model": {"name": "unet", "width": 3}, "list": [1, [2, "a"]]}
    assert parse(TREE).plain() == {"name": "x", "base": base, "more": {**base, "list": []}}


def test_every_value_and_every_key_knows_its_line_and_column() -> None:
    root = parse(TREE)
    base = root.child("base")
    assert (root.line, root.column) == (1, 1)
    assert dict(root.keys) == {"name": (1, 1), "base": (2, 1), "more": (5, 1)}
    assert dict(base.keys) == {"model": (3, 3), "list": (4, 3)}
    assert (base.child("model").line, base.child("model").column) == (3, 10)
    assert (base.child("list").line, base.child("list").column) == (4, 9)
    assert [(n.line, n.column) for n in base.child("list").value] == [(4, 10), (4, 13)]
    assert dict(root.child("more").keys) == {"<<": (6, 3), "model": (3, 3), "list": (7, 3)}


def test_a_child_that_is_not_there_is_none() -> None:
    root = parse("a: [x, y]\nb: word\n")
    items = root.child("a")
    assert [items.child(0).value, items.child(1).value, items.child(2)] == ["x", "y", None]
    assert items.child("x") is None
    assert root.child("c") is None
    assert root.child("b").child(0) is None
    assert root.child("b").child("w") is None


@pytest.mark.parametrize(
    ("text", "size", "height"),
    [
        ("x", 1, 1),
        ("[]", 1, 1),
        ("[1, 2]", 3, 2),
        ("[1, [2, [3]]]", 6, 4),
        ("{a: 1}", 3, 2),  # a key counts as a value does
        ("{a: {b: 1, c: [2]}}", 8, 4),
        ("[&a [1, 2], *a, *a]", 10, 3),  # as if written out
        ("{a: &a {k: 1}, b: {<<: *a}}", 10, 3),
    ],
)
def test_size_and_height_count_what_aliases_stand_for(text: str, size: int, height: int) -> None:
    node = parse(text)
    assert (node.size, node.height) == (size, height)


def test_what_is_written_out_wins_over_what_is_merged_and_the_first_merged_wins() -> None:
    text = "a: &a {k: 1, l: 1}\nb: &b {k: 2, m: 2}\nc: {<<: [*a, *b], l: 3}\nd: {l: 3, <<: *a}\n"
    found: Any = parse(text).plain()
    assert found["c"] == {"k": 1, "l": 3, "m": 2}
    assert found["d"] == {"k": 1, "l": 3}


def test_a_quoted_merge_key_is_a_key_like_others() -> None:
    assert parse('"<<": 1\n').plain() == {"<<": 1}
    assert "merges mappings only" in str(fault("<<: 1\n"))


def test_a_text_and_a_key_are_taken_in_composed_form() -> None:
    assert parse("e\u0301: 'e\u0301'\n").plain() == {"\u00e9": "\u00e9"}


# ------------------------------------------------------------------ faults


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a: 1\nb:\n  - x\n  - c: !t 1\n", (4, 8, "b.1.c")),
        ("a: 1\n  b: 2\n", (2, 4, "")),
        ("a:\n  b: 1\n  c: 2\n  b: 3\n", (4, 3, "a.b")),
        ("a.: !t 1\n", (1, 5, "a.")),
        ("a: 1\n---\nb: 1\n", (2, 1, "")),
        ("# x\n%YAML 1.2\n---\na: 1\n", (2, 1, "")),
        ("# x\n%TAG ! x\n---\na: 1\n", (2, 1, "")),
        ("a: [*b]\n", (1, 5, "a.0")),
        ("a: &b [1, *b]\n", (1, 11, "a.1")),
        ("a: 1\n? [c]\n: 1\n", (2, 3, "")),
        ("a: 1\n!!str c: 1\n", (2, 1, "")),
        ("a: 1\n&c c: 1\n", (2, 1, "")),
        ("a: &a {k: 1}\nb:\n  <<: [*a, 3]\n", (3, 3, "b")),
        ("a: 1e400\n", (1, 4, "a")),
        ("a: 1\n\x1b\n", (2, 1, "")),
        ("ab\x00", (1, 3, "")),
        ("\n\x00", (2, 1, "")),
        ("\n\nab\x00", (3, 3, "")),
        ("a: [\n", (2, 1, "a")),
    ],
)
def test_a_fault_tells_line_column_and_key(text: str, where: tuple[int, int, str]) -> None:
    assert place(text) == where


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: !!int 1\n", "tags such as !!int are not allowed"),
        ("a: !own 1\n", "tags such as !own are not allowed"),
        ("\na: 1\n\na: 2\n", "key 'a' a second time (first in line 2)"),
        ("a: *b\n", "unknown alias *b; define the anchor"),
        ("a: &b [*b]\n", "*b stands inside itself"),
        ("a:\n\t- b\n", "indent with spaces, not tabs"),
        ("a: b: c\n", "check the indentation, or quote"),
        ("a: [1\n", "mend the YAML here"),
        ("x: !<tag:yaml.org,2002:int> 1\n", "tags such as !!int"),
        ("%YAML 1.1\n---\na: 1\n", "directives (%YAML, %TAG) are not allowed"),
        ("? [c]\n: 1\n", "a key that is not a plain word"),
        ("!!str c: 1\n", "a key that is not a plain word"),
        ("&c c: 1\n", "a key that is not a plain word"),
        ('a: "\\U00110000"\n', "not readable as YAML (ValueError)"),
    ],
)
def test_a_fault_says_what_is_wrong(text: str, words: str) -> None:
    assert words in str(fault(text))


def test_an_empty_text_is_nothing() -> None:
    for text in ("", "\n", "# only a comment\n", "---\n"):
        assert parse(text).value is None
    assert (parse("").line, parse("").column) == (1, 1)


# ------------------------------------------------------------------ limits


def test_the_limits_are_those_that_are_written_down() -> None:
    limits = {name: value for module in (composer, document) for name, value in vars(module).items() if "MAX_" in name}
    assert limits == {
        "MAX_DEPTH": 32,
        "MAX_NODES": 10_000,
        "MAX_ALIASES": 64,
        "MAX_MERGES": 8,
        "MAX_BYTES": 262_144,
    }


def nested(levels: int) -> str:
    return "[" * (levels - 1) + "1" + "]" * (levels - 1)


def mapped(levels: int) -> str:
    return "{a: " * (levels - 1) + "1" + "}" * (levels - 1)


def aliases(many: int) -> str:
    return f"[&a 1{', *a' * many}]"


def merges(many: int) -> str:
    return "[&a {k: 1}, {<<: *a}, {<<: [" + ", ".join(["*a"] * (many - 1)) + "]}]"


def values(many: int) -> str:
    """`many` of them, half in a list and half that an alias repeats."""
    return f"[[1{', 1' * (many - 9)}], &a [1, 2], *a]"


def entries(many: int) -> str:
    """`many` values, where keys count too: an odd number."""
    return "{" + ", ".join(f"k{i}: 1" for i in range(many // 2)) + "}"


def merged(many: int) -> str:
    """`many` values with those that a merge repeats."""
    return f"[[1{', 1' * (many - 16)}], &a {{k: 1}}, {{<<: *a, l: 1}}]"


@pytest.mark.parametrize(
    ("text", "most", "words"),
    [
        (nested, 32, "nested deeper than 32 levels"),
        (mapped, 32, "nested deeper than 32 levels"),
        (lambda n: f"[&a [[1]], {nested(n - 3).replace('1', '*a')}]", 32, "nested deeper than 32 levels"),
        (lambda n: f"[&a {nested(n - 2)}, [*a]]", 32, "nested deeper than 32 levels"),
        (lambda n: f"[&a {{k: 1}}, {'[' * (n - 4)}{{<<: *a}}{']' * (n - 4)}]", 32, "nested deeper than 32 levels"),
        (aliases, 64, "more than 64 aliases"),
        (merges, 8, "more than 8 merges"),
    ],
)
def test_a_limit_is_met_and_one_past_it_is_refused(text: Any, most: int, words: str) -> None:
    assert parse(text(most)).size
    assert words in str(fault(text(most + 1)))


@pytest.mark.parametrize("text", [values, merged])
def test_as_many_values_as_the_limit_are_read_and_one_more_is_not(text: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composer, "MAX_NODES", 40)
    parse(text(40))
    assert "more than 40 values" in str(fault(text(41)))


def test_keys_count_as_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composer, "MAX_NODES", 41)
    assert parse(entries(41)).size == 41
    assert "more than 41 values" in str(fault(entries(43)))


def test_a_limit_is_refused_where_it_is_crossed() -> None:
    assert place("a:\n  - " + nested(31)) == (2, 35, "a" + ".0" * 31)
    assert place(f"a: &a 1\nb: [\n{'*a, ' * 64}\n*a]") == (4, 1, "b.64")
    assert place("a: &a {k: 1}\nb:\n  <<: [" + ", ".join(["*a"] * 9) + "]\n") == (3, 3, "b")


# ------------------------------------------------------------------ the file


def written(tmp_path: Path, data: bytes | str) -> Path:
    file = tmp_path / "one.yaml"
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    return file


def refused(file: Path) -> BenchError:
    with pytest.raises(BenchError) as caught:
        read(file)
    assert caught.value.file == file
    return caught.value


def test_a_file_below_the_limit_is_read_and_one_of_a_byte_more_is_not(tmp_path: Path) -> None:
    text = "a: 1\n#"
    fits = written(tmp_path, text + "x" * (document.MAX_BYTES - 1 - len(text)))
    assert read(fits).root.plain() == {"a": 1}
    assert str(refused(written(tmp_path, fits.read_bytes() + b"x"))).endswith(": 256 KiB or more; split the sweep")


@pytest.mark.parametrize(("data", "line"), [(b"\xff", 1), (b"\n\xff", 2), (b"a: 1\nb: 2\nc: \xff\nd: 1\n", 3)])
def test_bytes_that_are_no_text_are_told_with_their_line(tmp_path: Path, data: bytes, line: int) -> None:
    error = refused(written(tmp_path, data))
    assert (error.problem, error.line) == ("not UTF-8 text", line)


@pytest.mark.parametrize(
    ("data", "problem", "place"),
    [
        ("", "empty", (1, 1)),
        ("# x\n", "empty", (1, 1)),
        ("# x\n - 1\n", "no mapping of keys to values", (2, 2)),
        ("\nword\n", "no mapping of keys to values", (2, 1)),
        ("a: 1\nb: !t x\n", "tags such as !t are not allowed", (2, 4)),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, data: str, problem: str, place: tuple[int, int]) -> None:
    error = refused(written(tmp_path, data))
    assert (error.problem, (error.line, error.column)) == (problem, place)


def test_a_file_that_is_not_there_names_neighbours_of_either_ending(tmp_path: Path) -> None:
    (tmp_path / "one.yml").write_text("")
    assert refused(tmp_path / "one.yaml").remedy == "did you mean one.yml?"
    (tmp_path / "one.txt").write_text("")
    assert refused(tmp_path / "on.yaml").remedy == "did you mean one.yml?"


def test_a_file_in_a_folder_that_is_not_there_has_no_neighbour(tmp_path: Path) -> None:
    assert refused(tmp_path / "nowhere" / "one.yaml").remedy == ""
    assert refused(tmp_path).problem.startswith("cannot be read (")


@pytest.mark.parametrize(
    ("text", "comment"),
    [
        ("a: 1\n# late\n", ""),
        ("# One?\n#\n#Two.\n\n## Three\na: 1\n", "One? Two. Three"),
        ("#Xception or UNet?\na: 1\n", "Xception or UNet?"),
        ("#  a   b\n  # c\na: 1\n", "a b"),
        ("# C#\na: 1\n", "C#"),
    ],
)
def test_the_comment_that_a_file_opens_with_is_kept(tmp_path: Path, text: str, comment: str) -> None:
    assert read(written(tmp_path, text)).comment == comment


ERRORS: list[tuple[tuple[str | int, ...], int, int, str]] = [
    ((), 1, 1, ""),
    (("gone",), 1, 1, "gone"),
    (("base",), 3, 1, "base"),
    (("base", "gone"), 3, 1, "base.gone"),
    (("base", "crop_px"), 4, 3, "base.crop_px"),
    (("base", "crop_px", 0), 4, 3, "base.crop_px"),  # a number has no items to name
    (("base", "crop_px", 0, 1), 4, 3, "base.crop_px"),
    (("base", "loss", 1), 5, 13, "base.loss.1"),
    (("base", "loss", 2), 5, 3, "base.loss"),
    (("base", "loss", 1, "threshold"), 5, 26, "base.loss.1.threshold"),
    (("base", "loss", 1, "gone"), 5, 13, "base.loss.1.gone"),
]


@pytest.mark.parametrize(("where", "line", "column", "key"), ERRORS)
def test_an_error_stands_at_the_nearest_thing_that_is_written(
    tmp_path: Path, where: tuple[str | int, ...], line: int, column: int, key: str
) -> None:
    read_ = read(written(tmp_path, "\nname: x\nbase:\n  crop_px: 32\n  loss: [a, {name: ohem, threshold: 1}]\n"))
    error = read_.error(where, "wrong", "mend it")
    assert (error.line, error.column, error.key) == (line, column, key)
    assert (error.problem, error.remedy, error.file) == ("wrong", "mend it", read_.file)


def test_an_error_of_an_override_names_its_key_alone() -> None:
    made = Document(Path("x.yaml"), Node({}, 1, 1), "")
    error = made.error(("--set", "loss", 1, "threshold"), "wrong", "mend it")
    assert (error.key, error.file, error.line) == ("--set loss.threshold", None, None)
    assert (error.problem, error.remedy) == ("wrong", "mend it")
    assert str(made.error(("--set", "loss"), "wrong")) == "--set loss: wrong"
    assert str(made.error((), "wrong")) == "x.yaml:1:1: wrong"
    assert made.error(("loss", "--set"), "wrong").key == "loss.--set"
