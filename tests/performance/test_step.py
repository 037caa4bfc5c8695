"""A training step beside a bare loop, and beside other frameworks' steps where `make peers` has installed them.

The contestants are the scripts in `peers/`: each runs in a process of its own, in turns with the bare way in that same
process, and prints CPU microseconds as JSON.

Seen on 2026-11-20 on two shared cores (load 1.6 to 2.4), torch 2.15: bench +23 us a step (+43 before its finiteness
guard became one operation), Accelerate 1.15 +150, Lightning 2.6 with all off +270, with its logger, checkpoint and
`self.log` +590.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from bench import names
from bench.augment.flip import flip
from bench.batches import Timed, training_batches
from bench.cache import Split
from bench.methods.source_only import source_only
from bench.models import make_model
from bench.models.segmodel import SegModel
from bench.optimizers.sgd import sgd
from bench.run.parts import build_parts
from bench.run.picking import fastest
from bench.spec import RunConfig
from bench.train import train

pytestmark = pytest.mark.performance

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent / "peers"
PEERS = ROOT / ".venv-peers" / "bin" / "python"
CPU = torch.device("cpu")
ROUNDS, STEPS, SIDE, CROP, BATCH = 15, 2, 256, 128, 6
AUTO_ROUNDS = 7


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    def out(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}; load {os.getloadavg()[0]:.1f}", end="")

    return out


@functools.cache
def run(script: str, python: str | Path = sys.executable) -> dict[str, Any]:
    """What a script of `peers/` found."""
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [str(python), str(SCRIPTS / f"{script}.py")]
    done = subprocess.run(command, capture_output=True, text=True, env=surroundings, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def told(found: dict[str, Any], name: str) -> str:
    way, (low, high) = found[name], found[name]["quartiles_us"]
    return (
        f"{name}: {way['extra_us']:+.0f} us ({low:.0f} to {high:.0f}) on {found['bare_us']:.0f}, {way['ratio']:.2f} x"
    )


def test_a_step_beside_a_bare_step(say: Callable[[str], None]) -> None:
    """Goal: at most 30 us of CPU more; held to twice that, because neighbours on the machine move it."""
    found = run("bench_step")
    say(f"step, {told(found, 'bench')}; goal +30")
    assert found["bench"]["extra_us"] < 60


@pytest.mark.parametrize("script", ["accelerate_step", "lightning_step"])
def test_a_step_of_another_framework(script: str, say: Callable[[str], None]) -> None:
    if not PEERS.exists():
        say(f"{script} was left out: there is no .venv-peers; `make peers` installs it")
        pytest.skip("no .venv-peers; run `make peers`")
    theirs, ours = run(script, PEERS), run("bench_step")
    assert theirs["torch"] == ours["torch"]
    for name in sorted(theirs.keys() - {"torch", "load", "bare_us"}):
        say(f"step, {told(theirs, name)}; {theirs[name]['extra_us'] / ours['bench']['extra_us']:.1f} x what bench adds")
        assert theirs[name]["extra_us"] > 2 * ours["bench"]["extra_us"]


def test_a_batch_of_crops(say: Callable[[str], None]) -> None:
    """Six crops of 512 out of decoded tiles of 1024, mirrored at random, as float images and int64 labels."""
    say(f"batch, {told(run('bench_crop'), 'bench')}")
    if PEERS.exists():
        say(f"batch, {told(run('albumentations_crop', PEERS), 'albumentations')}")
    else:
        say("albumentations was left out: there is no .venv-peers; `make peers` installs it")


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pixels() -> Split:
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(256, (32, 3, SIDE, SIDE), dtype=torch.uint8, generator=draw)
    labels = torch.randint(7, (32, SIDE, SIDE), dtype=torch.uint8, generator=draw)
    return Split(images, labels, tuple(map(str, range(32))), "")


def trained(name: str) -> tuple[SegModel, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = make_model(name, 7).train()
    return model, sgd([{"params": list(model.parameters())}])


def loss_of(outputs: Any, labels: torch.Tensor) -> torch.Tensor:
    logits = outputs["out"]
    if logits.shape[-2:] != labels.shape[-2:]:
        logits = F.interpolate(logits, labels.shape[-2:], mode="bilinear", align_corners=False)
    return F.cross_entropy(logits, labels)


GOALS = {"pidnet_s": 1.4, "unet_resnet18": 1.6}
"""How many times as fast as a student's fp32 loop `precision: auto` shall be where the CPU has bf16."""


