"""A sweep and what the store holds -> what is done and what is left, of its runs and of its models' costs."""

from bench.plan.costs import CostLeft, costs_left, eager, without_weights
from bench.plan.needed import missing, unfinished
from bench.plan.runs import STALE, Plan, Rerun, State, plan

__all__ = [
    "STALE",
    "CostLeft",
    "Plan",
    "Rerun",
    "State",
    "costs_left",
    "eager",
    "missing",
    "plan",
    "unfinished",
    "without_weights",
]
