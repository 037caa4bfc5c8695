"""A record's file: what is read back, what is refused and in which words."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from store_examples import record

from bench.spec import SCHEMA, BenchError, ExitCode
from bench.store import canonical, dump, files, parse
from bench.store.files import NewerSchema, layout


def test_the_layout_is_one_sorted_key_a_line_with_the_digest_among_them() -> None:
    digest = hashlib.sha256(b'{"a":[1,2],"z":{"a":null,"b":true}}').hexdigest()
    texts = {"z": canonical({"b": True, "a": None}), "a": canonical([1, 2])}
    wanted = f'{{\n"a":[1,2],\n"sha256":"{digest}",\n"z":{{"a":null,"b":true}}\n}}\n'
    assert layout(texts).decode() == wanted


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_no_number_is_not_written(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"a": number})


def test_text_is_spelled_in_one_way() -> None:
    assert canonical(["e\u0301", "\u00e9"]) == '["\\u00e9","\\u00e9"]'
    assert canonical([-0.0, 0.0]) == "[0.0,0.0]"


class Other(BaseModel):
    where: Path


def test_what_json_has_no_word_for_is_written_as_the_model_says() -> None:
    assert b'"where":"a/b"' in dump(Other(where=Path("a/b")))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.json"


def refused(path: Path) -> BenchError:
    with pytest.raises(BenchError) as caught:
        parse(path)
    assert (caught.value.code, caught.value.file) == (ExitCode.STORE, path)
    return caught.value


SPECIAL: dict[str, tuple[Callable[[Path], object], str]] = {
    "link": (lambda path: path.symlink_to("nowhere"), "a symbolic link"),
    "folder": (os.mkdir, "a folder"),
    "pipe": (os.mkfifo, "a special file"),
}


@pytest.mark.parametrize("kind", SPECIAL)
def test_what_is_no_plain_file_is_told_by_its_kind(path: Path, kind: str) -> None:
    make, what = SPECIAL[kind]
    make(path)
    error = refused(path)
    assert (error.problem, error.remedy) == (
        f"is {what}, and records are plain files",
        "replace it by the file itself",
    )


def test_a_file_that_is_not_there_is_named(path: Path) -> None:
    error = refused(path)
    assert error.problem == "cannot be read (No such file or directory)"
    assert error.remedy == "restore it from a copy, or move it away to run it again"


def stated(inner: str) -> str:
    """An object with these lines and a digest of its own bytes, in no layout of ours."""
    return f'{{{inner}, "sha256": "{files.digest("{" + inner + "}")}"}}'


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is no valid record (Expecting value: line 1 column 1 (char 0))"),
        ("[", "is no valid record (Expecting value: line 1 column 2 (char 1))"),
        ("[]", "is no record (no sha256)"),
        ('["sha256"]', "is no record (no sha256)"),
        ('"sha256"', "is no record (no sha256)"),
        ("{}", "is no record (no sha256)"),
        (stated('"a":NaN'), "is no valid record (NaN is no number)"),
        (stated('"a":1,"a":1'), "is no valid record (a key stands twice)"),
        (stated('"a":1e999'), "is no valid record (Out of range float values are not JSON compliant: inf)"),
        (stated('"schema_number":0'), "is no valid record (0 is no schema number)"),
        ('{"a": 1, "sha256": "00"}', "was changed after it was written (sha256 does not match)"),
    ],
)
def test_what_is_wrong_with_a_file_in_words(path: Path, content: str, problem: str) -> None:
    path.write_text(content)
    assert refused(path).problem.startswith(problem.removesuffix(": inf)"))


@pytest.mark.parametrize("indent", [None, 1], ids=["as written", "in another layout"])
def test_a_later_program_s_record_is_told_apart_in_any_layout(path: Path, indent: int | None) -> None:
    whole = json.loads(layout({"schema_number": str(SCHEMA + 1)}))
    path.write_bytes(layout({"schema_number": str(SCHEMA + 1)}) if indent is None else json.dumps(whole).encode())
    error = refused(path)
    assert isinstance(error, NewerSchema)
    assert (error.problem, error.remedy) == (
        f"has schema {SCHEMA + 1}, newer than this program's {SCHEMA}",
        "update bench",
    )
    path.write_bytes(layout({"schema_number": str(SCHEMA), "kind": '"x"'}))
    assert parse(path) == {"schema_number": SCHEMA, "kind": "x"}


def test_a_file_as_it_was_written_is_read_once_and_another_layout_twice(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten thousand records are read for a report."""
    loads, real = [], json.loads

    def counted(*args: Any, **words: Any) -> Any:
        loads.append(1)
        return real(*args, **words)

    content = dump(record())
    path.write_bytes(content)
    monkeypatch.setattr(json, "loads", counted)
    plain = parse(path)
    assert len(loads) == 1
    path.write_bytes(json.dumps(real(content), indent=1).encode())
    assert (parse(path), len(loads)) == (plain, 3)
    assert plain == record().model_dump(mode="json")
