"""A real bank, tiny real models, a real MLflow on sqlite: what is registered loads and renders."""

import base64
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from itportrait.bank.store import Bank, BankVersion
from itportrait.bundle import load_bundle
from itportrait.cli import app
from itportrait.errors import InvalidArgumentError, MissingModelError
from itportrait.image import encode
from itportrait.jobs.bank.models import BankModels, model_name
from itportrait.styles import WeightStyle
from itportrait.tracking.mlflow_store import MlflowStore
from tests.helpers.tiny_folder import write_tiny_bundle

FEW = {"steps": 1, "yaw_deg": [-20.0, 20.0]}
OF_BUNDLE = """\
align: {crop_scale: 0.9, min_face_px: 33}
invert: {method: w_plus, steps: 3, batch_size: 2}
stylize: {views_deg: [[-30, 0], [30, 10]], batch_size: 3}
"""


@pytest.fixture
def bank(tmp_path, base):
    styles = Bank(str(tmp_path / "bank"))
    for number, version in enumerate(("v1", "v2"), start=1):
        publish(styles, base, version, number)
    return styles


def publish(styles, base, version, seed, card=None, **options):
    bundle = load_bundle(base)
    rng = torch.Generator().manual_seed(seed)
    delta = {
        name: 0.5 * torch.randn(tensor.shape, generator=rng)
        for name, tensor in bundle.generator.named_parameters()
        if tensor.ndim == 4
    }
    adapter = WeightStyle("bronze", bundle.model_id, delta)
    about = BankVersion(
        domain="bronze",
        version=version,
        fingerprint=f"digest-{version}",
        base_model_id=bundle.model_id,
        spec={"prompt": "a bronze statue"},
        info={"base": str(base), "align": {"size": 64}},
    )
    files = {"adapter.safetensors": adapter.to_bytes()}
    styles.publish(about, files | ({"card.md": card.encode()} if card else {}), **options)


@pytest.fixture
def client(mlflow_uri):
    import mlflow

    mlflow.set_tracking_uri(mlflow_uri)
    yield mlflow.MlflowClient(mlflow_uri)
    mlflow.set_tracking_uri(None)


def load(**config):
    import mlflow

    return mlflow.pyfunc.load_model("models:/bank-bronze@champion", model_config=config or None)


def serving(client):
    return client.get_model_version_by_alias("bank-bronze", "champion").tags["itportrait.version"]


def noise(count, size=64):
    rng = np.random.default_rng(5)
    return rng.integers(0, 255, (count, size, size, 3)).astype(np.uint8)


def sizes(views):
    return [Image.open(io.BytesIO(view)).size for view in views]


def test_a_registered_model_stylizes(bank, client, mlflow_uri):
    assert BankModels(bank, mlflow_uri).sync() == []
    model = load()
    rows = model.predict(noise(2), params=FEW)
    assert list(rows.status) == ["ok", "ok"]
    assert [sizes(views) for views in rows.views] == [[(32, 32)] * 3] * 2
    assert set(rows.version) == {"v2"}
    again = model.predict(noise(2), params=FEW)
    assert list(again.views) == list(rows.views)
    plain = model.predict(noise(1), params=FEW | {"strength": 0.0})
    assert plain.views[0][0] != rows.views[0][0]
    assert [len(views) for views in model.predict(noise(1)[0], params=FEW).views] == [3]


def test_what_is_no_portrait_is_a_row_and_the_others_go_on(bank, client, mlflow_uri):
    BankModels(bank, mlflow_uri).sync()
    model, (pixels,) = load(), noise(1)
    photo = encode(pixels)
    photos = [b"half a picture", photo, base64.b64encode(photo).decode(), pixels]
    for given in (photos, pd.DataFrame({"image": photos}), {"image": photos}):
        rows = model.predict(given, params=FEW)
        assert list(rows.status) == ["failed", "rejected", "rejected", "ok"]
        assert list(rows.error_type[:3]) == ["decode", "no_face", "no_face"]
        assert [len(views) for views in rows.views] == [0, 0, 0, 3]
    with pytest.raises(InvalidArgumentError, match=r"portrait 1 must be an encoded photo"):
        model.predict([photo, 7], params=FEW)
    with pytest.raises(InvalidArgumentError, match="steps"):
        model.predict(pixels, params={"steps": 0})


