"""What happens in a run -> where people watch it: build(*, options) -> start(about) -> Tracker.

tracker, scored, extra       what a tracker is, the scores it is told, the error for a library that is not installed
jsonl                        a line of JSON for each event, always kept
tensorboard, wandb           of the extras of those names
"""

TRACKERS = {
    "jsonl": "bench.trackers.jsonl:jsonl",
    "tensorboard": "bench.trackers.tensorboard:tensorboard",
    "wandb": "bench.trackers.wandb:wandb",
}
