"""Adaptation methods beside their controls: what is said, what is refused and why, and that nothing else decides it."""

from __future__ import annotations

import html
import json
import os
import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from adaptation_examples import CLASSES, DAY, DUSK, IMAGES, SEEDS, SKILL, adapted, example, images, run
from markdown_it import MarkdownIt
from report_examples import UNET, cells, column, planned
from report_hostile import PAYLOADS

from bench.cli import run_command_line
from bench.report import adaptation, export, gains_picture, page
from bench.report.gains import Gains, gains
from bench.report.render import render
from bench.report.rows import boards
from bench.scores import miou
from bench.scores.paired import Draws, difference
from bench.spec import BenchError, Component, ExitCode, RunRecord, Sweep
from bench.store import Contents, Memory, Store, Stored

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> Contents:
    return example(tmp_path_factory.mktemp("example"))


def found(contents: Contents) -> list[Gains]:
    return gains(contents, boards(contents))


def section(contents: Contents) -> str:
    text = render(contents)
    start = text.find("### Domain adaptation")
    return "" if start < 0 else text[start : (text + "\n### Models").index("\n### Models")]


def of(text: str, method: str, name: str, table: str = "place") -> str:
    """The cell under `name` in a method's row."""
    header, _, *rows = cells(text, table)
    (row,) = [r for r in rows if r[header.index("method")] == method]
    return row[header.index(name)]


def small(folder: Path, *runs: Any) -> Contents:
    """Source-only and oracle of two seeds, and `runs`."""
    controls = [run(folder, name, seed) for name in ("source_only", "oracle") for seed in (0, 1)]
    return Contents(runs=(*controls, *runs))


# ------------------------------------------------------------------ what is said


def test_every_method_is_told_by_its_interval(contents: Contents) -> None:
    text = section(contents)
    verdicts = dict(zip(column(text, "place", "method"), column(text, "place", "against source-only"), strict=True))
    assert verdicts == {
        **dict.fromkeys(("source-only", "oracle"), ""),
        **dict.fromkeys(("joint", "DACS", "MIC", "FDA", "FDA + MIC"), "**above**"),
        "AdaBN": "not told apart",
        "TENT": "**below**",
        "MinEnt": "not compared",
    }
    assert "**Below source-only**, with the whole interval (adapting hurt): TENT." in text
    assert "MinEnt: no gain and no gap recovered, for source-only has the seeds 0, 1, 2, not 0." in text
    assert "TENT: sign in 2 of 3 seeds, from step 450 on." in text


def test_what_source_only_lost_too_is_named_and_no_more(tmp_path: Path) -> None:
    def lost(*seeds_of_fda: int) -> str:
        folder = tmp_path / f"fda-{len(seeds_of_fda)}"
        folder.mkdir()
        controls = [
            run(folder, name, s, dead=[0] if name == "source_only" else [])
            for name in ("source_only", "oracle")
            for s in (0, 1)
        ]
        fda = [run(folder, "fda", s, dead=[0, 2] if s in seeds_of_fda else [2]) for s in (0, 1)]
        return section(Contents(runs=(*controls, *fda)))

    one = lost(0)
    assert "Lost classes (IoU below 1 %), source-only: road in 2 of 2 seeds" in one
    assert re.search(r"FDA: road in 1 of 2 seeds.*; vegetation in 2 of 2 seeds", one)
    assert re.search(r"FDA: vegetation in 2 of 2 seeds[^;]*; as source-only road\.", lost(0, 1))


def test_figures_are_those_of_the_counts(contents: Contents) -> None:
    text = section(contents)
    scores = {
        name: np.mean([miou(images(SKILL[name][1], seed).sum(0)) for seed in SEEDS])
        for name in ("source_only", "oracle", "dacs")
    }
    gain, gap = scores["dacs"] - scores["source_only"], scores["oracle"] - scores["source_only"]
    assert of(text, "DACS", "mIoU (%) rural").startswith(f"{100 * scores['dacs']:.1f} [")
    assert of(text, "DACS", "gain (points)").startswith(f"{100 * gain:+.1f} [")
    assert of(text, "DACS", "gap recovered (%)").startswith(f"{100 * gain / gap:.0f} [")
    draws = Draws(IMAGES, SEEDS)
    both = [draws.scored([images(SKILL[name][1], seed) for seed in SEEDS]) for name in ("dacs", "source_only")]
    known = difference(*both).overall
    (row,) = [r for r in json.loads(export.to_json(contents))["adaptation"] if r["method"] == "dacs"]
    assert (row["gain"], row["gain low"], row["gain high"]) == (known.value, known.low, known.high)


