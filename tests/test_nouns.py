"""What is asked for and what came back, field by field: defaults, limits, words that are allowed, rules between fields.

The defaults are promises: a file written today says nothing of them.
"""

from __future__ import annotations

import typing
from typing import Any, get_args

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from bench.spec import (
    PROTOCOL,
    SCHEMA,
    Component,
    CostRecord,
    CostRequest,
    Evaluation,
    Failure,
    History,
    LatencyRecord,
    Measurement,
    PlannedRun,
    RunConfig,
    RunRecord,
    Series,
    Size,
    Sweep,
    Timing,
    Workload,
    identity,
    request,
    timing,
)

BASE: dict[str, Any] = {"model": "m", "dataset": "d", "source": "d/a", "evaluate_on": ("d/b",), "steps": 30}
CHOSEN: dict[str, Any] = {"choose": "source_val", "evaluate_every": 2}
WORK: dict[str, Any] = {"model": "m", "num_classes": 2, "size": (1, 1)}


def run(**changes: Any) -> RunConfig:
    return RunConfig.model_validate({**BASE, **changes})


def accepted(model: type[BaseModel], base: dict[str, Any], **changes: Any) -> bool:
    try:
        model.model_validate({**base, **changes})
    except ValidationError:
        return False
    return True


# ------------------------------------------------------------------ defaults

DEFAULTS: dict[type[BaseModel], dict[str, Any]] = {
    RunConfig: {
        "method": Component(name="source_only"),
        "loss": Component(name="cross_entropy"),
        "optimizer": Component(name="sgd"),
        "groups": Component(name="uniform"),
        "scheduler": Component(name="poly"),
        "sampler": Component(name="uniform"),
        "scoring": Component(name="whole"),
        "batch_size": 6,
        "schedule_by": "step",
        "warmup_steps": 0,
        "warmup_from": 0.0,
        "accumulate": 1,
        "evaluate_every": 0,
        "choose": "last",
        "min_gain": 0.0,
        "precision": "fp32",
        "channels_last": "auto",
        "compile": False,
        "cuda_graph": False,
        "deterministic": False,
        "seed": 0,
    },
    CostRequest: {"size": (512, 512), "latency": True, "budget_s": 6.0, "repeats": 3},
    PlannedRun: {},
    Sweep: {"cost": CostRequest()},
    Component: {},
    Measurement: {},
    History: {},
    Evaluation: {},
    RunRecord: {"schema_number": 3, "kind": "run", "target_images": 0},
    Failure: {"kind": "failure", "tries": 1},
    CostRecord: {"schema_number": 3, "kind": "cost"},
    Workload: {"batch": 1, "precision": "fp32", "layout": "nchw", "mode": "eager"},
    Series: {},
    Timing: {"warm_cut": 0, "converged": False, "verdict": "not checked"},
    LatencyRecord: {"schema_number": 3, "kind": "latency", "protocol": 2},
}
"""What a field is where nobody says; fields that are left out here are asked for, or empty or None."""


@pytest.mark.parametrize("model", DEFAULTS, ids=lambda m: m.__name__)
def test_what_nobody_says_is(model: type[BaseModel]) -> None:
    optional = {name: field for name, field in model.model_fields.items() if not field.is_required()}
    found = {name: field.get_default(call_default_factory=True) for name, field in optional.items()}
    assert {name: value for name, value in found.items() if value not in (None, (), {}, "")} == DEFAULTS[model]


def test_numbers_of_formats() -> None:
    """Whoever changes one of them changes what old files mean."""
    assert (SCHEMA, PROTOCOL, identity.DEFAULTS) == (3, 2, 1)


def test_trackers_are_in_no_file() -> None:
    sweep = Sweep(name="s", runs=(), trackers=(Component(name="tensorboard"),))
    assert "trackers" not in sweep.model_dump()
    assert Sweep.model_validate_json(sweep.model_dump_json()) == Sweep(name="s", runs=())


# ------------------------------------------------------------------ limits


@pytest.mark.parametrize(
    ("field", "kept", "refused"),
    [
        ("evaluate_on", [("d/a",)], [()]),
        ("crop_max_share", [1e-9, 1.0, None], [0.0, -0.1, 1.001]),
        ("batch_size", [1], [0, -1, None, 1.5]),
        ("schedule_steps", [1, None], [0]),
        ("warmup_steps", [0], [-1]),
        ("warmup_from", [0.0, 1.0], [-0.001, 1.001]),
        ("accumulate", [1], [0]),
        ("ema", [1e-9, 0.9999, None], [0.0, 1.0, -0.5]),
        ("evaluate_every", [0], [-1]),
        ("seed", [0, 2**32 - 1], [-1, 2**32]),
        ("resize_px", [(1, 1), None], [(0, 1), (1, 0), (1,), (1, 1, 1)]),
        ("crop_px", [(1, 1), None], [(0, 1), (1, 0)]),
        ("schedule_by", ["step", "epoch"], ["stepX", "epochX", None]),
        ("precision", ["fp32", "tf32", "bf16", "fp16", "auto"], ["fp8"]),
        ("channels_last", [True, False, "auto"], ["always", None]),
    ],
)
def test_a_run_keeps_to_its_limits(field: str, kept: list[Any], refused: list[Any]) -> None:
    assert all(accepted(RunConfig, BASE, **{field: value}) for value in kept)
    assert not any(accepted(RunConfig, BASE, **{field: value}) for value in refused)


