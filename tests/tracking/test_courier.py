"""Services that are silent, slow, wrong or killed: they cost seconds in all, and no event."""

import contextlib
import itertools
import time

import numpy as np
import pytest

from benchmarks.bm_bank_faults import Server
from itportrait.tracking import MlflowTracker, close_tracking, replay_spool
from itportrait.tracking.courier import PATIENCE_S, SILENCE_S
from tests.helpers.bad_servers import (
    Relay,
    answering,
    babbling,
    closing,
    dripping,
    replying,
    silent,
)

PICTURE = np.full((8, 8, 3), 128, np.uint8)
ERROR = '{"error_code": "INTERNAL_ERROR", "message": "it failed"}'
FAULTS = {
    "silent": silent,
    "dripping": dripping,
    "closing": closing,
    "babbling": babbling,
    "500": replying("500 Internal Server Error", ERROR),
    "503 for an hour": replying("503 Service Unavailable", "", "Retry-After: 3600"),
    "429": replying("429 Too Many Requests", "", "Retry-After: 3600"),
    "401": replying("401 Unauthorized", "who are you"),
    "403": replying("403 Forbidden", "Invalid Host header"),
    "404": replying("404 Not Found", "<html>this is no MLflow</html>"),
    "another page": replying("200 OK", "<html>this is no MLflow</html>"),
    "a loop of redirects": replying("302 Found", "", "Location: /"),
}


@contextlib.contextmanager
def at_most(seconds: float):
    """Fail where the block takes four times as long: without the limit it would take minutes."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < 4 * seconds


@pytest.fixture(scope="module", autouse=True)
def warm():
    """Import what the first attempt imports, so that what is timed is the waiting."""
    import mlflow.store.tracking.rest_store  # noqa: F401


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_server_costs_seconds_and_no_event(fault, tmp_path, mlflow_uri):
    from mlflow import MlflowClient

    with answering(FAULTS[fault]) as uri:
        with at_most(2.0):
            run = MlflowTracker("run", experiment="bank", uri=uri, spool=tmp_path / "spool")
            for step in range(20):
                run.log_metrics({"identity": step / 20}, step=step)
                run.log_image("probe/face_000", PICTURE, step=step)
        with at_most(SILENCE_S + 3):
            run.finish()
        backlog = run.flush()
    assert backlog.waiting == 42
    assert backlog.problem
    assert "\n" not in str(backlog)
    assert not replay_spool(mlflow_uri, tmp_path / "spool", patience_s=60.0)
    client = MlflowClient(mlflow_uri)
    (found,) = client.search_runs([client.get_experiment_by_name("bank").experiment_id])
    history = client.get_metric_history(found.info.run_id, "identity")
    assert [point.step for point in history] == list(range(20))
    assert found.info.status == "FINISHED"


def test_a_silent_server_costs_a_process_its_patience_once(tmp_path):
    with answering(silent) as uri:
        run = MlflowTracker("bank", experiment="bank", uri=uri, spool=tmp_path)
        with at_most(PATIENCE_S + 8):
            for name in "abcdefghi":
                child = run.child(name)
                child.log_metrics({"identity": 1.0}, step=1)
                child.finish()
            backlog = close_tracking(run, uri, tmp_path)
    assert backlog.waiting == 9 * 3 + 2
    assert "events wait in" in str(backlog)


def test_who_is_told_to_stop_waits_for_no_service_and_loses_no_event(tmp_path):
    with answering(silent) as uri:
        run = MlflowTracker("run", experiment="bank", uri=uri, spool=tmp_path)
        run.log_metrics({"identity": 1.0}, step=1)
        with at_most(4.0):
            run.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert run.flush().waiting == 3


def test_an_address_that_nobody_knows_costs_seconds(tmp_path):
    uri = "http://no-such-host.invalid:5000"
    run = MlflowTracker("run", experiment="bank", uri=uri, spool=tmp_path)
    with at_most(SILENCE_S + 10):  # the system's own time to look it up
        run.finish()
    assert run.flush().waiting == 2


def test_a_service_that_is_back_gets_what_waits_while_the_work_goes_on(mlflow_uri, tmp_path):
    path, away = tmp_path / "mlflow.db", tmp_path / "away"
    path.rename(away)
    path.mkdir()  # so that no new one is made
    run = MlflowTracker("run", experiment="bank", uri=mlflow_uri, retry_s=0.2)
    run.log_metrics({"identity": 0.5}, step=1)
    assert run.flush().waiting == 2
    path.rmdir()
    away.rename(path)
    deadline = time.monotonic() + 30
    while not run._spool.empty:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert run.run_id


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A real server, started again after each test that killed it."""
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.stop()


