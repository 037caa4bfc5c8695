"""Small tables with known options, so that tests of sweep files do not move when a real component does."""

from bench.spec import MethodSpec

_HERE = "sweep_stand_ins.components"

AUGMENT = {name: f"{_HERE}:{name}" for name in ("flip", "jitter")}
DATASETS = {name: f"sweep_stand_ins.{name}:{name}" for name in ("aerial", "land", "street")}
GROUPS = {"uniform": f"{_HERE}:uniform"}
LOSSES = {name: f"{_HERE}:{name}" for name in ("cross_entropy", "ohem")}
METHODS = {
    "dann": f"{_HERE}:dann",
    "looking": MethodSpec(f"{_HERE}:source_only", "", "", "images", "", ""),
    "source_only": f"{_HERE}:source_only",
}
MODELS = {name: f"{_HERE}:{name}" for name in ("deeplab", "pidnet_s", "unet")}
OPTIMIZERS = {name: f"{_HERE}:{name}" for name in ("adam", "sgd")}
SCHEDULERS = {name: f"{_HERE}:{name}" for name in ("constant", "poly")}
SAMPLERS = {name: f"{_HERE}:{name}" for name in ("rare", "uniform")}
SCORINGS = {name: f"{_HERE}:{name}" for name in ("sliding", "whole")}
TRACKERS = {"board": f"{_HERE}:board"}
