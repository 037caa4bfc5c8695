"""Plug-in files: read without being imported, known to other processes, refused where names clash, named if broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench import names
from bench.cli import run_command_line
from bench.names import code, offers
from bench.names.code import changed_parts, code_digests, origins
from bench.plan import costs_left
from bench.run.apart import loads
from bench.run.costs import count
from bench.run.place import Place
from bench.spec import BenchError, Component, CostRequest, PlannedRun, RunConfig, Sweep
from bench.store import Store

EXAMPLE = Path(__file__).parent / "plugin" / "my_models.py"
NET = '''"""A network."""
from bench.models.segmodel import SegModel

WIDTH = 8

def {name}(num_classes: int, *, width: int = 8) -> SegModel:
    """A network."""
    raise RuntimeError("built")

MODELS = {{"{name}": {name}}}
'''


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No plug-in is known before a test, nor after it."""
    path, loaded = list(sys.path), set(sys.modules)
    monkeypatch.setenv(offers.VARIABLE, "")
    forget()
    yield
    sys.path[:] = path
    for module in set(sys.modules) - loaded:
        if getattr(sys.modules[module], "__file__", None) and not module.startswith("bench"):
            top = Path(str(sys.modules[module].__file__)).parent
            if top in {EXAMPLE.parent} or "pytest-" in str(top):
                del sys.modules[module]
    monkeypatch.undo()
    forget()


def forget() -> None:
    names.forget()
    offers._files.cache_clear()
    for cached in (code._digest, code._imported, code._syntax_digest, code.part_digest):
        cached.cache_clear()


@pytest.fixture
def plug(tmp_path: Path) -> Callable[..., Path]:
    """plug("my_net") -> a file of that name that offers a network of that name."""

    def write(stem: str, name: str = "", text: str = "") -> Path:
        path = tmp_path / f"{stem}.py"
        path.write_text(text or NET.format(name=name or stem))
        return path

    return write


def use(*paths: Path) -> None:
    offers.add_plugins(paths)
    names.forget()


def config(model: str) -> RunConfig:
    urban = "landcover/urban"
    return names.resolve_config(
        RunConfig(model=model, dataset="landcover", source=urban, evaluate_on=(urban,), steps=3)
    )  # type: ignore[arg-type]


def test_a_file_is_read_and_not_imported(plug: Callable[..., Path]) -> None:
    use(plug("first_net"))
    row = names.entry("model", "first_net")
    assert (row.build, row.about, row.origin) == ("first_net:first_net", "A network.", "first_net.py")
    assert names.options("model", "first_net")["width"].default == 8
    assert "first_net" in names.names("model")
    assert "first_net" not in sys.modules
    with pytest.raises(RuntimeError, match="built"):
        names.build("model", Component(name="first_net"), 3)


def test_the_record_says_where_it_came_from_and_the_digest_of_its_file(plug: Callable[..., Path]) -> None:
    path = plug("told_net")
    use(path)
    before = code_digests(config("told_net"))
    assert set(before) - set(code_digests(config("unet"))) == {"model from told_net.py"}
    for text, changed in ((path.read_text() + "# aside\n", ()), (path.read_text() + "MORE = 1\n", "model")):
        path.write_text(text)
        forget()
        parts = changed_parts(config("told_net"), before)
        assert parts == ((changed, "model from told_net.py") if changed else ())


def test_its_costs_are_of_its_code(plug: Callable[..., Path], tmp_path: Path) -> None:
    path = plug("costly", text=EXAMPLE.read_text())
    use(path)
    store, run = Store(tmp_path / "results"), config("half_size")
    sweep = Sweep(
        name="s",
        runs=(PlannedRun(name="x", run_id=names.id_of(run), config=run),),
        cost=CostRequest(size=(32, 32), latency=False),
    )
    assert [left.to_count for left in costs_left(sweep, "cpu", store)] == [True]
    record = count(run.model, 7, (32, 32), Place(store=store, sweep="s"))
    assert list(record.software)[-1] == "model half_size"
    assert costs_left(sweep, "cpu", store) == []
    for text, changed in (("# aside\n", False), ("MORE = 1\n", True)):
        path.write_text(path.read_text() + text)
        forget()
        assert bool(costs_left(sweep, "cpu", store)) == changed
    count(run.model, 7, (32, 32), Place(store=store, sweep="s"))
    assert costs_left(sweep, "cpu", store) == []


