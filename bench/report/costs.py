"""Cost records -> the table of what each model costs, and the lines on cost below a model's own table.

Counts are per image and of the deployed graph; latency belongs to one device and says which.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.cost.statistics import Statistics, describe
from bench.report import wording
from bench.report.markdown import escape, joined, table
from bench.report.settings import varying_options
from bench.spec import CostRecord
from bench.store import Stored

PUBLISHED, PUBLISHED_BATCH = {"deeplabv2_resnet101": "1.11T", "pidnet_s": "37.902G"}, 6
"""Totals in circulation for 512 x 512 and 7 classes, and the images in the batch that they were counted for."""

MILLISECONDS = {"s": 1e3, "ms": 1.0, "us": 1e-3, "ns": 1e-6}

CONDITIONS = ("precision", "layout", "mode", "threads")
"""The entries of a record's protocol that make two latencies two different figures."""


def newest(costs: Iterable[Stored[CostRecord]]) -> list[Stored[CostRecord]]:
    """The last measurement per model, classes, input, conditions, device and origin, in a fixed order."""
    in_time = sorted(costs, key=lambda s: (s.record.measured_utc, wording.key_of(s.record.model_dump(mode="json"))))
    last = {_what(s): s for s in in_time}
    return [last[key] for key in sorted(last)]


def _what(stored: Stored[CostRecord]) -> tuple[str, str, str]:
    r = stored.record
    counted = [r.model.model_dump(), r.num_classes, list(r.input_shape)]
    return (wording.key_of(counted), f"{stored.origin != 'reference'} {r.device}", wording.key_of(conditions(r)))


def conditions(record: CostRecord) -> dict[str, object]:
    """What of the protocol a reader has to know to compare latencies."""
    return {k: record.protocol[k] for k in CONDITIONS if record.protocol.get(k) is not None}


# ------------------------------------------------------------------ the cost table


def markdown(costs: Iterable[Stored[CostRecord]]) -> str:
    """The cost table with its explanation, or '' where nothing was measured."""
    shown = newest(costs)
    if not shown:
        return ""
    header = ["model", "classes", "input", "parameters", "with training heads", "GMAC per image", "GFLOP = 2 x GMAC"]
    header += ["fvcore G", "latency (ms), mean ± std", "median (ms)", "measured", "remarks"]
    named = wording.grouped((stored.record.model for stored in shown), lambda model: model.name)
    options = {models[0].name: varying_options(models) for models in named}
    rows = [_row(stored, options[stored.record.model.name]) for stored in shown]
    return "\n".join([table(header, rows, right=["classes", *header[3:10]]), "", *_notes(shown)]) + "\n"


def _row(stored: Stored[CostRecord], options: Sequence[str]) -> list[str]:
    r, timed = stored.record, latency_ms(stored.record)
    return [
        wording.model(r.model, options),
        str(r.num_classes),
        image(r),
        f"{r.params_deployed:,}",
        f"{r.params_training:,}",
        wording.giga(r.macs),
        wording.giga(2 * r.macs),
        wording.giga(r.fvcore_total) or "not counted",
        "" if timed is None else mean_and_std(timed),
        "" if timed is None else f"{timed.median:.3f}",
        f"{wording.ORIGINS[stored.origin]}; {r.device}; {wording.commits([(r.commit, r.dirty)])}",
        "; ".join(remarks(r)),
    ]


def remarks(record: CostRecord) -> list[str]:
    """Conditions of the latency, its flags, or why there is none."""
    told = [f"{k} {wording.number(v)}" for k, v in conditions(record).items()]
    if record.latency_refused:
        return [*told, f"latency refused: {record.latency_refused}"]
    if record.latency is None:
        return [*told, "latency not measured"]
    if latency_ms(record) is None:
        return [*told, f"latency not shown: no reading that could be one, in {record.latency.unit}"]
    return [*told, *record.latency_flags]