def test_places_are_of_paired_differences(contents: Contents) -> None:
    (one,) = found(contents)
    places = {one.group.label(row): one.place(row) for row, _ in one.rows}
    assert places["FDA"] == "4"
    assert {places[name] for name in ("source-only", "oracle", "joint")} == {"control"}
    assert places["MinEnt"] == "one seed"
    assert places["DACS"].startswith("1 to ")
    ends = column(section(contents), "place", "mIoU (%) rural")[3:6]
    bounds = [[float(end) for end in re.findall(r"[\d.]+", cell)[1:]] for cell in ends]
    assert bounds[1][0] < bounds[2][1]  # the control: their own intervals overlap and would not tell MIC from FDA + MIC
    assert places["MIC"] == "1 to 2"


def test_cost_is_told_beside_source_only(contents: Contents) -> None:
    text = section(contents)
    header, _, *rows = cells(text, "method")
    dacs = next(row for row in rows if row[0] == "DACS")
    assert header.count("x") == 3
    assert dacs[1:5] == ["26.0", "2.36", "3.10", "1.55"]  # (1500 + 60) s of (600 + 60) s, 3.1 GB of 2
    hour = of(text, "DACS", "points per hour", "method")
    (one,) = [r for r in json.loads(export.to_json(contents))["adaptation"] if r["method"] == "dacs"]
    assert float(hour) == pytest.approx(100 * one["gain"] / (1560 / 3600), rel=0.01)
    for name in ("AdaBN", "TENT", "MinEnt", "oracle"):
        assert of(text, name, "points per hour", "method") == ""


def test_another_device_is_no_yardstick(tmp_path: Path) -> None:
    slower = [run(tmp_path, "fda", seed, device="Other GPU") for seed in (0, 1)]
    header, _, *rows = cells(section(small(tmp_path, *slower)), "method")
    fda = next(row for row in rows if row[0] == "FDA")
    assert {fda[i] for i, name in enumerate(header) if name == "x"} == {""}
    assert fda[1] == "11.7"


def test_classes_have_shares_of_their_own(contents: Contents) -> None:
    text = section(contents)
    assert column(text, "class", "class") == list(CLASSES)
    assert re.fullmatch(r"-?\d+ \[-?\d+, -?\d+\]", column(text, "class", "DACS (%)")[0])
    assert "MinEnt (%)" not in cells(text, "class")[0]


def test_only_with_something_to_compare(tmp_path: Path) -> None:
    alone = Contents(runs=tuple(run(tmp_path, "source_only", seed) for seed in SEEDS))
    assert section(alone) == ""
    assert json.loads(export.to_json(alone))["adaptation"] == []
    plan = Sweep(name="day_to_dusk", runs=(planned(1, adapted("mic")),))
    assert section(Contents(runs=alone.runs, sweeps=((plan, "local"),))) == ""


def test_what_has_not_run_is_named(tmp_path: Path) -> None:
    plan = Sweep(name="day_to_dusk", runs=tuple(planned(n, adapted("mic", seed=n)) for n in (4, 5)))
    text = section(replace(small(tmp_path, run(tmp_path, "fda", 0)), sweeps=((plan, "local"),)))
    assert "Without figures, planned: MIC." in text


