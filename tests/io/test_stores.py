"""Stores that give no access: one sentence with the place and how credentials are given."""

import pickle

import pytest

from itportrait.errors import InvalidArgumentError, StoreRefusedError
from itportrait.ingest import list_sources
from itportrait.io import uris
from itportrait.io.photos import read_source
from itportrait.io.stores import as_os_error
from itportrait.jobs.endings import EXIT_USAGE, run_job
from itportrait.records import Source

PLACE = "s3://no-bucket-of-ours/a/b.json"


@pytest.fixture
def without_credentials(monkeypatch, tmp_path):
    """No credentials in the environment, in files, or from a cloud's own service."""
    s3fs = pytest.importorskip("s3fs", reason="needs the extra s3")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    s3fs.S3FileSystem.clear_instance_cache()
    yield monkeypatch
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize(
    "call",
    [
        uris.read_bytes,
        uris.exists,
        uris.list_names,
        uris.remove,
        lambda uri: uris.put_bytes(uri, b"1"),
        lambda uri: uris.create_bytes(uri, b"1"),
        lambda uri: uris.read_many([uri]),
        lambda uri: read_source(Source(uri=uri)),
        lambda uri: list(list_sources(uri)),
    ],
)
def test_a_store_without_credentials_says_how_they_are_given(without_credentials, call):
    with pytest.raises(StoreRefusedError, match=r"no-bucket-of-ours.* set AWS_ACCESS_KEY_ID"):
        call(PLACE)


def test_a_job_without_credentials_ends_in_one_sentence(without_credentials, capsys):
    def job() -> int:
        uris.open_fs(PLACE)[0].ls("no-bucket-of-ours/a")  # past all that knows of stores' errors
        return 0

    assert run_job(job) == EXIT_USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: the storage gives no access: Unable to locate credentials")


def test_a_store_that_is_away_is_waited_for(without_credentials):
    pauses: list[float] = []
    without_credentials.setattr(uris.time, "sleep", pauses.append)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        without_credentials.setenv(name, "x")
    without_credentials.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    without_credentials.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(ConnectionError, match="cannot be reached"):
        uris.read_bytes(PLACE)
    assert len(pauses) == 3


def test_a_bucket_that_cannot_be_is_no_matter_of_credentials(without_credentials):
    with pytest.raises(StoreRefusedError, match=r"Invalid bucket name.*check the names"):
        uris.read_bytes("s3://No Bucket!/a")


@pytest.mark.parametrize(("scheme", "package"), [("gs", "gcsfs"), ("az", "adlfs")])
def test_a_store_whose_package_is_missing_names_it(scheme, package):
    try:
        __import__(package)
    except ImportError:
        with pytest.raises(InvalidArgumentError, match=r"pip install '?(itportrait\[gcs\]|adlfs)"):
            uris.read_bytes(f"{scheme}://bucket/a")
    else:
        pytest.skip(f"{package} is installed")


def test_other_errors_are_left_alone():
    assert as_os_error(ValueError("a defect"), PLACE) is None
    assert as_os_error(FileNotFoundError("no"), PLACE) is None


def test_the_error_comes_whole_from_another_process():
    error = StoreRefusedError("s3://b gives no access")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
