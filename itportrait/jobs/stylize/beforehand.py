"""What the main job refuses before it starts Ray or makes a folder."""

from itportrait.align.networks import require_encoder, require_face_mesh
from itportrait.bank.store import Bank
from itportrait.bundle.model_id import bundle_key, read_model_id
from itportrait.io import uris
from itportrait.jobs.model_id import require_bundle
from itportrait.jobs.ready_made import is_ready_made
from itportrait.jobs.stylize.config import JobConfig
from itportrait.jobs.stylize.domains import check_domains, job_of
from itportrait.jobs.stylize.job import list_photos
from itportrait.training.vetting import vet_jobs


def check_beforehand(
    config: JobConfig, *, works_here: bool = True, bundle_here: bool = True, writes: bool = True
) -> None:
    """Look at the models, domains, photos and places of a job; it takes seconds at most.

    Args:
        config: of the job.
        works_here: this machine runs the tasks, so that it must have the networks.
        bundle_here: this machine sees the bundle as those do that run the tasks; else a folder that
            is not here is left to them.
        writes: the output is written.

    Raises:
        ItportraitError: the job would fail; says why.
    """
    if bundle_here:
        require_bundle(config.bundle)
    found = check_domains(config)
    list_photos(config)
    if writes:
        uris.check_place(config.output, "output")
    if works_here and aligns(config):
        require_face_mesh(config.align)
    if bundle_key(config.bundle) is not None:
        if aligns(config):
            require_encoder(config.align, config.bundle)
        adopts = any(is_ready_made(version, config.bundle) for version in found)
        _check_trainings(config, adopts=adopts)


def aligns(config: JobConfig) -> bool:
    """Tell whether a job aligns anything, photos or reference pictures."""
    return "align" in config.stages or any(
        spec.references for spec in config.specifications().values()
    )


def _check_trainings(config: JobConfig, *, adopts: bool) -> None:
    """Look at the bank where anything is published, and at pictures that guide trainings."""
    bank, specs = Bank(config.bank), config.specifications().values()
    model_id = read_model_id(config.bundle) if specs else ""
    jobs = [job_of(spec, config, model_id) for spec in specs]
    jobs = [job for job in jobs if job.find_in(bank) is None]
    if jobs or adopts:
        bank.beginning()
    if uris.is_local(config.bundle):  # models of another are fetched by who trains with them
        vet_jobs([job for job in jobs if job.pictures])