def test_a_demonstration_is_no_claim(tmp_path: Path) -> None:
    few = {"steps": 40, "images_seen": 160}
    names = ("source_only", "oracle", "dacs", "tent")
    text = section(Contents(runs=tuple(run(tmp_path, name, seed, **few) for name in names for seed in (0, 1))))
    assert of(text, "DACS", "place") == of(text, "TENT", "place") == "demonstration"
    assert of(text, "DACS", "against source-only") == ""
    assert "Demonstrations, of which nothing is claimed: DACS, TENT." in text
    assert "Above source-only" not in text
    assert "points per hour" not in text


def test_one_seed_claims_nothing_of_others(tmp_path: Path) -> None:
    text = section(Contents(runs=tuple(run(tmp_path, name) for name in ("source_only", "oracle", "dacs", "tent"))))
    assert of(text, "DACS", "against source-only") == "**above, one seed**"
    assert of(text, "DACS", "place") == "one seed"
    assert "**Below source-only** in the one seed there is: TENT." in text


def test_methods_that_name_no_target_stand_beside_those_that_do(tmp_path: Path) -> None:
    nameless = [run(tmp_path, name, s, config=adapted(name, s, target=None)) for name in ("tent",) for s in (0, 1)]
    text = section(small(tmp_path, run(tmp_path, "fda", 0), run(tmp_path, "fda", 1), *nameless))
    assert of(text, "TENT", "against source-only") != "not compared"


def test_picks_of_the_oracle_are_called_so(tmp_path: Path) -> None:
    picked = [
        run(tmp_path, name, s, config=adapted(name, s, choose="oracle"))
        for name in ("source_only", "oracle", "dacs")
        for s in (0, 1)
    ]
    text = section(Contents(runs=tuple(picked)))
    assert of(text, "DACS", "place") == "oracle pick"
    assert "compare with nothing else" in text


# ------------------------------------------------------------------ what is refused


UNMATCHED: dict[str, tuple[dict[str, Any], str]] = {
    "seeds": ({"only": (0,)}, "source-only has the seeds 0, 1, not 0"),
    "weights": ({"weights_sha256": "f" * 64}, "source-only started from other weights"),
    "updates": ({"steps": 700}, "source-only made 600 updates, not 700"),
    "images seen": ({"images_seen": 3000}, "source-only saw 2,400 images, not 3,000"),
    "training images": ({"data_digests": {f"{DAY}:train": "other"}}, f"source-only read other images of {DAY}:train"),
    "code": ({"code": {"loop": "b", "method": "c"}}, "source-only was made by other code (loop)"),
    "demonstration": ({"steps": 40, "images_seen": 160}, "source-only is finished, this is a demonstration"),
    "learning rate": ({"fields": {"scheduler": Component(name="constant")}}, "no source-only run has these settings"),
    "schedule": (
        {"fields": {"schedule_steps": 900}},
        "no source-only run has these settings (one has schedule steps none, not 900)",
    ),
    "model": ({"fields": {"model": UNET}}, "no source-only run has these settings (one has model pidnet_s"),
    "origin": (
        {"origin": "reference"},
        "no source-only run has these settings (one has figures of this machine, not reference)",
    ),
}


def methods(folder: Path, how: dict[str, Any]) -> list[Stored[RunRecord]]:
    change = dict(how)
    fields, seeds = change.pop("fields", {}), change.pop("only", (0, 1))
    return [run(folder, "dacs", s, number=900 + s, config=adapted("dacs", s, **fields), **change) for s in seeds]


