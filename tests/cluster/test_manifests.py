"""The cluster files say what they should, in the terms of those who will read them."""

import copy
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import typer
import yaml
from typer.main import get_command

from itportrait.programs.commands import build_bank

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "cluster"
KUBERAY = CLUSTER / "kuberay"
YAML_FILES = [*sorted(CLUSTER.rglob("*.yaml")), ROOT / "ray_config.yaml"]
RAY_RESOURCES = ["raycluster.yaml", "rayjob-bank.yaml", "raycronjob-bank.yaml"]
TEXT_FILES = sorted(p for p in CLUSTER.rglob("*") if p.is_file() and "__pycache__" not in p.parts)


def documents(path: Path) -> list[dict]:
    return [item for item in yaml.safe_load_all(path.read_text()) if item is not None]


def pod_specs(node) -> list[dict]:
    """Find every pod template's spec below a node."""
    found = []
    if isinstance(node, dict):
        if isinstance(node.get("template"), dict) and "spec" in node["template"]:
            found.append(node["template"]["spec"])
        for value in node.values():
            found += pod_specs(value)
    elif isinstance(node, list):
        for value in node:
            found += pod_specs(value)
    return found


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda p: p.name)
def test_yaml_parses(path):
    assert documents(path)


def test_ray_config_passes_rays_own_schema():
    import ray.autoscaler
    from ray.autoscaler._private.util import validate_config

    config = documents(ROOT / "ray_config.yaml")[0]
    schema = Path(ray.autoscaler.__file__).parent / "ray-schema.json"
    jsonschema.validate(config, json.loads(schema.read_text()))
    # What `ray up` itself calls, after filling in the defaults that this key stands for.
    validate_config({"cluster_synced_files": [], **config})


def test_ray_config_with_a_key_of_ours_is_refused_by_ray():
    from ray.autoscaler._private.util import validate_config

    config = documents(ROOT / "ray_config.yaml")[0] | {"cluster_synced_files": [], "pipeline": {}}
    with pytest.raises(jsonschema.ValidationError, match="pipeline"):
        validate_config(config)


def test_ray_config_turns_tokens_on_and_keeps_the_dashboard_on_loopback():
    config = documents(ROOT / "ray_config.yaml")[0]
    head = config["head_start_ray_commands"][-1]
    workers = config["worker_start_ray_commands"][-1]
    assert "--dashboard-host=127.0.0.1" in head
    assert all("RAY_AUTH_MODE=token" in command for command in (head, workers))
    assert "~/.ray/auth_token" in config["file_mounts"].values()


@pytest.mark.parametrize("name", RAY_RESOURCES)
def test_ray_resources_fit_the_schema_of_the_fields_we_use(name):
    schema = json.loads((Path(__file__).parent / "schemas" / "kuberay.json").read_text())
    (resource,) = documents(KUBERAY / name)
    jsonschema.validate(resource, schema)
    broken = copy.deepcopy(resource)
    broken["spec"]["schedul"] = "x"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema)


@pytest.mark.parametrize("name", ["rayjob-bank.yaml", "raycronjob-bank.yaml"])
def test_jobs_bring_the_same_cluster_as_the_standing_one(name):
    standing = documents(KUBERAY / "raycluster.yaml")[0]["spec"]
    spec = documents(KUBERAY / name)[0]["spec"]
    assert spec.get("jobTemplate", spec)["rayClusterSpec"] == standing


@pytest.mark.parametrize("path", sorted(KUBERAY.glob("*.yaml")), ids=lambda p: p.name)
def test_kubernetes_objects_fit_kubernetes_schema(path):
    for resource in documents(path):
        if resource["apiVersion"] != "ray.io/v1":
            kubernetes_validate.validate(resource, "1.32", strict=True)
        for spec in pod_specs(resource):
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec}
            kubernetes_validate.validate(pod, "1.32", strict=True)


