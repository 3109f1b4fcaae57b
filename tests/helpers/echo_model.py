"""What a registered model of the tests loads: it says what it was given."""

from pathlib import Path


class EchoModel:
    """Returns its files, its configuration and its parameters."""

    def __init__(self, files, config):
        self.files, self.config = files, config

    def predict(self, model_input, params=None):
        """Return everything."""
        return {"files": self.files, "config": self.config, "params": params, "in": model_input}


def _load_pyfunc(path, model_config=None):
    files = {file.name: file.read_bytes() for file in Path(path).iterdir()}
    return EchoModel(files, model_config)
