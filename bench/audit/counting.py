"""A row's parameters and operations against those that its network is known to have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bench.audit.findings import Finding, Severity
from bench.audit.known import AREA, CLASSES, Network
from bench.audit.rows import Entry, Row
from bench.cost.peaks import winograd

FEWEST_CLASSES, MOST_CLASSES = 2, 150
USUAL_BATCHES = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 64)
ANOTHER, FITS, FITS_ELSEWHERE = 0.10, 0.004, 0.03
"""A count this far off belongs to another network; within the second it fits at sizes where the known count is exact,
within the third elsewhere (odd sides are rounded up by strided layers)."""
WORDS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 8: "eight", 10: "ten", 12: "twelve"}


class Work(NamedTuple):
    """Multiply-adds of one image: `macs` by the direct count, `fewest` with Winograd's; `by` says whose figure it is.

    `sure` is False where the name leaves the network open (the smallest candidate is meant then).
    """

    macs: float
    fewest: float
    by: str
    sure: bool


def candidates(row: Row) -> tuple[Network, ...]:
    """The networks that a row's name may mean and its parameters do not contradict."""
    networks = row.network.networks if row.network else ()
    if row.params is None:
        return networks
    return tuple(net for net in networks if _off(row.params, net, row.classes) <= ANOTHER)


def work_of(row: Row) -> Work | None:
    """What one image takes: by the known network at the row's size, else by the row's own figure (FLOP = 2 x MAC)."""
    networks, area = candidates(row), row.area
    if networks and area:
        net = min(networks, key=lambda n: n.macs.at_seven)
        classes, grown = _classes(row, net), area / AREA
        macs = net.macs.of(classes)
        fewest = winograd(macs, net.eligible.of(classes))
        sure = len(networks) == 1 and (row.params is not None or not row.network or row.network.full)
        return Work(macs * grown, fewest * grown, net.label, sure)
    if row.work is None or row.work.figure.value <= 0:
        return None
    found = row.work.figure
    own = found.value if found.unit == "mac" else found.value / 2
    unit = "GMAC" if found.unit == "mac" else "GFLOP"
    return Work(own, own, f"the row's own {giga(found.value)} {unit}", True)


def check_counts(row: Row) -> Iterator[Finding]:
    """Parameters and operations that are negative, or not those of the network that the row names."""
    for entry in (row.params, row.work):
        if entry and entry.figure.value < 0:
            yield _found(row, entry, "impossible", "count", "a count is not below zero; leave the cell empty instead")
    networks = candidates(row)
    if row.params and row.network and not networks:
        known = " or ".join(
            f"{net.params.of(row.classes or CLASSES) / 1e6:.2f}M ({net.label})" for net in row.network.networks
        )
        text = (
            f"{row.params.figure.text} is not the size of {row.network.label}, which has {known}; "
            "the value is another network's: count this one, or say how it differs"
        )
        yield _found(row, row.params, "suspicious", "parameters", text)
    if row.params and len(networks) == 1:
        yield from _heads(row, row.params, networks[0])
    if row.work and row.work.figure.value > 0 and row.area and len(networks) == 1:
        yield from _work(row, row.work, networks[0])


# ------------------------------------------------------------------ parameters


def _off(entry: Entry, net: Network, classes: int | None) -> float:
    """How far, relatively, a number of parameters is from the network's, with or without the heads of training."""
    value, slack = entry.figure.value, entry.figure.slack
    forms = (net.params, net.trained[0]) if net.trained else (net.params,)
    ends = [(form.of(classes or FEWEST_CLASSES), form.of(classes or MOST_CLASSES)) for form in forms]
    return min(max(low - value - slack, value - slack - high, 0) / high for low, high in ends)


def _heads(row: Row, entry: Entry, net: Network) -> Iterator[Finding]:
    """The auxiliary heads of training counted with the network that is deployed."""
    if net.trained is None:
        return
    classes = row.classes or _classes(row, net)
    deployed, trained = net.params.of(classes), net.trained[0].of(classes)
    if abs(entry.figure.value - trained) <= entry.figure.slack < trained - deployed:
        text = (
            f"counts the heads that only training uses; the network that is deployed and timed has {deployed:,}; "
            "say which one it is"
        )
        yield _found(row, entry, "note", "training heads", text)


