"""The jobs' counters for Prometheus; Ray exports each name with the prefix `ray_`.

`cluster/monitoring/` draws and watches these names; a test holds both sides together. A metric that
cannot be sent is dropped by Ray: counting never fails a job.
"""

from collections.abc import Mapping
from functools import lru_cache

import ray
from ray.util.metrics import Counter, Gauge

from itportrait.records import Status


@lru_cache(maxsize=1)
def _records() -> Counter:
    return Counter(
        "itportrait_records", "Records that reached a stage's commit.", ("stage", "status")
    )


@lru_cache(maxsize=1)
def _records_failed() -> Counter:
    return Counter("itportrait_records_failed", "Records that failed in a stage.", ("stage",))


@lru_cache(maxsize=1)
def _shard_seconds() -> Counter:
    return Counter("itportrait_shard_seconds", "Seconds spent on committed shards.", ("stage",))


@lru_cache(maxsize=1)
def _domains_published() -> Counter:
    return Counter("itportrait_domains_published", "Versions that became champion.", ("domain",))


@lru_cache(maxsize=1)
def _domains_held_back() -> Counter:
    return Counter("itportrait_domains_held_back", "Versions that the gate held back.", ("domain",))


@lru_cache(maxsize=1)
def _domains_failed() -> Counter:
    return Counter("itportrait_domains_failed", "Builds of a domain that failed.", ("domain",))


@lru_cache(maxsize=1)
def _domain_metric() -> Gauge:
    return Gauge("itportrait_domain_metric", "Last score of a domain.", ("domain", "metric"))


def count_shard(stage: str, counts: Mapping[str, int], seconds: float) -> None:
    """Count a committed shard.

    Args:
        stage: name of the stage.
        counts: status (`ok`, `rejected`, `failed`) -> records.
        seconds: spent on it.
    """
    for status, number in counts.items():
        if number:
            _records().inc(number, {"stage": stage, "status": str(status)})
    if counts.get(Status.FAILED):
        _records_failed().inc(counts[Status.FAILED], {"stage": stage})
    if seconds > 0:
        _shard_seconds().inc(seconds, {"stage": stage})


def count_domain(domain: str, outcome: str, metrics: Mapping[str, float] | None = None) -> None:
    """Count the end of a domain's build.

    Args:
        domain: its name.
        outcome: `champion`, `candidate` or `failed`; anything else is not counted.
        metrics: scores to show.
    """
    if not ray.is_initialized():  # a build that had nothing to do starts none
        return
    counters = {
        "champion": _domains_published,
        "candidate": _domains_held_back,
        "failed": _domains_failed,
    }
    if outcome in counters:
        counters[outcome]().inc(1, {"domain": domain})
    for name, value in (metrics or {}).items():
        _domain_metric().set(float(value), {"domain": domain, "metric": name})
