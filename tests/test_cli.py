"""The command line as people meet it: one line for a fault, the documented exit code, nothing lost."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
from pathlib import Path

import pytest
from oracle import Bench, refused

from bench.cli import run_command_line
from bench.cli.progress import Lines

ROOT = Path(__file__).resolve().parent.parent
FILE = """\
name: tiny
base:
  model: pidnet_s
  dataset: {name: landcover, tile_px: 64, train_tiles: 8, val_tiles: 2, test_tiles: 3}
  crop_px: 64
  batch_size: 2
  steps: 3
grid:
  source: [urban, rural]
cost: false
"""


@pytest.fixture
def bench(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Bench:
    """bench(*words) -> (exit code, stdout, stderr) of one command in `folder`, run in this process."""
    for name in ("BENCH_DATA", "BENCH_DEBUG", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(folder)

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run_command_line(words)
        return code, *capsys.readouterr()

    return run


def digest(folder: Path) -> dict[str, str]:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(FILE)
    (tmp_path / "results").mkdir()
    shutil.copy(ROOT / "README.md", tmp_path)
    return tmp_path


@pytest.fixture
def quick(folder: Path, four_convs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep trains the smallest network and draws no pictures."""
    from bench.run.training import Run

    changed(folder, "pidnet_s", four_convs)
    monkeypatch.setattr(Run, "draw", lambda *_: None)


def changed(folder: Path, old: str, new: str) -> None:
    text = (folder / "tiny.yaml").read_text()
    assert old in text
    (folder / "tiny.yaml").write_text(text.replace(old, new))


SWEEP = ("sweep", "tiny.yaml")


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("pidnet_s", "pidnet_x", 2, ("tiny.yaml:3:", "base.model", "did you mean pidnet_")),
        ("batch_size", "batchsize", 2, ("tiny.yaml:6:", "batchsize", "did you mean batch_size")),
        ("[urban, rural]", "[]", 2, ("grid.source",)),
        ("[urban, rural]", "[urban, moon]", 2, ("tiny.yaml:9:", "no domain 'moon'")),
        ("steps: 3", "steps: 3\n  steps: 4", 2, ("tiny.yaml:8:", "steps")),
        ("steps: 3", "steps: many", 2, ("tiny.yaml:7:", "steps")),
        ("crop_px: 64", "crop_px: 65", 3, ("a crop of 65x65 does not fit in images of 64x64",)),
        ("crop_px: 64", "crop_px: [32, 64]\n  augment: [rotate90]", 2, ("rotate90 needs square crops",)),
        ("batch_size: 2", "batch_size: 9", 3, ("8 images, fewer than one batch of 9",)),
        ("grid:", "  loss: {name: pidnet}\n  evaluate_on: [camvid/day]\ngrid:", 2, ("camvid/day has 11 classes",)),
        ("model: pidnet_s", "model: unet_resnet18\n  loss: pidnet", 2, ("aux: true",)),
        ("cost: false", "seeds: [" + ", ".join(map(str, range(6000))) + "]", 2, ("12000 runs", "10000")),
    ],
    ids=lambda v: str(v)[:24] if isinstance(v, str) else "",
)
def test_a_bad_sweep_is_one_line(
    bench: Bench, folder: Path, old: str, new: str, code: int, said: tuple[str, ...]
) -> None:
    changed(folder, old, new)
    refused(bench, SWEEP, folder, *said, codes={code})


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("sweep", "nothere.yaml"), 2, ("nothere.yaml",)),
        (("swep", "tiny.yaml"), 2, ("swep",)),
        (("sweep", "tiny.yaml", "--frobnicate"), 2, ("--frobnicate",)),
        (("sweep", "tiny.yaml", "-k", "(urban"), 2, ("-k",)),
        (("sweep", "tiny.yaml", "-k", "moon"), 2, ("moon",)),
        (("sweep", "tiny.yaml", "--set", "optimzer.lr=1"), 2, ("optimzer", "optimizer")),
        (("sweep", "tiny.yaml", "--device", "tpu"), 2, ("unknown device 'tpu'",)),
        (("sweep", "tiny.yaml", "--device", "cuda:77"), 5, ("there is no cuda:77", "--device cpu")),
        (("report", "--results", "nothere"), 2, ("nothere", "bench sweep")),
        (("report", "--readme", "tiny.yaml"), 2, ("tiny.yaml", "bench:report begin")),
        (("list", "modles"), 2, ("modles", "models")),
        (("show", "r-0000000000000000"), 2, ("no record of r-0000000000000000",)),
        (("sweep", str(ROOT / "sweeps" / "camvid_day_dusk.yaml")), 3, ("camvid", "BENCH_DATA", "--data-root")),
    ],
    ids=lambda v: " ".join(v)[-40:] if isinstance(v, tuple) else "",
)
def test_a_bad_command_is_one_line(
    bench: Bench, folder: Path, words: tuple[str, ...], code: int, said: tuple[str, ...]
) -> None:
    refused(bench, words, folder, *said, codes={code})


