"""Files of styles: every kind is read by its name, and an unknown one is named."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from itportrait.errors import CheckpointError, InvalidArgumentError
from itportrait.styles import (
    STYLE_KINDS,
    StackedStyle,
    StyleFile,
    WeightStyle,
    load_style,
    prepare_blend,
    read_style,
)
from tests.helpers import latent_style
from tests.helpers.latent_style import LatentStyle
from tests.helpers.portrait_style import PortraitStyle
from tests.helpers.tiny_family import tint, tiny_bundle


@pytest.fixture(scope="module")
def bundle():
    return tiny_bundle()


def styles_of(bundle):
    generator = bundle.generator
    direction = torch.ones(generator.num_ws, generator.w_dim)
    return [
        tint(bundle, 0),
        LatentStyle("older", bundle.model_id, direction, {"steps": 3}),
        PortraitStyle("wash", bundle.model_id, torch.tensor([1.0, 0.0, -1.0]), {"by": "hand"}),
    ]


def test_every_kind_is_read_back_as_what_it_was(bundle, tmp_path):
    for style in styles_of(bundle):
        for read in (read_style(style.to_bytes()), load_style(style.save(tmp_path).parent)):
            assert type(read) is type(style)
            assert (read.domain, read.base_model_id) == (style.domain, style.base_model_id)
            assert read.info == style.info
            for name, tensor in style.tensors().items():
                assert torch.equal(read.tensors()[name], tensor)


def test_an_unknown_kind_is_named_with_the_known_ones():
    data = StyleFile("sketch-2", "bronze", "tiny", {"a": torch.ones(1)}).to_bytes()
    with pytest.raises(CheckpointError, match=r"v1: unknown kind of style 'sketch-2'; known: itp"):
        read_style(data, source="v1")


def test_a_file_of_another_kind_or_of_none_says_what_it_is(bundle):
    latent = styles_of(bundle)[1]
    with pytest.raises(CheckpointError, match="kind 'tests-latent', expected 'itportrait-adapter"):
        WeightStyle.from_bytes(latent.to_bytes())
    with pytest.raises(CheckpointError, match="not a style: its header lacks base_model_id, dom"):
        read_style(b"\x02" + bytes(7) + b"{}")
    odd = StyleFile(LatentStyle.kind, "older", "tiny", {"way": torch.ones(1)})
    with pytest.raises(CheckpointError, match=r"not a style of kind 'tests-latent'.*'way'"):
        read_style(odd.to_bytes())
    whole = StyleFile(WeightStyle.kind, "bronze", "tiny", {"a": torch.ones(1, dtype=torch.int32)})
    with pytest.raises(CheckpointError, match="a holds whole numbers"):
        read_style(whole.to_bytes())


def test_kinds_that_have_no_way_between_them_say_so(bundle):
    weights, latent, portrait = styles_of(bundle)
    with pytest.raises(InvalidArgumentError, match=r"one kind.*'tint0' of kind 'itp.*'older' of"):
        prepare_blend(bundle.generator, [(weights, 0.5), (latent, 0.5)])
    with pytest.raises(InvalidArgumentError, match=r"can be blended.*'tests-portrait'"):
        prepare_blend(bundle.generator, [(portrait, 0.5), (portrait, 0.5)])
    with pytest.raises(InvalidArgumentError, match="at least one"):
        prepare_blend(bundle.generator, [])
    assert type(prepare_blend(bundle.generator, [(portrait, 0.5)])).__name__ == "Filter"


def test_our_own_kinds_are_known_before_any_is_imported():
    code = (
        "import sys, itportrait.styles.kinds as kinds; "
        "assert 'itportrait.styles.weight_style' not in sys.modules; "
        "print(kinds.STYLE_KINDS.names())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    own = ast.literal_eval(done.stdout)
    assert {WeightStyle.kind, StackedStyle.kind} <= set(own)
    assert not [name for name in own if name.startswith("tests-")]
    assert STYLE_KINDS.get(WeightStyle.kind) is WeightStyle


def test_an_installed_package_adds_its_kind(tmp_path):
    source = Path(latent_style.__file__).read_text()
    (tmp_path / "latent_plugin.py").write_text(
        source.replace('@STYLE_KINDS.register("tests-latent")', "")
    )
    about = tmp_path / "latent_plugin-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: latent-plugin\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[itportrait.style_kinds]\ntests-latent = latent_plugin:LatentStyle\n"
    )
    style = LatentStyle("older", "tiny", torch.ones(2, 3))
    code = "import sys; from itportrait.styles import load_style; print(load_style(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(style.save(tmp_path / "style"))],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("LatentStyle(domain='older'")