def _notes(shown: Sequence[Stored[CostRecord]]) -> list[str]:
    notes = [
        "- Counts are for one image and the deployed graph, without training heads. A MAC is one multiply-add of a "
        "convolution or matrix product (torch's flop counter / 2). `fvcore G` is fvcore's own sum, which papers print "
        'as "FLOPs": multiply-adds plus normalisation, resizing and pooling.',
        "- Latency is end to end for one image that lies on the device already, synchronised on both sides; ± is the "
        "standard deviation over the n readings.",
    ]
    told = [line for stored in shown if (line := published(stored.record))]
    if told:
        totals = " and ".join(PUBLISHED.values())
        notes.append(
            f"- Published totals such as {totals} are multiply-adds of a batch of {PUBLISHED_BATCH} images, training "
            "heads included, as fvcore sums them: neither FLOP nor per image. From the counts of these records: "
            f"{'; '.join(wording.distinct(told))}."
        )
    return notes


def published(record: CostRecord) -> str:
    """`PIDNet-S 6 x 6.317 G = 37.902 G`, for a published model at the published size and classes, else ''."""
    per_image, name = record.fvcore_total_training_graph, record.model.name
    if name not in PUBLISHED or per_image is None or (*record.input_shape[2:], record.num_classes) != (512, 512, 7):
        return ""
    total = PUBLISHED_BATCH * per_image
    shown = f"{total / 1e12:.3g} T" if total >= 10**12 else f"{wording.giga(total)} G"
    return f"{escape(wording.model_label(name))} {PUBLISHED_BATCH} x {wording.giga(per_image)} G = {shown}"


# ------------------------------------------------------------------ one record in words


def image(record: CostRecord) -> str:
    """`512 x 512`: height and width of the one image."""
    return f"{record.input_shape[2]} x {record.input_shape[3]}"


def latency_ms(record: CostRecord) -> Statistics | None:
    """Statistics of the latency in ms; None where it was refused, not measured or is in an unknown unit."""
    found = record.latency
    factor = MILLISECONDS.get(found.unit) if found else None
    if found is None or factor is None or record.latency_refused:
        return None
    readings = tuple(factor * v for v in found.values)
    if any(not 0 <= v < 1e12 for v in readings):
        return None
    return describe(found.model_copy(update={"values": readings}))


def mean_and_std(timed: Statistics) -> str:
    """`4.032 ± 0.110 (n = 200)`."""
    spread = "" if timed.std is None else f" ± {timed.std:.3f}"
    return f"{timed.mean:.3f}{spread} (n = {timed.n})"


def below_table(costs: Iterable[Stored[CostRecord]]) -> list[str]:
    """The paragraphs below a model's own table: parameters, FLOPs with their unit, mean inference time and its std."""
    shown = newest(costs)
    if not shown:
        return ["Parameters, FLOPs and inference time: not measured."]
    lines: list[str] = []
    for stored in shown:
        r = stored.record
        per_image = f"per image of {image(r)}, {r.num_classes} classes"
        lines += [
            f"Model parameters: {r.params_deployed} deployed, {r.params_training} with training heads",
            f"FLOPs: {wording.giga(2 * r.macs)} GFLOP = 2 x {wording.giga(r.macs)} GMAC {per_image}, deployed graph",
        ]
    lines = wording.distinct(lines)
    for stored in shown:
        lines += _inference_time(stored)
    return lines


def _inference_time(stored: Stored[CostRecord]) -> list[str]:
    r, timed = stored.record, latency_ms(stored.record)
    told = joined(remarks(r), "; ")
    where = f"{image(r)}, on {escape(r.device)} ({wording.ORIGINS[stored.origin]}{'; ' + told if told else ''})"
    if timed is None:
        return [f"Mean inference time: none at {where}"]
    spread = "not defined for one reading" if timed.std is None else f"{timed.std:.3f} ms"
    return [
        f"Mean inference time: {timed.mean:.3f} ms over {timed.n} readings at {where}",
        f"Standard deviation of inference time: {spread}",
    ]
