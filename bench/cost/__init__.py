"""Model -> what it costs: parameters, multiply-adds, latency, memory; and which of these figures can be true.

`counts` needs no weights and no device; `session` times workloads on one, through the interface in `clock`.  What
`statistics`, `stopping`, `rules`, `plausibility`, `peaks` and `evidence` say needs no torch, so that reports can ask.
"""