def test_cronjob_forbids_two_at_once_and_names_its_submission_by_the_day():
    spec = documents(KUBERAY / "cronjob-bank.yaml")[0]["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    (container,) = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    line = container["args"][0]
    assert "ray job submit --submission-id bank-$(date +%F)" in line
    shell = subprocess.run(["bash", "-n", "-c", line], capture_output=True, text=True, check=False)
    assert shell.returncode == 0, shell.stderr
    # The driver must run on the head, the node that stays.
    assert "--entrypoint-num-cpus" not in line


@pytest.mark.parametrize("name", ["cronjob-bank.yaml", "rayjob-bank.yaml", "raycronjob-bank.yaml"])
def test_jobs_call_the_workflow_with_options_that_it_has(name):
    text = (KUBERAY / name).read_text()
    app = typer.Typer()
    app.command()(build_bank)
    known = {name for option in get_command(app).params for name in option.opts}
    options = set(re.findall(r"(?<=\s)--(?:config|bank|date|address|if-busy|set)\b", text))
    assert {"--config", "--bank", "--address"} <= options
    assert options <= known


def test_token_of_the_cronjob_is_the_clusters_secret():
    cluster = documents(KUBERAY / "raycluster.yaml")[0]
    assert cluster["spec"]["authOptions"] == {"mode": "token"}
    spec = documents(KUBERAY / "cronjob-bank.yaml")[0]["spec"]["jobTemplate"]["spec"]
    env = {item["name"]: item for item in spec["template"]["spec"]["containers"][0]["env"]}
    secret = env["RAY_AUTH_TOKEN"]["valueFrom"]["secretKeyRef"]
    assert secret == {"name": cluster["metadata"]["name"], "key": "auth_token"}
    assert env["RAY_ADDRESS"]["value"] == f"http://{cluster['metadata']['name']}-head-svc:8265"


def test_compose_publishes_on_loopback_alone():
    services = documents(CLUSTER / "local" / "compose.yaml")[0]["services"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("path", [*TEXT_FILES, ROOT / "ray_config.yaml"], ids=lambda p: p.name)
def test_no_file_holds_a_secret(path):
    text = path.read_text()
    assert not re.search(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b", text)
    assert "PRIVATE KEY" not in text
    assigned = re.findall(
        r"(?i)(?:password|secret_access_key|auth_token|access_key_id)\s*[:=]\s*([^\s,}]+)", text
    )
    for value in assigned:  # only names of variables, files and keys
        assert value.startswith(("$", '"$', "~/", "/")), (path.name, value)


@pytest.mark.parametrize("path", sorted(CLUSTER.rglob("*.sh")), ids=lambda p: p.name)
def test_shell_scripts_parse_and_are_executable(path):
    subprocess.run(["bash", "-n", str(path)], check=True)
    assert path.stat().st_mode & 0o111
    assert "set -euo pipefail" in path.read_text()


def test_units_pass_systemd(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    for kind in ("service", "timer"):
        name = f"itportrait-bank.{kind}"
        text = (CLUSTER / "nightly" / name).read_text()
        text = text.replace("/opt/itportrait/app", str(ROOT)).replace("User=itportrait\n", "")
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "itportrait" in line]
    assert not ours


def test_crontab_line_has_no_percent_sign_and_calls_the_script():
    lines = (CLUSTER / "nightly" / "bank.crontab").read_text().splitlines()
    (entry,) = [line for line in lines if line[:1].isdigit()]
    assert "%" not in entry  # cron would make a newline of it
    words = shlex.split(entry.split(maxsplit=5)[5])
    script = next(word for word in words if word.endswith("bank_nightly.sh"))
    assert (ROOT / script).exists()


def test_readme_names_every_file():
    text = (CLUSTER / "README.md").read_text()
    for path in TEXT_FILES:
        relative = path.relative_to(CLUSTER).as_posix()
        assert relative == "README.md" or f"`{relative}`" in text, relative


def test_image_installs_what_the_files_call():
    text = (CLUSTER / "Dockerfile").read_text()
    for folder in ("itportrait", "workflows", "configs"):
        assert f"COPY {folder} {folder}" in text
    assert "USER itportrait" in text
    assert "RAY_AUTH_MODE=token" in text