def _classes(row: Row, net: Network) -> int:
    """The number of classes: the row's, or the one that an exact number of parameters implies, else 7."""
    if row.classes or row.params is None or not row.params.figure.exact:
        return row.classes or CLASSES
    for form in (net.params, *([net.trained[0]] if net.trained else [])):
        more, rest = divmod(row.params.figure.value - form.at_seven, form.per_class)
        if rest == 0 and FEWEST_CLASSES <= CLASSES + more <= MOST_CLASSES:
            return CLASSES + int(more)
    return CLASSES


# ------------------------------------------------------------------ operations


class _Form(NamedTuple):
    """One way to count an image: the figure in operations, its unit, and whether training's heads are in it."""

    value: float
    unit: str
    heads: bool


def _forms(net: Network, classes: int, area: int) -> list[_Form]:
    grown, forms = area / AREA, []
    graphs = [(net.macs, net.sum_, False)] + ([(net.trained[1], net.trained[2], True)] if net.trained else [])
    for macs, summed, heads in graphs:
        count = macs.of(classes)
        more = summed - macs.at_seven  # normalisation and resizing hardly depend on the classes
        forms += [_Form(2 * count * grown, "flop", heads), _Form(count * grown, "mac", heads)]
        forms.append(_Form((count + more) * grown, "mac", heads))
    return forms


def _work(row: Row, entry: Entry, net: Network) -> Iterator[Finding]:
    assert row.area is not None
    forms = _forms(net, _classes(row, net), row.area)
    loose = FITS if row.size and row.size[0] % 32 == row.size[1] % 32 == 0 else FITS_ELSEWHERE
    one = _best(entry, [(form, 1) for form in forms], loose)
    if one is not None:
        yield from _convention(row, entry, one[0], net, forms)
        return
    hinted = [(form, row.batch) for form in forms if row.batch and row.batch > 1]
    usual = [(form, n) for form in forms for n in USUAL_BATCHES if form.unit == "mac" or n <= 16]
    many = _best(entry, hinted, loose) or _best(entry, usual, min(loose, FITS / 2))
    size = f"{row.size[0]}x{row.size[1]}" if row.size else ""
    truth = f"one image of {size} takes {giga(forms[1].value)} GMAC = {giga(forms[0].value)} GFLOP"
    if many is not None:
        form, n = many
        what = "multiply-adds" if form.unit == "mac" else "operations"
        heads = ", training's heads included" if form.heads else ""
        unit = "GMAC" if form.unit == "mac" else "GFLOP"
        text = (
            f"{entry.figure.text} = {n} x {giga(form.value)} {unit}: {what} of a batch of {WORDS.get(n, n)}{heads}; "
            f"{truth}: print that count"
        )
        yield _found(row, entry, "impossible", "operations", text)
    elif min(abs(entry.figure.value - form.value) / form.value for form in forms) > ANOTHER:
        text = f"{entry.figure.text} fits no count of {net.label}; {truth}: count again, for one image of this size"
        yield _found(row, entry, "suspicious", "operations", text)


def _best(entry: Entry, options: list[tuple[_Form, int]], loose: float) -> tuple[_Form, int] | None:
    """The form and batch nearest to the figure, within its rounding and `loose`; its own unit first."""
    value, slack, unit = entry.figure.value, entry.figure.slack, entry.figure.unit
    near = [
        (abs(value - n * form.value) / value, form.unit != unit, form, n)
        for form, n in options
        if abs(value - n * form.value) <= slack + loose * value
    ]
    return min(near, key=lambda found: found[:2])[2:] if near else None


def _convention(row: Row, entry: Entry, form: _Form, net: Network, forms: list[_Form]) -> Iterator[Finding]:
    """A right count under the wrong word, or with training's heads."""
    faults = []
    if form.unit == "mac" and entry.figure.unit == "flop":
        faults.append(f"are multiply-adds (one MAC is two FLOP: {giga(2 * form.value)} GFLOP); name the column GMAC")
    if form.unit == "flop" and entry.figure.unit == "mac":
        faults.append(f"are FLOP, two per multiply-add ({giga(form.value / 2)} GMAC); name the column GFLOP")
    if form.heads:
        faults.append(f"are counted with the heads of training; {net.label} deployed takes {giga(forms[1].value)} GMAC")
    if faults:
        yield _found(row, entry, "note", "operations", f"{entry.figure.text} {' and '.join(faults)}")


def giga(value: float) -> str:
    """`184.5`, `6.317`, `1,110`: four figures in units of 10^9."""
    billions = value / 1e9
    return f"{billions:,.{max(0, 4 - len(str(int(billions))))}f}"


def _found(row: Row, entry: Entry, severity: Severity, rule: str, text: str) -> Finding:
    return Finding(severity, rule, entry.line, row.label, entry.column, text, row.table)
