"""The digest of a configuration's code: moved by what decides numbers, by nothing else, equal under every Python."""

from __future__ import annotations

import ast
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from bench import names
from bench.names import code
from bench.names.code import changed_parts, code_digests
from bench.spec import Component, RunConfig

CONFIG = names.resolve_config(
    RunConfig(
        model="unet_resnet18", dataset="landcover", source="landcover/urban", evaluate_on=("landcover/rural",), steps=3
    )
)


def syntax(text: str) -> str:
    return " ".join(code._syntax(ast.parse(text)))


def test_every_part_that_a_run_is_made_of_has_a_digest() -> None:
    assert set(code_digests(CONFIG)) == {
        *("dataset", "loop", "loss", "method", "model", "optimizer", "sampler", "scheduler", "scoring")
    }
    flipped = CONFIG.model_copy(update={"augment": (Component(name="flip"),)})
    assert "augment" in code_digests(flipped)


def test_another_component_moves_its_own_part_alone() -> None:
    before = code_digests(CONFIG)
    after = code_digests(CONFIG.model_copy(update={"loss": Component(name="ohem")}))
    assert {part for part in before if before[part] != after[part]} == {"loss"}


def test_choosing_by_a_score_makes_the_scores_part_of_it() -> None:
    chosen = CONFIG.model_copy(update={"choose": "source_val", "evaluate_every": 1})
    assert code_digests(chosen)["loop"] != code_digests(CONFIG)["loop"]


TAUGHT = Component(name="distillation", options={"teacher": "r-0123456789abcdef"})


@pytest.mark.parametrize(
    ("asked", "module"),
    [
        ({"ema": 0.9}, "bench.methods.teacher"),
        ({"patience": 1, "choose": "source_val", "evaluate_every": 1}, "bench.run.stopping"),
        ({"warmup_steps": 1}, "bench.run.rates"),
        ({"init": "adaptsegnet:file.pth"}, "bench.run.layouts"),
        ({"method": TAUGHT}, "bench.run.layouts"),
        ({"precision": "auto"}, "bench.run.picking"),
    ],
)
def test_what_a_recipe_goes_through_counts_for_those_that_ask_for_it(asked: dict[str, Any], module: str) -> None:
    assert module not in code._closure(code._loop(CONFIG))
    assert module in code._closure(code._loop(CONFIG.model_copy(update=asked)))


@pytest.mark.parametrize(
    "same",
    [
        'def f(x):\n    """Another docstring."""\n    return x + 1',
        "def f(x):\n    # a comment\n    return (x\n        + 1)",
        'def f(x): return x + 1\n"""about f"""',
    ],
)
def test_comments_docstrings_and_layout_are_not_code(same: str) -> None:
    assert syntax(same) == syntax("def f(x):\n    return x + 1")


@pytest.mark.parametrize(
    "other",
    [
        "def f(x):\n    return x + 2",
        "def f(x):\n    return x + 1.0",
        "def f(x):\n    return x - 1",
        "def f(y):\n    return y + 1",
        "def f(x=None):\n    return x + 1",
        "def f(x):\n    return 1 + x",
        "def f(x):\n    return '1'",
        "def f(x):\n    return True",
        "@g\ndef f(x):\n    return x + 1",
    ],
)
def test_another_program_is_other_code(other: str) -> None:
    assert syntax(other) != syntax("def f(x):\n    return x + 1")


