"""A folder of record files -> the records in it, in the order of their names, and what is wrong with the others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from bench.spec import BenchError, CostRecord, ExitCode, LatencyRecord, RunRecord
from bench.store.files import parse

R = TypeVar("R", RunRecord, CostRecord, LatencyRecord)


@dataclass(frozen=True)
class Stored(Generic[R]):
    """A record and where it lies; `origin` says whether this machine made it or the project shipped it."""

    record: R
    path: Path
    origin: Literal["local", "reference"]
    attempt: int = 1


Measured = Annotated[CostRecord | LatencyRecord, Field(discriminator="kind")]
"""What lies side by side in the folder of a device."""


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in `folder`; nothing if it is not there.  Raises BenchError (code STORE) if that cannot be told."""
    try:
        with os.scandir(folder) as found:
            return list(found)
    except FileNotFoundError:
        return []
    except OSError as error:
        problem = f"cannot be looked into ({error.strerror})"
        raise BenchError(problem, remedy="check the folder", file=folder, code=ExitCode.STORE) from None


def read_each(kind: Any, folder: Path, pattern: str, problems: list[BenchError]) -> Iterator[tuple[Path, Any]]:
    """(path, value) of each file that holds a `kind`; the others are told of in `problems`."""
    validate = TypeAdapter(kind).validate_python
    try:
        entries(folder)  # `glob` takes a folder that may not be read for an empty one
    except BenchError as error:
        problems.append(error)
        return
    for path in sorted(
        path for path in folder.glob(pattern) if not path.name.startswith(".")
    ):  # another system's notes
        try:
            yield path, validate(parse(path))
        except BenchError as error:
            problems.append(error)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            problems.append(BenchError(first["msg"].lower(), file=path, key=key, code=ExitCode.STORE))


def read_stored(
    kind: Any, folder: Path, pattern: str, origin: Literal["local", "reference"], problems: list[BenchError]
) -> Iterator[Stored[Any]]:
    """`read_each`, each record with where it lies and which attempt it is."""
    for path, record in read_each(kind, folder, pattern, problems):
        stem, _, attempt = path.name.removesuffix(".json").partition(".a")
        if isinstance(record, RunRecord) and record.run_id != stem:  # a copy would count as another run
            problem = f"holds run {record.run_id}, which is not its name"
            problems.append(BenchError(problem, remedy="rename it, or move it away", file=path, code=ExitCode.STORE))
            continue
        yield Stored(record, path, origin, int(attempt) if attempt.isdigit() else 1)
