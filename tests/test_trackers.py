"""What happens in a run reaches whoever watches it, each step once, and nobody who watches can harm a run."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bench import names
from bench.cli import run_command_line
from bench.run import tracking
from bench.run.events import Phase, Reached, Taken
from bench.run.tracking import Tracking
from bench.spec import BenchError, Component, Evaluation, ExitCode, Failure, PlannedRun, RunConfig, RunRecord
from bench.store import Store
from bench.sweep import load_sweep, problems

CLASSES = names.dataset_info("landcover").class_names
HALF = tuple(tuple(int(i == j) + int(j == 0) for j in range(len(CLASSES))) for i in range(len(CLASSES)))
"""Counts in which every class but the first is half right."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results")


@pytest.fixture
def run(planned: Callable[..., PlannedRun]) -> PlannedRun:
    return planned(steps=6)


def record(run: PlannedRun) -> RunRecord:
    """A record with what trackers look at."""
    return RunRecord.model_construct(
        run_id=run.run_id,
        name=run.name,
        config=run.config,
        classes=CLASSES,
        confusion={"landcover/urban": HALF, "landcover/rural": HALF},
        steps=6,
        chosen_step=3,
        seconds={"total": 1.0},
        finished_utc="2026-01-01T00:00:00Z",
    )


def reached(first: int, last: int) -> Reached:
    """Updates `first` to `last`; the second loss begins at update 3."""
    steps = range(first, last + 1)
    second = tuple(None if s < 3 else 0.5 / s for s in steps)
    return Reached(
        last, {"segmentation": tuple(1.0 / s for s in steps), "entropy": second}, tuple(0.1 / s for s in steps)
    )


def looked(step: int) -> Evaluation:
    return Evaluation(step=step, split="val", confusion={"landcover/urban": HALF}, label_free={"snd": 1.5, "bnm": None})


def stopped(run: PlannedRun) -> Failure:
    told = {"sweep": "s", "device": "cpu", "finished_utc": "2026-01-01T00:00:00Z"}
    return Failure(run_id=run.run_id, name=run.name, config=run.config, state="interrupted", reason="stopped", **told)


def story(run: PlannedRun) -> Iterator[Any]:
    """A run that is stopped after update 4, goes on from 3, and tells again what it told."""
    stages = {"stem": 0.1, "head": 1.0}
    yield from (
        Phase("reading images"),
        Phase("training", 6, stages),
        reached(1, 3),
        looked(3),
        reached(4, 4),
        stopped(run),
    )
    yield from (Phase("reading images"), Phase("going on after step 3", 6, stages), reached(1, 3), looked(3))
    yield from (reached(4, 6), Phase("scoring", 6), record(run))


def watched(run: PlannedRun, store: Store, *chosen: Component, events: Iterator[Any] | None = None) -> Path:
    """What `chosen` make of the story; returns the run's folder."""
    with Tracking(chosen, store, "s") as trackers:
        for event in events or story(run):
            trackers.event(run, event)
    return store.run_folder(run.run_id)


def draw(store: Store, run: PlannedRun) -> None:
    from PIL import Image

    folder = store.run_folder(run.run_id)
    folder.mkdir(parents=True)
    Image.new("RGB", (12, 8), (255, 0, 0)).save(folder / "panels.png")


# ------------------------------------------------------------------ JSON lines


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def steps_told(told: list[dict[str, Any]]) -> list[int]:
    """The updates that progress lines speak of, in order."""
    return [
        step
        for line in told
        if line["event"] == "progress"
        for step in range(line["step"] - len(line["rates"]["base"]) + 1, line["step"] + 1)
    ]


def test_a_run_that_went_on_has_each_step_once(run: PlannedRun, store: Store) -> None:
    draw(store, run)
    told = lines(watched(run, store))
    words = ["started", "progress", "evaluation", "progress", "picture", "finished"]
    assert [line["event"] for line in told] == words
    assert steps_told(told) == [1, 2, 3, 4, 5, 6]
    assert told[0]["config"]["model"]["name"] == "pidnet_s"
    assert told[1]["losses"] == {"segmentation": [1.0, 0.5, 0.333333], "entropy": [None, None, 0.166667]}
    assert told[1]["rates"]["stem"] == [0.01, 0.005, 0.00333333]
    assert (told[2]["step"], told[2]["label_free"]) == (3, {"snd": 1.5, "bnm": None})
    assert told[-1]["miou"]["landcover/urban"] == pytest.approx(told[2]["miou"]["landcover/urban"])
    assert ["landcover/rural", CLASSES[1], 0.5] in told[-1]["iou"]


