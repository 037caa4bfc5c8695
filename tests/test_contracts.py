"""What every part promises by standing in a table: a new one is held to it without a new test."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from bench import names
from bench.spec import IGNORE, Component

CLASSES = 5


def every(kind: str) -> list[str]:
    return sorted(names.load(names.TABLES[kind]))


def built(kind: str, name: str, *args: Any) -> Any:
    return names.build(kind, Component(name=name), *args)


@pytest.fixture(scope="module")
def outputs() -> dict[str, torch.Tensor]:
    """What a model with every head gives for two images of 16 x 24."""
    torch.manual_seed(0)
    shapes = {"out": (2, CLASSES, 2, 3), "aux": (2, CLASSES, 2, 3), "boundary": (2, 1, 2, 3)}
    return {name: torch.randn(shape) for name, shape in shapes.items()}


def labels(*values: int) -> torch.Tensor:
    drawn = torch.randint(0, len(values), (2, 16, 24), generator=torch.Generator().manual_seed(1))
    return torch.tensor(values)[drawn]


LABELS = {"mixed": labels(0, 1, 2, 3, 4, IGNORE), "one class": labels(2), "all void": labels(IGNORE)}


@pytest.mark.parametrize("which", LABELS)
@pytest.mark.parametrize("name", every("loss"))
def test_a_loss_is_a_finite_scalar_with_a_finite_gradient(
    name: str, which: str, outputs: dict[str, torch.Tensor]
) -> None:
    given = {k: v.clone().requires_grad_() for k, v in outputs.items()}
    value = built("loss", name)(given, LABELS[which])
    value.backward()
    assert value.shape == ()
    assert value.isfinite()
    gradient = given["out"].grad
    assert gradient is not None
    assert gradient.isfinite().all()
    if which == "all void":
        assert not gradient.any()
    elif which == "mixed":
        assert gradient.any()


@pytest.mark.parametrize("name", every("scheduler"))
def test_a_schedule_is_a_factor_that_starts_above_zero(name: str) -> None:
    shape = built("scheduler", name)
    factors = [shape(i / 1000) for i in range(1000)]
    assert factors[0] > 0
    assert all(0 <= f < float("inf") for f in factors)


@pytest.mark.parametrize("name", every("optimizer"))
def test_an_optimizer_moves_downhill_and_stands_still_while_the_flag_is_up(name: str) -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = built("optimizer", name, [{"params": [weight]}])
    assert all("initial_lr" in group for group in optimizer.param_groups)
    optimizer.found_inf = flag = torch.zeros(())
    for raised in (True, False, True):
        before = weight.detach().clone()
        weight.grad = torch.full((3,), float("nan") if raised else 1.0)
        flag.fill_(raised)
        optimizer.step()
        assert torch.equal(weight, before) is raised
    assert (weight < 1).all()


@pytest.mark.parametrize("name", every("augment"))
def test_an_augmentation_moves_pixels_and_labels_together_and_draws_from_its_generator_alone(name: str) -> None:
    transform = built("augment", name)
    codes = torch.arange(4 * 8 * 8).reshape(4, 8, 8)
    images = codes[:, None].expand(4, 3, 8, 8).float()
    first = transform(images.clone(), codes.clone(), torch.Generator().manual_seed(3))
    torch.manual_seed(7)
    again = transform(images.clone(), codes.clone(), torch.Generator().manual_seed(3))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    moved, told = first
    assert torch.equal(moved[:, 0], told.float())
    others = [transform(images, codes, torch.Generator().manual_seed(seed))[1] for seed in range(20)]
    assert any(not torch.equal(other, codes) for other in others)


@pytest.mark.parametrize("name", every("model"))
def test_a_model_is_built_on_meta_and_says_what_the_house_needs(name: str) -> None:
    with torch.device("meta"):
        model = built("model", name, CLASSES)
        images = torch.zeros(2, 3, 64, 96)
        given = model(images)
        assert given["out"].shape[:2] == (2, CLASSES)
        assert set(given) <= {"out", "aux", "boundary"}
        model.eval()
        deployed = model.deployed()
        assert deployed(images).shape == given["out"].shape
    staged = [id(p) for _, modules in model.stages() for module in modules for p in module.parameters()]
    assert sorted(staged) == sorted(id(p) for p in model.parameters())


@pytest.mark.parametrize("name", every("method"))
def test_a_method_yields_named_scalars(name: str) -> None:
    from bench.batches import Batch

    torch.manual_seed(0)
    model = built("model", "unet_resnet18", CLASSES).train()
    method = built("method", name, built("loss", "cross_entropy"), CLASSES)
    batch = Batch(torch.randn(2, 3, 32, 32), torch.zeros(2, 32, 32, dtype=torch.int64), torch.randn(2, 3, 32, 32))
    losses = list(method.losses(model, batch))
    assert losses
    assert all(isinstance(what, str) and loss.shape == () and loss.requires_grad for what, loss in losses)
    method.load_state_dict(method.state_dict())


@pytest.mark.parametrize("name", every("dataset"))
def test_a_dataset_knows_its_facts(name: str) -> None:
    info = names.dataset_info(name)
    assert info.name == name
    assert len(info.palette) == info.num_classes == len(set(info.class_names)) == len(set(info.palette))
    assert all(0 <= part <= 255 for colour in info.palette for part in colour)
    assert info.domains
    assert info.licence
    assert info.source
    assert 1 < info.num_classes < IGNORE
