"""`bench flops` as people meet it: tables that say what they hold, one line for a fault, whole numbers in JSON."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

from bench.cli import run_command_line

Bench = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bench(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Bench:
    """bench(*words) -> (exit code, stdout, stderr) of one command in this process, which may open no connection."""
    monkeypatch.setattr(socket, "create_connection", lambda *a, **k: pytest.fail("a connection"))

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run_command_line(["flops", *words])
        return code, *capsys.readouterr()

    return run


def test_the_table_says_what_it_holds(bench: Bench) -> None:
    code, out, err = bench("pidnet_s", "unet_resnet18")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split("  ")[0] == "model"
    assert lines[1].split() == ["pidnet_s", "7,624,167", "7,717,839", "5.893", "11.786", "5.933", "30.5"]
    assert lines[2].split() == ["unet_resnet18", "14,329,079", "same", "21.819", "43.638", "21.893", "57.3"]
    assert "Per image of 512x512 (height x width), 7 classes, as deployed" in out
    assert "GFLOP = 2 x GMAC" in out


def test_without_a_name_every_network_is_counted(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.names.names", lambda kind: ["unet_resnet18", "unet_resnet34"])
    _, out, _ = bench("--size", "64")
    assert [line.split()[0] for line in out.splitlines()[1:3]] == ["unet_resnet18", "unet_resnet34"]


def test_the_training_graph_and_another_size(bench: Bench) -> None:
    code, out, _ = bench("pidnet_s", "--training", "--classes", "19", "--size", "1024x2048", "--json")
    document = json.loads(out)
    assert code == 0
    assert (document["graph"], document["size"], document["images"]) == ("training", [1024, 2048], 1)
    (found,) = document["models"]
    assert (found["macs"], found["flop"]) == (50_294_865_920, 100_589_731_840)
    assert found["fvcore"] == 50_636_579_840
    assert found["parameters"]["training"]["total"] == 7_720_935
    assert found["parameters"]["deployed"]["total"] == 7_625_715
    assert found["winograd_macs"] < found["macs"]
    assert (found["rows"], found["fvcore_refused"], document["failed"]) == ([], None, {})


@pytest.mark.parametrize(
    ("by", "first", "columns"),
    [
        ("stage", "stem", "parameters"),
        ("module", "encoder.conv1", "what"),
        ("operator", "conv", "GMAC"),
    ],
)
def test_parts_with_shares_and_a_total(bench: Bench, by: str, first: str, columns: str) -> None:
    code, out, _ = bench("unet_resnet18", "--size", "64", "--by", by)
    lines = out.split("\n\n")[0].splitlines()
    assert code == 0
    assert lines[0] == "unet_resnet18"
    assert lines[1].split()[:2] == [by, columns]
    assert lines[2].split()[0] == first
    assert lines[-1].split()[0] == "total"
    assert "100.0" in lines[-1]


def test_rows_in_json_are_whole_numbers(bench: Bench) -> None:
    _, out, _ = bench("unet_resnet18", "--size", "64", "--by", "stage", "--json")
    (found,) = json.loads(out)["models"]
    assert sum(row["macs"] for row in found["rows"]) == found["macs"]
    assert sum(row["parameters"] for row in found["rows"]) == 14_329_079


def test_published_figures_are_explained(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """That they are reproduced is shown in tests/cost/test_breakdown.py."""
    from bench.cost.published import Origin

    whole, heads = 184_519_925_760, 5_893_029_888
    found = (
        Origin(printed="1.11T", network="a", what="", macs=whole, fvcore=185_015_155_456, deployed_macs=whole),
        Origin(printed="37.902G", network="b", what="", macs=whole, fvcore=6_317_033_472, deployed_macs=heads),
    )
    monkeypatch.setattr("bench.cost.published.origins", lambda build: found)
    code, out, _ = bench("--published")
    assert code == 0
    for word in ("1.11T", "1,110.091", "37.902G", "37.902", "6 images", "184.520 GMAC = 369.040 GFLOP", "not FLOP"):
        assert word in out
    figures = json.loads(bench("--published", "--json")[1])["figures"]
    assert [figure["batch"] for figure in figures] == [1_110_090_932_736, 37_902_200_832]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("pidnet",), "unknown model 'pidnet'; did you mean pidnet_s"),
        (("pidnet_s", "nothing_like_it"), "unknown model 'nothing_like_it'; choose one of"),
        (("pidnet_s", "--size", "500"), "multiples of 8, not 500x500; resize or crop to 496x496"),
        (("--size", "big"), "--size: 'big' is no size; write HxW, such as 512x512"),
        (("--size", "0x8"), "--size: '0x8' is no size"),
        (("--published", "pidnet_s"), "name no MODEL"),
        (("--by", "colour"), "'colour'"),
        (("--classes", "0"), "greater than or equal to 1"),
    ],
)
def test_a_fault_is_one_line(bench: Bench, words: tuple[str, ...], said: str) -> None:
    code, out, err = bench(*words)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("bench: error:")
    assert said in err


def test_one_network_that_cannot_be_counted_does_not_take_the_others_along(bench: Bench) -> None:
    code, out, err = bench("pidnet_s", "unet_resnet18", "--size", "100x60")
    assert code == 2
    assert err.startswith("bench: error: pidnet_s: PIDNet takes images")
    assert "unet_resnet18" in out
    assert "pidnet_s" not in out
    assert "pidnet_s" in json.loads(bench("pidnet_s", "unet_resnet18", "--size", "100x60", "--json")[1])["failed"]


def test_a_sum_that_fvcore_cannot_give_is_words(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.cost.counts._fault", lambda *a: "fvcore does not know it")
    for words in ((), ("--by", "stage"), ("--by", "operator")):
        code, out, _ = bench("unet_resnet18", "--size", "64", *words)
        assert code == 0
        assert "unet_resnet18: fvcore's sum is refused: fvcore does not know it" in out


def test_help_and_faults_load_no_torch() -> None:
    code = (
        "import sys\nfrom bench.cli import run_command_line\nrun_command_line(sys.argv[1:])\n"
        "sys.exit('torch' in sys.modules)"
    )
    for words in (("--help",), ("pidnet",), ("--size", "big")):
        command = [sys.executable, "-c", code, "flops", *words]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0