def finished(uri: str, name: str):
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("bank")
    runs = client.search_runs([experiment.experiment_id], f"tags.`mlflow.runName` = '{name}'")
    assert len(runs) == 1
    history = client.get_metric_history(runs[0].info.run_id, "identity")
    images = client.list_artifacts(runs[0].info.run_id, "images")
    pictures = [file.path for file in images if file.path.endswith(".png")]
    return runs[0].info.status, [point.step for point in history], len(pictures)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_server_that_is_killed_in_the_middle_repeats_and_loses_nothing(server, tmp_path):
    run = MlflowTracker("killed", experiment="bank", uri=server.uri, spool=tmp_path, retry_s=0.5)
    for step in range(10):
        run.log_metrics({"identity": 1.0}, step=step)
        run.log_image("probe/face_000", PICTURE, step=step)
        if step == 5:
            time.sleep(1)  # so that it is killed while it takes events
            server.stop()
    with at_most(SILENCE_S + 3):
        run.finish()
    assert run.flush().waiting
    server.start()
    assert not replay_spool(server.uri, tmp_path, patience_s=60.0)
    assert finished(server.uri, "killed") == ("FINISHED", list(range(10)), 10)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_answers_that_are_lost_repeat_nothing(server, tmp_path):
    relay = Relay(server.port)
    with answering(relay) as uri:
        run = MlflowTracker("lost", experiment="bank", uri=uri, spool=tmp_path, retry_s=0.1)
        assert not run.flush()
        for step, lost in zip(range(12), itertools.cycle([False, True]), strict=False):
            relay.lost = lost
            run.log_metrics({"identity": 1.0}, step=step)
            run.log_image("probe/face_000", PICTURE, step=step)
            run.flush()
        relay.lost = False
        run.finish()
    assert not replay_spool(server.uri, tmp_path, patience_s=60.0)
    assert finished(server.uri, "lost") == ("FINISHED", list(range(12)), 12)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_slow_server_costs_seconds_and_the_rest_is_sent_later(server, tmp_path):
    relay = Relay(server.port)
    with answering(relay) as uri:
        run = MlflowTracker("slow", experiment="bank", uri=uri, spool=tmp_path)
        assert not run.flush()
        relay.delay_s = 1.5
        with at_most(2.0):
            for step in range(30):
                run.log_metrics({"identity": 1.0}, step=step)
        with at_most(PATIENCE_S + 3):
            run.finish()
        assert 0 < run.flush().waiting < 31
    assert not replay_spool(server.uri, tmp_path, patience_s=60.0)
    assert finished(server.uri, "slow") == ("FINISHED", list(range(30)), 0)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_refusals_of_a_server_block_nothing(server, tmp_path, caplog):
    from mlflow import MlflowClient

    from tests.tracking.test_faults import log_everything_bad

    run = MlflowTracker(
        "refused", experiment="bank", uri=server.uri, spool=tmp_path, patience_s=120.0
    )
    log_everything_bad(run)
    run.finish()
    assert not run.flush(), run.flush()
    assert "is away" not in caplog.text
    found = MlflowClient(server.uri).get_run(str(run.run_id))
    assert {"last", "with/bad", "with/nan", "many/1199"} <= set(found.data.metrics)
    assert found.info.status == "FINISHED"
