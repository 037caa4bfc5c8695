"""A dataset's split -> uint8 tensors, decoded once: in memory, in a file that all processes share, or on the device.

`split` is what comes out; `decoding` reads and checks one sample; `memory` keeps what is drawn and not read; `disk`
keeps what was decoded from files, with `manifest` (what it was made from), `rows` (the arrays) and `build`.
"""

from bench.cache.disk import stored_split
from bench.cache.joined import joined
from bench.cache.manifest import FileDataset
from bench.cache.memory import Cache, read_split
from bench.cache.split import Split, resident

__all__ = ["Cache", "FileDataset", "Split", "joined", "read_split", "resident", "stored_split"]
