"""Distillation: what its losses are, whom they reach, and what stays as it was."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from method_toys import CLASSES, CPU, Running, Toy, running, same, setting, toy_batch
from torch import Tensor

from bench.methods.distillation import Distillation, divergence
from bench.methods.stage_maps import channels, listen, shared_stages
from bench.spec import IGNORE, BenchError


def logits(seed: int, size: tuple[int, int] = (6, 8)) -> Tensor:
    return torch.randn(2, CLASSES, *size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def backward(loss: Tensor) -> None:
    loss.backward()  # type: ignore[no-untyped-call]


def labels(size: tuple[int, int] = (6, 8), void: slice | None = None) -> Tensor:
    found = torch.zeros(2, *size, dtype=torch.int64)
    if void is not None:
        found[:, void] = IGNORE
    return found


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_it_is_the_divergence_of_a_pixel_times_the_square_of_the_temperature(temperature: float) -> None:
    student, teacher = logits(0), logits(1)
    known = F.kl_div(
        (student / temperature).log_softmax(1), (teacher / temperature).log_softmax(1), log_target=True, reduction="sum"
    )
    found = divergence(student, teacher, labels(), temperature)
    assert found == pytest.approx(float(known) * temperature**2 / (2 * 6 * 8))
    careless = float(known) / student.numel()  # reduction "mean", and no square: what published code does
    assert found != pytest.approx(careless)


def test_at_high_temperature_the_gradient_is_that_of_matched_logits() -> None:
    """Hinton et al., equation 4: (z - v) / K of centred logits, whatever the temperature once it is high."""
    student, teacher = logits(0), logits(1)
    student.requires_grad_()
    backward(divergence(student, teacher, labels(), 1e4))
    centred = [one - one.mean(1, keepdim=True) for one in (student.detach(), teacher)]
    assert student.grad is not None
    assert torch.allclose(student.grad * (2 * 6 * 8), (centred[0] - centred[1]) / CLASSES, atol=1e-3)


def test_void_is_in_no_mean_and_gets_no_gradient() -> None:
    student, teacher = logits(0).requires_grad_(), logits(1)
    seen = divergence(student, teacher, labels(void=slice(0, 2)), 1.0)
    alone = divergence(student.detach()[:, :, 2:], teacher[:, :, 2:], labels()[:, 2:], 1.0)
    assert seen.item() == pytest.approx(alone.item())
    backward(seen)
    assert student.grad is not None
    assert student.grad[:, :, :2].eq(0).all()
    assert student.grad[:, :, 2:].ne(0).any()
    assert divergence(student, teacher, labels(void=slice(0, 6)), 1.0) == 0


def test_the_teacher_may_have_maps_of_another_size() -> None:
    assert divergence(logits(0), logits(1, (3, 4)), labels((12, 16)), 1.0) > 0
    assert divergence(logits(0), logits(0), labels((12, 16)), 2.0) == pytest.approx(0, abs=1e-12)


# -------------------------------------------------------------------- whom it reaches


def method_of(run: Running) -> Distillation:
    assert isinstance(run.method, Distillation)
    return run.method


def quiet(**options: Any) -> Running:
    """Without dropout, so that two passes are alike."""
    run = running("distillation", **options)
    run.model.drop.p = method_of(run).teacher.drop.p = 0.0  # type: ignore[union-attr]
    return run


def gradients(run: Running, *, apart: bool) -> dict[str, Tensor]:
    """Of the first loss, or of the labels' and the teacher's loss, each in a pass of its own."""
    batch, method = toy_batch(0), method_of(run)
    run.model.train().bn.momentum = 0.0
    if apart:
        outputs = run.model(batch.images)
        with torch.no_grad():
            said = method.teacher(batch.images)["out"]
        backward(method.loss(outputs, batch.labels))
        backward(3.0 * divergence(run.model(batch.images)["out"], said, batch.labels, 2.0))
    else:
        name, loss = next(iter(method.losses(run.model, batch)))
        assert name == "segmentation"
        assert loss.item() == pytest.approx(method.loss(run.model(batch.images), batch.labels).item())
        backward(loss)
    return {name: p.grad.clone() for name, p in run.model.named_parameters() if p.grad is not None}


def test_one_pass_has_the_gradients_of_both_losses_and_the_value_of_one() -> None:
    options = {"weight": 3.0, "temperature": 2.0}
    one, two = gradients(quiet(**options), apart=False), gradients(quiet(**options), apart=True)
    assert one.keys() == two.keys()
    for name in one:
        assert torch.allclose(one[name], two[name], atol=1e-6), name
    alone = gradients(quiet(weight=0.0, temperature=2.0), apart=False)
    assert not torch.allclose(one["head.weight"], alone["head.weight"], atol=1e-6)


def test_the_student_runs_once_a_step_and_the_teacher_twice() -> None:
    run, seen = running("distillation"), list[str]()
    run.model.register_forward_hook(lambda *_: seen.append("student"))
    method_of(run).teacher.register_forward_hook(lambda *_: seen.append("teacher"))
    run.go(1)
    assert seen == ["student", "teacher", "teacher"]


def test_the_students_loss_reaches_no_weight_of_the_teacher() -> None:
    run = running("distillation")
    losses = iter(method_of(run).losses(run.model, toy_batch(0)))
    backward(next(losses)[1])
    assert all(p.grad is None for p in method_of(run).teacher.parameters())
    backward(next(losses)[1])
    assert any(p.grad is not None for p in method_of(run).teacher.parameters())
    assert not method_of(run).teacher.training


def test_a_given_teacher_stays_as_it_is_and_has_no_optimizer() -> None:
    run = running("distillation", teacher_weights="file.pth")
    before = copy.deepcopy(method_of(run).teacher.state_dict())
    losses = run.go(3)
    assert same(before, method_of(run).teacher.state_dict())
    assert "teacher" not in losses
    assert run.method.optimizers == ()
    assert all(p.grad is None for p in method_of(run).teacher.parameters())
    learning = running("distillation")
    before = copy.deepcopy(method_of(learning).teacher.state_dict())
    learning.go(3)
    assert not same(before, method_of(learning).teacher.state_dict())


def test_a_teacher_that_learns_does_so_by_labels() -> None:
    losses = running("distillation", teacher_lr=0.02).go(24)
    assert sum(losses["teacher"][-4:]) < 0.7 * sum(losses["teacher"][:4])
    assert set(losses) == {"segmentation", "teacher", "distillation"}


def test_a_student_comes_nearer_to_a_given_teacher() -> None:
    taught = running("distillation", teacher_weights="file.pth", weight=5.0).go(24)["distillation"]
    ignored = running("distillation", teacher_weights="file.pth", weight=0.0).go(24)["distillation"]
    assert sum(taught[-4:]) < 0.5 * sum(ignored[-4:])


# -------------------------------------------------------------------- features


def test_features_teach_through_a_convolution_that_learns() -> None:
    run = running("distillation", feature_weight=1.0, teacher_weights="file.pth", teacher_lr=0.01)
    (projection,) = method_of(run).projections
    assert isinstance(projection, torch.nn.Conv2d)
    assert projection.weight.shape == (9, 6, 1, 1)
    before = projection.weight.detach().clone()
    losses = run.go(24)
    assert not torch.equal(before, projection.weight)
    assert losses["features"][-1] < 0.7 * losses["features"][0]
    assert len(run.method.optimizers) == 1


def test_maps_are_let_go_of() -> None:
    run = running("distillation", feature_weight=1.0)
    run.go(2)
    assert [dict(maps) for maps in method_of(run).maps] == [{}, {}]


def test_copies_of_the_student_do_not_copy_the_teacher() -> None:
    run = running("distillation", feature_weight=1.0)
    (hook,) = copy.deepcopy(run.model).stem._forward_hooks.values()
    assert hook is next(iter(run.model.stem._forward_hooks.values()))


def test_stages_that_both_have_are_paired() -> None:
    one, other = Toy(), Toy(width=4)
    assert shared_stages(one, other, None) == [("stem", "stem")]
    assert shared_stages(one, other, ["stem"]) == [("stem", "stem")]
    with pytest.raises(BenchError, match="stage 'layer9'; both have: stem"):
        shared_stages(one, other, ["layer9"])
    other.stages = lambda: [("layer1", [other.stem]), ("head", [other.head])]  # type: ignore[method-assign]
    assert shared_stages(one, other, None) == [("stem", "layer1")]


def test_looking_for_channels_leaves_the_network_alone() -> None:
    model = Toy().train()
    model.bn.eval()
    before, modes = copy.deepcopy(model.state_dict()), [part.training for part in model.modules()]
    assert channels(model, ["stem"], CPU) == [6]
    assert same(before, model.state_dict())
    assert modes == [part.training for part in model.modules()]
    assert not model.stem._forward_hooks
    maps = listen(model, ["stem"])
    model(toy_batch(0).images)
    assert maps["stem"].shape == (2, 6, 16, 16)


def test_a_run_without_a_builder_of_networks_is_told() -> None:
    run = running("distillation")
    with pytest.raises(ValueError, match="builds none"):
        run.method.attach(run.model, type(setting())(device=CPU, steps=1, seed=0, num_classes=CLASSES))
