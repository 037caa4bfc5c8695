"""The surroundings of a number: processor, card, driver, software, commit.  An absent fact is null with a reason.

Records get published: no host name, no user name, no path and no serial number is read.  No torch at import.
"""

from bench.machine.labels import describe, device_label, device_slug
from bench.machine.software import commit, software, version
from bench.machine.watching import CardWatch, HostWatch, watch

__all__ = [
    "CardWatch",
    "HostWatch",
    "commit",
    "describe",
    "device_label",
    "device_slug",
    "software",
    "version",
    "watch",
]
