"""Facts of a machine: guarded one by one, fit to be published."""

from __future__ import annotations

import getpass
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest
import torch

from bench import machine
from bench.machine import host
from bench.machine.card import QUESTIONS

H200 = {"name": "NVIDIA H200", "memory_bytes": 143_771 * 2**20, "power_limit_w": 700.0}


def facts(gpu: dict[str, Any] | None = None, cpu: str | None = "AMD EPYC") -> dict[str, Any]:
    return {"cpu": {"name": cpu}, "gpu": gpu}


# ------------------------------------------------------------------ the host


def test_the_host_is_described_and_every_null_has_a_reason() -> None:
    found = machine.describe("cpu")
    assert found["cpu"]["cores"] == os.cpu_count()
    assert found["gpu"] is None
    nulls = {f"cpu.{k}" for k, v in found["cpu"].items() if v is None}
    nulls |= {k for k, v in found.items() if v is None and k != "gpu"}
    assert nulls == set(found["absent"])
    json.dumps(found, allow_nan=False)


def test_nothing_personal_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps([machine.describe("cpu"), machine.software(), machine.device_label("cpu")])
    words = re.findall(r"[\w.-]+", text)
    assert socket.gethostname() not in words
    assert getpass.getuser() not in words
    assert not re.search(r'"/', text), "an absolute path"


def test_a_system_that_tells_nothing_still_gives_a_description(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "read_text", lambda path: "")
    monkeypatch.setattr(host.platform, "processor", lambda: "")
    monkeypatch.setattr(host.platform, "machine", lambda: "")
    found = machine.describe("cpu")
    assert found["cpu"]["name"] is None
    assert {"cpu.name", "cpu.hypervisor", "memory_bytes"} <= set(found["absent"])
    assert machine.device_label("cpu", facts=found) == "CPU, 1 thread"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("model name\t: AMD EPYC 7B13 64-Core Processor", "AMD EPYC 7B13"),
        ("model name\t: Intel(R) Xeon(R) CPU @ 2.20GHz", "Intel Xeon"),
        ("model name\t: 13th Gen Intel(R) Core(TM) i7-13700K", "13th Gen Intel Core i7-13700K"),
        ("processor\t: 0\nHardware\t: BCM2835", "BCM2835"),
    ],
)
def test_processor_names(line: str, name: str) -> None:
    assert host._cpu_name(line) == name


# ------------------------------------------------------------------ labels


@pytest.mark.parametrize(
    ("given", "threads", "label", "slug"),
    [
        (facts(), 1, "AMD EPYC, 1 thread", "amd-epyc-1t"),
        (facts(), 2, "AMD EPYC, 2 threads", "amd-epyc-2t"),
        (facts(H200), 1, "NVIDIA H200 141 GB", "nvidia-h200-141g-700w"),
        (
            facts({"name": "NVIDIA H100 80GB HBM3", "memory_bytes": 2**36, "power_limit_w": 699.9}),
            1,
            "NVIDIA H100 80GB HBM3",
            "nvidia-h100-80g-hbm3-700w",
        ),
        (facts({"name": "Tesla T4", "memory_bytes": None, "power_limit_w": None}), 1, "Tesla T4", "tesla-t4"),
    ],
)
def test_labels_and_slugs(given: dict[str, Any], threads: int, label: str, slug: str) -> None:
    device = "cuda" if given["gpu"] else "cpu"
    assert machine.device_label(device, threads, given) == label
    assert machine.device_slug(device, threads, given) == slug


def test_a_label_needs_no_facts() -> None:
    assert machine.device_label("cpu").endswith(", 1 thread")
    assert re.fullmatch(r"[a-z0-9-]+-1t", machine.device_slug("cpu"))


