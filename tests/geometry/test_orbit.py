"""Cameras come from the bundle's prior: no caller relies on the numbers of FFHQ's generators."""

import ast
from pathlib import Path

import itportrait

ROOT = Path(itportrait.__file__).parent
POSITION = {"look_at_camera": 2, "frontal_camera": 0, "correct_camera": 2, "camera_fault": 1}
"""Functions that take an orbit, and where; their default is for callers outside of the package."""
OWNERS = {"geometry", "bundle", "portraits"}
"""Rooms that may name FFHQ's orbit: its definition, the prior of old bundles, and drawn people."""


def calls():
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                yield path.relative_to(ROOT), node


def test_every_call_in_the_package_names_its_orbit():
    found = [(path, node) for path, node in calls() if node.func.id in POSITION]
    assert len(found) > 10
    without = [
        f"{path}:{node.lineno}"
        for path, node in found
        if len(node.args) <= POSITION[node.func.id]
        and not any(keyword.arg == "orbit" for keyword in node.keywords)
    ]
    assert not without


def test_no_stage_or_job_passes_the_orbit_of_ffhq():
    passed = [
        f"{path}:{node.lineno}"
        for path, node in calls()
        for value in (*node.args, *(keyword.value for keyword in node.keywords))
        if isinstance(value, ast.Name) and value.id == "FFHQ_ORBIT" and path.parts[0] not in OWNERS
    ]
    assert not passed