def test_a_file_that_is_only_added_to_would_have_steps_twice(
    run: PlannedRun, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control."""
    opened = Path.open
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    monkeypatch.setattr(Path, "open", lambda path, mode="r", **words: opened(path, mode.replace("x", "a"), **words))
    assert steps_told(lines(watched(run, store))) == [1, 2, 3, 4, 1, 2, 3, 4, 5, 6]


def test_what_is_not_finite_has_no_number(run: PlannedRun, store: Store) -> None:
    bad = Reached(2, {"segmentation": (float("nan"), float("inf"))}, (0.1, 0.1))
    told = lines(watched(run, store, events=iter((Phase("training", 6), bad, stopped(run)))))
    assert told[1]["losses"] == {"segmentation": [None, None]}
    assert (told[2]["event"], told[2]["state"]) == ("failed", "interrupted")


def test_a_run_that_never_trained_leaves_an_earlier_file_alone(run: PlannedRun, store: Store) -> None:
    before = lines(watched(run, store))
    events = (Phase("reading images"), stopped(run), Taken(done=True))
    assert lines(watched(run, store, events=iter(events))) == before


# ------------------------------------------------------------------ trackers that fail


class Seen:
    """A tracker that notes what it is told and fails where it is asked to."""

    def __init__(self, fails: str = "") -> None:
        self.fails, self.told = fails, []  # type: ignore[var-annotated]

    def start(self, about: Any) -> Seen:
        self._note("start")
        return self

    def _note(self, what: str) -> None:
        self.told.append(what)
        if what == self.fails:
            raise RuntimeError("no more room")

    def progress(self, step: int, losses: Mapping[str, Any], rates: Mapping[str, Any]) -> None:
        self._note("progress")

    def evaluation(self, evaluation: Evaluation) -> None:
        self._note("evaluation")

    def picture(self, file: Path) -> None:
        self._note("picture")

    def ended(self, outcome: Any) -> None:
        self._note("ended")


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Seen]:
    """seen(fails) -> what `wandb` stands for in this test."""

    def make(fails: str) -> Seen:
        one, build = Seen(fails), names.build
        monkeypatch.setattr(names, "build", lambda kind, c: one.start if c.name == "wandb" else build(kind, c))
        return one

    return make


WANDB = Component(name="wandb")


@pytest.mark.parametrize("fails", ["start", "progress", "evaluation", "ended"])
def test_a_tracker_that_fails_is_left_out_of_that_try_with_one_warning(
    run: PlannedRun, store: Store, seen: Callable[[str], Seen], fails: str
) -> None:
    one = seen(fails)
    with pytest.warns(UserWarning, match=r"^wandb tells no more of tiny: RuntimeError: no more room$") as caught:
        folder = watched(run, store, WANDB)
    assert len(caught) == 2  # the story has two tries
    whole = ["start", "progress", "evaluation", "progress", "ended"]
    assert one.told == 2 * whole[: whole.index(fails) + 1]
    assert steps_told(lines(folder)) == [1, 2, 3, 4, 5, 6]


def test_a_tracker_that_does_not_fail_hears_all(run: PlannedRun, store: Store, seen: Callable[[str], Seen]) -> None:
    """Negative control of the counts above; the picture comes with the record alone."""
    one = seen("")
    draw(store, run)
    watched(run, store, WANDB)
    whole = ["start", "progress", "evaluation", "progress"]
    assert one.told == [*whole, "ended", *whole, "picture", "ended"]


def test_a_tracker_that_hangs_is_left_behind(
    run: PlannedRun, store: Store, seen: Callable[[str], Seen], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, go = seen(""), threading.Event()
    monkeypatch.setattr(tracking, "CLOSE_S", 0.01)
    monkeypatch.setattr(one, "_note", lambda what: go.wait())
    with pytest.warns(UserWarning, match=r"wandb is still busy after 0\.01 s"):
        folder = watched(run, store, WANDB)
    assert lines(folder)[-1]["event"] == "finished"
    go.set()


def test_who_stops_at_once_waits_for_no_tracker(
    run: PlannedRun, store: Store, seen: Callable[[str], Seen], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, go = seen(""), threading.Event()
    monkeypatch.setattr(tracking, "CLOSE_S", 1e6)
    monkeypatch.setattr(one, "_note", lambda what: go.wait())

    def events() -> Iterator[Any]:
        yield from (Phase("training", 6), stopped(run))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watched(run, store, WANDB, events=events())
    go.set()


def test_json_lines_that_cannot_be_written_stop_no_run(run: PlannedRun, store: Store) -> None:
    folder = store.run_folder(run.run_id)
    (folder / "events.jsonl").mkdir(parents=True)
    with pytest.warns(UserWarning, match="jsonl tells no more of tiny"):
        watched(run, store)


# ------------------------------------------------------------------ the libraries, read back


def test_tensorboard_has_each_step_once_and_the_picture(run: PlannedRun, store: Store) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    draw(store, run)
    folder = watched(run, store, names.resolve("tracker", Component(name="tensorboard"))) / "tensorboard"
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0, "images": 0}).Reload()
    assert [event.step for event in found.Scalars("loss/segmentation")] == [1, 2, 3, 4, 5, 6]
    assert [event.step for event in found.Scalars("loss/entropy")] == [3, 4, 5, 6]
    assert [event.value for event in found.Scalars("lr/stem")] == pytest.approx([0.01 / s for s in range(1, 7)])
    assert [event.step for event in found.Scalars("val_miou/landcover/urban")] == [3]
    assert [event.value for event in found.Scalars("label_free/snd")] == [1.5]
    (score,) = found.Scalars("test_miou/landcover/rural")
    assert (score.step, score.value) == (3, pytest.approx((0.125 + 0.5 * (len(CLASSES) - 1)) / len(CLASSES), abs=0.03))
    (image,) = found.Images("predictions")
    assert (image.width, image.height, image.encoded_image_string[1:4]) == (12, 8, b"PNG")
    (text,) = found.Tensors("result/text_summary")
    assert f"| landcover/rural | {CLASSES[1]} | 50.00 |" in text.tensor_proto.string_val[0].decode()
    assert "_hparams_/session_start_info" in found.summary_metadata


def kept_offline(file: Path) -> list[Any]:
    """The records in a W&B file: a log in LevelDB's format, whose blocks of 32 KiB begin with a header of 7 bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, found, part, at = file.read_bytes(), [], b"", 7
    assert data[:4] == b":W&B"
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        part += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last of several
            found.append(Record.FromString(part))
            part = b""
    return found


def test_wandb_keeps_an_offline_directory_with_all_of_it(
    run: PlannedRun, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    for word in ("WANDB_MODE", "WANDB_PROJECT"):
        monkeypatch.delenv(word, raising=False)
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    draw(store, run)
    chosen = names.resolve("tracker", Component(name="wandb", options={"tags": ["a"]}))
    (folder,) = (watched(run, store, chosen) / "wandb").glob("offline-run-*")
    records: list[Any] = []
    while not (records and records[-1].HasField("exit")):  # the library's own process writes it a moment later
        time.sleep(0.05)
        records = kept_offline(folder / f"run-{run.run_id}-1.wandb")
    (about,) = [r.run for r in records if r.HasField("run")][:1]
    assert (about.project, about.display_name, about.run_group, list(about.tags)) == ("bench", "tiny", "s", ["a"])
    config = {item.key: json.loads(item.value_json) for item in about.config.update}
    assert config["model"]["name"] == "pidnet_s"
    assert config["run_id"] == run.run_id
    rows = [
        {i.key or i.nested_key[0]: json.loads(i.value_json) for i in r.history.item}
        for r in records
        if r.HasField("history")
    ]
    losses = {row["_step"]: row["loss/segmentation"] for row in rows if "loss/segmentation" in row}
    assert losses == {step: 1.0 / step for step in range(1, 7)}
    assert [row["_step"] for row in rows if "loss/entropy" in row] == [3, 4, 5, 6]
    assert any("val_miou/landcover/urban" in row and row["_step"] == 3 for row in rows)
    summary = {i.key: json.loads(i.value_json) for r in records if r.HasField("summary") for i in r.summary.update}
    assert summary["state"] == "finished"
    assert summary["test_miou/landcover/urban"] > 0.4
    assert [r.exit.exit_code for r in records if r.HasField("exit")] == [0]
    assert list(folder.glob("files/media/images/predictions_*.png"))
    assert list(folder.glob("files/media/table/result_*.table.json"))


# ------------------------------------------------------------------ the command and the file

FILE = """\
name: tiny
base:
  model: four_convs
  dataset: {name: landcover, tile_px: 32, train_tiles: 4, val_tiles: 1, test_tiles: 1}
  source: urban
  crop_px: 32
  batch_size: 2
  steps: 3
cost: false
"""


@pytest.fixture
def file(tmp_path: Path, four_convs: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tiny.yaml"
    path.write_text(FILE)
    return path


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_missing_extra_is_told_before_any_run_starts(
    file: Path, name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    assert run_command_line(["sweep", "tiny.yaml", "--tracker", name]) == ExitCode.ENVIRONMENT
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{name} is not installed; pip install 'bench[{name}]'" in line
    assert not Path(".bench/runs").exists()


def test_an_unknown_tracker_is_refused(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["sweep", "tiny.yaml", "--tracker", "tensorbord"]) == ExitCode.USAGE
    assert "--tracker: unknown tracker 'tensorbord'; did you mean tensorboard?" in capsys.readouterr().err


def test_a_sweep_tells_its_trackers_and_its_ids_do_not_move(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    plain = load_sweep(file)
    file.write_text(FILE + "trackers: [{name: tensorboard, flush_s: 1}]\n")
    told = load_sweep(file)
    assert told.trackers == (Component(name="tensorboard", options={"flush_s": 1}),)
    assert (told.runs, told.model_dump()) == (plain.runs, plain.model_dump())
    assert run_command_line(["sweep", "tiny.yaml"]) == ExitCode.OK
    (folder,) = Path(".bench/runs").iterdir()
    assert list(folder.glob("tensorboard/events.out.tfevents.*"))
    assert steps_told(lines(folder)) == [1, 2, 3]
    assert [line["event"] for line in lines(folder)][-2:] == ["picture", "finished"]
    assert (folder / lines(folder)[-2]["file"]).is_file()


def test_none_keeps_json_lines_alone(file: Path) -> None:
    file.write_text(FILE + "trackers: [tensorboard]\n")
    assert run_command_line(["sweep", "tiny.yaml", "--tracker", "none", "--executor", "process"]) == ExitCode.OK
    (folder,) = Path(".bench/runs").iterdir()
    assert not (folder / "tensorboard").exists()
    assert steps_told(lines(folder)) == [1, 2, 3]


@pytest.mark.parametrize(
    ("trackers", "said"),
    [
        ("tensorboard", "is not a list"),
        ("[3]", "is no tracker"),
        ("[wandb, {name: wandb}]", "'wandb' a second time"),
        ("[wandbb]", "did you mean wandb"),
        ("[{name: wandb, projekt: x}]", "unknown option 'projekt'"),
        ("[{name: wandb, tags: 3}]", "is no value for `tags`"),
    ],
)
def test_a_bad_list_of_trackers_is_told_with_its_line(file: Path, trackers: str, said: str) -> None:
    file.write_text(FILE + f"trackers: {trackers}\n")
    (error,) = problems(file)
    assert said in str(error)
    assert (error.line, error.key.partition(".")[0]) == (10, "trackers")
    with pytest.raises(BenchError):
        load_sweep(file)


def test_no_configuration_speaks_of_trackers() -> None:
    assert "trackers" not in RunConfig.model_fields
