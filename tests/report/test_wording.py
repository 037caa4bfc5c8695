"""Words and figures of tables: what a value looks like, at the ends of each rule, and what says nothing."""

from __future__ import annotations

from typing import Any

import pytest

from bench.report import wording
from bench.spec import Component

SGD = Component(name="sgd", options={"momentum": 0.9, "lr": 0.01})


@pytest.mark.parametrize(
    ("share", "text"), [(None, ""), (0.0, "0.0"), (0.5149, "51.5"), (1.0, "100.0"), (-0.012, "-1.2"), (5.0, "500.0")]
)
def test_a_share_is_a_percentage_with_one_decimal(share: float | None, text: str) -> None:
    assert wording.percent(share) == text


@pytest.mark.parametrize(
    ("seen", "images", "text"),
    [
        (0, 10, "0"),
        (6, 10, "0.6"),
        (99_999, 100_000, "0.999"),  # less than once is never 1
        (10, 10, "1"),
        (25, 10, "2.5"),
        (1_234, 1, "1.23e+03"),
        (10**9 - 1, 1, "1e+09"),
        (10**9, 1, ""),
        (-1, 10, ""),
        (5, 0, ""),
        (0, 0, ""),
        (-5, -1, ""),
    ],
)
def test_how_often_images_were_seen(seen: int, images: int, text: str) -> None:
    assert wording.passes(seen, images) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, ""),
        (-1, ""),
        (0, "0.000"),
        (1, "1e-09"),
        (12_345_678, "0.0123"),
        (10**8 - 1, "0.1"),
        (10**8, "0.100"),
        (5_893_029_888, "5.893"),
        (5 * 10**17, "500,000,000.000"),
        (10**30 - 1, "1,000,000,000,000,000,000,000.000"),
        (10**30, ""),
    ],
)
def test_counts_in_units_of_a_billion(count: int | None, text: str) -> None:
    assert wording.giga(count) == text


@pytest.mark.parametrize(
    ("value", "like", "text"),
    [
        (None, None, ""),
        (-0.001, None, ""),
        (0.0, None, "0.000"),
        (0.5, None, "0.5000"),
        (0.1423, None, "0.1423"),
        (1.0, None, "1.000"),
        (61.7349, None, "61.73"),
        (3044.4, None, "3044"),
        (12345.6, None, "12346"),
        (0.000_000_04, None, "0.000000"),
        (1e12 - 1, None, "999999999999"),
        (1e12, None, ""),
        (float("nan"), None, ""),
        (0.25, 61.73, "0.25"),
        (0.25, 0.0, "0.250"),
        (0.25, -1.0, "0.250"),
        (None, 1.0, ""),
    ],
)
def test_a_time_has_four_digits_that_count_or_the_decimals_of_another(
    value: float | None, like: float | None, text: str
) -> None:
    assert wording.milliseconds(value, like) == text


@pytest.mark.parametrize(
    ("values", "text"), [([], ""), ([7], "7"), ([7, 7], "7"), ([7, 6, 6], "6 to 7"), ([1000, 20, 3], "3 to 1,000")]
)
def test_values_of_a_row_are_one_or_a_range(values: list[int], text: str) -> None:
    assert wording.spread(values) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "yes"),
        (False, "no"),
        (None, "none"),
        (0.010, "0.01"),
        (1e-5, "1e-05"),
        (3.0, "3"),
        (12, "12"),
        ("poly", "poly"),
        ([512, None, 0.5], "(512, none, 0.5)"),
        ((1, [2, True]), "(1, (2, yes))"),
        ([], "()"),
        ({"lr": 0.5, "a": [1]}, "a: (1), lr: 0.5"),
    ],
)
def test_a_value_is_written_as_a_person_would(value: Any, text: str) -> None:
    assert wording.number(value) == text


def test_sizes_are_height_and_width() -> None:
    assert (wording.pixels((512, 1024)), wording.pixels(None)) == ("(512, 1024)", "")


# ------------------------------------------------------------------ names


@pytest.mark.parametrize(
    ("word", "reason", "text"),
    [
        ("oom", "batch 6 at (96, 96)", "out of memory: batch 6 at (96, 96)"),
        ("data", "", "data fault"),
        ("diverged", "", "diverged"),
        ("died", "signal 9", "died: signal 9"),
    ],
)
def test_what_became_of_a_run(word: str, reason: str, text: str) -> None:
    assert wording.state(word, reason) == text
    assert reason or wording.state(word) == text


def test_where_a_record_comes_from_has_words() -> None:
    assert wording.ORIGINS == {"local": "this machine", "reference": "reference"}


def test_components_show_their_options_or_those_that_are_asked_for() -> None:
    assert wording.component(SGD) == "sgd(lr: 0.01, momentum: 0.9)"
    assert wording.component(SGD, ["momentum", "nesterov"]) == "sgd(momentum: 0.9)"
    assert wording.component(SGD, []) == wording.component(Component(name="sgd")) == "sgd"
    assert wording.components([SGD, Component(name="flip")]) == "sgd(lr: 0.01, momentum: 0.9), flip"
    assert wording.components([]) == ""


def test_models_and_methods_go_by_their_labels() -> None:
    assert wording.model_label("pidnet_s") == "PIDNet-S"
    assert wording.method_label("source_only") == "source only"
    assert wording.model_label("of_a_plugin") == wording.method_label("of_a_plugin") == "of_a_plugin"
    part = Component(name="pidnet_s", options={"aux": True, "pretrained": None})
    assert wording.model(part, ["aux"]) == "PIDNet-S(aux: yes)"
    assert part.name == "pidnet_s"


def test_a_dataset_is_synthetic_where_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wording.synthetic("landcover") is True
    assert wording.synthetic("loveda") is False
    assert wording.synthetic("unheard_of") is False
    for fault in (ImportError, AttributeError):  # of a plug-in that does not load

        def broken(name: str, fault: type[Exception] = fault) -> Any:
            raise fault(name)

        monkeypatch.setattr("bench.names.dataset_info", broken)
        assert wording.synthetic("landcover") is False


def test_a_domain_names_its_dataset_where_the_table_is_about_another() -> None:
    assert wording.domain("loveda/urban", "loveda") == wording.domain("urban", "loveda") == "urban"
    assert wording.domain("loveda/urban", "landcover") == "loveda/urban"


def test_commits_are_short_and_each_stands_once() -> None:
    clean, dirty = ("0123456789abcdef", False), ("0123456789abcdef", True)
    assert wording.commits([clean, dirty, clean, (None, None), ("fedcba98", None)]) == (
        "01234567, 01234567+, no commit, fedcba98"
    )
    assert wording.commits([]) == ""


# ------------------------------------------------------------------ order


def test_equal_things_come_together_in_the_order_of_the_first() -> None:
    assert wording.distinct([3, 1, 3, 2, 1]) == [3, 1, 2]
    assert wording.grouped(["bb", "a", "cc", "d"], len) == [["bb", "cc"], ["a", "d"]]
    assert wording.grouped([], len) == []


def test_a_key_is_one_text_per_value() -> None:
    assert wording.key_of({"b": 1, "a": [0.5]}) == wording.key_of({"a": (0.5,), "b": 1})
    assert wording.key_of({"a": 1}) != wording.key_of({"a": 2})
    assert isinstance(wording.key_of(None), str)
