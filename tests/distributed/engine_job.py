"""A job on the engine in a process of its own, with the lease, to be killed by the tests.

Arguments: folder of photos, output, log, Ray's address ("" for an embedded one), shard size (2).
"""

import json
import sys

from itportrait.distributed.lease import Lease
from itportrait.distributed.pipeline import Domain, Pipeline
from itportrait.distributed.recipes import ALIGN, INVERT, STYLIZE
from itportrait.distributed.session import ray_session, stop_on_sigterm
from itportrait.distributed.shards import iter_shards
from itportrait.distributed.totals import Totals
from itportrait.distributed.window import StageResources, WindowLimits
from itportrait.ingest import list_sources
from tests.distributed.fake_stages import chain


def main(folder: str, output: str, log: str, address: str, shard_size: str = "2") -> None:
    """Run the job and print its totals as JSON."""
    align, invert, *styles = chain(output, ("bronze", "clay"), log=log)
    totals = Totals()
    lease = Lease(output, what="engine_job", wait_s=30)
    with stop_on_sigterm(), ray_session(address or None, num_cpus=2), lease:
        engine = Pipeline(
            align,
            invert,
            [Domain(recipe.domain, recipe) for recipe in styles],
            limits=WindowLimits(in_flight=4, backoff_s=0.1),
            resources={s: StageResources(num_cpus=1) for s in (ALIGN, INVERT, STYLIZE)},
            totals=totals,
            lease=lease,
        )
        print("running", flush=True)
        engine.run(iter_shards(list_sources(folder, patterns=["*"]), int(shard_size)))
    print(json.dumps({name: stage.to_json() for name, stage in totals.stages.items()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
