"""Strings that break reports which trust their records, and a folder that holds one of them in every text field."""

from __future__ import annotations

from report_examples import config, cost, failure, planned, record, stored, stored_cost
from timing_examples import latency, timing, unfinished

from bench.spec import BenchError, Component, Measurement, Sweep
from bench.store import Contents

PAYLOADS = (
    "a|b",
    "a\\|b",
    "|||||",
    "| --- | --- |",
    "line\nbreak",
    "line\r\nbreak",
    "para\n\n# heading",
    "a\u2028b\u2029c",
    "`code`",
    "``` \nfence",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!-- bench:report end -->",
    "-->",
    "</details></td>",
    "<b>bold</b>",
    "&lt;b&gt; &amp; &#124;",
    "[link](javascript:alert(1))",
    "![image](http://example.org/x.png)",
    "[ref]: http://example.org",
    "http://example.org/a_b_",
    "www.example.org",
    "mail@example.org",
    "<http://example.org>",
    "*stars* **bold** _under_ __both__",
    "~~gone~~ ~sub~",
    "$x^2$ $$y$$",
    ":smile: @someone #1",
    "# heading",
    "- item",
    "1. item",
    "> quote",
    "====",
    "\u202egnp.exe",
    "zero\u200bwidth\ufeff",
    "\x1b[2J\x1b]8;;http://example.org\x07link\x1b]8;;\x07",
    "nul\0 bell\a",
    "=cmd|' /C calc'!A0",
    "$(id) `id` ; rm -rf ~ %s {0} {{ 7*7 }}",
    "../../etc/passwd",
    "  spaces   everywhere  ",
    "NA",
    "x" * 300,
    "\\",
    "e\u0301 \u00e9 \u4e2d\u6587 \U0001f600",
)


def hostile(text: str) -> Contents:
    """One run of each kind, `text` in every field that takes text."""
    part = Component(name=text, options={text: text})
    domain = f"landcover/{text}"
    own = config(
        model=part,
        dataset=Component(name=text, options={"a": text}),
        source=domain,
        target=domain,
        evaluate_on=(domain,),
        method=part,
        loss=part,
        optimizer=part,
        scheduler=part,
        augment=(part,),
    )
    number = record(
        1, config=own, right=(0.9,), sweep=text, classes=(text, "b", "c"), device=text, commit=text, name=text
    )
    number = number.model_copy(update={"run_id": text, "images_file": text, "images_sha256": text})
    sweep = Sweep(name=text, about=text, runs=(planned(2, own), planned(3, own)))
    money = cost(model=part, device=text, latency_flags=(text,), protocol={"precision": text}, commit=text)
    refused = money.model_copy(
        update={"latency_refused": text, "measured_utc": "2027-01-01T00:00:00Z", "num_classes": 8}
    )
    unit = money.model_copy(update={"latency": Measurement(unit=text, values=(1.0,)), "num_classes": 9})
    surroundings = {
        "device": text,
        "software": dict.fromkeys(("torch", "cuda", "cudnn"), f"v{text}"),
        "machine": {"gpu": dict.fromkeys(("name", "driver", "capability"), f"v{text}")},
        "commit": text,
        "session": text,
    }
    few = {"num_classes": 6}  # sorts before the costs' 7 whatever their precision is called
    timings = [
        timing(part, {"e2e": 1.0, "device": 0.9, text: 0.5}, flags=(text,), converged=False, not_converged=text, **few),
        timing(part, {"e2e": 2.0}, batch=4, energy={"gross_j": text, "flag": text}, **few),
        unfinished(part, failed=text, batch=8, **few),
        unfinished(part, refused=text, batch=16, **few),
    ]
    timed = [
        latency(timings, repeat=n, slug=f"x{text.replace('/', '_')}", origin=origin, **surroundings)
        for n in range(3)
        for origin in ("local", "reference")
    ]
    return Contents(
        latencies=tuple(timed),
        runs=(stored(number), stored(number.model_copy(update={"images_file": None}), "reference")),
        costs=tuple(stored_cost(c) for c in (money, refused, unit)),
        sweeps=((sweep, "local"),),
        failures=(failure(3, config=own, reason=text, sweep=text), failure(9, config=own, name=text, run_id=text)),
        problems=(BenchError(text, remedy=text, file=f"x/{text}", key=text),),
    )
