"""Names -> components without importing them: options from source, near names, complete configurations, ids."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench import names
from bench.names import source
from bench.spec import BenchError, Component, RunConfig


def test_options_come_from_the_source_without_torch() -> None:
    code = (
        "import sys; from bench import names; "
        "print({k: o.default for k, o in names.options('loss', 'ohem').items()}); "
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "'threshold': 0.9" in done.stdout


def test_every_entry_exists_says_what_it_is_and_has_plain_options() -> None:
    for kind in names.TABLES:
        for name in names.load(names.TABLES[kind]):
            entry = names.entry(kind, name)
            assert callable(names.load(entry.build)), name
            assert entry.about.strip(), f"{kind} {name} has no first docstring line"
            options = {} if kind == "executor" else names.options(kind, name)  # no sweep file speaks of executors
            for key, option in options.items():
                assert option.type is not names.Any, f"{kind} {name}.{key} has no plain type"


@pytest.mark.parametrize("kind", sorted(names.TABLES))
def test_tables_are_sorted(kind: str) -> None:
    keys = list(names.load(names.TABLES[kind]))
    assert keys == sorted(keys)


def test_an_unknown_name_lists_the_near_ones() -> None:
    with pytest.raises(BenchError, match=r"unknown loss 'ohme'; did you mean ohem\?"):
        names.entry("loss", "ohme")
    with pytest.raises(BenchError, match="choose one of: "):
        names.entry("loss", "zzzzzz")
    with pytest.raises(BenchError, match=r"unknown model 'os\.system'"):
        names.entry("model", "os.system")


def test_resolving_spells_out_every_default_and_checks_types() -> None:
    full = names.resolve("scheduler", Component(name="poly"))
    assert full.options == {"power": 0.9}
    assert names.resolve("scheduler", full) == full
    assert names.resolve("scheduler", Component(name="poly", options={"power": 1})).options == {"power": 1.0}
    for bad, words in (({"pwer": 1}, "did you mean power"), ({"power": "x"}, "no value for `power`")):
        with pytest.raises(BenchError, match=words):
            names.resolve("scheduler", Component(name="poly", options=bad))


BASE = {"model": "pidnet_s", "dataset": "landcover", "source": "urban", "evaluate_on": ("rural",), "steps": 3}


def resolved(**changes: object) -> RunConfig:
    return names.resolve_config(RunConfig.model_validate({**BASE, **changes}))


def test_a_default_spelled_out_keeps_the_id_and_another_value_changes_it() -> None:
    plain = names.id_of(resolved())
    assert names.id_of(resolved(scheduler={"name": "poly", "power": 0.9}, batch_size=6, precision="fp32")) == plain
    assert names.id_of(resolved(source="landcover/urban")) == plain
    changes = (
        {"scheduler": {"name": "poly", "power": 0.8}},
        {"seed": 1},
        {"model": {"name": "pidnet_s", "aux": False}},
        {"loss": "ohem"},
        {"augment": ["flip"]},
        {"source": "rural"},
        {"steps": 4},
    )
    assert len({plain, *(names.id_of(resolved(**c)) for c in changes)}) == len(changes) + 1


def test_a_schedule_as_long_as_the_run_is_the_default_spelled_out() -> None:
    assert names.id_of(resolved(schedule_steps=3)) == names.id_of(resolved())
    assert names.id_of(resolved(schedule_steps=4)) != names.id_of(resolved())


def test_domains_and_classes_are_checked() -> None:
    with pytest.raises(BenchError, match="landcover has no domain 'urbn'; did you mean urban"):
        resolved(source="urbn")
    with pytest.raises(BenchError, match="camvid/day has 11 classes that are not the 7 of landcover"):
        resolved(evaluate_on=("camvid/day",))
    assert resolved(evaluate_on=("loveda/rural",)).evaluate_on == ("loveda/rural",)


def test_a_source_outside_the_package_is_never_loaded_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BenchError, match="unknown loss"):
        names.build("loss", Component(name="evil:f"))


def test_the_facts_of_a_dataset_are_read_without_importing_it() -> None:
    code = (
        "import sys; from bench import names\n"
        "for name in ('camvid', 'landcover', 'loveda'): names.dataset_info(name)\n"
        "assert 'numpy' not in sys.modules\n"
        "for name in names.names('dataset'):\n"
        "    module = names.entry('dataset', name).build.partition(':')[0]\n"
        "    assert names.dataset_info(name) == names.load(module + ':INFO')\n"
        "assert 'numpy' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


COMPUTED = (
    "INFO = DatasetInfo(name=chr(97))",
    "INFO = DatasetInfo(name='a')\nINFO = replace(INFO, name='b')",
    "INFO = other(name='a')",
    "INFO = DatasetInfo(nonsense='a')",
    "INFO = DatasetInfo(**FACTS)",
    "info = DatasetInfo(name='a')",
)


def test_facts_that_have_to_be_computed_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = "INFO = DatasetInfo(name='a', label='', domains=(), class_names=(), palette=(), licence='', source='', "
    for number, text in enumerate((written + "needs_files=False)", *COMPUTED)):
        (tmp_path / f"facts_{number}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    found = source.dataset_info("facts_0")
    assert found is not None
    assert found.name == "a"
    assert [source.dataset_info(f"facts_{number}") for number in range(1, 7)] == [None] * 6


def test_a_misspelt_word_is_answered_with_the_words_not_with_the_list_that_also_fits() -> None:
    with pytest.raises(BenchError) as told:
        names.resolve("loss", Component(name="cross_entropy", options={"weights": "median"}))
    assert "'median_frequency'" in told.value.remedy
    assert "list" not in told.value.remedy
    with pytest.raises(BenchError) as number:
        names.resolve("loss", Component(name="cross_entropy", options={"weights": 3}))
    assert "list" in number.value.remedy
