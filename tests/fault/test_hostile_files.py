"""E3, F1, F7: files that ask for much memory, much time or a program to run are refused before they get any of it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from storework import put, record
from test_sweep_file import BOMBS

from bench import checkpoint
from bench.models import weights
from bench.spec import BenchError, ExitCode
from bench.store import Store
from bench.store.arrays import images_problem
from bench.store.checking import check

ROOT = Path(__file__).resolve().parents[2]
Figure = Callable[[str, str], None]
PROC = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="NOT RUN: no peak of memory is told here")
MORE_MB = 200

MEASURE = """
import json, sys, time
from pathlib import Path
{prepare}
def memory(name):
    return int(next(line for line in open('/proc/self/status') if line.startswith(name)).split()[1])
found = []
for file in sys.argv[1:]:
    Path('/proc/self/clear_refs').write_text('5')  # the peak begins anew
    before, start = memory('VmRSS'), time.process_time()
    refused = {look}
    took = time.process_time() - start
    found.append([bool(refused), (memory('VmHWM') - before) // 1024, took])
print(json.dumps(found))
"""
SWEEPS = MEASURE.format(
    prepare="from bench.sweep import problems; problems(Path('nothing.yaml'))", look="problems(Path(file))"
)
IMAGES = MEASURE.format(
    prepare=(
        "from bench.datasets.reading import read_image\nfrom bench.spec import BenchError\n"
        "def look(file):\n    try:\n        read_image(Path(file))\n    except BenchError as error:\n"
        "        return 'megapixels' in str(error)"
    ),
    look="look(file)",
)
PLAIN_IMAGES = MEASURE.format(
    prepare="from PIL import Image; import numpy; Image.MAX_IMAGE_PIXELS = None",
    look="numpy.asarray(Image.open(file)).any()",
)


def measured(program: str, *files: Path) -> list[tuple[bool, int, float]]:
    """(refused, more megabytes than before, seconds of the processor) for each file, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *map(str, files)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [tuple(one) for one in json.loads(done.stdout)]


@PROC
def test_sweep_bombs_take_little_memory_and_time(tmp_path: Path, figure: Figure) -> None:
    files = []
    for name, text in BOMBS.items():
        files.append(tmp_path / f"{name}.yaml")
        files[-1].write_text(text)
    found = measured(SWEEPS, *files)
    assert all(refused for refused, _, _ in found)
    assert max(more for _, more, _ in found) <= MORE_MB
    most, slowest = max(more for _, more, _ in found), max(seconds for _, _, seconds in found)
    figure("E3 sweep bombs", f"{len(found)} refused, at most {most} MB and {1000 * slowest:.0f} ms each")


def flat_png(path: Path, side: int) -> Path:
    """A PNG of one colour with `side` x `side` pixels, a few hundred kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer, row = zlib.compressobj(9), bytes(1 + side)
    rows = b"".join([*(packer.compress(row) for _ in range(side)), packer.flush()])
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    return path


@PROC
def test_image_bombs_take_little_memory(tmp_path: Path, figure: Figure) -> None:
    """The control: decoded without a limit the smaller of the two takes its 182 MB."""
    files = [flat_png(tmp_path / f"{side}.png", side) for side in (13_500, 20_000)]
    assert max(file.stat().st_size for file in files) < 500_000
    found = measured(IMAGES, *files)
    assert [refused for refused, _, _ in found] == [True, True]
    assert max(more for _, more, _ in found) <= 20
    ((_, control, _),) = measured(PLAIN_IMAGES, files[0])
    assert control > 100
    most, slowest = max(more for _, more, _ in found), max(seconds for _, _, seconds in found)
    figure("F7 image bombs", f"2/2 refused, at most {most} MB and {1000 * slowest:.0f} ms each")
    figure("F7 control: decoded without a limit", f"{control} MB")


# ------------------------------------------------------------------ programs in files


class Payload:
    """What runs when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def zipped(payload: Payload) -> bytes:
    buffer = io.BytesIO()
    torch.save({"step": 1, "model": payload}, buffer)
    return buffer.getvalue()


def legacy(payload: Payload) -> bytes:
    buffer = io.BytesIO()
    torch.save({"step": 1, "model": payload}, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def objects(payload: Payload) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **{"d.a": np.array([payload], dtype=object)})
    return buffer.getvalue()


def in_an_archive(payload: Payload) -> bytes:
    """The archive that torch writes with another program in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(zipped(payload))) as old, zipfile.ZipFile(buffer, "w") as new:
        for entry in old.infolist():
            content = pickle.dumps(payload, 2) if entry.filename.endswith("data.pkl") else old.read(entry)
            new.writestr(entry.filename, content)
    return buffer.getvalue()


CHECKPOINTS = {"zip": zipped, "legacy": legacy, "a program in a zip": in_an_archive}


@pytest.mark.parametrize("kind", [*CHECKPOINTS, "counts per image", "pretrained weights"])
def test_no_payload_runs(tmp_path: Path, kind: str, figure: Figure, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole, with a digest that is right: refused all the same, and nothing of it is carried out."""
    mark = tmp_path / "mark"
    payload = Payload(mark)
    if kind in CHECKPOINTS:
        content = CHECKPOINTS[kind](payload)
        path = tmp_path / "step-00000001.pt"
        path.write_bytes(checkpoint._head("r-1", 1, content) + content)
        with pytest.raises(BenchError) as caught:
            checkpoint.load(path, run_id="r-1")
        assert caught.value.code == ExitCode.STORE
    elif kind == "pretrained weights":
        monkeypatch.setenv("TORCH_HOME", str(tmp_path))
        path = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
        path.parent.mkdir(parents=True)
        path.write_bytes(zipped(payload))
        with pytest.raises(BenchError, match="cannot fetch the ImageNet weights resnet18"):
            weights.fetch_imagenet("resnet18")
    else:
        store = Store(tmp_path / "results")
        path = put(store, 1)
        path.with_suffix(".images.npz").write_bytes(objects(payload))
        (finding,) = check(store)
        assert finding.kind == "damaged"
        assert "sha256" in finding.problem
        digest = hashlib.sha256(objects(payload)).hexdigest()
        assert "archive of arrays" in str(
            images_problem(record(1, images_sha256=digest), path.with_suffix(".images.npz"))
        )
    assert not mark.exists()
    figure("F1 payloads", "1 blocked")


def test_the_payloads_do_run_elsewhere(tmp_path: Path) -> None:
    """Negative control: unpickled, every one of them does what it says."""
    for number, make in enumerate((zipped, legacy, objects)):
        mark = tmp_path / f"mark-{number}"
        content = io.BytesIO(make(Payload(mark)))
        if make is objects:
            with np.load(content, allow_pickle=True) as arrays:
                arrays["d.a"]
        else:
            torch.load(content, weights_only=False)
        assert mark.is_dir()
