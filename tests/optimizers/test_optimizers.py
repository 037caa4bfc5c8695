"""Groups become torch's groups with their own rates; wrong numbers and doubled parameters are refused."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from bench import names
from bench.optimizers import OPTIMIZERS
from bench.optimizers.adam import adam
from bench.optimizers.adamw import adamw
from bench.optimizers.rate import set_lr
from bench.optimizers.sgd import sgd
from bench.spec import BenchError, Component


def weights(*values: float) -> list[nn.Parameter]:
    return [nn.Parameter(torch.tensor([value])) for value in values]


def build(name: str, groups: list, **options: object) -> torch.optim.Optimizer:
    return names.build("optimizer", Component(name=name, options=options), groups)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_groups_carry_their_rate_and_stay_as_the_caller_gave_them(name: str) -> None:
    stem, head = weights(1.0), weights(2.0, 3.0)
    groups = [{"params": stem, "lr_factor": 0.1}, {"params": iter(head)}]
    optimizer = build(name, groups, lr=0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.5]
    assert [group["initial_lr"] for group in optimizer.param_groups] == [0.05, 0.5]
    assert [len(group["params"]) for group in optimizer.param_groups] == [1, 2]
    assert set(groups[0]) == {"params", "lr_factor"}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("across", [True, False])
def test_a_parameter_given_twice_is_refused(name: str, across: bool) -> None:
    (shared,) = weights(1.0)
    doubled = [{"params": [shared]}, {"params": [shared]}] if across else [{"params": [shared, shared]}]
    with pytest.raises(BenchError, match="more than once"):
        build(name, doubled)
    equal = weights(1.0, 1.0)
    build(name, [{"params": equal[:1]}, {"params": equal[1:]}])  # equal values are not the same parameter


@pytest.mark.parametrize("groups", [[], [{"params": []}]])
def test_nothing_to_train_is_refused(groups: list) -> None:
    with pytest.raises(BenchError, match="no parameter"):
        sgd(groups)


WRONG = [
    *((builder, {"lr": lr}) for builder in (sgd, adam, adamw) for lr in (-0.1, float("nan"), float("inf"))),
    *((builder, {"weight_decay": -1e-4}) for builder in (sgd, adam, adamw)),
    (sgd, {"momentum": -0.1}),
    (sgd, {"momentum": 1.0}),
    (sgd, {"momentum": 0.0, "nesterov": True}),
    (adam, {"betas": (1.0, 0.999)}),
    (adamw, {"betas": (0.9, -0.1)}),
]


@pytest.mark.parametrize(("builder", "options"), WRONG)
def test_numbers_out_of_range_are_refused(builder: object, options: dict) -> None:
    with pytest.raises(BenchError) as caught:
        builder([{"params": weights(1.0)}], **options)  # type: ignore[operator]
    assert caught.value.key.removeprefix("optimizer.") in options
    assert caught.value.remedy


def test_a_negative_factor_is_refused() -> None:
    with pytest.raises(BenchError, match="lr_factor"):
        sgd([{"params": weights(1.0), "lr_factor": -1.0}])


def steps(optimizer: torch.optim.Optimizer, weight: nn.Parameter) -> Iterator[float]:
    for goal in (3.0, 0.0, -2.0, 5.0, 1.5):
        optimizer.zero_grad()
        ((weight - goal) ** 2).sum().backward()
        optimizer.step()
        yield weight.item()


@pytest.mark.parametrize(
    ("name", "theirs", "options"),
    [
        ("sgd", torch.optim.SGD, {"lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4}),
        ("sgd", torch.optim.SGD, {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.0, "nesterov": True}),
        ("adam", torch.optim.Adam, {"lr": 1e-3, "betas": [0.9, 0.999], "weight_decay": 0.0}),
        ("adamw", torch.optim.AdamW, {"lr": 1e-3, "betas": [0.9, 0.999], "weight_decay": 0.01}),
    ],
)
def test_steps_are_torch_s_own(name: str, theirs: type, options: dict) -> None:
    (ours,), (want,), (other,) = weights(1.0), weights(1.0), weights(1.0)
    got = list(steps(build(name, [{"params": [ours]}], **options), ours))
    assert got == list(steps(theirs([want], fused=True, **options), want))
    assert got != list(steps(theirs([other], **{**options, "weight_decay": 0.3}), other))


def test_the_rate_follows_the_factor_and_groups_keep_their_ratio() -> None:
    first = sgd([{"params": weights(1.0), "lr_factor": 0.25}, {"params": weights(1.0)}], lr=0.8)
    second = adam([{"params": weights(1.0)}], lr=0.001)
    for factor in (1.0, 0.5, 0.3, 0.0, 1.0):
        set_lr((first, second), factor)
        assert [group["lr"] for group in first.param_groups] == [0.2 * factor, 0.8 * factor]
        assert second.param_groups[0]["lr"] == 0.001 * factor


def test_the_state_survives_a_checkpoint() -> None:
    (weight,), (again,) = weights(1.0), weights(1.0)
    groups = [{"params": [weight], "lr_factor": 0.5}]
    optimizer = sgd(groups)
    list(steps(optimizer, weight))
    set_lr([optimizer], 0.1)
    other = sgd([{"params": [again], "lr_factor": 0.5}])
    other.load_state_dict(optimizer.state_dict())
    set_lr([other], 0.2)
    assert other.param_groups[0]["lr"] == 0.005 * 0.2


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates_are_fused_where_torch_can(name: str) -> None:
    def fused(*devices: str) -> bool:
        groups = [{"params": [nn.Parameter(torch.empty(2, device=device))]} for device in devices]
        return bool(build(name, groups).defaults["fused"])

    with FakeTensorMode():
        assert fused("cuda")
        assert fused("cpu")
        assert not fused("cpu", "meta")


def after_a_withheld_first_update(optimizer: torch.optim.Optimizer, weight: nn.Parameter) -> tuple[float, float]:
    """The weight after an update that the loop's flag withheld, and after one more, memory being filled with nan."""
    torch.use_deterministic_algorithms(True)  # fills uninitialised memory, which makes reading it visible
    try:
        weight.grad = torch.ones(1)
        optimizer.grad_scale, optimizer.found_inf = None, torch.ones(())  # type: ignore[attr-defined]
        optimizer.step()
        withheld = weight.item()
        optimizer.found_inf = torch.zeros(())  # type: ignore[attr-defined]
        optimizer.step()
    finally:
        torch.use_deterministic_algorithms(False)
    return withheld, weight.item()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_withheld_first_update_leaves_no_trace(name: str) -> None:
    (weight,), (other,) = weights(1.0), weights(1.0)
    withheld, after = after_a_withheld_first_update(build(name, [{"params": [weight]}]), weight)
    plain = build(name, [{"params": [other]}])
    other.grad = torch.ones(1)
    plain.step()
    assert (withheld, after) == (1.0, other.item())


def test_torch_s_own_leaves_one() -> None:
    (weight,) = weights(1.0)
    _, after = after_a_withheld_first_update(torch.optim.SGD([weight], lr=0.01, momentum=0.9, fused=True), weight)
    assert after != after  # nan
