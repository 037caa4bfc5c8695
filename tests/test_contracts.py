"""What every part promises by standing in a table: a new one is held to it without a new test."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from bench import names
from bench.names.combined import COMBINED
from bench.spec import IGNORE, Component

CLASSES = 5


def every(kind: str) -> list[str]:
    """All names of a kind; what combines several is tested in test_combined.py."""
    return sorted(set(names.load(names.TABLES[kind])) - {COMBINED})


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


def augmentation_faults(transform: Any) -> set[str]:
    """Which promises of an augmentation `transform` breaks.

    Its generator alone decides; it changes something; and either labels stay where they are and so do the pixels, only
    their colours change, or each pixel takes its label along (to the nearest pixel) and what is void is void in both.
    """
    side = 7  # a code of its own for each pixel of the batch, none of them IGNORE
    sample, row, column = torch.meshgrid(torch.arange(4), torch.arange(side), torch.arange(side), indexing="ij")
    codes, places = (sample * side + row) * side + column, torch.stack([sample, row, column], 1).float()
    noise = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    noise = noise.repeat_interleave(3, 2).repeat_interleave(3, 3)
    patches = torch.randint(5, (4, 24, 24), generator=torch.Generator().manual_seed(1))

    def ran(images: torch.Tensor, labels: torch.Tensor, seed: int) -> Any:
        torch.seed()  # the global state, which must not matter
        return transform(images.clone(), labels.clone(), torch.Generator().manual_seed(seed))

    faults, seeds = set(), range(20)
    if not all(torch.equal(a, b) for a, b in zip(ran(places, codes, 3), ran(places, codes, 3), strict=True)):
        faults.add("draws from elsewhere")
    coloured = [ran(noise, patches, seed)[0] for seed in seeds]
    moved = [ran(places, codes, seed) for seed in seeds]
    if all(torch.equal(a, noise) for a in coloured) and all(torch.equal(a, places) for a, _ in moved):
        faults.add("changes nothing")
    if all(torch.equal(told, codes) for _, told in moved):
        for images in coloured:
            greys = zip(images.mean(1).flatten(1), noise.mean(1).flatten(1), strict=True)
            if any(torch.corrcoef(torch.stack(pair))[0, 1] < 0.5 for pair in greys):
                faults.add("moves pixels, not labels")
        return faults
    for images, told in moved:
        valid = told != IGNORE
        wanted = torch.stack([told // side**2, told // side % side, told % side], 1)
        if ((images - wanted).abs().amax(1)[valid] > 0.51).any():
            faults.add("pixels and labels part")
    return faults


AUGMENT_NEEDS = {"copy_blob": {"pairs": [[1, 49]]}, "cutout": {"hole_px": 5}}
"""Options without a default, or whose default is meant for larger images."""


@pytest.mark.parametrize("name", every("augment"))
def test_an_augmentation_keeps_pixels_and_labels_together_and_draws_from_its_generator_alone(name: str) -> None:
    component = Component(name=name, options=AUGMENT_NEEDS.get(name, {}))
    assert augmentation_faults(names.build("augment", component)) == set()


def test_the_augmentation_check_sees_faults() -> None:
    flip = built("augment", "flip")
    assert augmentation_faults(lambda i, t, g: (i, t)) == {"changes nothing"}
    assert "draws from elsewhere" in augmentation_faults(lambda i, t, g: (i + torch.rand(()), t))
    assert augmentation_faults(lambda i, t, g: (flip(i, t, g)[0], t)) == {"moves pixels, not labels"}
    assert augmentation_faults(lambda i, t, g: (i * 2, flip(i, t, g)[1])) >= {"pixels and labels part"}
    assert augmentation_faults(lambda i, t, g: (i.roll(1, -1), t.roll(2, -1))) == {"pixels and labels part"}


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


@pytest.mark.parametrize("name", every("dataset"))
def test_a_dataset_knows_its_facts(name: str) -> None:
    info = names.dataset_info(name)
    assert info.name == name
    if any(option.required for option in names.options("dataset", name).values()):
        return  # its classes and domains stand in the sweep file
    assert len(info.palette) == info.num_classes == len(set(info.class_names)) == len(set(info.palette))
    assert all(0 <= part <= 255 for colour in info.palette for part in colour)
    assert info.domains
    assert info.licence
    assert info.source
    assert 1 < info.num_classes < IGNORE
