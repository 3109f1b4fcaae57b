"""Make the pages and files of the main job from its tables: review page, gallery, deliverables."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from itportrait.execution.executor import Call
from itportrait.io import uris
from itportrait.jobs.stylize.job import StylizeJob
from itportrait.results.deliverables import FOLDER as DELIVERABLES
from itportrait.results.deliverables import DeliverablesJob
from itportrait.results.gallery import FOLDER, GalleryJob, make_gallery
from itportrait.results.review import ReviewJob, make_review
from itportrait.results.standing import make_once
from itportrait.stages.shards import Shard


def publish_pages(job: StylizeJob) -> str | None:
    """Make the review page and the gallery unless they stand.

    Returns:
        URI of the gallery's page, None if none is wanted.
    """
    settings, shown = job.config.publish, _shown(job)
    executor, anything = job.backend.executor(), job.totals.listed > 0
    pictured = settings.portraits > 0 and bool(shown["stylize"])
    review = ReviewJob(portraits=settings.review, gallery=pictured, **shown)
    if review.portraits and anything:
        call = Call(function=make_review, args=(review,), name="review page")
        make_once(review.marker, executor, call)
    if not pictured:
        return None
    gallery = GalleryJob(
        portraits=settings.portraits,
        turntables=settings.turntables,
        meshes=settings.meshes,
        review=settings.review > 0,
        tracking=uris.redact(job.config.tracking.uri),
        counts=job.final_counts(),
        means={domain.name: _means(job, domain.stage_name) for domain in job.domains},
        **shown,
    )
    if anything:
        share = job.resources()[job.last]
        call = Call(
            function=make_gallery,
            args=(gallery,),
            name="gallery",
            num_cpus=share.num_cpus,
            num_gpus=share.num_gpus,
        )
        make_once(gallery.marker, executor, call)
    return uris.join(job.config.output, FOLDER, "index.html")


def deliver_files(job: StylizeJob, check: Callable[[], None]) -> str | None:
    """Make the files of every portrait that are asked for, unless they stand.

    Args:
        job: keeps in `deliverables` what was made.
        check: called at every turn; raises to stop.

    Returns:
        URI of their folder, None if none is wanted.
    """
    config, recipes = job.config.publish.deliverables, job.stylize_recipes()
    if not config.kinds or not recipes:
        return None
    files = DeliverablesJob(
        output=job.config.output,
        config=config,
        stylize=recipes,
        shards=job.totals.shards,
        inputs=job.digest(),
    )
    made = files.standing()
    if made is None:
        # Only the pasting needs photos; to list them again keeps memory flat.
        numbers = (Shard(index, ()) for index in range(job.totals.shards))
        share = job.resources()[job.last]
        made = files.run(
            job.shards() if config.pasted else numbers,
            resources=share,
            in_flight=job.twice_the_slots([share]),
            executor=job.backend.executor(),
            check=check,
        )
    job.deliverables = made
    return uris.join(job.config.output, DELIVERABLES)


def _shown(job: StylizeJob) -> dict[str, Any]:
    """Return what the pages about a run have in common."""
    return {
        "output": job.config.output,
        "chain": job.chain,
        "stylize": tuple(replace(recipe, retry_failed=False) for recipe in job.stylize_recipes()),
        "inputs": job.digest(),
    }


def _means(job: StylizeJob, stage: str) -> dict[str, float]:
    totals = job.totals.stage(stage)
    return {name: totals.mean(name) or 0.0 for name in totals.sums}
