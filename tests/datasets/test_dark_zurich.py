"""Dark Zurich: fifty labelled nights, and targets without any label."""

from __future__ import annotations

from pathlib import Path

import pytest
import street_trees

from bench.datasets.dark_zurich import dark_zurich
from bench.spec import IGNORE, BenchError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return street_trees.dark_zurich(tmp_path / "dark_zurich")


def names(root: Path, domain: str, split: str) -> list[str]:
    dataset = dark_zurich(root, domain, split)
    return [dataset.image_name(i) for i in range(len(dataset))]


def test_night_is_scored_on_the_official_val(root):
    scored = ["GOPR0356_frame_000009", "GOPR0356_frame_000010"]
    assert names(root, "night", "test") == names(root, "night", "val") == scored
    labels = dark_zurich(root, "night", "test").read(0)[1].ravel()
    assert labels[:20].tolist() == [*range(19), IGNORE]
    assert dark_zurich(root, "night", "test").sequence(0) == "GOPR0356"


@pytest.mark.parametrize("domain", ["day", "night", "twilight"])
def test_every_time_of_day_is_a_target(root, domain):
    assert names(root, domain, "target") == ["GOPR1_frame_000009", "GOPR1_frame_000010"]
    assert f"/{domain}/" in str(dark_zurich(root, domain, "target").samples[0].image)


@pytest.mark.parametrize(("domain", "split"), [("night", "train"), ("day", "test"), ("twilight", "val")])
def test_what_has_no_labels_says_so(root, domain, split):
    with pytest.raises(BenchError, match=f"dark_zurich/{domain} has no public labels for split '{split}'"):
        dark_zurich(root, domain, split)
