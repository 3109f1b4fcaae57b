"""Stores that give no access: one sentence with the place and how credentials are given."""

import pickle

import pytest

from itportrait.errors import InvalidArgumentError, StoreRefusedError
from itportrait.ingest import list_sources
from itportrait.io import uris
from itportrait.io.stores import as_os_error
from itportrait.jobs.endings import EXIT_USAGE, run_job
from itportrait.photos.files import read_source
from itportrait.records import Source
from tests.helpers.bad_servers import answering

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


def test_a_defect_of_a_package_that_serves_no_store_is_shown_whole():
    message = pytest.importorskip("google.protobuf.message")

    def job() -> int:
        raise message.DecodeError("a defect")

    with pytest.raises(message.DecodeError):
        run_job(job)


def answered(status: int, text: str) -> Exception:
    aiohttp = pytest.importorskip("aiohttp")
    from multidict import CIMultiDict, CIMultiDictProxy
    from yarl import URL

    place = URL(f"http://host/{text}")
    headers = CIMultiDictProxy(CIMultiDict())
    request = aiohttp.RequestInfo(place, "GET", headers, place)
    return aiohttp.ClientResponseError(request, (), status=status, message="so")


def s3_answered(status: int) -> Exception:
    answer = {"Error": {"Code": "so"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return pytest.importorskip("botocore.exceptions").ClientError(answer, "GetObject")


def of_google(module: str, name: str, *arguments) -> Exception:
    return getattr(pytest.importorskip(f"google.{module}.exceptions"), name)(*arguments)


@pytest.mark.parametrize(
    ("make", "kind", "said"),
    [
        (lambda: answered(503, "a"), ConnectionError, "fails at present"),
        (lambda: answered(429, "a"), ConnectionError, "fails at present"),
        (lambda: s3_answered(500), ConnectionError, "fails at present"),
        (
            lambda: of_google("api_core", "ServiceUnavailable", "x"),
            ConnectionError,
            "fails at present",
        ),
        (lambda: of_google("auth", "TransportError", "x"), ConnectionError, "cannot be reached"),
        (lambda: of_google("auth", "RefreshError", "x"), StoreRefusedError, "gives no access"),
        (lambda: answered(401, "a"), StoreRefusedError, "gives no access"),
        (lambda: s3_answered(403), StoreRefusedError, "gives no access"),
        (lambda: answered(410, "tokens"), StoreRefusedError, "cannot be used"),
    ],
)
def test_what_fails_at_present_is_told_from_what_is_refused(make, kind, said):
    told = as_os_error(make(), PLACE)
    assert type(told) is kind
    assert str(told).startswith(f"{PLACE} {said}: ")


@pytest.mark.parametrize(
    ("status", "length"), [("503 Service Unavailable", 5), ("200 OK", 50)], ids=["busy", "cut"]
)
def test_a_web_server_that_fails_in_passing_is_asked_again(monkeypatch, status, length):
    pytest.importorskip("aiohttp")
    pauses: list[float] = []
    monkeypatch.setattr(uris.time, "sleep", pauses.append)
    bad = f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\nhello"
    good = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nwhole"
    answers = [good, bad, bad]

    def answer(connection):
        connection.recv(65536)
        connection.sendall(answers.pop().encode())
        connection.close()

    with answering(answer) as address:
        assert uris.read_bytes(f"{address}/a") == b"whole"
    assert len(pauses) == 2


def test_an_object_that_comes_in_part_is_asked_for_again():
    cut = pytest.importorskip("botocore.exceptions").IncompleteReadError
    told = as_os_error(cut(actual_bytes=1, expected_bytes=403), PLACE)
    assert type(told) is ConnectionError


def test_the_error_comes_whole_from_another_process():
    error = StoreRefusedError("s3://b gives no access")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
