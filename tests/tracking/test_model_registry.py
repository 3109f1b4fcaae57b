"""Registered models of a real MLflow on sqlite."""

import dataclasses

import pytest

from itportrait.tracking import (
    ModelCard,
    ModelRegistry,
    RefusedError,
    open_registry,
    open_tracker,
)

CARD = ModelCard(
    name="bank-bronze",
    key="v1",
    loader="tests.helpers.echo_model",
    files={"adapter": b"weights"},
    config={"bundle": "mini", "device": "auto"},
    params={"steps": 3, "yaw_deg": [-20.0, 20.0]},
    outputs={"status": "string", "error": "string?", "views": "[binary]"},
    example={"image": ["cGhvdG8="]},
    run_key="bronze-1",
    tags={"domain": "bronze"},
    description="bronze",
)


@pytest.fixture
def registry(mlflow_uri):
    return ModelRegistry(mlflow_uri)


@pytest.fixture
def client(mlflow_uri):
    from mlflow import MlflowClient

    return MlflowClient(mlflow_uri)


@pytest.fixture
def here(mlflow_uri):
    """MLflow as a user has it: the tracking URI is set for the process."""
    import mlflow

    mlflow.set_tracking_uri(mlflow_uri)
    yield mlflow
    mlflow.set_tracking_uri(None)


def test_a_version_loads_by_its_alias(registry, here):
    registry.claim("bank-bronze", "runs/bank")
    assert registry.alias("bank-bronze", "champion") is None
    numbers = [
        registry.register(CARD),
        registry.register(dataclasses.replace(CARD, key="v2", files={"adapter": b"other"})),
    ]
    assert registry.versions("bank-bronze") == dict(zip(["v1", "v2"], numbers, strict=True))
    for number, content in zip(numbers, (b"weights", b"other"), strict=True):
        registry.set_alias("bank-bronze", "champion", number)
        assert registry.alias("bank-bronze", "champion") == number
        model = here.pyfunc.load_model("models:/bank-bronze@champion")
        said = model.predict("photo", params={"steps": 7})
        assert said["files"] == {"adapter": content}
        assert said["config"] == {"bundle": "mini", "device": "auto"}
        assert said["params"]["steps"] == 7
        assert list(said["params"]["yaw_deg"]) == [-20.0, 20.0]
        assert said["in"] == "photo"
    elsewhere = here.pyfunc.load_model(
        "models:/bank-bronze@champion", model_config={"bundle": "/mnt/base"}
    )
    assert elsewhere.predict("photo")["config"] == {"bundle": "/mnt/base", "device": "auto"}


def test_a_model_belongs_to_the_run_that_made_it_and_leaves_it_as_it_is(
    registry, client, mlflow_uri
):
    run = open_tracker(mlflow_uri, "bronze", key="bronze-1")
    run.finish("FAILED")
    registry.claim(CARD.name, "runs/bank")
    number = registry.register(CARD)
    made = client.get_model_version(CARD.name, number)
    assert made.run_id == run.run_id
    assert made.tags == {"domain": "bronze", "itportrait.version": "v1"}
    assert client.get_run(run.run_id).info.status == "FAILED"


def test_a_model_without_a_run_gets_one(registry, client):
    registry.claim(CARD.name, "runs/bank")
    run_id = client.get_model_version(CARD.name, registry.register(CARD)).run_id
    assert client.get_run(run_id).info.status == "FINISHED"


def test_a_model_of_another_owner_is_left_alone(registry):
    registry.claim("bank-bronze", "one/bank", description="the first")
    registry.claim("bank-bronze", "one/bank")
    with pytest.raises(RefusedError, match="belongs to one/bank, not to two/bank"):
        registry.claim("bank-bronze", "two/bank")


def test_what_is_not_there_is_refused(registry):
    with pytest.raises(RefusedError):
        registry.set_alias("none", "champion", "1")
    assert registry.versions("none") == {}


def test_a_model_is_logged_with_signature_and_example_and_without_a_word(
    registry, here, client, caplog, capfd, recwarn
):
    registry.claim(CARD.name, "runs/bank", description="what it is")
    with caplog.at_level("WARNING"):
        number = registry.register(CARD)
        registry.set_alias(CARD.name, "champion", number)
        model = here.pyfunc.load_model("models:/bank-bronze@champion")
    assert [record.getMessage() for record in caplog.records] == []
    shown = capfd.readouterr().err
    assert "warning" not in shown.lower()
    assert "pyfunc" not in shown
    assert [str(item.message) for item in recwarn if "mlflow" in item.filename] == []
    signature = model.metadata.signature
    assert [(c.name, c.required) for c in signature.outputs] == [
        ("status", True), ("error", False), ("views", True),
    ]  # fmt: skip
    assert {param.name: param.default for param in signature.params} == CARD.params
    example = model.input_example
    assert list(example["image"]) == ["cGhvdG8="]
    assert client.get_registered_model(CARD.name).description == "what it is"


def test_a_description_is_added_and_never_replaced(registry, client):
    registry.claim(CARD.name, "runs/bank")
    for text in ("first", "second"):
        registry.claim(CARD.name, "runs/bank", description=text)
        assert client.get_registered_model(CARD.name).description == "first"


@pytest.mark.parametrize("uri", [None, "", "none"])
def test_no_registry(uri):
    assert open_registry(uri) is None
