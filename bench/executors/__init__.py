"""Where runs happen."""

EXECUTORS = {
    "inline": "bench.executors.inline:inline",
}
