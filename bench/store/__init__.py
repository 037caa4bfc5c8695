"""Records <-> results/: one immutable file per record, read back with every fault named and nothing hidden by it.

results/runs/r-<16 hex>[.a<n>].json (+ .images.npz)   what this machine ran; attempt n > 1 after --rerun
results/costs/<device>/<utc>_<digest>.json            one file per count and per timing process (+ .samples.npz)
results/sweeps/<name>.json                            what each sweep planned: tables show what has not run
results/reference/{runs,costs,sweeps}/                the same, shipped with the project; shown, never reused
.bench/runs/<id>/                                     beside results/: checkpoints, pictures, log, failure.json
.bench/claims/<id>                                    locked by the process that runs it; holds the number of the claim
.bench/quarantine/<utc>/                              what `bench store repair` and `migrate` took out, never deleted
.bench/{configs,data,intervals}.json                  derived from the records, to save time: may be removed any time

folder     Store, Contents
files      JSON <-> a file with its digest
durable    bytes onto a disk: all or nothing
schemas    records of earlier schema numbers as they would be written today
leases     a run claimed by the process that runs it
reading    a folder of files -> records and faults
agreeing   configurations -> whether their newest records agree, and what those were made with
memory     what is remembered of files
checking   a results folder -> all that is wrong with it
arrays     the arrays beside a record -> what is wrong with them
repairing  what is wrong -> quarantine
migrating  records of earlier schema numbers -> rewritten
merging    another results folder's records -> into this one
prefixes   the beginning of an id -> the id

Who runs a run claims it first and stores with the claim, in the process that does the work:

    seen = store.attempts(run_id)                  # when planned
    lease = store.claim(run_id)                    # Lease, or None: another living process has it, so leave it out
    with lease:                                    # released at the end, or by the kernel when the process dies
        if store.attempts(run_id) > seen: ...      # another process has finished it meanwhile: reuse that
        store.add_run(record, per_image, lease)    # BenchError if .bench/ was removed and somebody else has claimed it
"""

from bench.store.agreeing import Made, made
from bench.store.durable import commit, replace
from bench.store.files import canonical, dump, parse
from bench.store.folder import Contents, Store
from bench.store.leases import Lease, claim, claimed, is_claimed
from bench.store.memory import Memory, mark
from bench.store.prefixes import run_called
from bench.store.reading import Stored

__all__ = [
    "Contents",
    "Lease",
    "Made",
    "Memory",
    "Store",
    "Stored",
    "canonical",
    "claim",
    "claimed",
    "commit",
    "dump",
    "is_claimed",
    "made",
    "mark",
    "parse",
    "replace",
    "run_called",
]