def test_an_empty_field_is_no_word() -> None:
    """Newer Pythons have fields that older ones lack (`type_params`), empty where nothing was written."""
    assert syntax("def f(): return 1") == (
        "Module body FunctionDef name str:'f' args arguments ) body Return value Constant value int:1 ) ) ] ) ] )"
    )


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package whose `net` uses `parts`, which uses `deep.last`; `aside` is used by nobody."""
    home = tmp_path / "drawn_package"
    (home / "deep").mkdir(parents=True)
    for name, text in {
        "__init__.py": "",
        "net.py": "import typing\nfrom .parts import piece\nif typing.TYPE_CHECKING:\n    from . import aside",
        "parts.py": "def piece():\n    from drawn_package.deep.last import end\n    return end\n",
        "deep/__init__.py": "raise RuntimeError('imported')\n",
        "deep/last.py": "end = 1\n",
        "aside.py": "nothing = 1\n",
    }.items():
        (home / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    return home


def forget() -> None:
    for cached in (code._digest, code._imported, code._file, code._tree, code._syntax_digest):
        cached.cache_clear()


def digest(module: str) -> str:
    forget()
    return code._digest((module,))


@pytest.mark.parametrize("changed", ["net.py", "parts.py", "deep/last.py"])
def test_a_change_in_what_a_part_uses_shows(package: Path, changed: str) -> None:
    before = digest("drawn_package.net")
    assert digest("drawn_package.net") == before
    (package / changed).write_text((package / changed).read_text() + "\nmore = 2\n")
    assert digest("drawn_package.net") != before


@pytest.mark.parametrize("changed", ["aside.py", "__init__.py"])
def test_a_change_elsewhere_does_not(package: Path, changed: str) -> None:
    before = digest("drawn_package.net")
    (package / changed).write_text("more = 2\n")
    assert digest("drawn_package.net") == before


def test_tables_and_carriers_are_not_in_it() -> None:
    modules = code._closure(("bench.methods.source_only", *code.LOOP, "bench.losses.pidnet", *code.CHOOSING))
    assert not {m for m in modules if m.split(".")[1] in ("spec", "names", "store", "machine", "cli", "report", "run")}
    assert not {"bench.losses", "bench.models", "bench.samplers", "bench.evaluate"} & modules
    assert {"bench.batches.normalising", "bench.evaluate.winner", "bench.cache.decoding"} <= modules


def test_nothing_is_imported_for_it() -> None:
    words = """
import sys
from bench import names
from bench.names.code import code_digests
from bench.spec import RunConfig
urban = "landcover/urban"
config = RunConfig(model="pidnet_s", dataset="landcover", source=urban, evaluate_on=(urban,), steps=1)
code_digests(names.resolve_config(config))
sys.exit(sum(name in sys.modules for name in ("torch", "numpy.random", "bench.train", "bench.models.pidnet")))
"""
    assert (
        subprocess.run([sys.executable, "-c", words], cwd=Path(code.__file__).parents[2], check=False).returncode == 0
    )


def test_each_part_of_a_combination_counts() -> None:
    def combined(*parts: str) -> RunConfig:
        return CONFIG.model_copy(
            update={"method": Component(name="combined", options={"parts": [{"name": part} for part in parts]})}
        )

    digests = [code_digests(combined(*parts))["method"] for parts in (("fda", "dacs"), ("fda", "mic"), ("mic", "fda"))]
    assert digests[0] != digests[1] == digests[2]


def test_what_was_recorded_is_compared_part_by_part() -> None:
    today = code_digests(CONFIG)
    assert changed_parts(CONFIG, today) == ()
    assert changed_parts(CONFIG, {**today, "loss": "0" * 16, "model": ""}) == ("loss", "model")
    assert changed_parts(CONFIG, {**today, "augment": "0" * 16}) == ("augment",)
    assert changed_parts(CONFIG, {k: v for k, v in today.items() if k != "loop"}) == ("loop",)


def test_where_nobody_can_tell_nothing_has_changed() -> None:
    """Records of schema 1, and those of a plug-in that is not installed here."""
    assert changed_parts(CONFIG, {}) == ()
    foreign = CONFIG.model_copy(update={"model": Component(name="of_somebody_else")})
    assert changed_parts(foreign, {"model": "0" * 16}) == ()


@pytest.mark.parametrize("kept", [True, False])
def test_what_was_loaded_is_what_ran(package: Path, monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    """A file that changes after it was loaded changes nothing in the process that loaded it; without `keep` it would
    seem so."""
    before = digest("drawn_package.parts")
    forget()
    monkeypatch.setitem(sys.modules, "drawn_package.parts", types.ModuleType("drawn_package.parts"))
    if kept:
        code.keep("drawn_package")
    (package / "parts.py").write_text("def piece():\n    return 'another'\n")
    assert (code._digest(("drawn_package.parts",)) == before) == kept
