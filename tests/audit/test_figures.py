"""Cells are read as people mean them; what is no figure is none."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.audit.figures import figure, is_empty, size, sizes


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("43016284", "params", 43_016_284),
        ("43,016,284", "params", 43_016_284),
        ("43 016 284", "params", 43_016_284),
        ("43.0M", "params", 43e6),
        ("43.0 million", "params", 43e6),
        ("6.14e+07", "params", 6.14e7),
        ("6.14 x 10^7", "params", 6.14e7),
        ("1.5B params", "params", 1.5e9),
        ("7624683 deployed, 7718871 with training heads", "params", 7_624_683),
        ("1.11T", "work", 1.11e12),
        ("1.10e+12", "work", 1.10e12),
        ("185.0 GMACs", "work", 185e9),
        ("185 GFLOPs", "work", 185e9),
        ("2,699 MFLOPs", "work", 2.699e9),
        ("4.032", "time", 4.032),
        ("4,032 ms", "time", 4.032),
        ("0.005340 s", "time", 5.34),
        ("350 µs", "time", 0.35),
        ("166ms/img", "time", 166),
        ("~12.5 ms", "time", 12.5),
        ("93.2 FPS", "rate", 93.2),
        ("1,234.5", "rate", 1234.5),
        ("0,3261", "share", 0.3261),
    ],
)
def test_figures(text: str, kind: str, value: float) -> None:
    assert figure(text, kind).value == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("2:45 hours", "time"),
        ("45 epochs", "time"),
        ("512x512", "params"),
        ("23M/49M", "params"),
        ("yes", "work"),
        ("M", "params"),
        ("4.0 GB", "time"),
        ("=SUM(A1:A9)", "time"),
        ("1e999", "params"),
        ("", "time"),
    ],
)
def test_what_is_no_figure_is_none(text: str, kind: str) -> None:
    assert figure(text, kind) is None


@pytest.mark.parametrize("sign", ["±", "+/-", "+-", "\\pm"])
def test_a_spread_has_the_unit_of_its_mean(sign: str) -> None:
    found = figure(f"0.004 {sign} 0.0036 s", "time")
    assert (found.value, found.std) == (4.0, pytest.approx(3.6))
    assert figure(f"4.032 ms {sign} 3.590", "time").std == pytest.approx(3.59)
    assert figure(f"4.0 {sign} 0.1 (n = 200)", "time", scale=1e3).std == pytest.approx(100)


def test_the_header_gives_a_unit_only_where_the_cell_has_none() -> None:
    assert figure("43.0", "params", scale=1e6).value == 43e6
    assert figure("43.0M", "params", scale=1e6).value == 43e6
    assert figure("5", "time", scale=1e3).value == 5000
    assert figure("5 ms", "time", scale=1e3).value == 5


def test_what_rounding_hides() -> None:
    assert figure("1.11T", "work").slack == pytest.approx(0.005e12)
    assert figure("37.902G", "work").slack == pytest.approx(0.0005e9)
    assert figure("7717839", "params").exact
    assert not figure("7.718M", "params").exact
    assert figure("6.14e+07", "params").slack == pytest.approx(0.005e7)


def test_a_unit_says_what_is_counted() -> None:
    assert figure("185G", "work", unit="flop").unit == "flop"
    assert figure("185 GMAC", "work", unit="flop").unit == "mac"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("512x512", (512, 512)),
        ("(512, 1024)", (512, 1024)),
        ("1024 × 2048", (1024, 2048)),
        ("(3, 224, 224)", (224, 224)),
        ("512²", (512, 512)),
        ("512", (512, 512)),
        ("512x512 and 720x720", None),
        ("7", None),
        ("large", None),
    ],
)
def test_sizes(text: str, expected: tuple[int, int] | None) -> None:
    assert size(text) == expected


def test_every_size_of_a_line() -> None:
    assert sizes("at 512x512 and 720x720, batch 16x2") == [(512, 512), (720, 720)]


@pytest.mark.parametrize("text", ["", "-", "—", "n/a", "TBD", "N/A"])
def test_empty_cells(text: str) -> None:
    assert is_empty(text)


@given(st.text(max_size=80), st.sampled_from(["params", "work", "time", "rate", "share", "count"]))
def test_any_text_gives_a_finite_figure_or_none(text: str, kind: str) -> None:
    found = figure(text, kind)
    assert found is None or (math.isfinite(found.value) and found.slack >= 0)


@given(st.floats(0.001, 1e6), st.sampled_from(["", "k", "M", "G", "T"]))
def test_suffixes(value: float, suffix: str) -> None:
    factor = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[suffix]
    assert figure(f"{value:.6f}{suffix}", "work").value == pytest.approx(round(value, 6) * factor, rel=1e-9)
