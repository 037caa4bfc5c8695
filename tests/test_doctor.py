"""`bench doctor`: every check says ok where all is well, and finds what it is there for where it is not."""

from __future__ import annotations

import getpass
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import machine
from bench.cli import run_command_line
from bench.doctor import card as card_module
from bench.doctor import folder as folder_module
from bench.doctor import host as host_module
from bench.doctor import software as software_module
from bench.doctor.card import card, cards
from bench.doctor.data import data
from bench.doctor.finding import Finding
from bench.doctor.folder import PROMISES, file_system, folder
from bench.doctor.host import disk, host, memory
from bench.doctor.software import environment, extras, torch_version, versions

ROOT = Path(__file__).resolve().parents[1]


def levels(found: Any) -> dict[str, str]:
    return {finding.check: finding.level for finding in found}


FACTS = {
    "cpu": {"name": "AMD EPYC", "cores": 8, "usable_cores": 4, "governor": "performance", "hypervisor": False},
    "memory_bytes": 16 * 10**9,
    "memory_limit": "max",
    "cpu_limit": "max 100000",
    "load_average": [0.1, 0.2, 0.3],
}


def changed(**changes: Any) -> dict[str, Any]:
    cpu = {**FACTS["cpu"], **changes.pop("cpu", {})}  # type: ignore[dict-item]
    return {**FACTS, "cpu": cpu, **changes}


# ------------------------------------------------------------------ host


def test_a_quiet_machine_is_ok() -> None:
    assert set(levels(host(FACTS)).values()) == {"ok"}


@pytest.mark.parametrize(
    ("changes", "check", "level"),
    [
        ({"load_average": [2.5, 0, 0]}, "load", "warning"),
        ({"load_average": None}, "load", "note"),
        ({"cpu": {"governor": "powersave"}}, "governor", "note"),
        ({"cpu": {"governor": None}}, "governor", "note"),
        ({"cpu": {"hypervisor": True}}, "virtual machine", "note"),
        ({"cpu_limit": "50000 100000"}, "CPU quota", "warning"),
        ({"cpu_limit": "250000 100000"}, "CPU quota", "note"),
        ({"cpu_limit": None}, "CPU quota", "ok"),
    ],
)
def test_what_spoils_timings_on_a_host_is_found(changes: dict[str, Any], check: str, level: str) -> None:
    found = levels(host(changed(**changes)))
    assert found[check] == level
    assert all(found[other] == "ok" for other in found if other != check)


@pytest.mark.parametrize(
    ("free_kb", "limit", "level"), [(9e6, "max", "ok"), (1e6, "max", "warning"), (9e6, "10", "warning")]
)
def test_little_memory_is_found(tmp_path: Path, free_kb: float, limit: str, level: str) -> None:
    (tmp_path / "meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable:  {free_kb:.0f} kB\n")
    assert memory(changed(memory_limit=limit), tmp_path / "meminfo").level == level
    assert memory(FACTS, tmp_path / "nothing").level == "note"


@pytest.mark.parametrize(("free", "level"), [(10**10, "ok"), (10**9, "warning"), (10**7, "fault")])
def test_a_full_disk_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: str) -> None:
    looked: list[Path] = []
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr(host_module.shutil, "disk_usage", lambda path: (looked.append(path), usage)[1])
    assert disk("disk", tmp_path / "not" / "yet").level == level
    assert looked == [tmp_path]


# ------------------------------------------------------------------ software


def test_versions_of_this_interpreter_are_fit() -> None:
    found = levels(versions())
    assert found["torch"] == "ok"
    assert "fault" not in found.values()


@pytest.mark.parametrize(
    ("version", "level"),
    [("2.15.0+cpu", "ok"), ("2.10.0", "ok"), ("2.9.1", "fault"), ("2.5.1", "fault"), (None, "fault")],
)
def test_a_torch_that_weights_can_take_over_is_found(version: str | None, level: str) -> None:
    assert torch_version(version).level == level


@pytest.mark.parametrize(("fixed", "level"), [(True, "ok"), (False, "note")])
def test_the_fix_of_tarfile_is_looked_for(monkeypatch: pytest.MonkeyPatch, fixed: bool, level: str) -> None:
    if fixed:
        monkeypatch.setattr(software_module.os.path, "ALLOW_MISSING", object(), raising=False)
    else:
        monkeypatch.delattr(software_module.os.path, "ALLOW_MISSING", raising=False)
    assert levels(versions())["tarfile"] == level


def test_a_clean_environment_is_ok() -> None:
    assert levels(environment({"PATH": "x", "OMP_NUM_THREADS": ""}, 4, on_card=True)) == {"environment": "ok"}