@pytest.mark.parametrize(("how", "words"), UNMATCHED.values(), ids=UNMATCHED)
def test_an_unmatched_control_is_refused_in_words(
    how: dict[str, Any], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.report.staleness.changed_parts", lambda config, code: ())
    shared = {"data_digests": {f"{DAY}:train": "same"}, "code": {"loop": "a", "method": "x"}}
    controls = [run(tmp_path, name, s, **shared) for name in ("source_only", "oracle") for s in (0, 1)]
    contents = Contents(runs=(*controls, *methods(tmp_path, {**shared, **how})))
    assert f"DACS: no gain and no gap recovered, for {words}" in html.unescape(section(contents))
    (figures,) = [row for row in json.loads(export.to_json(contents))["adaptation"] if row["method"] == "dacs"]
    assert words in figures["refused"]
    assert {figures[f"{name}{end}"] for name in ("gain", "gap recovered") for end in ("", " low", " high")} == {None}
    assert figures["against source-only"] in (None, "not compared")


def test_a_matched_control_is_not_refused(tmp_path: Path) -> None:
    """Negative control of the test above: the same runs without a change."""
    text = section(small(tmp_path, *methods(tmp_path, {})))
    assert "refused" not in of(text, "DACS", "gain (points)")
    assert "no gain" not in text


def test_without_an_oracle_there_is_a_gain_and_no_share(tmp_path: Path) -> None:
    runs = [run(tmp_path, name, s) for name in ("source_only", "dacs") for s in (0, 1, 2)]
    text = section(Contents(runs=tuple(runs)))
    assert of(text, "DACS", "gain (points)").startswith("+")
    assert of(text, "DACS", "gap recovered (%)") == "refused"
    assert "DACS: no gap recovered, for there is no oracle run." in text


def test_a_gap_that_holds_zero_is_told_and_not_divided_by(tmp_path: Path) -> None:
    runs = [run(tmp_path, name, s) for name in ("source_only", "dacs") for s in SEEDS]
    runs += [run(tmp_path, "oracle", s, right=(0.6, 0.552)) for s in SEEDS]
    text = section(Contents(runs=tuple(runs)))
    assert of(text, "DACS", "gap recovered (%)") == "refused"
    assert re.search(r"No share of the gap is told: oracle - source-only is [-+.\d]+ \[-.*, \+.*\] points", text)
    assert of(text, "oracle", "gap recovered (%)") == ""


def test_without_images_nothing_is_claimed(contents: Contents) -> None:
    bare = [replace(s, record=s.record.model_copy(update={"images_file": None})) for s in contents.runs]
    text = section(Contents(runs=tuple(bare)))
    assert of(text, "DACS", "gain (points)") == of(section(contents), "DACS", "gain (points)").partition(" [")[0]
    assert set(column(text, "place", "against source-only")) == {"", "not compared"}
    assert of(text, "DACS", "gap recovered (%)") == "refused"
    assert of(text, "DACS", "place") == "not ranked"


# ------------------------------------------------------------------ a pure function


def test_order_of_files_does_not_matter(contents: Contents) -> None:
    wanted = (render(contents), export.to_json(contents), export.to_csv(contents), page.to_html(contents))
    for seed in range(3):
        mixed = list(contents.runs)
        random.Random(seed).shuffle(mixed)
        other = replace(contents, runs=tuple(mixed))
        assert (render(other), export.to_json(other), export.to_csv(other), page.to_html(other)) == wanted


SCRIPT = """
import hashlib, sys, tempfile, pathlib
from adaptation_examples import example
from bench.report.render import render
from bench.report import export, page
with tempfile.TemporaryDirectory() as folder:
    found = example(pathlib.Path(folder))
    text = render(found) + export.to_json(found) + export.to_csv(found) + page.to_html(found)
print(hashlib.sha256(text.encode()).hexdigest(), *sorted({"torch", "pandas", "altair"} & set(sys.modules)))
"""


def test_same_bytes_in_any_surroundings_and_light_imports() -> None:
    seen = set()
    for locale, zone, seed in (("C", "UTC", "0"), ("tr_TR.UTF-8", "Asia/Kathmandu", "1")):
        around = {"LC_ALL": locale, "TZ": zone, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{HERE}{os.pathsep}."}
        command = [sys.executable, "-c", SCRIPT]
        env = {**os.environ, **around}
        done = subprocess.run(command, env=env, cwd=HERE.parents[1], capture_output=True, text=True, check=True)
        seen.add(done.stdout.strip())
    assert len(seen) == 1
    assert re.fullmatch(r"[0-9a-f]{64}", seen.pop())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Runs in a results folder with a place where figures may be remembered."""
    here = Store(tmp_path / "results")
    made = tmp_path / "made"
    made.mkdir()
    for stored in small(made, *(run(made, "dacs", s) for s in (0, 1))).runs:
        right = SKILL[stored.record.config.method.name]
        counts = {d: images(at, stored.record.config.seed) for d, at in zip((DAY, DUSK), right, strict=True)}
        here.add_run(stored.record.model_copy(update={"images_file": None, "images_sha256": None}), counts)
    here.work.mkdir()
    return here


def test_figures_are_worked_out_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = render(store.read())
    assert "gap recovered" in wanted
    monkeypatch.setattr("bench.report.gains._worked_out", lambda group: pytest.fail("worked out again"))
    assert render(store.read()) == wanted


def spoil(path: Path, how: str) -> None:
    memory = Memory(path)
    for name, (mark, value) in list(memory.entries.items()):
        if how == "another shape":
            value["rows"] = value["rows"][:1]
        elif how == "no figures":
            value = [1, 2]
        elif how == "texts":
            value["rows"][0]["score"][0]["value"] = "x"
        memory.learn(name, "other mark" if how == "another mark" else mark, value)
    memory.save()
    if how == "half":
        path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize("how", ["another shape", "no figures", "texts", "another mark", "half"])
def test_a_damaged_memory_changes_no_report(store: Store, how: str) -> None:
    wanted, path = render(store.read()), store.work / "adaptation.json"
    before = path.read_bytes()
    spoil(path, how)
    assert render(store.read()) == wanted
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [
        {"weights_sha256": "e" * 64},
        {"confusion": {DAY: ((9, 0, 0, 0),) * 4, DUSK: ((9, 0, 0, 0),) * 4}},
        {"images_file": None},
    ],
    ids=["weights", "counts", "images"],
)
def test_what_decides_a_figure_is_looked_at_every_time(store: Store, change: dict[str, Any]) -> None:
    before, contents = render(store.read()), store.read()
    spoilt = [
        replace(s, record=s.record.model_copy(update=change)) if s.record.config.method.name == "source_only" else s
        for s in contents.runs
    ]
    remembered = render(replace(contents, runs=tuple(spoilt)))
    assert section(replace(contents, runs=tuple(spoilt))) in remembered
    assert remembered != before
    assert remembered == render(replace(contents, runs=tuple(spoilt), work=None))


# ------------------------------------------------------------------ other formats


def test_json_and_csv_carry_the_figures(contents: Contents) -> None:
    whole = json.loads(export.to_json(contents))
    assert {row["method"] for row in whole["adaptation"]} == {*SKILL} - {"combined"} | {"fda + mic"}
    assert {row["class"] for row in whole["classes"]} == set(CLASSES)
    refused = {row["method"]: row["refused"] for row in whole["adaptation"]}
    assert [name for name, why in refused.items() if why] == ["minent"]
    (tent,) = [row for row in whole["adaptation"] if row["method"] == "tent"]
    assert tent["lost classes"] == "sign (2 of 3)"
    assert tent["against source-only"] == "below"
    assert f"gain {DUSK} low" in export.to_csv(contents).splitlines()[0]


def test_the_page_shows_the_tables(contents: Contents) -> None:
    text = page.to_html(contents)
    for words in ("Adaptation: day_to_dusk", "Adaptation, per class", "Choosing a checkpoint"):
        assert words in text


def test_the_picture_has_a_point_for_every_method(contents: Contents, tmp_path: Path) -> None:
    (one,) = found(contents)
    rows = {row["method"]: row["told"] for row in gains_picture.points(one)}
    assert rows["TENT"] == "below"
    assert rows["MinEnt"] == "no claim"
    assert set(rows) == {"joint", "DACS", "MIC", "FDA + MIC", "FDA", "AdaBN", "TENT", "MinEnt"}
    gains_picture.picture(tmp_path / "gains.svg", [one])
    drawn = (tmp_path / "gains.svg").read_text()
    for words in ("TENT", "FDA + MIC", "source-only", "oracle", "not told apart"):
        assert words in drawn


def test_the_picture_says_synthetic_under_however_long_a_title(
    contents: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = found(contents)
    monkeypatch.setattr(adaptation, "plain_title", lambda _: "a sweep " * 30)
    gains_picture.picture(tmp_path / "gains.svg", [one])
    assert "synthetic data" in (tmp_path / "gains.svg").read_text()


@pytest.mark.parametrize(("name", "words"), [("a.jpg", "png or .svg"), ("a.png", "no sweep")])
def test_a_picture_of_nothing_is_refused(name: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=words):
        gains_picture.picture(tmp_path / name, [])
    assert list(tmp_path.iterdir()) == []


def test_the_command_draws_beside_what_it_prints(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = ["report", "--results", str(store.root), "--format", "csv"]
    assert run_command_line([*plain, "--picture", str(tmp_path / "gains.svg")]) == ExitCode.OK
    assert "dacs" in capsys.readouterr().out
    assert "DACS" in (tmp_path / "gains.svg").read_text()
    assert run_command_line(["report", "--results", str(store.root), "--check", "--picture", "x.png"]) == ExitCode.USAGE
    assert "--check by itself" in capsys.readouterr().err


# ------------------------------------------------------------------ hostile text


def hostile(folder: Path, text: str) -> Contents:
    """Runs whose every name is `text`, with a control, an oracle, a method and a combination of methods."""
    two = Component(name="combined", options={"parts": [{"name": text, "a": text}, {"name": 3}, text]})
    odd = Component(name=text, options={text: text})
    fields = {"source": f"landcover/{text}", "target": f"landcover/{text}b", "model": odd, "loss": odd}
    runs = []
    for number, method in enumerate((Component(name="source_only"), Component(name="oracle"), odd, two)):
        for seed in (0, 1):
            own = adapted("dacs", seed, **fields, evaluate_on=(fields["source"], fields["target"]))
            one = run(folder, "dacs", seed, right=(0.5, 0.3 + number / 10), number=10 * number + seed)
            names = dict(zip((DAY, DUSK), own.evaluate_on, strict=True))
            renamed = {names[d]: counts for d, counts in one.record.confusion.items()}
            along = [
                e.model_copy(update={"confusion": {names[d]: c for d, c in e.confusion.items()}, "label_free": free})
                for e in one.record.evaluations
                for free in [{text: 0.5, **e.label_free}]
            ]
            update = {
                "config": own.model_copy(update={"method": method}),
                "confusion": renamed,
                "images_scored": dict.fromkeys(renamed, IMAGES),
                "evaluations": tuple(along),
                "classes": (text, "b", "c", f"{text}d"),
                "device": text,
                "images_file": None,
            }
            runs.append(replace(one, record=one.record.model_copy(update=update)))
    return Contents(runs=tuple(runs))


def structure(text: str) -> list[str]:
    kinds = []
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(text):
        kinds.append(token.type)
        kinds += [f" {c.type}" for c in token.children or [] if c.type not in ("text", "code_inline", "text_special")]
    return kinds


@pytest.mark.parametrize("payload", PAYLOADS[::2], ids=range(len(PAYLOADS[::2])))
def test_hostile_text_changes_no_structure(payload: str, tmp_path: Path) -> None:
    text, harmless = section(hostile(tmp_path, payload)), section(hostile(tmp_path, "harmless"))
    assert "Choosing" in text
    assert structure(text) == structure(harmless)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u200b\u202e\u2028\u2029\ufeff]", text)


def test_without_escaping_the_structure_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control of the test above."""
    import bench.report.markdown as markdown

    harmless = structure(section(hostile(tmp_path, "harmless")))
    monkeypatch.setattr(adaptation, "escape", markdown.Markup)
    monkeypatch.setattr(markdown, "escape", markdown.Markup)
    changed = [structure(section(hostile(tmp_path, payload))) != harmless for payload in PAYLOADS[::4]]
    assert sum(changed) >= len(changed) // 3


def test_hostile_names_are_drawn(tmp_path: Path) -> None:
    own = hostile(tmp_path, "<script>\n\u202e" + "x" * 99)
    gains_picture.picture(tmp_path / "gains.svg", found(own))
    assert "<script>" not in (tmp_path / "gains.svg").read_text()
