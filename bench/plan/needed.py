"""Configurations and a store -> the runs that others take weights from and that are not there to give them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bench.names.lineage import is_run, weights_before
from bench.spec import BenchError, ExitCode, RunConfig
from bench.store import Store

KEYS = {"init": "init", "teacher": "method.teacher"}
"""What takes weights -> where a configuration says so."""


def missing(configs: Mapping[str, RunConfig], store: Store) -> Iterator[tuple[RunConfig, BenchError]]:
    """Each of `configs` (by run id) that needs another run, with why that cannot help; no file is opened.

    Runs among `configs` will have finished by then.
    """
    for config in configs.values():
        for what, text in weights_before(config).items():
            if is_run(text) and text not in configs and (fault := unfinished(text, store)):
                yield config, fault.at(key=KEYS[what])


def unfinished(run_id: str, store: Store) -> BenchError | None:
    """Why there are no weights of that run here, as a fault of code DATA; None where there are."""
    if store.newest_run_file(run_id) is None:
        return not_here(run_id, store)
    if (store.run_folder(run_id) / "chosen.pt").is_file():
        return None
    problem, remedy = f"{run_id} has a record and no weights here", "run it again on this machine, without --keep none"
    return BenchError(problem, remedy=remedy, code=ExitCode.DATA)


def not_here(run_id: str, store: Store) -> BenchError:
    """That run has no record in `store`."""
    remedy = "run it first, by its sweep file without -k; `bench status FILE` lists ids"
    return BenchError(f"{run_id} has not finished in {store.root}", remedy=remedy, code=ExitCode.DATA)
