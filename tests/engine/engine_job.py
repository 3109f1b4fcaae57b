"""A job on the engine in a process of its own, with the lease, to be killed by the tests.

Arguments: folder of photos, output, log, Ray's address ("" for an embedded one), shard size (2),
seconds to wait for memory (900).
"""

import json
import sys
from dataclasses import replace

from itportrait.errors import ItportraitError
from itportrait.io.lease import Lease
from itportrait.on_ray.session import ray_session, stop_on_sigterm
from tests.engine.fake_engine import LIMITS, engine, shards_of
from tests.engine.fake_stages import chain


def main(
    folder: str,
    output: str,
    log: str,
    address: str,
    shard_size: str = "2",
    memory_wait_s: str = "900",
) -> None:
    """Run the job and print its totals as JSON."""
    lease = Lease(output, what="engine_job", wait_s=30)
    try:
        with stop_on_sigterm(), ray_session(address or None, num_cpus=2), lease:
            limits = replace(LIMITS, memory_wait_s=float(memory_wait_s))
            made = engine(chain(output, ("bronze", "clay"), log=log), lease=lease, limits=limits)
            print("running", flush=True)
            made.run(shards_of(folder, int(shard_size)))
    except ItportraitError as error:
        sys.exit(f"error: {error}")
    print(json.dumps({name: stage.to_json() for name, stage in made.totals.stages.items()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
