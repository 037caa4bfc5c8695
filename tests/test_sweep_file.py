"""Every mistake in a sweep file is one line with file, line, key and what to write instead.

Each file of `bad_sweeps/` opens with what its error must say: `# expect: LINE [KEY] | word; word`.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from sweep_stand_ins.plug import stand_ins  # noqa: F401

from bench.spec import BenchError, ExitCode
from bench.sweep import load_sweep, problems

BAD = sorted((Path(__file__).parent / "bad_sweeps").glob("*.yaml"))
EXPECT = re.compile(r"# expect: (\d+) ?(\S*) \| (.*)")


def expectation(file: Path) -> tuple[int, str, list[str]]:
    found = EXPECT.match(file.read_text(encoding="utf-8"))
    assert found, f"{file.name} does not say what it expects"
    return int(found[1]), found[2], [word.strip() for word in found[3].split(";")]


def test_no_bad_file_was_lost() -> None:
    assert len(BAD) >= 80


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_a_bad_file_gives_one_line_that_says_where_and_what(file: Path) -> None:
    line, key, words = expectation(file)
    with pytest.raises(BenchError) as caught:
        load_sweep(file)
    error, text = caught.value, str(caught.value)
    assert "\n" not in text
    assert len(text) <= 300
    assert "more: bench validate" not in text, [str(p) for p in problems(file)]
    assert (error.file, error.line, error.key, error.code) == (file, line, key, ExitCode.USAGE), text
    assert error.column
    assert error.remedy
    for word in words:
        assert word in text


def test_the_table_catches_a_wrong_line_and_a_wrong_word() -> None:
    """Negative control: the same comparison, against expectations that are off by one."""
    file = next(f for f in BAD if f.stem.endswith("unknown_option"))
    line, key, words = expectation(file)
    error = problems(file)[0]
    assert error.line == line
    assert error.line != line + 1
    assert error.key == key
    assert words[0] + "x" not in str(error)


def test_all_faults_are_told_at_once_and_in_order(tmp_path: Path) -> None:
    file = tmp_path / "many.yaml"
    file.write_text(
        "name: Many\nbase:\n  modle: unet\n  dataset: land\n  source: ubran\n  steps: ten\n"
        "  loss: {name: ohem, treshold: 1, min_kept: many}\ngrid:\n  model: [unet, unat]\nseeds: [x]\n"
    )
    found = problems(file)
    assert [(f.line, f.key) for f in found] == [
        (1, "name"),
        (3, "base.modle"),
        (5, "base.source"),
        (6, "base.steps"),
        (7, "base.loss.treshold"),
        (7, "base.loss.min_kept"),
        (9, "grid.model.1"),
        (10, "seeds.0"),
    ]
    with pytest.raises(BenchError, match=rf"name: 'Many' .* \(7 more: bench validate {re.escape(str(file))}\)$"):
        load_sweep(file)


def test_every_faulty_domain_is_told(tmp_path: Path) -> None:
    file = tmp_path / "domains.yaml"
    file.write_text(
        "name: x\nbase:\n  model: unet\n  dataset: land\n  source: ubran\n  target: sky\n  steps: 1\n"
        "  evaluate_on: [urban, a, street/day]\n"
    )
    keys = ["base.source", "base.target", "base.evaluate_on.1", "base.evaluate_on.2"]
    assert [f.key for f in problems(file)] == keys


def test_a_sound_file_has_no_problem(tmp_path: Path) -> None:
    file = tmp_path / "good.yaml"
    file.write_text("name: good\nbase: {model: unet, dataset: land, source: urban, steps: 1}\n")
    assert problems(file) == []


# ------------------------------------------------------------------ hostile files


NUMBERS = list(range(1, 101))
MANY = ", ".join(f"k{i}: 1" for i in range(4000))


def sound(more: str = "schedule_steps: 1") -> str:
    return f"name: x\nbase: {{model: unet, dataset: land, source: urban, steps: 1, {more}}}\n"


def nested(depth: int) -> str:
    return "x: " + "[" * depth + "]" * depth + "\n"


BOMBS = {
    "aliases": "a: &a [x]\n" + "".join(f"a{i}: [{', '.join(['*a'] * 9)}]\n" for i in range(9)),
    "billion_laughs": "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 8)),
    "deep_list": nested(5000),
    "deep_list_just_over": nested(33),
    "deep_block": "".join("  " * i + f"k{i}:\n" for i in range(400)),
    "deep_dashes": "x:\n" + "- " * 5000 + "1\n",
    "deep_aliases": "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 60)),
    "merge_doubling": "m0: &m0 {a: 1}\n"
    + "".join(f"m{i}: &m{i}\n  <<: [*m{i - 1}, *m{i - 1}]\n  k{i}: 1\n" for i in range(1, 24)),
    "merge_in_list": "m: &m {a: 1}\nx: {<<: [" + ", ".join(["*m"] * 30) + "]}\n",
    "many_values": "x: [" + "1, " * 20_000 + "1]\n",
    "many_keys": "".join(f"k{i}: 1\n" for i in range(20_000)),
    "large": "# " + "x" * 300_000 + "\n",
    "long_digits": "x: " + "9" * 5000 + "\n",
    "long_radix": "x: 0x" + "f" * 200_000 + "\n",
    "long_float": "x: 1e" + "9" * 5000 + "\n",
    "question_marks": "? " * 5000 + "\n",
    "open_brackets": "[" * 200_000,
    "open_braces": "{a: " * 50_000,
    "quotes": "x: " + '"' + "\\x41" * 60_000 + '"' + "\n",
    "anchors": "".join(f"- &a{i} x\n" for i in range(20_000)),
    "percent": "%" * 100_000 + "\n",
    "unknown_keys": "name: x\nbase:\n" + "".join(f"  k{i}: 1\n" for i in range(4000)),
    "unknown_options": sound(f"loss: {{name: ohem, {MANY}}}"),
    "unknown_domains": sound(f"evaluate_on: [{', '.join(f'd{i}' for i in range(4000))}]"),
    "unknown_in_every_run": sound("loss: ohmm") + f"grid: {{batch_size: {NUMBERS}, crop_px: {NUMBERS}}}\n",
    "large_runs": sound(f"evaluate_on: {['urban'] * 4000}") + f"grid: {{crop_px: {NUMBERS}}}\nseeds: {NUMBERS}\n",
    "large_exclude": sound() + f"grid: {{crop_px: {NUMBERS}}}\nseeds: {NUMBERS}\nexclude: {[{'seed': 1}] * 2000}\n",
    "twins": sound() + f"grid: {{crop_px: {[32] * 5000}}}\n",
}

CRASHERS = [
    b"",
    b"\n",
    b"# only a comment\n",
    b"x",
    b"[1, 2]\n",
    b"--- \n...\n",
    b"x: 2024-13-45\n",
    b"x: 2024-02-30\n",
    b"x: 2024-01-01T00:00:00+99:99\n",
    b'x: !!int ""\n',
    b'x: !!int "abc"\n',
    b'x: !!float "abc"\n',
    b'x: !!bool "maybe"\n',
    b'x: !!timestamp "abc"\n',
    b"x: !!binary aGVsbG8=\n",
    b"x: !!set {a, b}\n",
    b"x: !!omap [a: 1]\n",
    b"! x: 1\n",
    b"null: 1\n",
    b"a: &a [*a]\n",
    b"a: &a {b: *a}\n",
    b"a: *a\n",
    b"a: 1\n---\nb: 2\n",
    b"a: 1\n...\n%TAG ! x\n---\nb: 2\n",
    "name: x\n".encode("utf-16"),
    b"name: \xff\n",
    b"a: \x00\n",
    b"a: \x1b[2J\n",
    b'a: "\\U99999999"\n',
    b'a: "\\ud800"\n',
    b'a: "\\q"\n',
    b'a: "open\n',
    b"a: 'open\n",
    b"a: |9x\n  b\n",
    b"a: >-5\n",
    b"? a\n: b\n? [c]\n: d\n",
    b"<<: 1\n",
    b"<<: {a: 1}\n<<: {b: 1}\n",
    b"<<: &a {<<: *a}\n",
    b"%YAML 9.9\n---\na: 1\n",
    b"%YAML 1.999999999999999999999\n---\na: 1\n",
    b"a: %b\n",
    b"a: @b\n",
    b"a: `b`\n",
    b"- a\nb: c\n",
    b"a:\n\t- b\n",
    b"a: b: c\n",
    b"&a : 1\n",
    b"*a : 1\n",
    b"}\n",
    b"a: [1, 2\n",
    b"name: x\nbase: *b\n",
    b"name: [1]\nbase: 3\ngrid: [1]\nzip: 4\ninclude: x\nexclude: 5\nseeds: {a: 1}\ncost: [2]\nabout: {}\n",
    b"name: x\nbase: {name: 1, model: {name: {}}, dataset: [], augment: [[[]]], resize_px: {a: 1}, loss: {name: }}\n",
    b"name: x\nbase: {model.: 1, .model: 1, .: 1, model..x: 1}\n",
    b"name: x\nbase: {dataset: {name: 5}, dataset.tile_px: 3}\nexclude: [{dataset: 3}, {dataset.tile_px: [1]}, 5]\n",
    b"name: x\nbase: {optimizer: 5}\ngrid: {optimizer.lr: [1], augment: [flip, [flip], [5]]}\n",
    b"name: x\nbase: {model: unet, dataset: land, steps: 1}\ngrid: {source: [{a: 1}, 5, '/', '', 'a/b/c']}\n",
]


def one_line_or_none(file: Path) -> list[BenchError]:
    """Loads a hostile file: it may be refused, by BenchErrors of one line each, and nothing else may happen."""
    found = problems(file)
    for error in found:
        text = str(error)
        assert "\n" not in text
        assert text.isprintable()
        assert len(text) <= 300
        assert error.code == ExitCode.USAGE
    return found


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused(name: str, tmp_path: Path) -> None:
    file = tmp_path / "bomb.yaml"
    file.write_text(BOMBS[name])
    assert one_line_or_none(file)


@pytest.mark.parametrize("data", CRASHERS, ids=range(len(CRASHERS)))
def test_a_hostile_file_is_refused_in_one_line(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "hostile.yaml"
    file.write_bytes(data)
    assert one_line_or_none(file)


PIECES = [
    b"{",
    b"}",
    b"[",
    b"]",
    b": ",
    b", ",
    b"- ",
    b"\n",
    b"  ",
    b"&a ",
    b"*a",
    b"<<: ",
    b"!!int ",
    b"'",
    b'"',
    b"|",
    b"%",
]
PIECES += [
    b"~",
    b"true",
    b"1e400",
    b"017",
    b"model",
    b"loss",
    b"seed",
    b"name",
    b"options",
    b".",
    b"\t",
    b"\xff",
    b"-1",
]


@given(
    st.sampled_from(BAD), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 9), st.sampled_from(PIECES)), max_size=4)
)
@settings(derandomize=True, max_examples=150, deadline=None)
def test_a_mutilated_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, file: Path, cuts: list[tuple[float, int, bytes]]
) -> None:
    data = file.read_bytes()
    for share, length, piece in cuts:
        at = int(share * len(data))
        data = data[:at] + piece + data[at + length :]
    target = tmp_path_factory.getbasetemp() / "mutilated.yaml"
    target.write_bytes(data)
    one_line_or_none(target)


def test_plain_yaml_does_leak_other_exceptions() -> None:
    """Negative control: the bare library on the same bytes."""
    leaked = set()
    for data in CRASHERS:
        try:
            yaml.safe_load(data)
        except yaml.YAMLError:
            pass
        except Exception as error:
            leaked.add(type(error).__name__)
    assert {"ValueError", "KeyError"} <= leaked


def test_anchors_and_merges_within_the_limits_are_read(tmp_path: Path) -> None:
    file = tmp_path / "merged.yaml"
    file.write_text(
        "name: merged\nbase:\n  model: unet\n  dataset: land\n  source: urban\n  steps: 1\n"
        "  loss: &ohem {name: ohem, threshold: 0.7, min_kept: 10}\n"
        "grid:\n  loss: [*ohem, {<<: *ohem, threshold: 0.8}]\n"
    )
    assert [r.config.loss.options for r in load_sweep(file).runs] == [
        {"threshold": 0.7, "min_kept": 10},
        {"threshold": 0.8, "min_kept": 10},
    ]


def test_a_file_that_is_not_there_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "smoke.yaml").write_text("")
    with pytest.raises(BenchError, match=r"smok\.yaml: no such file; did you mean smoke\.yaml"):
        load_sweep(tmp_path / "smok.yaml")
    with pytest.raises(BenchError, match="cannot be read"):
        load_sweep(tmp_path)


def test_a_byte_order_mark_and_windows_lines_are_read(tmp_path: Path) -> None:
    file = tmp_path / "windows.yaml"
    text = "# Why?\r\nname: windows\r\nbase: {model: unet, dataset: land, source: urban, steps: 1}\r\n"
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert load_sweep(file).about == "Why?"