# ------------------------------------------------------------------ a card


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A card that torch sees and NVML answers for; a name given as refused is not supported by it."""

    def install(refused: tuple[str, ...] = (), without_driver: bool = False) -> None:
        def refuse(*_: Any) -> Any:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

        answers = {
            "nvmlSystemGetDriverVersion": b"570.86",
            "nvmlDeviceGetHandleByUUID": "handle",
            "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=H200["memory_bytes"]),
            "nvmlDeviceGetClockInfo": 1980,
            "nvmlDeviceGetMaxClockInfo": 1980,
            "nvmlDeviceGetPowerUsage": 115_000,
            "nvmlDeviceGetEnforcedPowerLimit": 700_000,
            "nvmlDeviceGetPowerManagementDefaultLimit": 700_000,
            "nvmlDeviceGetTemperature": 31,
            "nvmlDeviceGetPerformanceState": 0,
            "nvmlDeviceGetCurrentClocksEventReasons": 0x4 | 0x800,
            "nvmlDeviceGetGspFirmwareVersion": "570.86",
            "nvmlDeviceGetApplicationsClock": 1980,
            "nvmlDeviceGetPowerManagementLimitConstraints": [200_000, 700_000],
            "nvmlDeviceGetVirtualizationMode": 0,
            "nvmlDeviceGetPersistenceMode": 1,
            "nvmlDeviceGetMaxPcieLinkGeneration": 5,
            "nvmlDeviceGetMaxPcieLinkWidth": 16,
            "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=97, memory=40),
            "nvmlDeviceGetTotalEnergyConsumption": 123_456,
            "nvmlDeviceGetEccMode": [1, 1],
            "nvmlDeviceGetMigMode": [0, 0],
            "nvmlDeviceGetCurrPcieLinkGeneration": 5,
            "nvmlDeviceGetCurrPcieLinkWidth": 16,
            "nvmlDeviceGetComputeRunningProcesses": [object()],
        }
        for name, answer in answers.items():
            monkeypatch.setattr(pynvml, name, refuse if name in refused else lambda *_, answer=answer: answer)
        monkeypatch.setattr(pynvml, "nvmlInit", refuse if without_driver else lambda: None)
        monkeypatch.setattr(pynvml, "nvmlShutdown", lambda: None)
        seen = SimpleNamespace(
            name="NVIDIA H200", major=9, minor=0, multi_processor_count=132, total_memory=150_000_000_000, uuid="0a-1b"
        )
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: seen)

    return install


def test_a_card_is_described(card: Callable[..., None]) -> None:
    card()
    gpu = machine.describe("cuda:0")["gpu"]
    assert (gpu["name"], gpu["capability"], gpu["sm_count"]) == ("NVIDIA H200", "9.0", 132)
    assert gpu["throttle"] == ["power cap", "0x800"]
    assert (gpu["ecc"], gpu["mig"], gpu["processes"], gpu["power_limit_w"]) == (True, False, 1, 700.0)
    assert (gpu["driver"], gpu["absent"]) == ("570.86", {})
    assert "0a-1b" not in json.dumps(gpu), "the card's own number is not published, only its digest"
    assert machine.device_slug("cuda:0") == "nvidia-h200-141g-700w"


def test_one_question_refused_costs_one_answer(card: Callable[..., None]) -> None:
    card(refused=("nvmlDeviceGetMigMode", "nvmlDeviceGetMemoryInfo"))
    gpu = machine.describe("cuda")["gpu"]
    assert gpu["mig"] is None
    assert set(gpu["absent"]) == {"mig", "memory_bytes"}
    assert "Not Supported" in gpu["absent"]["mig"]
    assert gpu["memory_bytes"] == 150_000_000_000  # torch knows it too
    assert gpu["ecc"] is True


@pytest.mark.parametrize("broken", [{"without_driver": True}, {"refused": ("nvmlDeviceGetHandleByUUID",)}], ids=str)
def test_without_nvml_every_answer_is_null_with_a_reason(card: Callable[..., None], broken: dict[str, Any]) -> None:
    card(**broken)
    gpu = machine.describe("cuda")["gpu"]
    assert gpu["power_limit_w"] is None
    assert set(gpu["absent"]) == set(QUESTIONS)
    assert machine.device_label("cuda") == "NVIDIA H200 140 GB"


def test_an_unguarded_question_would_have_failed(card: Callable[..., None]) -> None:
    """The negative control: the refusal is a real exception."""
    card(refused=("nvmlDeviceGetMigMode",))
    with pytest.raises(pynvml.NVMLError):
        pynvml.nvmlDeviceGetMigMode("handle")


# ------------------------------------------------------------------ a card at work


def test_a_card_is_watched(card: Callable[..., None]) -> None:
    card()
    with machine.watch("cuda:0") as seen:
        reading = seen.read()
        assert (reading["throttle_bits"], reading["throttle"]) == (0x804, ["power cap", "0x800"])
        assert (reading["sm_clock_mhz"], reading["utilisation"], reading["processes"]) == (1980, 97, 1)
        assert (seen.energy_mj(), seen.power_w()) == (123_456, 115.0)
    json.dumps(reading, allow_nan=False)


def test_what_a_card_does_not_tell_is_null_while_it_is_watched(card: Callable[..., None]) -> None:
    card(refused=("nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetCurrentClocksEventReasons"))
    with machine.watch("cuda") as seen:
        assert seen.energy_mj() is None
        assert (seen.read()["throttle_bits"], seen.read()["throttle"]) == (None, None)
        assert seen.read()["sm_clock_mhz"] == 1980


def test_an_older_driver_knows_throttling_by_another_name(
    card: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    card()
    monkeypatch.delattr(pynvml, "nvmlDeviceGetCurrentClocksEventReasons")
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCurrentClocksThrottleReasons", lambda handle: 0x40)
    with machine.watch("cuda") as seen:
        assert seen.read()["throttle"] == ["thermal (hardware)"]


def test_without_a_driver_a_card_is_watched_in_vain(card: Callable[..., None]) -> None:
    card(without_driver=True)
    with machine.watch("cuda") as seen:
        assert set(seen.read().values()) == {None}
        assert seen.energy_mj() is seen.power_w() is None


def test_the_drivers_library_is_left_also_after_an_error(
    card: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    card()
    left: list[bool] = []
    monkeypatch.setattr(pynvml, "nvmlShutdown", lambda: left.append(True))

    def fail_inside() -> None:
        with machine.watch("cuda"):
            raise KeyError("inside")

    with pytest.raises(KeyError, match="inside"):
        fail_inside()
    assert left == [True]


def test_the_host_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    with machine.watch("cpu") as seen:
        assert set(seen.read()) == {"load", "cpu_clock_mhz"}
        assert seen.energy_mj() is seen.power_w() is None
    monkeypatch.setattr("bench.machine.watching.read_text", lambda path: "2450000\n")
    with machine.watch("cpu") as seen:
        assert seen.read()["cpu_clock_mhz"] == 2450


# ------------------------------------------------------------------ software and commit


def test_software_names_versions_flags_and_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    found = machine.software()
    assert found["torch"] == torch.__version__.partition("+")[0] or found["torch"] == torch.__version__
    assert found["bench"]
    assert found["flags"]["deterministic_algorithms"] is False
    assert found["environment"]["OMP_NUM_THREADS"] == "1"
    json.dumps(found, allow_nan=False)


def test_a_package_that_is_not_installed_is_null() -> None:
    assert machine.version("no-such-package-of-ours") is None


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with one commit of a package `bench`."""
    package = tmp_path / "project" / "bench"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("SCHEMA = 1\n")
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *words], cwd=package.parent, check=True, capture_output=True)
    return package


def test_commit_and_dirt(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head, dirty = machine.commit(checkout)
    assert re.fullmatch(r"[0-9a-f]{40}", head)
    assert dirty is False
    (checkout.parent / "notes.txt").write_text("outside the package\n")
    assert machine.commit(checkout) == (head, False)
    (checkout / "new_loss.py").write_text("")
    assert machine.commit(checkout) == (head, True)
    (checkout / "new_loss.py").unlink()
    (checkout / "__init__.py").write_text("SCHEMA = 2\n")
    assert machine.commit(checkout) == (head, True)
    monkeypatch.setenv("GIT_DIR", str(checkout / "nowhere"))  # as inside a hook of another repository
    assert machine.commit(checkout) == (head, True)


def test_an_installed_copy_inside_somebody_elses_checkout_has_no_commit(checkout: Path) -> None:
    installed = checkout.parent / ".venv" / "bench"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("SCHEMA = 1\n")
    assert machine.commit(installed) == (None, None)


def test_no_checkout_and_no_git_have_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkout: Path) -> None:
    assert machine.commit(tmp_path) == (None, None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.commit(checkout) == (None, None)


def test_the_module_loads_no_torch() -> None:
    code = "import sys, bench.machine; bench.machine.describe('cpu'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