@pytest.mark.parametrize(
    ("name", "value", "with_card", "without"),
    [
        ("CUDA_LAUNCH_BLOCKING", "1", "fault", "note"),
        ("CUDA_LAUNCH_BLOCKING", "0", None, None),
        ("NVIDIA_TF32_OVERRIDE", "0", "fault", "note"),
        ("TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "1", "warning", "note"),
        ("PYTHONMALLOC", "debug", "warning", "warning"),
        ("PYTHONMALLOC", "malloc", None, None),
        ("ONEDNN_MAX_CPU_ISA", "SSE41", "warning", "warning"),
        ("BENCH_FAULT", "store.written:1:kill", "fault", "fault"),
        ("OMP_NUM_THREADS", "9", "warning", "warning"),
        ("OMP_NUM_THREADS", "2", "note", "note"),
        ("MKL_NUM_THREADS", "many", "warning", "warning"),
    ],
)
def test_a_variable_that_spoils_timings_is_found(
    name: str, value: str, with_card: str | None, without: str | None
) -> None:
    for on_card, level in ((True, with_card), (False, without)):
        assert levels(environment({name: value}, 4, on_card)).get(name) == level


def test_parts_that_are_not_installed_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Metadata:
        def get_all(self, key: str) -> list[str]:
            return ["dev", "export", "whole"]

    wanted = ["numpy>=1", 'nothere-x>=2; extra == "export"', "numpy; extra == 'export'", 'numpy; extra == "whole"']
    monkeypatch.setattr(software_module.importlib.metadata, "metadata", lambda package: Metadata())
    monkeypatch.setattr(software_module.importlib.metadata, "requires", lambda package: wanted)
    found = list(extras())
    assert [(f.check, f.level) for f in found] == [("extra [export]", "note"), ("extra [whole]", "ok")]
    assert found[0].said == "not installed: nothere-x"
    monkeypatch.undo()
    assert [f.level for f in extras("no such package")] == ["note"]


# ------------------------------------------------------------------ cards

GOOD = {
    "name": "NVIDIA H100 80GB HBM3",
    "capability": "9.0",
    "sm_count": 132,
    "driver": "580.1",
    "mig": False,
    "ecc": True,
    "processes": 0,
    "throttle": ["power cap", "idle"],
    "absent": {},
}


def test_no_driver_is_a_note_and_loads_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card_module, "DRIVERS", ())
    assert [f.level for f in cards()] == ["note"]


def test_a_driver_that_this_torch_cannot_use_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(card_module, "DRIVERS", ("/",))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [f.level for f in cards()] == ["warning"]


def test_every_card_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(card_module, "DRIVERS", ("/",))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91002)
    found = list(cards(lambda device: {"gpu": {**GOOD, "mig": device == "cuda:1"}}))
    assert [f.check for f in found if f.level == "warning"] == ["GPU 1"]
    assert {f.check for f in found} == {"GPU 0", "GPU 1", "cuDNN"}


def test_a_good_card_is_ok() -> None:
    assert {f.level for f in card("GPU 0", GOOD)} == {"ok"}


@pytest.mark.parametrize(
    ("changes", "level", "said"),
    [
        ({"mig": True}, "warning", "MIG"),
        ({"processes": 2}, "warning", "2 compute processes"),
        ({"throttle": ["thermal (hardware)"]}, "warning", "thermal (hardware)"),
        ({"ecc": False}, "note", "ECC"),
        ({"persistence": False}, "note", "persistence"),
        ({"name": "Abacus 9", "capability": "99.0"}, "warning", "peak is unknown"),
        ({"absent": {"power_w": "NotSupported", "ecc": "NotSupported"}}, "note", "(NotSupported): power w, ecc"),
        ({"absent": dict.fromkeys("abcdefghijkl", "no NVML")}, "warning", "no NVML"),
    ],
)
def test_what_spoils_timings_on_a_card_is_found(changes: dict[str, Any], level: str, said: str) -> None:
    (found,) = [f for f in card("GPU 0", {**GOOD, **changes}) if f.level != "ok"]
    assert (found.level, said in found.said) == (level, True)


# ------------------------------------------------------------------ folders


def test_a_local_folder_keeps_every_promise_and_is_left_as_it_was(tmp_path: Path) -> None:
    found = levels(folder(tmp_path))
    assert {name: found[name] for name, _ in PROMISES.values()} == {name: "ok" for name, _ in PROMISES.values()}
    assert list(tmp_path.iterdir()) == []


LIES = {
    "O_EXCL": "os.O_EXCL = 0",
    "link": "os.link = os.replace",
    "rename": "os.replace = lambda a, b: None",
    "flock": "import fcntl; fcntl.flock = lambda *_: None",
    "flock let go": "import fcntl\ndef busy(*_):\n  raise BlockingIOError(11, 'busy')\nfcntl.flock = busy",
    "lockf": "import fcntl; fcntl.lockf = lambda *_: None",
    "fsync": "def fsync(handle):\n  raise OSError(22, 'Invalid argument')\nos.fsync = fsync",
}


