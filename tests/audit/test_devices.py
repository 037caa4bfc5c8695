"""The card that people mean, and never another one that contains its name."""

from __future__ import annotations

import pytest

from bench.audit.devices import device, mentioned, spoken


@pytest.mark.parametrize(
    ("text", "fp32"),
    [
        ("Tesla T4", 8.1e12),
        ("NVIDIA T4 (Colab)", 8.1e12),
        ("T4 GPU, 16 GB", 8.1e12),
        ("RTX 3090", 35.6e12),
        ("GeForce RTX3090", 35.6e12),
        ("3090", 35.6e12),
        ("A100-SXM4-40GB", 19.5e12),
        ("V100 PCIe", 15.7e12),
        ("H100 PCIe", 51.0e12),
        ("H100", 67.0e12),
        ("L4", 30.3e12),
        ("L40S", 91.6e12),
        ("A10G", 35.0e12),
        ("RTX 2080 Ti", 14.2e12),
        ("NVIDIA GeForce RTX 4090", 82.6e12),
        ("Jetson AGX Orin", 5.3e12),
    ],
)
def test_names(text: str, fp32: float) -> None:
    assert device(text).peak.fp32 == fp32


@pytest.mark.parametrize(
    "text",
    [
        "RTX 4090 Laptop",
        "RTX 3090 Ti",
        "RTX 4090 D",
        "V100S",
        "L40",
        "H100 NVL",
        "2x A100",
        "8 A100",
        "RTX A6000",
        "GTX 1080 Ti",
        "Intel i7-11700",
        "AMD EPYC, 1 thread",
        "T4 and V100",
    ],
)
def test_others_have_no_peak(text: str) -> None:
    assert device(text).peak is None


@pytest.mark.parametrize("text", ["", "cuda", "GPU", "cuda:0"])
def test_words_that_name_no_device(text: str) -> None:
    assert device(text) is None


def test_a_number_in_a_sentence_is_no_card() -> None:
    assert mentioned("inference over 4090 images of the test set") == {}
    assert list(mentioned("inference on one RTX 4090 of the cluster")) == ["NVIDIA GeForce RTX 4090"]


def test_what_a_line_speaks_of() -> None:
    assert spoken("latency on AMD EPYC, 1 thread").label == "CPU"
    assert spoken("latency on a Tesla T4").label == "Tesla T4"
    assert spoken("latency over 200 readings") is None
