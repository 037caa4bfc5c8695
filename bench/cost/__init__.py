"""Model -> what it costs: parameters, multiply-adds, latency, memory; and which of these figures can be true.

`counts` needs no weights and no device, `latency` needs a clock, `profile` puts both together; `peaks`, `plausibility`
and `statistics` load no torch, so that reports can use them.
"""
