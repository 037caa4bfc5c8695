"""A sweep and what the store holds -> what is done and what is left, of its runs and of its models' costs."""

from bench.plan.costs import costs_left
from bench.plan.runs import Plan, Rerun, State, plan

__all__ = ["Plan", "Rerun", "State", "costs_left", "plan"]