def test_what_lies_beside_it_counts_and_what_is_installed_does_not(plug: Callable[..., Path]) -> None:
    beside = plug("beside_it", text="ONE = 1\n")
    use(plug("with_beside", text="import torch\nimport beside_it\n" + NET.format(name="with_beside")))
    before = origins("model", ["with_beside"])
    assert code._imported("with_beside") == ("beside_it",)
    beside.write_text("ONE = 2\n")
    forget()
    assert origins("model", ["with_beside"]) != before


def test_another_process_knows_it_by_the_environment(plug: Callable[..., Path]) -> None:
    use(plug("far_net"))
    words = "from bench import names; print(names.entry('model', 'far_net').origin)"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "far_net.py"
    lonely = {k: v for k, v in os.environ.items() if k != offers.VARIABLE}
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=False, env=lonely)
    assert "unknown model 'far_net'" in done.stderr  # the control


def test_a_nursery_loads_it_and_notes_its_source(plug: Callable[..., Path]) -> None:
    use(plug("born_net"))
    words = loads([config("born_net")])
    assert "born_net" in words
    assert words[-1] == "bench.names.code:keep"


# ------------------------------------------------------------------ what cannot be used


@pytest.mark.parametrize(
    ("stem", "text", "fault"),
    [
        ("torn", "def (", "line 1: invalid syntax"),
        ("empty", "MODEL = {}\n", "it has no table"),
        ("computed", "MODELS = {'a': build('a')}\n", "it has no table"),
        ("not-a-name", "", "its name is not that of a Python module"),
        ("json", "", "its name is that of another module, json"),
        ("torch", "", "its name is that of another module, torch"),
    ],
)
def test_a_broken_file_is_named_and_the_rest_works(
    stem: str, text: str, fault: str, plug: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = plug("good_net"), plug(stem, name="good_one", text=text)
    assert run_command_line(["list", "models", "--json", "--plugin", str(bad), "--plugin", str(good)]) == 0
    told = capsys.readouterr()
    assert f"bench: warning: plug-in {bad.name} is left out: {fault}" in told.err
    assert told.err.count("warning") == 1
    assert "good_net" in [one["name"] for one in json.loads(told.out)["components"]]
    with pytest.raises(BenchError, match=rf"left out: {bad.name}"):
        names.entry("model", "somewhere_else")


def test_one_that_raises_on_import_is_named_when_it_is_built(plug: Callable[..., Path]) -> None:
    use(plug("raising", text="raise ValueError('no luck')\n" + NET.format(name="raising")), plug("fine_net"))
    assert names.entry("model", "raising").about == "A network."
    wanted = r"model 'raising' of raising.py cannot be imported: ValueError: no luck; mend the plug-in"
    with pytest.raises(BenchError, match=wanted):
        names.build("model", Component(name="raising"), 3)
    with pytest.raises(RuntimeError, match="built"):
        names.build("model", Component(name="fine_net"), 3)


@pytest.mark.parametrize("other", ["bench", "another file"])
def test_a_name_that_two_offer_is_refused(
    other: str, plug: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    name = "pidnet_s" if other == "bench" else "twice"
    files = [plug("one_of_two", name)] + ([] if other == "bench" else [plug("two_of_two", name)])
    words = [word for file in files for word in ("--plugin", str(file))]
    assert run_command_line(["list", "models", *words]) == 2
    assert f"model '{name}' is offered by" in capsys.readouterr().err
    assert names.entry("model", "pidnet_m").origin == "bench"  # the rest works


def test_a_file_that_is_not_there_is_a_fault_of_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["list", "--plugin", str(tmp_path / "nowhere.py")]) == 2
    assert "--plugin: no plug-in file" in capsys.readouterr().err


def test_two_files_of_one_name_are_refused(plug: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    other = tmp_path / "more" / "same.py"
    other.write_text(NET.format(name="other"))
    with pytest.raises(BenchError, match=r"two plug-in files are called same.py; rename one"):
        use(plug("same"), other)


# ------------------------------------------------------------------ verbs


def test_list_says_where_each_comes_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["list", "--json", "--plugin", str(EXAMPLE)]) == 0
    told = {(one["kind"], one["name"]): one["origin"] for one in json.loads(capsys.readouterr().out)["components"]}
    for one in (("model", "half_size"), ("loss", "squared"), ("scheduler", "halves")):
        assert told[one] == "my_models.py"
    assert told["model", "pidnet_s"] == "bench"
    assert told["model", "smp:<architecture>/<encoder>"].startswith("segmentation-models-pytorch")


def test_the_example_keeps_every_promise(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["test-plugin", str(EXAMPLE)]) == 0
    assert "17 promises of 3 components: 0 broken" in capsys.readouterr().out


BAD = """
import torch
def nan() :
    '''Not a number where all is void.'''
    return lambda o, t: torch.nn.functional.cross_entropy(
        torch.nn.functional.interpolate(o["out"], size=t.shape[-2:]), t, ignore_index=255)
def needy(*, times: int):
    '''Needs an option.'''
    return lambda progress: times * (1 - progress)
LOSSES = {"nan": nan}
SCHEDULERS = {"needy": needy}
"""


def test_what_is_broken_is_told_with_its_remedy(plug: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    path = plug("bad_loss", text=BAD)
    assert run_command_line(["test-plugin", str(path), "--json", "--set", "needy.times=2"]) == 1
    document = json.loads(capsys.readouterr().out)
    broken = [one for one in document["findings"] if one["fault"]]
    assert [one["name"] for one in broken] == ["nan"]
    assert "labels that are all void" in broken[0]["fault"]
    assert "at least 1" in broken[0]["remedy"]
    assert run_command_line(["test-plugin", str(path)]) == 1
    assert "needs `times`" in capsys.readouterr().out
    assert run_command_line(["test-plugin", str(path), "--set", "nobody.times=2"]) == 2


def test_a_package_is_tried_by_its_name(four_convs: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["test-plugin", "four-convs"]) == 0
    assert "10 promises of 1 component: 0 broken" in capsys.readouterr().out
    assert run_command_line(["test-plugin", "five-convs"]) == 2
    assert "'five-convs' offers no component" in capsys.readouterr().err


def test_a_sweep_of_a_plug_in_runs_in_processes_and_is_reused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(
        "name: own\ncost: false\nbase:\n  model: half_size\n  loss: squared\n  scheduler: halves\n"
        "  dataset: {name: landcover, tile_px: 64, train_tiles: 2, val_tiles: 2, test_tiles: 2}\n"
        "  source: urban\n  evaluate_on: [rural]\n  crop_px: 64\n  batch_size: 2\n  steps: 2\n"
    )
    monkeypatch.chdir(tmp_path)
    words = ["sweep", str(file), "--no-check", "--executor", "process", "--plugin", str(EXAMPLE), "--json"]
    assert run_command_line(words) == 0
    (record,) = (tmp_path / "results" / "runs").glob("*.json")
    told = json.loads(record.read_text())["code"]
    assert {part for part in told if " from " in part} == {
        f"{k} from my_models.py" for k in ("loss", "model", "scheduler")
    }
    capsys.readouterr()
    assert run_command_line(["status", str(file), "--json", "--plugin", str(EXAMPLE)]) == 0
    assert [run["state"] for run in json.loads(capsys.readouterr().out)["runs"]] == ["done"]
