"""Cost records and timings -> the table of counts, and the lines on cost below a model's own table.

Counts are per image and of the deployed graph and belong to no device; a time belongs to one and says which.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.report import wording
from bench.report.devices import named
from bench.report.figures import remarks as timing_remarks
from bench.report.markdown import escape, table
from bench.report.settings import varying_options
from bench.report.timings import Row
from bench.report.works import Labels, image
from bench.spec import CostRecord
from bench.store import Stored

PUBLISHED, PUBLISHED_BATCH = {"deeplabv2_resnet101": "1.11T", "pidnet_s": "37.902G"}, 6
"""Totals in circulation for 512 x 512 and 7 classes, and the images in the batch that they were counted for."""


def newest(costs: Iterable[Stored[CostRecord]]) -> list[Stored[CostRecord]]:
    """What each device counted last per model, classes and input; equal counts stand once."""
    in_time = sorted(costs, key=lambda s: (s.record.measured_utc, wording.key_of(s.record.model_dump(mode="json"))))
    last = {(_what(s.record), s.record.device, s.origin): s for s in in_time}.values()
    shown = {(_what(s.record), _counts(s.record)): s for s in sorted(last, key=lambda s: s.origin == "reference")}
    return [shown[key] for key in sorted(shown)]


def _what(r: CostRecord) -> tuple[str, str, str]:
    return r.model.name, wording.key_of(r.model.options), wording.key_of([r.num_classes, *r.input_shape])


def _counts(r: CostRecord) -> str:
    graphs = [r.macs, r.macs_training_graph, r.fvcore_total, r.fvcore_total_training_graph]
    return wording.key_of([r.params_deployed, r.params_training, *graphs])


# ------------------------------------------------------------------ the cost table


def markdown(costs: Iterable[Stored[CostRecord]]) -> str:
    """The cost table with its explanation, or '' where nothing was measured."""
    shown = newest(costs)
    if not shown:
        return ""
    header = ["model", "classes", "input", "parameters", "with training heads", "GMAC per image", "GFLOP = 2 x GMAC"]
    header += ["fvcore G", "counted", "remarks"]
    models = wording.grouped((stored.record.model for stored in shown), lambda model: model.name)
    options = {same[0].name: varying_options(same) for same in models}
    rows = [_row(stored, options[stored.record.model.name]) for stored in shown]
    return "\n".join([table(header, rows, right=["classes", *header[3:8]]), "", *_notes(shown)]) + "\n"


def _row(stored: Stored[CostRecord], options: Sequence[str]) -> list[str]:
    r = stored.record
    return [
        wording.model(r.model, options),
        str(r.num_classes),
        image(r.input_shape[2:]),
        f"{r.params_deployed:,}",
        f"{r.params_training:,}",
        wording.giga(r.macs),
        wording.giga(2 * r.macs),
        wording.giga(r.fvcore_total) or "not counted",
        f"{wording.ORIGINS[stored.origin]}; {wording.commits([(r.commit, r.dirty)])}",
        remarks(r),
    ]


def remarks(record: CostRecord) -> str:
    """Why fvcore gave no sum, if it gave none."""
    why = record.protocol.get("fvcore")
    return f"fvcore {why}" if record.fvcore_total is None and isinstance(why, str) else ""


def _notes(shown: Sequence[Stored[CostRecord]]) -> list[str]:
    notes = [
        "- Counts are for one image and the deployed graph, without training heads. A MAC is one multiply-add of a "
        "convolution or matrix product (torch's flop counter / 2). `fvcore G` is fvcore's own sum, which papers print "
        'as "FLOPs": multiply-adds plus normalisation, resizing and pooling.',
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


# ------------------------------------------------------------------ below a model's table


def below_table(costs: Iterable[Stored[CostRecord]], rows: Sequence[Row]) -> list[str]:
    """The paragraphs below a model's own table: parameters, FLOPs with their unit, mean inference time and its std."""
    lines: list[str] = []
    for stored in newest(costs):
        r = stored.record
        per_image = f"per image of {image(r.input_shape[2:])}, {r.num_classes} classes"
        lines += [
            f"Model parameters: {r.params_deployed} deployed, {r.params_training} with training heads",
            f"FLOPs: {wording.giga(2 * r.macs)} GFLOP = 2 x {wording.giga(r.macs)} GMAC {per_image}, deployed graph",
        ]
    lines = wording.distinct(lines) or ["Parameters and FLOPs: not counted."]
    labels, names = Labels(row.work for row in rows), named(row.device for row in rows)
    for row in rows:
        where = f"{labels.setting(row.work.setting)}, {labels.shared}; {names[row.device]}; "
        lines += _inference_time(row, where + wording.ORIGINS[row.device.origin])
    return lines if rows else [*lines, "Inference time: not measured."]


def _inference_time(row: Row, where: str) -> list[str]:
    protocol = row.device.protocol
    told = "; ".join(part for part in (f"protocol {protocol}", timing_remarks(row)) if part)
    where = escape(f"{where}; {told}")
    timed = row.pooled.get("e2e")
    if timed is None:
        return [f"Mean inference time: none ({where})"]
    processes = f" of {timed.repeats} processes" if timed.repeats > 1 else ""
    spread = "not defined for one reading" if timed.std is None else f"{wording.milliseconds(timed.std, timed.mean)} ms"
    mean = f"{wording.milliseconds(timed.mean)} ms over {timed.n} readings{processes}"
    return [f"Mean inference time: {mean} ({where})", f"Standard deviation of inference time: {spread}"]
