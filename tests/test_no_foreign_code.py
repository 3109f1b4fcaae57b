"""Nothing in the program can run code that a file of others brings along."""

import ast

import pytest

from tests.conftest import REPOSITORY

FILES = sorted(
    path.relative_to(REPOSITORY)
    for folder in ("itportrait", "workflows")
    for path in (REPOSITORY / folder).rglob("*.py")
)
BUILTINS = {"eval", "exec", "compile", "__import__"}
CALLS = {
    *("torch.hub.load", "torch.classes.load_library", "torch.package.PackageImporter"),
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "cloudpickle.load", "cloudpickle.loads"),
    *("dill.load", "dill.loads", "joblib.load", "marshal.load", "marshal.loads", "shelve.open"),
    *("os.system", "os.popen", "yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load"),
    *("yaml.Loader", "yaml.UnsafeLoader", "yaml.FullLoader", "runpy.run_path", "code.interact"),
    *("onnx.load", "onnxruntime.InferenceSession", "ctypes.PyDLL"),
}
KEYWORDS = {"trust_remote_code": False, "allow_pickle": False, "shell": False}
"""Arguments that must not have another value."""


def problems(tree):
    """Yield what a module does that could run code of others."""
    for node in ast.walk(tree):
        name = ast.unparse(node) if isinstance(node, ast.Attribute | ast.Name) else ""
        if name in CALLS or name.startswith(("torch.jit", "torch.package")):
            yield node.lineno, name
        if isinstance(node, ast.ImportFrom | ast.Import):
            modules = [alias.name for alias in node.names]
            modules += [f"{getattr(node, 'module', '')}.{name}" for name in modules]
            yield from ((node.lineno, m) for m in modules if m in CALLS or "torch.jit" in m)
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        values = {keyword.arg: keyword.value for keyword in node.keywords}
        if called in BUILTINS:
            yield node.lineno, called
        if called == "torch.load":
            safe = values.get("weights_only")
            if not (isinstance(safe, ast.Constant) and safe.value is True):
                yield node.lineno, "torch.load without weights_only=True"
        for keyword, allowed in KEYWORDS.items():
            value = values.get(keyword)
            if value is not None and not (
                isinstance(value, ast.Constant) and value.value is allowed
            ):
                yield node.lineno, f"{keyword}={ast.unparse(value)}"


def test_no_module_runs_code_of_files():
    found = [
        f"{path}:{line}: {what}"
        for path in FILES
        for line, what in problems(ast.parse((REPOSITORY / path).read_text()))
    ]
    assert len(FILES) > 100
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "eval(x)",
        "torch.jit.load(p)",
        "from torch.jit import load",
        "import torch.jit",
        "torch.load(p)",
        "torch.load(p, weights_only=False)",
        "torch.load(p, weights_only=safe)",
        "pickle.loads(x)",
        "from pickle import loads",
        "np.load(p, allow_pickle=True)",
        "subprocess.run(x, shell=True)",
        "f(trust_remote_code=True)",
        "yaml.load(x, Loader=yaml.Loader)",
        "onnxruntime.InferenceSession(p)",
    ],
)
def test_the_search_finds(text):
    assert list(problems(ast.parse(text)))
    assert not list(problems(ast.parse("torch.load(p, weights_only=True); model.eval()")))