def test_a_model_is_small_and_names_its_base(bank, client, mlflow_uri, base, tmp_path):
    BankModels(bank, mlflow_uri).sync()
    run_id = client.get_model_version_by_alias("bank-bronze", "champion").run_id
    folder = client.download_artifacts(run_id, "model/v2", str(tmp_path))
    files = {path.name: path for path in Path(folder).rglob("*") if path.parent.name == "data"}
    assert {name for name, path in files.items() if path.is_file()} == {
        "adapter.safetensors",
        "about.json",
    }
    about = json.loads(files["about.json"].read_text())
    assert about["base"] == str(base)
    assert about["base_model_id"] == load_bundle(base).model_id
    assert about["spec"] == {"prompt": "a bronze statue"}
    assert about["align"]["size"] == 64


def test_a_model_has_the_settings_that_come_with_its_base(bank, client, mlflow_uri, tmp_path, base):
    """As jobs have them: not the bare defaults, which are those of a large generator."""
    own = tmp_path / "own base"
    shutil.copytree(base, own)
    (own / "settings.yaml").write_text(OF_BUNDLE)
    publish(bank, own, "v3", 3)
    assert BankModels(bank, mlflow_uri).sync() == []
    model = load()
    settings = model._model_impl.settings
    assert (settings.align.crop_scale, settings.align.min_face_px) == (0.9, 33)
    assert settings.align.size == 64  # what the version was made with lies above
    assert (settings.invert.method, settings.invert.steps) == ("w_plus", 3)
    assert settings.invert.batch_size == 2
    assert (settings.stylize.batch_size, settings.stylize.metrics) == (3, False)
    defaults = {param.name: param.default for param in model.metadata.signature.params}
    assert defaults == settings.params()
    rows = model.predict(noise(1))
    assert len(rows.views[0]) == 3
    np.testing.assert_allclose(rows.yaw_deg[0][1:], [-30, 30])
    np.testing.assert_allclose(rows.pitch_deg[0][1:], [0, 10])


def test_a_base_that_is_not_there_is_no_model(bank, client, mlflow_uri, tmp_path, base):
    gone = tmp_path / "gone"
    shutil.copytree(base, gone)
    publish(bank, gone, "v3", 3)
    shutil.rmtree(gone)
    (problem,) = BankModels(bank, mlflow_uri).sync()
    assert "bronze v3 cannot be registered" in problem
    assert "cannot be found from here" in problem
    assert set(client.get_registered_model("bank-bronze").aliases) == set()


def test_views_come_with_yaw_and_pitch(bank, client, mlflow_uri):
    BankModels(bank, mlflow_uri).sync()
    model = load()
    given = {"steps": 1, "yaw_deg": [-20.3, 0.0, 20.1], "pitch_deg": [5.0, 0.0, -5.0]}
    (row,) = model.predict(noise(1), params=given).itertuples()
    assert len(row.views) == len(row.yaw_deg) == len(row.pitch_deg) == 4
    assert row.yaw_deg[1:] == given["yaw_deg"]
    np.testing.assert_allclose(row.pitch_deg[1:], given["pitch_deg"])
    assert abs(row.yaw_deg[0]) < 90  # of the portrait's own camera
    (level,) = model.predict(noise(1), params=FEW).itertuples()
    assert level.pitch_deg[1:] == [0.0, 0.0]
    assert level.views[1] != row.views[1]
    (lost,) = model.predict([b"no picture"], params=FEW).itertuples()
    assert (lost.views, lost.yaw_deg, lost.pitch_deg) == ([], [], [])
    with pytest.raises(InvalidArgumentError, match="pitch_deg must be 3 numbers"):
        model.predict(noise(1), params=given | {"pitch_deg": [1.0, 2.0]})