@pytest.mark.parametrize(
    ("model", "base", "field", "kept", "refused"),
    [
        (RunConfig, BASE, "steps", [1], [0, None]),
        (RunConfig, {**BASE, "steps": None}, "epochs", [1], [0, None]),
        (RunConfig, {**BASE, **CHOSEN}, "patience", [1, None], [0]),
        (RunConfig, {**BASE, **CHOSEN, "patience": 1}, "min_gain", [0.0, 0.5], [-0.001]),
        (CostRequest, {}, "budget_s", [1e-3], [0.0, -1.0]),
        (CostRequest, {}, "repeats", [1, 100], [0, 101]),
        (CostRequest, {}, "size", [(1, 1)], [(0, 1), (1, 0)]),
        (Workload, WORK, "num_classes", [1], [0]),
        (Workload, WORK, "batch", [1], [0]),
    ],
    ids=str,
)
def test_other_limits(
    model: type[BaseModel], base: dict[str, Any], field: str, kept: list[Any], refused: list[Any]
) -> None:
    assert all(accepted(model, base, **{field: value}) for value in kept)
    assert not any(accepted(model, base, **{field: value}) for value in refused)


def test_a_size_is_two_whole_numbers_from_1_on() -> None:
    assert TypeAdapter(Size).validate_python([1, 1]) == (1, 1)
    for wrong in ((0, 1), (1, 0), (1.5, 1)):
        with pytest.raises(ValidationError):
            TypeAdapter(Size).validate_python(wrong)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (
            request.Choice,
            "last source_val agreement atc bn_gap bnm consistency entropy infomax prior_distance snd oracle",
        ),
        (timing.Precision, "fp32 tf32 bf16 fp16"),
        (timing.Layout, "nchw nhwc"),
        (timing.Mode, "eager graph compile onnx"),
    ],
)
def test_the_words_of_a_choice(words: Any, wanted: str) -> None:
    assert get_args(words) == tuple(wanted.split())


def test_a_verdict_is_one_of_six() -> None:
    known = {"ok", "launch-bound", "suspect", "invalid", "impossible", "not checked"}
    assert set(get_args(typing.get_type_hints(Timing)["verdict"])) == known


# ------------------------------------------------------------------ rules between fields


def test_a_run_is_so_many_steps_or_so_many_epochs_long() -> None:
    assert run(steps=None, epochs=2).epochs == 2
    for wrong in ({"steps": None}, {"epochs": 2}):
        with pytest.raises(ValidationError, match="exactly one of `steps` and `epochs`"):
            run(**wrong)


@pytest.mark.parametrize("choose", get_args(request.Choice))
def test_a_choice_among_evaluations_needs_them_and_most_of_them_a_target(choose: str) -> None:
    needs_target = choose not in ("last", "source_val")
    assert run(choose=choose, evaluate_every=1, target="d/b").choose == choose
    if choose != "last":
        with pytest.raises(ValidationError, match=f"`choose: {choose}` needs `evaluate_every`"):
            run(choose=choose, target="d/b")
    if needs_target:
        with pytest.raises(ValidationError, match=f"`choose: {choose}` needs a `target`"):
            run(choose=choose, evaluate_every=1)
    else:
        assert run(choose=choose, evaluate_every=1).target is None


def test_patience_needs_a_choice_and_a_gain_needs_patience() -> None:
    with pytest.raises(ValidationError, match="set `patience` too"):
        run(min_gain=0.01)
    with pytest.raises(ValidationError, match="set `choose`, such as source_val"):
        run(patience=1, evaluate_every=2)
    assert run(**CHOSEN, patience=1, min_gain=0.01).min_gain == 0.01


def test_patience_must_be_able_to_end_a_run() -> None:
    """Two evaluations after the first, every second step: at 6 the run could stop, which must be before its end."""
    assert run(**CHOSEN, patience=2, steps=7).patience == 2
    for steps in (6, 5):
        with pytest.raises(ValidationError, match=f"after 6 updates at the earliest, and this one has {steps}: lower"):
            run(**CHOSEN, patience=2, steps=steps)
    by_epochs = run(**CHOSEN, patience=2, steps=None, epochs=1)  # how many steps that is comes out later
    by_epochs.can_stop(7)
    with pytest.raises(ValueError, match=r"`patience: 2` could stop a run after 6 updates"):
        by_epochs.can_stop(6)
    run(**CHOSEN).can_stop(1)
