"""S3 on loopback, where URIs and versions of files are the same on every machine."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

VARIABLES = {
    "AWS_ACCESS_KEY_ID": "test-key",
    "AWS_SECRET_ACCESS_KEY": "test-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@contextlib.contextmanager
def object_store(bucket: str) -> Iterator[str]:
    """Serve an empty bucket for the time of the block; the environment leads every process to it.

    Returns:
        URI of the bucket.
    """
    import boto3
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    values = {**VARIABLES, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}
    former = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    s3fs.S3FileSystem.clear_instance_cache()
    boto3.client("s3", endpoint_url=values["AWS_ENDPOINT_URL"]).create_bucket(Bucket=bucket)
    try:
        yield f"s3://{bucket}"
    finally:
        server.stop()
        for name, value in former.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
        s3fs.S3FileSystem.clear_instance_cache()


def upload(folder: Path, uri: str) -> None:
    """Put every file below a folder under a URI."""
    import s3fs

    store = s3fs.S3FileSystem()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            store.pipe_file(f"{uri}/{path.relative_to(folder).as_posix()}", path.read_bytes())


def download(uri: str, folder: Path) -> None:
    """Write every object under a URI below a folder."""
    import s3fs

    store = s3fs.S3FileSystem()
    root = uri.removeprefix("s3://")
    for name in store.find(root):
        path = folder / name.removeprefix(f"{root}/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(store.cat_file(name))
