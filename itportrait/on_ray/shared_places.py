"""Refuse places that not all machines of a cluster see.

On a cluster of several machines a folder of one of them is not seen by the others.
"""

import logging
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import ray
from ray.exceptions import RayError
from ray.util.client import ray as client
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from itportrait.configuration.places import local_place
from itportrait.errors import InvalidArgumentError
from itportrait.io import uris

logger = logging.getLogger(__name__)

_LAG_S, _ANSWER_S = 5.0, 60.0


def check_shared(places: Mapping[str, str]) -> None:
    """Ask the cluster's machines whether they see the places of this one.

    In a folder to be written (`--output`, and a bank that does not stand yet) they are asked for a
    file that is made for the time of the question. Other paths need only exist; patterns count by
    the folder that they begin with. Nodes that an autoscaler adds later are not asked.

    Raises:
        InvalidArgumentError: a node does not see a place; names both.
        OutputError: there is no permission to write.
    """
    nodes = _other_nodes()
    local = {name: path for name, uri in places.items() if (path := local_place(uri)) is not None}
    if not nodes or not local:
        return
    stands = {"--bank": "/bank.json", "bundle": "/model.json", "base": "/model.json"}
    found = {name: _existing(path + stands.get(name, "")) for name, path in local.items()}
    new = {
        name: local[name]
        for name in local
        if name == "--output" or (name == "--bank" and not found[name].endswith("/bank.json"))
    }
    with _marks(new) as marks:
        for node, missing in _ask(nodes, {**found, **marks}).items():
            name = missing[0]
            place = places[name]
            raise InvalidArgumentError(
                name,
                expected="a place that all nodes of the cluster share",
                actual=f"{uris.redact(place)!r}, which node {node} does not see",
                remedy="give a URI, or a folder of a shared file system",
            )


def _other_nodes() -> dict[str, str]:
    """Return the ids and addresses of the nodes that tasks can run on, without this machine's."""
    own = "" if client.is_connected() else ray.get_runtime_context().get_node_id()
    return {
        node["NodeID"]: node["NodeManagerAddress"]
        for node in ray.nodes()
        if node["NodeID"] != own
        and node["Alive"]
        and (node["Resources"].get("CPU") or node["Resources"].get("GPU"))
    }


@contextmanager
def _marks(folders: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Keep an empty file in each folder for the time of the block."""
    marks = {
        name: uris.join(path, f".seen-{uuid.uuid4().hex}.tmp") for name, path in folders.items()
    }
    try:
        for path in marks.values():
            uris.put_bytes(path, b"")
        yield marks
    finally:
        for path in marks.values():
            uris.remove(path)


def _ask(nodes: Mapping[str, str], paths: Mapping[str, str]) -> dict[str, list[str]]:
    """Return what nodes do not see, by their addresses; those that do not answer are logged."""
    task = ray.remote(num_cpus=0, max_retries=1)(_unseen)
    asked = {
        task.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=node, soft=False)
        ).remote(dict(paths)): address
        for node, address in nodes.items()
    }
    done, late = ray.wait(list(asked), num_returns=len(asked), timeout=_ANSWER_S)
    for reference in late:
        logger.warning("node %s did not say whether it sees the job's places", asked[reference])
    answers = {}
    for reference in done:
        try:
            missing = ray.get(reference)
        except RayError as error:  # a node that is gone needs no places
            logger.warning("node %s did not answer: %s", asked[reference], error)
            continue
        if missing:
            answers[asked[reference]] = missing
    return answers


def _unseen(paths: dict[str, str]) -> list[str]:
    """Return the names of the paths that this machine does not see, even after a while."""
    deadline = time.monotonic() + _LAG_S  # shared file systems show new files with a delay
    missing = list(paths)
    while missing := [name for name in missing if not os.path.lexists(paths[name])]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    return missing


def _existing(path: str) -> str:
    """Return the path, or the deepest folder above it that exists."""
    while path != "/" and not os.path.lexists(path):
        path = os.path.dirname(path)
    return path