@pytest.mark.parametrize("name", sorted(GOALS))
def test_auto_beside_the_loop_a_student_writes(name: str, one_thread: None, say: Callable[[str], None]) -> None:
    """bench's loop as `precision: auto` has it, beside the bare eager fp32 loop: the same network, batch and steps."""
    fields = {"model": name, "dataset": "landcover", "source": "landcover/urban", "precision": "auto", "steps": 1}
    config = names.resolve_config(RunConfig.model_validate({**fields, "evaluate_on": ("landcover/urban",)}))
    parts = build_parts(config, CPU)
    batch = next(training_batches(pixels(), batch_size=BATCH, seed=0, device=CPU, crop_px=(CROP, CROP)))
    loop = train(
        parts.model,
        source_only(loss_of, 7),
        parts.optimizers,
        itertools.repeat(batch),
        steps=(AUTO_ROUNDS + 1) * STEPS,
        lr_factor=lambda step: 1.0,
        pause=lambda step: step % STEPS == 0,
        device=CPU,
    )
    twin, _ = trained(name)
    its_optimizer = torch.optim.SGD(twin.parameters(), 0.01, momentum=0.9, weight_decay=5e-4)

    def bare() -> None:
        for _ in range(STEPS):
            its_optimizer.zero_grad()
            loss_of(twin(batch.images), batch.labels).backward()
            its_optimizer.step()

    def timed(work: Callable[[], object]) -> float:
        begin = time.process_time()
        work()
        return time.process_time() - begin

    timed(bare), timed(lambda: next(loop))
    rounds = [(timed(bare), timed(lambda: next(loop))) for _ in range(AUTO_ROUNDS)]
    speed = statistics.median(b / w for b, w in rounds)
    ms = 1e3 * statistics.median(b for b, _ in rounds) / STEPS
    native = fastest(CPU) == "bf16"
    goal = GOALS[name] if native else 1.0
    picked = f"{parts.picked.precision}, channels last {parts.picked.channels_last}"
    say(f"{name}: auto ({picked}) {speed:.2f} x a student's fp32 step of {ms:.0f} ms; goal {goal:.1f}")
    assert speed > (0.85 * goal if native else 0.9)  # neighbours on the machine move it


@pytest.mark.parametrize("name", ["pidnet_s", "unet_resnet18"])
def test_real_batches_beside_one_resident_batch(name: str, one_thread: None, say: Callable[[str], None]) -> None:
    """bench's loop cropping, mirroring and normalising anew for every step, beside a bare loop on one ready batch."""
    batches, others = (
        training_batches(pixels(), batch_size=BATCH, seed=0, device=CPU, crop_px=(CROP, CROP), augment=(flip(),))
        for _ in range(2)
    )
    ready, waiting = next(others), Timed(batches)
    model, optimizer = trained(name)
    loop = train(
        model,
        source_only(loss_of, 7),
        (optimizer,),
        waiting,
        steps=(ROUNDS + 1) * STEPS,
        lr_factor=lambda step: 1.0,
        pause=lambda step: step % STEPS == 0,
        device=CPU,
    )
    twin, its_optimizer = trained(name)

    def bare() -> None:
        for _ in range(STEPS):
            its_optimizer.zero_grad()
            loss_of(twin(ready.images), ready.labels).backward()
            its_optimizer.step()

    def timed(work: Callable[[], object]) -> float:
        begin = time.perf_counter()
        work()
        return time.perf_counter() - begin

    timed(bare), timed(lambda: next(loop))
    waited = waiting.seconds
    rounds = [(timed(bare), timed(lambda: next(loop))) for _ in range(ROUNDS)]
    speed = statistics.median(b / w for b, w in rounds)
    share = (waiting.seconds - waited) / sum(w for _, w in rounds)
    ms = 1e3 * statistics.median(b for b, _ in rounds) / STEPS
    say(f"{name}: {speed:.3f} of a bare loop's images/s (step {ms:.0f} ms), {share:.2%} of the time waiting for data")
    assert speed > 0.85
    assert share < 0.02
