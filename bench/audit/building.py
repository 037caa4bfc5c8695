"""Tables and the words around them -> rows of figures with their units, and where each condition was found.

A condition (device, size, batch, classes, model) that a row lacks is looked for in its column's header, in the lines
around the table, and last in what the caller supplies.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bench.audit.around import Around, whole
from bench.audit.columns import Column, column
from bench.audit.devices import device, mentioned, spoken
from bench.audit.figures import Figure, figure, is_empty, size, sizes
from bench.audit.known import Named, named
from bench.audit.reading import Section, Table
from bench.audit.rows import FIGURES, Entry, Row, Rows, Supplied, Timing
from bench.cost.peaks import Precision

_FASTER = re.compile(r"\b(?:int8|int4|fp8|fp4|int-8|quanti[sz]ed|sparse|pruned|2:4)\b", re.IGNORECASE)
_PRECISION = re.compile(r"\b(fp32|float32|tf32|fp16|float16|half|bf16|bfloat16|amp)\b", re.IGNORECASE)
_SPELLED: dict[str, Precision] = {"fp32": "fp32", "float32": "fp32", "tf32": "tf32", "fp16": "fp16", "half": "fp16"}
_SPELLED |= {"float16": "fp16", "amp": "fp16", "bf16": "bf16", "bfloat16": "bf16"}


def rows_of(sections: Sequence[Section], supplied: Supplied) -> Rows:
    """Every row with a figure that can be judged."""
    found, everywhere = Rows(), [line for section in sections for line in section.words]
    for section in sections:
        around = Around(section, everywhere, supplied)
        for table in section.tables:
            _Builder(found, around, table).build()
        _of_facts(found, around)
    return found


# ------------------------------------------------------------------ a table


class _Builder:
    def __init__(self, found: Rows, around: Around, table: Table) -> None:
        self.found, self.around, self.table = found, around, table
        self.columns = [column(title) for title in table.header]
        self.bare: set[str] = set()

    def build(self) -> None:
        quantities = {c.quantity for c in self.columns}
        if not quantities & {*FIGURES, "miou"}:
            return
        self.found.tables += 1
        self.found.ragged += [(line, self.table.line) for line in self.table.ragged]
        self.found.rows += [self.row(line, cells) for line, cells in self.table.rows if any(cells)]

    def row(self, line: int, cells: list[str]) -> Row:
        pairs = [(c, text) for c, text in zip(self.columns, cells, strict=True) if not is_empty(text)]
        label, network = self._model(pairs)
        timings = tuple(self._timings(line, pairs))
        given = [text for c, text in pairs if c.quantity in {*FIGURES, "std", "miou"}]
        return Row(
            line=line,
            table=self.table.line,
            label=label or f"row of line {line}",
            network=network,
            params=self._entry(line, pairs, "params"),
            work=self._entry(line, pairs, "work"),
            timings=timings,
            size=self._size(pairs),
            batch=self._count(pairs, "batch") or self.around.batch,
            classes=self._count(pairs, "classes") or self.around.classes,
            mious=tuple(
                Entry(found, c.title, line)
                for c, text in pairs
                if c.quantity == "miou" and (found := figure(text, "share"))
            ),
            blank=not given,
        )

    def _model(self, pairs: list[tuple[Column, str]]) -> tuple[str, Named | None]:
        own = [text for c, text in pairs if c.quantity == "model"][:1]
        own += [text for c, text in pairs if c.quantity == "backbone"][:1]
        above, network = self.around.model(self.table.above)
        if not any(c.quantity == "model" for c in self.columns):
            return " ".join([above, *own]).strip(), network
        label = " ".join(own)
        return label, named(label) or (named(own[0]) if own else None)

    def _size(self, pairs: list[tuple[Column, str]]) -> tuple[int, int] | None:
        own = next((s for c, text in pairs if c.quantity == "size" and (s := size(text))), None)
        titled = {s for c in self.columns for s in sizes(c.title)}
        return own or (next(iter(titled)) if len(titled) == 1 else self.around.size)

    def _count(self, pairs: list[tuple[Column, str]], quantity: str) -> int | None:
        return next((n for c, text in pairs if c.quantity == quantity and (n := whole(text))), None)

    def _entry(self, line: int, pairs: list[tuple[Column, str]], quantity: str) -> Entry | None:
        for c, text in pairs:
            if c.quantity == quantity:
                read = self._read(line, c, text)
                if read:
                    return read
        return None

    def _read(self, line: int, c: Column, text: str) -> Entry | None:
        """One cell; a bare number below a header without a unit is read as people mean it, and noted."""
        read = read_figure(c, text)
        if read is None:
            self.found.unread.append(Entry(Figure(0, 0, text=text), c.title, line))
            return None
        found, assumed = read
        if assumed and c.title not in self.bare:
            self.bare.add(c.title)
            self.found.assumed.append((self.table.line, c.title, assumed))
        return Entry(found, c.title, line)

    def _timings(self, line: int, pairs: list[tuple[Column, str]]) -> Iterable[Timing]:
        spoken = " ".join([*(text for c, text in pairs if c.quantity not in FIGURES), *self.table.header])
        own = next(((found, "") for c, text in pairs if c.quantity == "device" and (found := device(text))), None)
        timed = [(c, text) for c, text in pairs if c.quantity in ("latency", "fps", "std")]
        latencies = [c for c, _ in timed if c.quantity == "latency"]
        rates = [c for c, _ in timed if c.quantity == "fps"]
        paired = len(latencies) == len(rates) == 1
        for i, (c, text) in enumerate(timed):
            if c.quantity == "std" or (c.quantity == "fps" and paired):
                continue
            read = self._read(line, c, text)
            if read is None:
                continue
            after = timed[i + 1] if i + 1 < len(timed) and timed[i + 1][0].quantity == "std" else None
            rate = next(self._read(line, other, t) for other, t in timed if other.quantity == "fps") if paired else None
            headed = [(found, "") for name in mentioned(c.title) if (found := device(name))]
            where = (headed[0] if len(headed) == 1 else None) or own or self.around.where
            precision = _PRECISION.search(c.title) or _PRECISION.search(spoken)
            word = precision[1].casefold() if precision else ""
            yield Timing(
                latency=read if c.quantity == "latency" else None,
                std_ms=read.figure.std if read.figure.std is not None else self._spread(c, after),
                fps=read if c.quantity == "fps" else rate,
                device=where[0],
                device_from=where[1],
                precision=_SPELLED.get(word),
                low_bits=bool(_FASTER.search(spoken)),
            )

    def _spread(self, c: Column, after: tuple[Column, str] | None) -> float | None:
        if after is None or c.quantity != "latency":
            return None
        scale = after[0].scale or c.scale or 1.0
        found = figure(after[1], "time", scale=scale)
        return found.value if found else None


def read_figure(c: Column, text: str) -> tuple[Figure, str] | None:
    """A cell below a header, and the unit that was taken for granted ("" where one of the two names it)."""
    if c.quantity == "latency":
        return _with_unit(text, "time", c, 1.0, "ms")
    if c.quantity == "params":
        return _with_unit(text, "params", c, 1e6, "millions")
    if c.quantity == "work":
        return _with_unit(text, "work", c, 1e9, "units of 10^9")
    found = figure(text, "rate" if c.quantity == "fps" else "share")
    return (found, "") if found else None


def _with_unit(text: str, kind: str, c: Column, usual: float, word: str) -> tuple[Figure, str] | None:
    found = figure(text, kind, scale=c.scale or 1.0, unit=c.unit)  # type: ignore[arg-type]
    if found is None or c.scale:
        return (found, "") if found else None
    scaled = figure(text, kind, scale=usual, unit=c.unit)  # type: ignore[arg-type]
    if scaled is None or scaled.value == found.value:
        # The cell names its unit, or is in milliseconds anyway.
        named_it = kind != "time" or figure(text, kind, scale=2.0) == found  # type: ignore[arg-type]
        return found, "" if named_it else word
    # `7.7` parameters are millions, `7717839` are themselves.
    return (scaled, word) if found.value < 1e5 and found.value > 0 else (found, "")


# ------------------------------------------------------------------ a section's own lines


def _of_facts(found: Rows, around: Around) -> None:
    """`Model parameters: ...`, `FLOPs: ...`, `Mean inference time: ...` of one section: a row per size of image."""
    groups: dict[tuple[int, int] | None, dict[str, Entry]] = {}
    std: float | None = None
    for line, c, value in around.facts:
        if c.quantity == "std":
            spread = figure(value, "time", scale=c.scale or 1.0)
            std = spread.value if spread else std
        elif c.quantity in FIGURES and (read := read_figure(c, value)):
            own = sizes(value)
            groups.setdefault(own[0] if own else None, {}).setdefault(c.quantity, Entry(read[0], c.title, line))
    if len(groups) == 2 and None in groups:  # one size is named: the other lines are of it
        groups = {next(size for size in groups if size): {k: v for group in groups.values() for k, v in group.items()}}
    for own_size, entries in groups.items():
        found.rows.append(_fact_row(around, own_size, entries, std))


def _fact_row(around: Around, own_size: tuple[int, int] | None, entries: dict[str, Entry], std: float | None) -> Row:
    label, network = around.model(around.section.words)
    latency, fps = entries.get("latency"), entries.get("fps")
    batches = {n for table in around.section.tables for n in _batches(table)}
    timed = latency or fps
    where = (spoken(timed.figure.text), "") if timed and spoken(timed.figure.text) else around.where
    timing = Timing(
        latency=latency,
        std_ms=latency.figure.std if latency and latency.figure.std is not None else std,
        fps=fps,
        device=where[0],
        device_from=where[1],
    )
    return Row(
        line=min(entry.line for entry in entries.values()),
        table=around.section.line,
        label=label or f"section of line {around.section.line}",
        network=network,
        params=entries.get("params"),
        work=entries.get("work"),
        timings=(timing,) if timed else (),
        size=own_size or around.size,
        batch=around.batch or (batches.pop() if len(batches) == 1 else None),
        classes=around.classes,
    )


def _batches(table: Table) -> Iterable[int]:
    place = next((i for i, title in enumerate(table.header) if column(title).quantity == "batch"), None)
    return (n for _, cells in table.rows if place is not None and (n := whole(cells[place])))