@pytest.mark.parametrize("promise", LIES)
def test_a_file_system_that_breaks_a_promise_is_found(tmp_path: Path, promise: str) -> None:
    """The second process is made to see what a broken file system would show it."""
    script = Path(folder_module.SECOND[-1])
    lying = tmp_path / "lying.py"
    lying.write_text(f"import os, runpy, sys\n{LIES[promise]}\nrunpy.run_path({str(script)!r}, run_name='__main__')\n")
    found = levels(folder(tmp_path / "results", (sys.executable, "-I", str(lying))))
    assert {name for name, level in found.items() if level == "fault"} == {promise}


def test_a_second_process_that_fails_proves_nothing(tmp_path: Path) -> None:
    found = levels(folder(tmp_path, (sys.executable, "-c", "raise SystemExit(1)")))
    assert found["O_EXCL"] == found["flock"] == "fault"


def test_a_folder_that_cannot_be_written_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(folder_module.tempfile, "TemporaryDirectory", refuse)
    assert [f.level for f in folder(tmp_path)] == ["fault"]


def test_another_clock_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module.time, "time", lambda: 0.0)
    assert levels(folder(tmp_path))["file times"] == "warning"


@pytest.mark.parametrize(
    ("kind", "level"),
    [("ext4", "ok"), ("tmpfs", "warning"), ("nfs4", "note"), ("fuse.sshfs", "note"), ("lustre", "note")],
)
def test_the_kind_of_file_system_is_that_of_the_nearest_mount(tmp_path: Path, kind: str, level: str) -> None:
    here = tmp_path / "a b" / "results"
    here.mkdir(parents=True)
    point = str(tmp_path / "a b").replace(" ", "\\040")
    (tmp_path / "mounts").write_text(f"x / other rw 0 0\ny {point} {kind} rw 0 0\nz {point}x other rw 0 0\n")
    found = file_system(here, tmp_path / "mounts")
    assert (found.level, found.said.partition(":")[0]) == (level, kind)


# ------------------------------------------------------------------ data


def test_datasets_that_are_here_are_told(tmp_path: Path) -> None:
    (tmp_path / "camvid" / "train").mkdir(parents=True)
    (tmp_path / "loveda").mkdir()
    found = list(data(tmp_path))
    assert levels(found) == {"data camvid": "ok", "data loveda": "warning", "data": "note"}
    assert "gta5" in found[-1].said
    assert "landcover" not in found[-1].said
    assert levels(data(None)) == {"data": "note"}
    assert levels(data(tmp_path / "nothing")) == {"data": "warning"}


# ------------------------------------------------------------------ the command


@pytest.fixture
def findings(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """What the machine is found to be like."""
    found = [Finding("a", "ok", "well"), Finding("b", "warning", "shaky", "steady it")]
    monkeypatch.setattr("bench.cli.doctor.findings", lambda results, data_root: iter(found))
    return found


def test_a_fault_alone_changes_the_exit_code(findings: list[Finding], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["doctor"]) == 0
    assert "1 ok, 0 notes, 1 warning, 0 faults" in capsys.readouterr().out
    findings.append(Finding("c", "fault", "wrong", "mend it"))
    assert run_command_line(["doctor"]) == 5
    out = capsys.readouterr().out
    assert "mend it" in out
    assert "make results wrong" in out


def test_json_says_the_same(findings: list[Finding], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["doctor", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["worst"], document["counts"]["warning"]) == ("warning", 1)
    assert document["findings"][1] == {"check": "b", "level": "warning", "said": "shaky", "remedy": "steady it"}


def test_the_whole_of_it_names_no_host_no_user_and_no_folder(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from bench.cli import run_command_line\n"
        "code = run_command_line(['doctor', '--json', '--data-root', 'data', '--store', 'results'])\n"
        "print(*({'torch', 'torchvision'} & set(sys.modules)), file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    (tmp_path / "data" / "camvid").mkdir(parents=True)
    clean = {k: v for k, v in os.environ.items() if k not in ("BENCH_DATA", "BENCH_FAULT")}
    env = {**clean, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    document = json.loads(done.stdout)
    assert done.returncode == (5 if document["worst"] == "fault" else 0)
    checks = {f["check"] for f in document["findings"]}
    assert checks >= {"processor", "load", "memory", "disk of results", "disk of .bench", "Python", "torch", "tarfile"}
    assert checks >= {"environment", "file system", "data camvid"} | {name for name, _ in PROMISES.values()}
    for secret in (str(tmp_path), str(Path.home()), str(ROOT), platform.node(), getpass.getuser()):
        assert not re.search(rf"(?<![\w/]){re.escape(secret)}(?!\w)", done.stdout)
    assert not (tmp_path / "results").exists()
    if not any(map(os.path.exists, card_module.DRIVERS)):
        assert done.stderr.strip() == ""


def test_facts_of_this_machine_fit_the_checks() -> None:
    facts = machine.describe("cpu")
    assert "processor" in levels(host(facts))
    assert memory(facts).check == "memory"
