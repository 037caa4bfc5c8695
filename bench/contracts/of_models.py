"""What a network promises: logits, stages, a deployed form, gradients, one result for one seed, a state."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from bench import names
from bench.contracts.promise import CLASSES, Promise, Subject
from bench.cost.counts import count
from bench.models.segmodel import SegModel
from bench.run.rehearsal import on_nothing, step
from bench.spec import Component, RunConfig

SIZE = (64, 64)
OUTPUTS = {"out": CLASSES, "aux": CLASSES, "boundary": 1}
META = torch.device("meta")


def images(n: int = 2, size: tuple[int, int] = SIZE) -> Tensor:
    """Noise, the same in every call."""
    return torch.randn(n, 3, *size, generator=torch.Generator().manual_seed(0))


def on_meta(subject: Subject) -> SegModel:
    """The network without values: built in a moment."""
    with META:
        model: SegModel = subject.build(CLASSES)
    return model


def logits(subject: Subject) -> str:
    model = on_meta(subject)
    if not isinstance(model, SegModel):
        return f"it is a {type(model).__name__}, not a SegModel"
    for training in (True, False):
        for size in ((64, 96), (96, 64)):
            given: Any = model.train(training)(torch.zeros(2, 3, *size, device=META))
            if fault := shape_fault(given, 2):
                return f"{fault} for two images of {size[0]}x{size[1]} in {'train' if training else 'eval'} mode"
    return ""


def shape_fault(given: Any, n: int) -> str:
    """What is wrong with the outputs of `n` images, or nothing."""
    if not isinstance(given, dict) or "out" not in given:
        return f"it gives a {type(given).__name__} without `out`"
    for key, value in given.items():
        if key not in OUTPUTS:
            return f"it gives `{key}`, which nothing reads"
        if value.ndim != 4 or value.shape[:2] != (n, OUTPUTS[key]):
            return f"`{key}` is {tuple(value.shape)}, not ({n}, {OUTPUTS[key]}, h, w)"
        if value.dtype != torch.float32:
            return f"`{key}` is {value.dtype}"
    return ""


def stages(subject: Subject) -> str:
    return partition_fault(on_meta(subject))


def partition_fault(model: SegModel) -> str:
    """How `stages()` is no partition of the parameters, or ''."""
    named = {id(p): key for key, p in model.named_parameters()}
    listed = [id(p) for _, modules in model.stages() for module in modules for p in module.parameters()]
    twice = [named.get(i, "one of none of its modules") for i in dict.fromkeys(listed) if listed.count(i) > 1]
    lost = [key for i, key in named.items() if i not in set(listed)]
    words = [word for word, _ in model.stages()]
    if lost or twice:
        return f"{len(lost)} parameters in no stage, {len(twice)} in two: {', '.join((lost + twice)[:3])}"
    if set(listed) - set(named):
        return "stages hold parameters that the network has not"
    return f"two stages of one name in {words}" if len(set(words)) < len(words) else ""


def deployed(subject: Subject) -> str:
    model: SegModel = subject.seeded(CLASSES).train()
    keys, plain = list(model.state_dict()), model.deployed()
    if list(model.state_dict()) != keys or not all(part.training for part in model.modules()):
        return "it changes the network it is made of"
    if any(part.training for part in plain.modules()):
        return "it comes in training mode"
    own = {id(t) for t in (*model.parameters(), *model.buffers())}
    if {id(t) for t in (*plain.parameters(), *plain.buffers())} - own:
        return "it has tensors of its own, which training does not reach"
    with torch.no_grad():
        same = torch.equal(plain(images()), model.eval()(images())["out"])
    return "" if same else "its logits are not those of the network in eval mode"


def gradients(subject: Subject) -> str:
    model: SegModel = subject.seeded(CLASSES).train()
    torch.stack([value.square().mean() for value in model(images()).values()]).sum().backward()  # type: ignore[no-untyped-call]
    wanted = {key: p.grad for key, p in model.named_parameters() if p.requires_grad}
    none = [key for key, gradient in wanted.items() if gradient is None]
    wild = [key for key, gradient in wanted.items() if gradient is not None and not gradient.isfinite().all()]
    if none:
        return f"no loss reaches {len(none)} of {len(wanted)} parameters: {', '.join(none[:3])}"
    return f"not finite: {', '.join(wild[:3])}" if wild else ""


def one_seed(subject: Subject) -> str:
    found = []
    for _ in range(2):
        model: SegModel = subject.seeded(CLASSES).train()
        with torch.no_grad():
            found.append((dict(model.state_dict()), model(images())["out"]))
    (first, one), (second, other) = found
    differ = [key for key in first if not torch.equal(first[key], second[key])]
    if differ:
        return f"two of one seed start apart: {', '.join(differ[:3])}"
    return "" if torch.equal(one, other) else "two of one seed give other logits"


def alone(subject: Subject) -> str:
    model: SegModel = subject.seeded(CLASSES).eval()
    with torch.no_grad():
        together, single = model(images())["out"][:1], model(images()[:1])["out"]
    return "" if torch.allclose(together, single, atol=1e-4, rtol=1e-3) else "its logits depend on who stands beside it"


def precision(subject: Subject) -> str:
    model: SegModel = subject.seeded(CLASSES).eval()
    seen = set()
    for part in model.modules():
        if isinstance(part, (nn.Conv2d, nn.Linear)):
            part.register_forward_hook(lambda _part, _given, out: seen.add(out.dtype))
    model.autocast_dtype = torch.bfloat16
    with torch.no_grad():
        given = model(images())
    if torch.bfloat16 not in seen:
        return "no layer works in bf16"
    return shape_fault(given, 2) or ("" if all(v.isfinite().all() for v in given.values()) else "not finite in bf16")


def state(subject: Subject) -> str:
    one, other = subject.seeded(CLASSES, seed=1), subject.seeded(CLASSES, seed=2)
    with torch.no_grad():
        one.train()(images())  # statistics of BN move
        saved = one.state_dict()
        if strange := [key for key, value in saved.items() if not isinstance(value, Tensor)]:
            return f"its state holds what is no tensor: {strange[0]}"
        other.load_state_dict(saved)
        same = torch.equal(one.eval()(images())["out"], other.eval()(images())["out"])
    return "" if same else "one that took over its state gives other logits"


def rehearsed(subject: Subject) -> str:
    landcover = Component(name="landcover")
    config = RunConfig(
        model=subject.component, dataset=landcover, source="landcover/urban", evaluate_on=("landcover/rural",), steps=1
    )
    parts, batch = on_nothing(names.resolve_config(config), SIZE)
    step(parts, batch)
    return ""


def counted(subject: Subject) -> str:
    model: SegModel = subject.seeded(CLASSES)
    return "" if count(model.deployed(), (1, 3, *SIZE)).macs > 0 else "it has no multiply-adds"


PROMISES = (
    Promise(
        "gives {'out': logits (N, K, h, w)}",
        logits,
        "subclass bench.models.segmodel.SegModel; return {'out': logits}, 'aux' and 'boundary' besides; read no value",
    ),
    Promise("stages() hold every parameter once", stages, "list every module with parameters in one stage"),
    Promise(
        "deployed() gives the main logits and shares all tensors",
        deployed,
        "name modules that only training needs in `auxiliary`, and let `forward` do without them",
    ),
    Promise("every parameter gets a finite gradient", gradients, "use every layer, or leave it out"),
    Promise("one seed gives one network", one_seed, "draw from torch's global generator alone"),
    Promise("in eval mode an image is judged by itself", alone, "use nothing of the batch in eval mode"),
    Promise("bf16 inside, float32 outside", precision, "leave precision to SegModel: cast nothing in `forward`"),
    Promise("its state is all there is to it", state, "register every tensor as parameter or buffer"),
    Promise("a training step fits, tried on nothing", rehearsed, "give logits that a loss can read; see the fault"),
    Promise("its multiply-adds can be counted", counted, "use torch's own operators"),
)
