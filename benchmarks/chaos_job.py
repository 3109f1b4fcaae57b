"""The main job with the stages of `chaos_stages`, in a process of its own, to be killed.

Arguments: configuration, output, builder, Ray's address ("" for an embedded one of two cores).
"""

import sys
from dataclasses import replace

from benchmarks.chaos_stages import FAILS_EVERY, WILD
from benchmarks.jumping_clock import jump
from itportrait.engine.progress import Progress
from itportrait.errors import ItportraitError
from itportrait.io.lease import Lease
from itportrait.jobs.stylize.config import load_job
from itportrait.jobs.stylize.job import StylizeJob
from itportrait.jobs.stylize.run_report import known_model_id, write_run
from itportrait.on_ray.backend import RayBackend
from itportrait.on_ray.session import ray_session, stop_on_sigterm
from tests.helpers.flaky_storage import hang_up_every


def main(config_file: str, output: str, builder: str, address: str) -> None:
    """Run the job to its end."""
    if builder == WILD:
        hang_up_every(FAILS_EVERY)  # the driver's own calls, too
        jump()
    config = load_job(config_file, output=output)
    with stop_on_sigterm(), ray_session(address or None, num_cpus=2):
        backend = RayBackend()
        job = StylizeJob(config, known_model_id(config, backend.executor()), backend)
        job.chain = tuple(replace(recipe, builder=builder) for recipe in job.chain)
        for domain in job.domains:
            assert domain.recipe is not None
            domain.recipe = replace(domain.recipe, builder=builder)
        with Lease(output, what="chaos_job", wait_s=120) as lease, Progress(job.totals) as progress:
            job.pipeline(progress, lease).run(job.shards())
            write_run(job, "finished")
    print(job.final_counts())


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ItportraitError as error:
        sys.exit(f"error: {error}")
