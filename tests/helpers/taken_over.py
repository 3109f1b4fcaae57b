"""Another job that takes an output over."""

import time

from itportrait.errors import LeaseHeldError
from itportrait.io import uris
from itportrait.io.lease import Lease


def take_over(lease: Lease) -> None:
    """Let another job hold the output, and wait until the lease knows."""
    folder = uris.join(lease.root, "_lease")
    holder = uris.read_json(uris.join(folder, "00000000.json")) or {}
    uris.put_bytes(uris.join(folder, "00000001.json"), uris.to_json({**holder, "what": "thief"}))
    for _ in range(200):
        try:
            lease.check()
        except LeaseHeldError:
            return
        time.sleep(0.05)
    raise AssertionError("the lease was not lost")
