"""What every loss of the table owes its caller, whatever the labels hold."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from every_loss import HEADS, MINED, build, gradients
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from bench.losses import LOSSES
from bench.losses.boundary import edge_targets
from bench.losses.ohem import hard_pixels
from bench.spec import IGNORE, BenchError

every_loss = pytest.mark.parametrize("name", LOSSES)


def labels_of(case: str, labels: Tensor) -> Tensor:
    return {
        "mixed": labels,
        "all void": torch.full_like(labels, IGNORE),
        "one class": torch.zeros_like(labels),
        "one pixel": torch.full_like(labels, IGNORE).index_put_((torch.tensor(0),) * 3, torch.tensor(1)),
        "one image void": torch.cat([labels[:1], torch.full_like(labels[1:], IGNORE)]),
    }[case]


@every_loss
@pytest.mark.parametrize("classes", [2, 7])
@pytest.mark.parametrize("case", ["mixed", "all void", "one class", "one pixel", "one image void"])
@pytest.mark.parametrize("host", ["reads", "does not read"])
def test_finite_value_and_gradient_for_any_labels(
    name: str, classes: int, case: str, host: str, make_batch: Callable, request: pytest.FixtureRequest
) -> None:
    if host == "does not read":
        request.getfixturevalue("as_on_a_gpu")
    outputs, labels = make_batch(classes=classes, dtype=torch.float32)
    value, grads = gradients(name, outputs, labels_of(case, labels))
    assert value >= 0
    assert set(HEADS[name]) <= set(grads)
    assert all(torch.isfinite(grad).all() for grad in [torch.tensor(value), *grads.values()])
    if case == "all void":
        assert value == 0
        assert not any(grad.any() for grad in grads.values())


@every_loss
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_finite_for_perfect_and_for_entirely_wrong_logits(name: str, scale: float, make_batch: Callable) -> None:
    _, labels = make_batch(stride=1, dtype=torch.float32, void=0.0)
    for sign in (scale, -scale):
        logits = sign * 30 * torch.nn.functional.one_hot(labels, 5).movedim(-1, 1).float()
        found = {
            "aux": logits.clone().requires_grad_(),
            "out": logits.requires_grad_(),
            "boundary": (sign * (2 * edge_targets(labels)[:, None].float() - 1)).requires_grad_(),
        }
        value, grads = gradients(name, found, labels)
        assert torch.isfinite(torch.stack([torch.tensor(value), *(grad.sum() for grad in grads.values())])).all()
        if scale == 1e4 and sign > 0:
            assert value < 1e-3
    assert value > (0.4 if name == "boundary" else 0.99)


@every_loss
def test_the_order_of_the_batch_does_not_matter(name: str, make_batch: Callable) -> None:
    outputs, labels = make_batch(n=4)
    value, grads = gradients(name, outputs, labels)
    order = torch.tensor([2, 0, 3, 1])
    turned, turned_grads = gradients(
        name, {k: v.detach()[order].requires_grad_() for k, v in outputs.items()}, labels[order]
    )
    assert turned == pytest.approx(value, rel=1e-12)
    assert all(torch.allclose(turned_grads[k], grad[order], rtol=1e-9, atol=1e-15) for k, grad in grads.items())
    assert gradients(name, outputs, labels[order])[0] != pytest.approx(value, rel=1e-6)


@every_loss
def test_ignored_pixels_get_no_gradient_and_others_do(name: str, make_batch: Callable) -> None:
    outputs, labels = make_batch(stride=1)
    _, grads = gradients(name, outputs, labels)
    for key in HEADS[name]:
        moved = grads[key].abs().sum(1) > 0
        assert not moved[labels == IGNORE].any()
        assert moved[labels != IGNORE].float().mean() > 0.1


@every_loss
def test_logits_under_ignored_pixels_do_not_matter(name: str, make_batch: Callable) -> None:
    outputs, labels = make_batch(stride=1)
    other = {k: v.detach().clone() for k, v in outputs.items()}
    for key in HEADS[name]:
        other[key].movedim(1, -1)[labels == IGNORE] = 9.0
    assert build(name)(other, labels).item() == pytest.approx(build(name)(outputs, labels).item(), rel=1e-12)


@every_loss
def test_gradients_are_those_of_the_value(name: str, make_batch: Callable) -> None:
    outputs, labels = make_batch(3, n=1, classes=3, size=(8, 8), stride=4)
    loss = build(name, **({"min_kept": 20} if name in MINED else {}))
    keys = list(outputs)
    assert torch.autograd.gradcheck(
        lambda *logits: loss(dict(zip(keys, logits, strict=True)), labels), tuple(outputs.values())
    )


@every_loss
@pytest.mark.parametrize("host", ["reads", "does not read"])
def test_a_network_that_diverged_shows_nan(
    name: str, host: str, make_batch: Callable, request: pytest.FixtureRequest
) -> None:
    if host == "does not read":
        request.getfixturevalue("as_on_a_gpu")
    outputs, labels = make_batch(void=0.0)
    head = HEADS[name][-1]
    nan = torch.full_like(outputs[head], float("nan"))
    some = outputs[head].detach().clone()
    some[0, :, 0, 0] = float("nan")
    for logits in (nan, some):
        assert build(name)({**outputs, head: logits}, labels).isnan()


def test_the_obvious_comparison_would_hide_it() -> None:
    values = torch.full((1, 2, 2), float("nan"))
    assert hard_pixels(values, torch.ones_like(values, dtype=torch.bool), threshold=0.9, min_kept=9).all()
    assert not (torch.exp(-values) < 0.9).any()


@every_loss
def test_low_resolution_logits_are_resized_to_the_labels(name: str, make_batch: Callable) -> None:
    outputs, labels = make_batch()
    corners = name == "pidnet"
    for align_corners in (False, True):
        full = {
            k: torch.nn.functional.interpolate(v, labels.shape[-2:], mode="bilinear", align_corners=align_corners)
            for k, v in outputs.items()
        }
        same = build(name)(full, labels).item() == pytest.approx(build(name)(outputs, labels).item(), rel=1e-12)
        assert same == (align_corners == corners)


def look_by_size(outputs: dict[str, Tensor], labels: Tensor) -> Tensor:
    """Wrong on purpose: the host learns how many pixels are labelled."""
    values = torch.nn.functional.cross_entropy(outputs["out"], labels, ignore_index=IGNORE, reduction="none")
    return values[labels != IGNORE].mean()


def look_by_value(outputs: dict[str, Tensor], labels: Tensor) -> Tensor:
    """Wrong on purpose: the host reads a value."""
    return outputs["out"].mean() if (labels != IGNORE).any() else outputs["out"].sum() * 0


@every_loss
@pytest.mark.parametrize("min_kept", [100, 10**6])
def test_the_host_never_waits_for_the_device(
    name: str, min_kept: int, make_batch: Callable, as_on_a_gpu: None, no_looking: TorchDispatchMode
) -> None:
    outputs, labels = make_batch()
    loss = build(name, **({"min_kept": min_kept} if name in MINED else {}))
    with no_looking:
        loss(outputs, labels).backward()
    nowhere = {key: torch.empty_like(logits, device="meta", requires_grad=True) for key, logits in outputs.items()}
    value = loss(nowhere, labels.to("meta"))
    value.backward()
    assert value.shape == ()


@pytest.mark.parametrize("wrong", [look_by_size, look_by_value])
def test_the_check_catches_a_loss_that_waits(
    wrong: Callable, make_batch: Callable, no_looking: TorchDispatchMode
) -> None:
    outputs, labels = make_batch(stride=1)
    with pytest.raises(RuntimeError, match="host looked"), no_looking:
        wrong(outputs, labels)


@every_loss
def test_a_missing_output_is_named_with_its_option(name: str, make_batch: Callable) -> None:
    outputs, labels = make_batch()
    with pytest.raises(BenchError, match=rf"'{HEADS[name][0]}'.*aux: true") as caught:
        build(name)({"out": outputs["out"]}, labels)
    assert caught.value.key == "loss"
    if name == "pidnet":
        with pytest.raises(BenchError, match=r"'boundary'.*aux: true"):
            build(name)({"out": outputs["out"], "aux": outputs["aux"]}, labels)


@every_loss
def test_labels_of_another_type_are_refused(name: str, make_batch: Callable) -> None:
    outputs, labels = make_batch()
    with pytest.raises(TypeError, match="int64"):
        build(name)(outputs, labels.to(torch.uint8))


WRONG = [
    *((name, {"aux_weight": -0.1}) for name in sorted(set(LOSSES) - {"boundary", "combined"})),
    ("cross_entropy", {"label_smoothing": 1.0}),
    ("cross_entropy", {"label_smoothing": -0.1}),
    ("cross_entropy", {"weights": [1.0, -1.0]}),
    ("cross_entropy", {"weights": [0.0, 0.0]}),
    ("cross_entropy", {"weights": []}),
    ("focal", {"gamma": -1.0}),
    ("focal", {"alpha": -0.25}),
    ("focal", {"alpha": [0.5, -0.5]}),
    ("dice", {"smooth": -1.0}),
    ("jaccard", {"smooth": -1.0}),
    ("tversky", {"smooth": -1.0}),
    ("tversky", {"fn_weight": -1.0}),
    ("tversky", {"fp_weight": 0.0, "fn_weight": 0.0}),
    ("ohem", {"threshold": 1.1}),
    ("ohem", {"threshold": -0.1}),
    ("ohem", {"min_kept": 0}),
    ("pidnet", {"threshold": 2.0}),
    ("pidnet", {"min_kept": -5}),
    ("pidnet", {"boundary_weight": -1.0}),
    ("pidnet", {"boundary_threshold": 1.5}),
]


@pytest.mark.parametrize(("name", "options"), WRONG)
def test_options_out_of_range_are_refused_by_name(name: str, options: dict) -> None:
    with pytest.raises(BenchError) as caught:
        build(name, **options)
    assert caught.value.key == f"loss.{next(iter(options))}"
    assert caught.value.remedy
