"""DACS, DAFormer's loop and MIC: what is pasted, what it weighs, what is hidden, and a teacher that only follows."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from method_toys import CLASSES, Running, Toy, built, running, same, toy_batch
from torch import Tensor

from bench.batches import Batch
from bench.methods.mic import Mic, block_px, blocks
from bench.methods.self_training import SelfTraining
from bench.methods.teacher import Teacher, frozen_copy, predicted
from bench.models.segmodel import SegModel
from bench.spec import IGNORE, BenchError

PLAIN = {"jitter_p": 0.0, "blur_p": 0.0}

# -------------------------------------------------------------------- teacher


def test_a_teacher_follows_its_formula_buffers_too() -> None:
    torch.manual_seed(0)
    student = Toy()
    teacher, wanted = Teacher(student, 0.7), copy.deepcopy(student.state_dict())
    for n in range(1, 6):
        for value in student.state_dict().values():
            value.add_(torch.rand_like(value) if value.is_floating_point() else 3)
        alpha = min(1 - 1 / (n + 1), 0.7)
        for key, value in student.state_dict().items():
            moved = alpha * wanted[key] + (1 - alpha) * value
            wanted[key] = moved if value.is_floating_point() else value.clone()
        teacher.update(student)
        for key, value in teacher.model.state_dict().items():
            torch.testing.assert_close(value, wanted[key], rtol=1e-6, atol=1e-6)
    assert teacher.model.state_dict()["bn.num_batches_tracked"] == 15


def test_the_first_updates_average_all_weights_so_far() -> None:
    student = Toy()
    teacher, seen = Teacher(student, 0.999), [student.head.bias.detach().clone()]
    for n in range(4):
        student.head.bias.data.fill_(float(n))
        seen.append(student.head.bias.detach().clone())
        teacher.update(student)
    torch.testing.assert_close(teacher.model.head.bias.detach(), torch.stack(seen).mean(0))  # type: ignore[attr-defined]


def test_shared_weights_move_once() -> None:
    student = Toy()
    student.side = student.head
    teacher = Teacher(student, 0.5)
    before = student.head.bias.detach().clone()
    student.head.bias.data.add_(1)
    teacher.update(student)
    torch.testing.assert_close(teacher.model.head.bias.detach(), before + 0.5)  # type: ignore[attr-defined]


def test_a_teacher_says_the_same_whatever_stands_beside_an_image() -> None:
    teacher = Teacher(Toy(), 0.9)
    images = toy_batch(0, n=4).images
    together = predicted(teacher.model, images)
    assert together.shape == (4, CLASSES, 32, 32)
    torch.testing.assert_close(together.sum(1), torch.ones(4, 32, 32))
    torch.testing.assert_close(predicted(teacher.model, images[:1]), together[:1])
    teacher.model.train()
    assert not torch.allclose(predicted(teacher.model, images[:1]), together[:1], atol=1e-4)  # what train mode would do


@pytest.mark.parametrize("name", ["dacs", "self_training", "mic"])
def test_in_a_run_the_teacher_has_no_gradient_and_its_statistics_move(name: str) -> None:
    run = running(name)
    teacher: SegModel = run.method.teacher.model  # type: ignore[attr-defined]
    before = copy.deepcopy(teacher.state_dict())
    run.go(3)
    assert not any(p.requires_grad or p.grad is not None for p in teacher.parameters())
    assert not any(part.training for part in teacher.modules())
    after = teacher.state_dict()
    assert all(not torch.equal(before[key], after[key]) for key in before if "side" not in key)
    assert run.method.teacher.updates == 3  # type: ignore[attr-defined]


def test_the_defaults_are_the_papers() -> None:
    for name, alpha, jitter in (("dacs", 0.99, 0.25), ("self_training", 0.999, 0.2), ("mic", 0.999, 0.2)):
        method = built(name)
        assert isinstance(method, SelfTraining)
        options = method.options
        assert (options.alpha, options.threshold, options.jitter, options.jitter_p) == (alpha, 0.968, jitter, 0.8)
        assert options.blur_p == 0.5
    masked = built("mic")
    assert isinstance(masked, Mic)
    assert (masked.mask_px, masked.mask_ratio, masked.weight) == (None, 0.7, 1.0)


# -------------------------------------------------------------------- mixing


class Seen:
    """What a self-training method trains on: images, labels and weights of every loss of a step."""

    def __init__(self, run: Running, monkeypatch: pytest.MonkeyPatch) -> None:
        self.images: list[Tensor] = []
        self.labels: list[Tensor] = []
        self.weights: list[Tensor] = []
        self.run, method = run, run.method
        assert isinstance(method, SelfTraining)
        weighted = method.weighted

        def spy(outputs: dict[str, Tensor], labels: Tensor, weights: Tensor) -> Tensor:
            self.labels.append(labels)
            self.weights.append(weights)
            return weighted(outputs, labels, weights)

        monkeypatch.setattr(method, "weighted", spy)
        run.model.register_forward_pre_hook(lambda model, inputs: self.images.append(inputs[0]))

    def step(self, batch: Batch) -> dict[str, float]:
        losses = {}
        for name, loss in self.run.method.losses(self.run.model, batch):
            loss.backward()
            losses[name] = loss.item()
        return losses


def teacher_says(monkeypatch: pytest.MonkeyPatch, guess: Tensor, confidence: Tensor) -> None:
    """Makes the teacher sure of `guess` (N, H, W) by `confidence` (N, H, W)."""
    chosen = F.one_hot(guess, CLASSES).movedim(-1, 1)
    rest = ((1 - confidence) / (CLASSES - 1))[:, None]
    probabilities = torch.where(chosen.bool(), confidence[:, None], rest)
    monkeypatch.setattr("bench.methods.self_training.predicted", lambda model, images: probabilities)


def quarters() -> Batch:
    """Source images of ones whose labels are, by quarter of the image, the classes 0, 1, 2 and void; target of -1."""
    labels = torch.empty(2, 32, 32, dtype=torch.int64)
    labels[:, :16, :16], labels[:, :16, 16:], labels[:, 16:, :16], labels[:, 16:, 16:] = 0, 1, 2, IGNORE
    return Batch(torch.ones(2, 3, 32, 32), labels, -torch.ones(2, 3, 32, 32), step=4, seed=7)


@pytest.mark.parametrize("name", ["dacs", "self_training", "mic"])
def test_half_of_the_classes_are_pasted_with_weight_1_over_labels_of_weight_q(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    guess = torch.ones(2, 32, 32, dtype=torch.int64)
    confidence = torch.full((2, 32, 32), 0.5)
    confidence[0, :8] = 0.968
    confidence[1, 0] = 0.99
    teacher_says(monkeypatch, guess, confidence)
    run, batch = running(name, **PLAIN), quarters()
    seen = Seen(run, monkeypatch)
    seen.step(batch)
    q = (8 + 1) * 32 / (2 * 32 * 32)
    images, labels, weights = seen.images[1], seen.labels[0], seen.weights[0]
    for k in range(2):
        pasted = images[k, 0] == 1
        assert torch.equal(images[k] == 1, pasted.expand(3, 32, 32))
        assert torch.equal(images[k, 0], torch.where(pasted, 1.0, -1.0))
        classes = batch.labels[k][pasted].unique()
        assert len(classes) == 2  # ceil(3 / 2), void being no class
        assert IGNORE not in classes
        assert torch.equal(pasted, torch.isin(batch.labels[k], classes))
        assert torch.equal(labels[k], torch.where(pasted, batch.labels[k], 1))
        torch.testing.assert_close(weights[k], torch.where(pasted, 1.0, q))
    assert run.method.watched["confident"].item() == pytest.approx(q)


def test_nothing_labelled_pastes_nothing_and_one_class_pastes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    teacher_says(monkeypatch, torch.zeros(2, 32, 32, dtype=torch.int64), torch.ones(2, 32, 32))
    batch = quarters()
    batch.labels[0].fill_(IGNORE)
    batch.labels[1].fill_(2)
    seen = Seen(running("dacs", **PLAIN), monkeypatch)
    seen.step(batch)
    assert (seen.images[1][0] == -1).all()
    assert (seen.images[1][1] == 1).all()


def test_which_classes_are_pasted_depends_on_seed_and_step_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    teacher_says(monkeypatch, torch.ones(2, 32, 32, dtype=torch.int64), torch.ones(2, 32, 32))
    seen = Seen(running("dacs", **PLAIN), monkeypatch)
    batches = [dataclasses.replace(quarters(), step=step, seed=seed) for seed in (1, 2) for step in range(8)]
    for batch in (*batches, *batches):
        seen.step(batch)
    mixed = seen.images[1::2]
    assert all(torch.equal(mixed[i], mixed[i + 16]) for i in range(16))
    assert len({image.numpy().tobytes() for image in mixed}) > 3


def test_the_loss_is_the_weighted_mean_over_all_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    run = running("dacs", **PLAIN)
    run.model.drop.p = 0.0
    seen = Seen(run, monkeypatch)
    losses = seen.step(toy_batch(0))
    logits = F.interpolate(run.model(seen.images[1])["out"], (32, 32), mode="bilinear", align_corners=False)
    wanted = (F.cross_entropy(logits, seen.labels[0], reduction="none") * seen.weights[0]).mean()
    assert losses["mixed"] == pytest.approx(wanted.item(), rel=1e-5)


@pytest.mark.parametrize("option", ["jitter_p", "blur_p"])
def test_mixed_images_are_strongly_augmented_and_batches_left_alone(
    option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, strong = (running("mic", **{**PLAIN, option: p}) for p in (0.0, 1.0))
    batch = toy_batch(0)
    kept = copy.deepcopy(batch)
    images = []
    for run in (plain, strong):
        seen = Seen(run, monkeypatch)
        seen.step(batch)
        images.append(seen.images[1])
    assert not torch.allclose(images[0], images[1])
    assert torch.equal(batch.images, kept.images)
    assert torch.equal(batch.labels, kept.labels)
    assert same(batch.target_images, kept.target_images)


# -------------------------------------------------------------------- weights of pixels and classes


def test_local_weights_are_shares_of_confident_pixels_nearby(monkeypatch: pytest.MonkeyPatch) -> None:
    confidence = torch.zeros(2, 32, 32)
    confidence[:, 0, 0] = confidence[:, 10, 10] = 1
    teacher_says(monkeypatch, torch.zeros(2, 32, 32, dtype=torch.int64), confidence)
    method = running("self_training", pixel_weight="local").method
    assert isinstance(method, SelfTraining)
    _, trust = method.pseudo_labels(toy_batch(0).images)
    assert trust[0, 10, 10].item() == trust[0, 11, 9].item() == pytest.approx(1 / 9)
    assert trust[0, 0, 0].item() == pytest.approx(1 / 4)  # of the four that there are
    assert trust[0, 0, 1].item() == pytest.approx(1 / 6)
    assert trust[0, 12, 10].item() == 0


def test_class_weights_follow_rarity(monkeypatch: pytest.MonkeyPatch) -> None:
    run = running("self_training", class_temperature=0.5)
    seen = Seen(run, monkeypatch)
    wanted = torch.ones(CLASSES)
    for step in range(3):
        seen.step(toy_batch(step))
        shares = F.one_hot(seen.labels[-1], CLASSES).double().mean((0, 1, 2))
        now = ((1 - shares) / 0.5).softmax(0) * CLASSES
        wanted = 0.9 * wanted + 0.1 * now
    found = run.method.class_weights  # type: ignore[attr-defined]
    torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-6)
    assert found.sum().item() == pytest.approx(CLASSES)
    assert found.std() > 0


def test_class_weights_move_once_a_step_also_where_two_losses_use_them() -> None:
    found = []
    for name in ("self_training", "mic"):
        run = running(name, class_temperature=0.5, **PLAIN)
        for _, loss in run.method.losses(run.model.eval(), toy_batch(0)):
            loss.backward()
        found.append(run.method.class_weights)  # type: ignore[attr-defined]
    assert torch.equal(*found)


# -------------------------------------------------------------------- masks


@pytest.mark.parametrize("ratio", [0.0, 0.7, 1.0])
def test_the_hidden_share_is_the_ratio(ratio: float) -> None:
    seen = blocks(torch.zeros(64, 3, 128, 192), 16, ratio, torch.Generator().manual_seed(0))
    assert seen.shape == (64, 1, 128, 192)
    assert set(seen.unique().tolist()) <= {0.0, 1.0}
    cells = seen[:, :, ::16, ::16]
    assert torch.equal(cells.repeat_interleave(16, 2).repeat_interleave(16, 3), seen)
    assert 1 - cells.mean().item() == pytest.approx(ratio, abs=0.02)  # of 6,144 blocks
    assert ratio in (0.0, 1.0) or not torch.equal(cells[0], cells[1])


@pytest.mark.parametrize(("size", "cells"), [((100, 64), (2, 1)), ((16, 16), (1, 1)), ((97, 160), (2, 2))])
def test_sides_are_cut_into_the_nearest_number_of_blocks(size: tuple[int, int], cells: tuple[int, int]) -> None:
    seen = blocks(torch.zeros(200, 3, *size), 64, 0.5, torch.Generator().manual_seed(0))
    patterns = seen.flatten(1).unique(dim=0)
    assert len(patterns) == 2 ** (cells[0] * cells[1])


def test_blocks_are_the_papers_and_smaller_in_small_images() -> None:
    sizes = [(512, 512), (1024, 2048), (256, 512), (96, 64), (16, 16)]
    assert [block_px(size, None) for size in sizes] == [64, 64, 32, 8, 2]
    assert block_px((64, 64), 32) == 32
    for size, asked in (((64, 64), 64), ((4, 4), 5), ((96, 64), 50)):
        with pytest.raises(BenchError, match="hide images"):
            block_px(size, asked)


def test_masked_images_are_the_targets_with_the_teachers_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    guess = torch.randint(CLASSES, (2, 32, 32), generator=torch.Generator().manual_seed(0))
    teacher_says(monkeypatch, guess, torch.ones(2, 32, 32))
    run, batch = running("mic", mask_px=8, mask_weight=0.5, **PLAIN), toy_batch(0)
    run.model.drop.p = 0.0
    assert batch.target_images is not None
    seen = Seen(run, monkeypatch)
    losses = seen.step(batch)
    hidden = seen.images[2] == 0
    assert torch.equal(seen.images[2], torch.where(hidden, 0.0, batch.target_images))
    assert 0.3 < hidden.float().mean() < 1
    assert torch.equal(seen.labels[1], guess)
    assert (seen.weights[1] == 1).all()
    logits = F.interpolate(run.model(seen.images[2])["out"], (32, 32), mode="bilinear", align_corners=False)
    assert losses["masked"] == pytest.approx(0.5 * F.cross_entropy(logits, guess).item(), rel=1e-5)


def test_what_is_hidden_is_drawn_apart_from_what_is_pasted() -> None:
    runs: list[dict[str, Any]] = []
    for name in ("self_training", "mic"):
        run = running(name)
        losses = dict(run.method.losses(run.model, toy_batch(0)))
        runs.append(losses)
    assert torch.equal(runs[0]["mixed"], runs[1]["mixed"])


def test_a_frozen_copy_shares_nothing() -> None:
    model = Toy()
    twin = frozen_copy(model)
    twin.head.bias.data.fill_(9.0)  # type: ignore[attr-defined, union-attr, operator]
    assert not (model.head.bias == 9).any()
    assert model.training
    assert all(p.requires_grad for p in model.parameters())
