"""What a bank build computes with, as the build sees it."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol

from itportrait.jobs.bank.scores import ScoreJob, Scores
from itportrait.jobs.domain_job import DomainJob
from itportrait.jobs.trained_domain import TrainedDomain


class Engine(Protocol):
    """Trains and scores domains; the calls block, and come from several threads."""

    @property
    def limit(self) -> int:
        """Domains at once."""
        ...

    def submit(self, function: Callable[[], Any], name: str) -> Future:
        """Run a function when one of the places is free, and keep the place until it ends."""
        ...

    def train(self, job: DomainJob) -> TrainedDomain:
        """Train one domain to its end, or go on with a run that was interrupted."""
        ...

    def score(self, job: ScoreJob) -> Scores:
        """Score versions of one domain."""
        ...