@pytest.mark.usefixtures("quick")
def test_the_main_job(bench: Bench, folder: Path) -> None:
    """Train, reuse, report, report again: files appear once and then not a byte changes."""
    code, out, err = bench(*SWEEP)
    assert (code, "2 ran, 0 reused, 0 failed" in out) == (0, True), err
    assert "[2/2] four_convs-rural-cross_entropy-poly-source_only-s0: mIoU (%) urban" in err
    records = digest(folder / "results")
    code, out, err = bench(*SWEEP)
    assert (code, out) == (0, "0 ran, 2 reused, 0 failed; nothing was run\n"), err
    assert digest(folder / "results") == records
    code, out, _ = bench("status", "tiny.yaml")
    assert (code, "2 runs: 2 done, 0 stale, 0 failed, 0 todo" in out) == (0, True)
    assert bench("report", "--check")[0] == 1
    assert bench("report")[0] == 0
    readme = (folder / "README.md").read_bytes()
    assert bench("report", "--check")[0] == 0
    code, out, _ = bench("report")
    assert (code, "already current" in out) == (0, True)
    assert (folder / "README.md").read_bytes() == readme
    run_id = json.loads(bench("status", "tiny.yaml", "--json")[1])["runs"][0]["run_id"]
    assert run_id in readme.decode()
    assert json.loads(bench("show", run_id)[1])["record"]["run_id"] == run_id
    bad = folder / "results" / "runs" / "r-ffffffffffffffff.json"
    bad.write_text("{")
    code, out, err = bench("report")
    assert (code, err.count("bench: error: "), bad.name in err) == (4, 1, True)
    assert run_id in (folder / "README.md").read_text()


@pytest.mark.usefixtures("quick")
def test_a_failing_run_is_recorded_and_the_others_go_on(bench: Bench, folder: Path) -> None:
    changed(folder, "  source: [urban, rural]", "  optimizer.lr: [1.0e+30, 0.01]")
    changed(folder, "steps: 3", "steps: 8\n  source: urban")
    code, out, err = bench(*SWEEP, "--json")
    document = json.loads(out)
    assert (code, document["ran"], document["failed"]) == (1, 1, 1), err
    assert [r["kind"] for r in document["records"]] == ["failure", "run"]
    assert "diverged" in err
    code, out, _ = bench(*SWEEP)
    assert (code, out) == (1, "0 ran, 1 reused, 0 failed, 1 failed earlier (--rerun failed); nothing was run\n")
    bench("report")
    assert "diverged" in (folder / "README.md").read_text()
    code, out, _ = bench(*SWEEP, "-k", "0.01", "--json")
    assert (code, json.loads(out)["reused"]) == (0, 1)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75), (signal.SIGUSR1, 75)])
def test_a_signal_saves_and_the_same_command_goes_on(
    bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    changed(folder, "steps: 3", "steps: 6")
    here, there = ("--results", "whole/results"), ("--results", "stopped/results")
    assert bench(*SWEEP, *here)[0] == 0
    shown, before = Lines.event, signal.getsignal(signal.SIGINT)

    def event(self: Lines, run: object, told: object) -> None:
        shown(self, run, told)  # type: ignore[arg-type]
        if getattr(told, "step", 0) == 3:
            signal.raise_signal(number)

    with monkeypatch.context() as patched:
        patched.setattr(Lines, "event", event)
        got, out, err = bench(*SWEEP, *there)
    assert (got, out.startswith("0 ran, 0 reused, 0 failed, 2 left (the same command goes on) in")) == (code, True)
    assert "stopped after step 3 of 6; state saved" in err
    got, out, err = bench(*SWEEP, *there)
    assert (got, "2 ran" in out) == (0, True), err
    for path in (folder / "whole" / "results" / "runs").glob("*.json"):
        first, second = (
            json.loads((folder / f / "results" / "runs" / path.name).read_text()) for f in ("whole", "stopped")
        )
        assert all(first[key] == second[key] for key in ("confusion", "history", "config", "data_digests"))
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("name", ["camvid_day_dusk", "loveda"])
def test_the_sweeps_of_real_data_train_on_trees_in_the_official_layout(
    bench: Bench, camvid_root: Path, loveda_root: Path, name: str
) -> None:
    sizes = ("--set", "resize_px=64", "--set", "batch_size=2", "--set", "evaluate_every=0", "--set", "cost=false")
    length = ("--set", "epochs=null", "--set", "steps=3")
    words = ("sweep", str(ROOT / "sweeps" / f"{name}.yaml"), "-k", "pidnet", *sizes, *length, "--json")
    code, out, err = bench(*words, "--data-root", str(camvid_root.parent))
    assert code == 0, err
    for record in json.loads(out)["records"]:
        assert not record["synthetic"]
        scored = {domain: sum(map(sum, counts)) for domain, counts in record["confusion"].items()}
        assert set(record["images_scored"].values()) <= {1, 2}
        assert all(0 < pixels <= 2 * 6 * 8 for pixels in scored.values())  # at the size the labels have on disk


def test_a_dry_run_prints_the_plan_and_touches_nothing(bench: Bench, folder: Path) -> None:
    before = digest(folder)
    code, out, err = bench(*SWEEP, "--dry-run")
    assert code == 0, err
    assert out.count("to run") == 3
    assert "pidnet_s-urban-cross_entropy-poly-source_only-s0" in out
    code, out, _ = bench(*SWEEP, "-n", "--no-check", "--json", "-k", "rural")
    (run,) = json.loads(out)["runs"]
    assert (code, run["starts"], run["config"]["source"]) == (0, True, "landcover/rural")
    assert digest(folder) == before


def test_a_fault_of_the_program_says_how_to_see_more(
    bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("bench.sweep.load_sweep", fail)
    code, _, err = bench(*SWEEP)
    assert (code, err) == (70, "bench: error: internal error: ZeroDivisionError: oh; see it with BENCH_DEBUG=1\n")
    monkeypatch.setenv("BENCH_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        bench(*SWEEP)