def test_models_and_versions_say_what_they_are(bank, client, mlflow_uri, base):
    card = "# bronze v3\n\n| probe metric | value |\n| --- | --- |\n| identity | 0.8 |\n"
    publish(bank, base, "v3", 3, card=card)
    BankModels(bank, mlflow_uri).sync()
    about = client.get_registered_model("bank-bronze").description
    for word in ("**bronze**", "champion", "`views` as PNG", "`yaw_deg` and `pitch_deg`"):
        assert word in about
    said = {v.tags["itportrait.version"]: v.description for v in client.search_model_versions()}
    assert said == {"v1": "`v1`: a bronze statue", "v2": "`v2`: a bronze statue", "v3": card}


def test_another_base_is_refused(bank, client, mlflow_uri, tmp_path):
    BankModels(bank, mlflow_uri).sync()
    write_tiny_bundle(tmp_path / "other", seed=12)
    with pytest.raises(InvalidArgumentError, match="must be base model tiny-"):
        load(bundle=str(tmp_path / "other"))
    with pytest.raises(MissingModelError, match=r"needs the base model tiny-.*model_config"):
        load(bundle=str(tmp_path / "none"))


def test_the_alias_follows_promote_and_rollback(bank, client, mlflow_uri, base):
    BankModels(bank, mlflow_uri).sync()
    assert serving(client) == "v2"

    def call(*arguments):
        done = CliRunner().invoke(app, ["bank", *arguments, "--mlflow", mlflow_uri])
        assert done.exit_code == 0, done.output

    call("rollback", bank.uri, "bronze")
    assert serving(client) == "v1"
    call("promote", bank.uri, "bronze", "v2")
    assert serving(client) == "v2"
    assert set(load().predict(noise(1), params=FEW).version) == {"v2"}
    publish(bank, base, "v3", 3, promote=False)
    call("register", bank.uri)
    assert serving(client) == "v2"
    call("promote", bank.uri, "bronze", "v3")
    assert serving(client) == "v3"
    assert len(client.search_model_versions("name='bank-bronze'")) == 3


def test_a_server_that_is_down_stops_nothing_and_is_made_up_for(
    bank, client, mlflow_uri, monkeypatch
):
    models = BankModels(bank, mlflow_uri, retry_s=0)

    def refuse(self):
        raise ConnectionError("connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowStore, "client", property(refuse))
        (problem,) = models.sync()
        assert "is away" in problem
        arguments = ["bank", "rollback", bank.uri, "bronze", "--mlflow", mlflow_uri]
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0
        assert "champion is v1" in done.output
        failed = CliRunner().invoke(app, ["bank", "register", bank.uri, "--mlflow", mlflow_uri])
        assert failed.exit_code == 1
    assert bank.champion("bronze").version == "v1"
    assert models.sync() == []
    assert serving(client) == "v1"
    assert len(client.search_model_versions("name='bank-bronze'")) == 2


def test_a_second_bank_of_the_same_name_does_not_take_the_model(
    bank, base, client, mlflow_uri, tmp_path
):
    BankModels(bank, mlflow_uri).sync()
    other = Bank(str(tmp_path / "elsewhere" / "bank"))
    publish(other, base, "v9", 9)
    (problem,) = BankModels(other, mlflow_uri).sync(["bronze"])
    assert "belongs to" in problem
    assert serving(client) == "v2"


def test_a_version_that_cannot_be_read_leaves_the_others(bank, client, mlflow_uri, tmp_path):
    (tmp_path / "bank" / "bronze" / "v1" / "adapter.safetensors").unlink()
    (problem,) = BankModels(bank, mlflow_uri).sync()
    assert "bronze v1 cannot be registered" in problem
    assert serving(client) == "v2"


def test_names():
    assert model_name("s3://studio/banks/prod", "bronze") == "prod-bronze"
    assert model_name("runs/my bank/", "clay.2") == "my-bank-clay.2"
    assert BankModels(Bank("runs/bank"), "none").sync() == []
