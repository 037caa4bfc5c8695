"""Published tables are caught, sane ones are left alone; every check has a row that it must not catch."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.audit.audit import audit
from bench.audit.devices import device
from bench.audit.findings import Audit, Finding, merged, ranges
from bench.audit.known import NETWORKS
from bench.audit.rows import Supplied
from bench.cost.peaks import winograd
from bench.cost.rules import TOLERANCE

TABLES = Path(__file__).parent / "tables"
T4 = Supplied(device=device("Tesla T4"), size=(512, 512))


def of_rows(tmp_path: Path, header: str, *rows: str, supplied: Supplied = T4) -> Audit:
    """The audit of one table written as CSV lines."""
    path = tmp_path / "table.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return audit(path, supplied)


def said(found: Audit, *, row: str = "", column: str = "", rule: str = "") -> list[Finding]:
    """Findings of one row, column and rule."""
    return [f for f in found.findings if row in f.row and column in f.column and rule in ("", f.rule)]


def rules(found: Audit, *, notes: bool = False) -> set[str]:
    """Names of the checks that found something."""
    return {f.rule for f in found.findings if notes or f.severity != "note"}


# ------------------------------------------------------------------ published tables


@pytest.mark.parametrize("name", ["published.md", "published_text.md"])
def test_every_fault_of_the_published_table(name: str) -> None:
    found = audit(TABLES / name)
    (latency,) = said(found, row="DeepLabV2", rule="card")
    assert latency.severity == "impossible"
    assert "4.03 ms for 184.5 GMAC (DeepLabV2-ResNet101 at 512x512)" in latency.text
    assert "is 91.5 TFLOP/s, 141 % of what the Tesla T4" in latency.text
    assert "1130 % of fp32, where it needs at least 44.8 ms" in latency.text
    (work,) = said(found, row="DeepLabV2", rule="operations")
    assert work.severity == "impossible"
    assert "1.11T = 6 x 185.0 GMAC: multiply-adds of a batch of six" in work.text
    (work,) = said(found, row="PIDNet", rule="operations")
    assert work.severity == "impossible"
    assert "37.902G = 6 x 6.317 GMAC: multiply-adds of a batch of six, training's heads included" in work.text
    assert [(f.row, f.text[:34]) for f in said(found, rule="spread")] == [
        ("DeepLabV2_ResNet101", "± 3.59 ms is 89 % of the mean 4.03"),
        ("PIDNet_S", "± 3.14 ms is 62 % of the mean 5.09"),
    ]
    (rank,) = said(found, row="PIDNet", rule="proportion")
    assert "with 31.3 times the work" in rank.text
    (heads,) = said(found, row="PIDNet", rule="training heads")
    assert "7,624,167" in heads.text
    assert said(found, row="PIDNet", rule="empty")
    assert found.counts == {"impossible": 3, "suspicious": 3, "note": 2}


def test_the_copied_values_of_a_related_table() -> None:
    found = audit(TABLES / "copied.md")
    (copied,) = said(found, row="PIDNet", rule="copied")
    assert copied.severity == "impossible"
    assert (copied.line, copied.others) == (15, (16, 17, 18))
    assert "6.14e+07 parameters and 1.10e+12 operations are those of DeepLabV2 (line 7)" in copied.text
    assert [f.row for f in said(found, rule="parameters")] == ["DeepLabV2", "PIDNet"]
    (rank,) = said(found, rule="proportion")
    assert "30.0 ms where DeepLabV2 (line 7) takes 5.06 ms" in rank.text
    assert {f.column for f in said(found, rule="size")} == {"FLOPs", "Latency (sec)"}
    assert "206 TFLOP/s" in said(found, row="DeepLabV2", rule="card")[0].text


def test_sane_tables_are_left_alone() -> None:
    found = audit(TABLES / "sane.md")
    assert found.findings == ()
    assert (found.tables, found.rows) == (3, 10)
    assert found.unchecked == ("times against a card (lines 25 to 28): add --device, none is named",)


def test_our_own_report_passes() -> None:
    found = audit(Path(__file__).parents[2] / "README.md")
    assert [f for f in found.findings if f.severity != "note"] == []


def test_a_supplied_condition_is_used_only_where_none_is_named(tmp_path: Path) -> None:
    header = "model,latency (ms),device,size"
    row = "DeepLabV2-ResNet101,5.0,{},{}"
    assert rules(of_rows(tmp_path, header, row.format("", ""))) == {"precision"}
    assert rules(of_rows(tmp_path, header, row.format("H200", ""))) == set()
    assert rules(of_rows(tmp_path, header, row.format("", "64x64"))) == set()


# ------------------------------------------------------------------ times against a card


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([net for net in NETWORKS if net.trained is None]), st.sampled_from(["Tesla T4", "H200", "L4"]))
def test_halving_a_time_flips_the_verdict_at_the_bound(tmp_path: Path, net: object, card: str) -> None:
    fewest = winograd(net.macs.at_seven, net.eligible.at_seven)
    bound_ms = 2e3 * fewest / device(card).peak.fastest / TOLERANCE
    for factor, expected in ((1.001, False), (0.999, True), (0.5, True)):
        row = f"{net.label},{net.params.at_seven},{factor * bound_ms:.9f}"
        found = of_rows(
            tmp_path, "model,params,latency (ms)", row, supplied=Supplied(device=device(card), size=(512, 512))
        )
        assert bool(found.counts["impossible"]) is expected


def test_fp32_alone_is_suspicious_and_impossible_where_declared(tmp_path: Path) -> None:
    row = "UNet-ResNet18,14329079,1.2"
    (found,) = of_rows(tmp_path, "model,params,latency (ms)", row).findings
    assert (found.severity, found.rule) == ("suspicious", "precision")
    (found,) = of_rows(tmp_path, "model,params,latency fp32 (ms)", row).findings
    assert (found.severity, found.rule) == ("impossible", "precision")
    assert of_rows(tmp_path, "model,params,latency fp16 (ms)", row).findings == ()


def test_rates_are_times_too(tmp_path: Path) -> None:
    header = "model,FPS ({})"
    row = "DeepLabV2-ResNet101,248"
    (found,) = of_rows(tmp_path, header.format("Tesla T4"), row).findings
    assert (found.severity, found.column) == ("impossible", "FPS (Tesla T4)")
    assert found.text.startswith("248 images/s (4.03 ms each)")
    assert of_rows(tmp_path, header.format("H200"), "DeepLabV2-ResNet101,100").findings == ()


def test_an_unknown_network_is_judged_by_its_own_figures(tmp_path: Path) -> None:
    header = "model,GFLOPs,latency (ms)"
    (found,) = of_rows(tmp_path, header, "Other,500,4.0").findings
    assert found.severity == "impossible"
    assert "the row's own 500.0 GFLOP is 125 TFLOP/s" in found.text
    assert of_rows(tmp_path, header, "Other,50,40.0").findings == ()
    (found,) = of_rows(tmp_path, "model,GMACs,latency (ms)", "Other,250,4.0").findings
    assert "125 TFLOP/s" in found.text


def test_without_a_device_all_cards_are_asked(tmp_path: Path) -> None:
    sized, header = Supplied(size=(512, 512)), "model,params,latency (ms)"
    row = "DeepLabV2-ResNet101,43016284,{}"
    (found,) = of_rows(tmp_path, header, row.format(0.1), supplied=sized).findings
    assert found.severity == "impossible"
    (found,) = of_rows(tmp_path, header, row.format(2.0), supplied=sized).findings
    assert (found.severity, "name device and precision" in found.text) == ("suspicious", True)
    assert of_rows(tmp_path, header, row.format(60), supplied=sized).findings == ()


def test_integers_and_sparsity_are_not_judged_by_float_peaks(tmp_path: Path) -> None:
    found = of_rows(tmp_path, "model,latency (ms)", "DeepLabV2-ResNet101 INT8,2.0")
    assert found.findings == ()
    assert "integers or sparsity" in found.unchecked[0]


def test_a_name_that_leaves_the_network_open_makes_nothing_impossible(tmp_path: Path) -> None:
    (found,) = of_rows(tmp_path, "model,latency (ms)", "DeepLabV2,2.0").findings
    assert (found.severity, "if it is that" in found.text) == ("suspicious", True)


def test_spread_at_its_limit(tmp_path: Path) -> None:
    header = "model,latency (ms),std (ms)"
    assert rules(of_rows(tmp_path, header, "Other,10,5.0")) == set()
    assert rules(of_rows(tmp_path, header, "Other,10,5.01")) == {"spread"}


@pytest.mark.parametrize("latency", ["0", "-4", "4.0 ± -1"])
def test_times_that_are_none(tmp_path: Path, latency: str) -> None:
    (found,) = of_rows(tmp_path, "model,latency (ms)", f"Other,{latency}").findings
    assert (found.severity, found.rule) == ("impossible", "time")


def test_training_times_are_no_latencies(tmp_path: Path) -> None:
    found = of_rows(tmp_path, "model,latency", "a,2.7 hours", "b,2:45 hours")
    assert [(f.severity, f.rule) for f in found.findings] == [("suspicious", "time"), ("note", "unread")]


def test_rate_and_latency_of_one_row(tmp_path: Path) -> None:
    header = "model,latency (ms),FPS,batch"
    assert of_rows(tmp_path, header, "Other,10,100,").findings == ()
    assert of_rows(tmp_path, header, "Other,10,800,8").findings == ()
    (found,) = of_rows(tmp_path, header, "Other,10,800,").findings
    assert (found.severity, "only for a batch of 8" in found.text) == ("note", True)
    assert rules(of_rows(tmp_path, header, "Other,10,143,")) == {"rate"}


# ------------------------------------------------------------------ counts


@pytest.mark.parametrize(
    ("header", "flops", "severity", "words"),
    [
        ("GFLOPs", "369.0", None, ""),
        ("FLOPs", "185.0G", "note", "are multiply-adds"),
        ("FLOPs", "184.5G", "note", "are multiply-adds"),
        ("GMACs", "184.5", None, ""),
        ("GMACs", "369.0", "note", "are FLOP, two per multiply-add (184.5 GMAC)"),
        ("FLOPs", "1.48T", "impossible", "8 x 185.0 GMAC: multiply-adds of a batch of eight"),
        ("FLOPs", "600G", "suspicious", "fits no count of DeepLabV2-ResNet101"),
    ],
)
def test_operations_of_a_known_network(
    tmp_path: Path, header: str, flops: str, severity: str | None, words: str
) -> None:
    found = of_rows(tmp_path, f"model,{header}", f"DeepLabV2-ResNet101,{flops}").findings
    assert [f.severity for f in found] == ([severity] if severity else [])
    assert all(words in f.text for f in found)


def test_the_batch_that_is_named_explains_first(tmp_path: Path) -> None:
    row = "DeepLabV2-ResNet101,1.11T"
    three = of_rows(tmp_path, "model,FLOPs,batch size", row + ",3").findings[0].text
    assert three.startswith("1.11T = 3 x 369.0 GFLOP: operations of a batch of three")
    assert of_rows(tmp_path, "model,FLOPs", row).findings[0].text.startswith("1.11T = 6 x 185.0 GMAC")


def test_operations_at_another_size(tmp_path: Path) -> None:
    header = "model,GMACs,size"
    assert of_rows(tmp_path, header, "PIDNet-S,23.57,1024x1024").findings == ()
    assert of_rows(tmp_path, header, "DeepLabV2-ResNet101,366,720x720").findings == ()
    assert rules(of_rows(tmp_path, header, "PIDNet-S,94.3,1024x1024")) == {"operations"}


@pytest.mark.parametrize(
    ("params", "rule"),
    [
        ("7624167", set()),
        ("7.62M", set()),
        ("7625715", set()),  # 19 classes
        ("7717839", {"training heads"}),
        ("7.72M", {"training heads"}),
        ("43.0M", {"parameters"}),
    ],
)
def test_parameters_of_a_known_network(tmp_path: Path, params: str, rule: set[str]) -> None:
    assert rules(of_rows(tmp_path, "model,params", f"PIDNet-S,{params}"), notes=True) == rule


def test_equal_counts_are_right_for_trainings_of_one_network(tmp_path: Path) -> None:
    header = "model,Params (M),GFLOPs,latency (ms)"
    assert of_rows(tmp_path, header, "Net + Dice,3.7,1.69,3.0", "Net + Focal,3.7,1.69,3.1").findings == ()
    found = of_rows(tmp_path, header, "Net,3.7,1.69,3.0", "Other,3.7,1.69,9.1")
    assert [(f.row, f.severity, f.rule) for f in found.findings] == [("Other", "suspicious", "copied")]


def test_networks_at_sizes_of_their_own_are_noted(tmp_path: Path) -> None:
    header = "model,GMACs,size"
    found = of_rows(tmp_path, header, "PIDNet-S,23.57,1024x1024", "DeepLabV2-ResNet101,184.5,512x512")
    assert rules(found, notes=True) == {"sizes"}
    found = of_rows(
        tmp_path, header, "PIDNet-S,23.57,1024x1024", "PIDNet-S,5.893,512x512", "DeepLabV2-ResNet101,184.5,512x512"
    )
    assert found.findings == ()


def test_time_that_does_not_grow_with_the_image(tmp_path: Path) -> None:
    header, unknown = "model,latency (ms),size", Supplied()
    assert rules(of_rows(tmp_path, header, "Net,10,512x512", "Net,12,1024x1024", supplied=unknown)) == {"size"}
    assert rules(of_rows(tmp_path, header, "Net,10,512x512", "Net,14,1024x1024", supplied=unknown)) == set()


# ------------------------------------------------------------------ the table as such


def test_scores(tmp_path: Path) -> None:
    assert rules(of_rows(tmp_path, "model,mIoU", "a,101")) == {"score"}
    assert rules(of_rows(tmp_path, "model,mIoU", "a,0.31", "b,36.1", "c,37.0")) == {"score"}
    assert of_rows(tmp_path, "model,mIoU", "a,0.31", "b,0.36").findings == ()
    assert of_rows(tmp_path, "model,mIoU", "a,31", "b,36").findings == ()


def test_units_that_nobody_named_are_noted(tmp_path: Path) -> None:
    found = of_rows(tmp_path, "model,params,latency", "Other,7.7,4.0")
    assert {f.text.partition(";")[0] for f in found.findings} == {
        "no unit is named, read as millions",
        "no unit is named, read as ms",
    }
    assert of_rows(tmp_path, "model,params,latency", "Other,7.7M,4.0 ms").findings == ()


def test_rows_without_a_result_are_noted(tmp_path: Path) -> None:
    found = of_rows(tmp_path, "model,params,mIoU", "a,,", "b,1.0M,30")
    assert [(f.line, f.rule) for f in found.findings] == [(2, "empty")]


def test_ragged_rows_are_noted(tmp_path: Path) -> None:
    found = of_rows(tmp_path, "model,params,mIoU", "a,1.0M", "b,1.0M,30")
    assert [(f.line, f.rule) for f in found.findings] == [(2, "ragged")]


# ------------------------------------------------------------------ findings


def test_equal_findings_become_one() -> None:
    rows = [Finding("note", "x", line, "a", "c", f"text {line}", 1) for line in (9, 4, 5, 6)]
    (one,) = merged([*rows, rows[0]])
    assert str(one) == '4: note: a, "c": text 4 [and lines 5, 6, 9]'
    assert len(merged([*rows, Finding("note", "x", 7, "b", "c", "text", 1)])) == 2


@pytest.mark.parametrize(
    ("lines", "text"),
    [((3,), "line 3"), ((3, 4), "lines 3, 4"), ((3, 4, 5), "lines 3 to 5"), ((3, 5, 6, 7, 9), "lines 3, 5 to 7, 9")],
)
def test_ranges(lines: tuple[int, ...], text: str) -> None:
    assert ranges(lines) == text


def test_small_scores_under_a_header_that_says_per_cent_are_small_scores(tmp_path: Path) -> None:
    table = "| Model | mIoU{unit} |\n|---|---|\n| PIDNet-S | 0.9 |\n| DeepLabV2 | 24.1 |\n"
    for unit, found in (("", 1), (" (%)", 0)):
        (tmp_path / "t.md").write_text(table.format(unit=unit))
        assert len(audit(tmp_path / "t.md").findings) == found
