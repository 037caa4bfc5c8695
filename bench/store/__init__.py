"""Records <-> results/: one immutable file per record, read back with every fault named and nothing hidden by it.

results/runs/r-<16 hex>[.a<n>].json (+ .images.npz)   what this machine ran; attempt n > 1 after --rerun
results/costs/<device>/<utc>_<digest>.json            one file per count and per timing process (+ .samples.npz)
results/sweeps/<name>.json                            what each sweep planned: tables show what has not run
results/reference/{runs,costs,sweeps}/                the same, shipped with the project; shown, never reused
.bench/runs/<id>/                                     beside results/: checkpoints, pictures, log, failure.json
.bench/{configs,intervals}.json                       derived from the records, to save time: may be removed any time

folder   Store, Contents
files    JSON <-> a file with its digest; durable writing
reading  a folder of files -> records and faults
memory   what is remembered of files
"""

from bench.store.files import canonical, commit, dump, parse, replace
from bench.store.folder import Contents, Store
from bench.store.memory import Memory
from bench.store.reading import Stored

__all__ = ["Contents", "Memory", "Store", "Stored", "canonical", "commit", "dump", "parse", "replace"]
