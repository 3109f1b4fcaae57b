"""Domains that whole sets of pictures guide: what they are, who takes them, what is kept."""

import dataclasses

import numpy as np
import pytest
import torch

from itportrait.adapt import AdaptConfig, DomainSpec, adapt_domain, adapt_fingerprint, misfits
from itportrait.align.config import AlignConfig
from itportrait.align.stage import AlignStage
from itportrait.bundle import load_bundle
from itportrait.errors import InvalidArgumentError, NoInputError
from itportrait.image import resize
from itportrait.jobs.bank.spec import parse_bank_spec
from itportrait.jobs.stylize.config import load_job
from itportrait.losses import image_similarity
from itportrait.records import AlignedRecord
from itportrait.stages.recipe import Recipe
from itportrait.training.domain_job import DomainJob
from itportrait.training.here import adapt_here
from tests.helpers import set_method
from tests.helpers.method_runs import recorded, same
from tests.helpers.tables import commit_rows
from tests.helpers.tiny_folder import write_tiny_bundle

DRAWN = {"name": "clown", "mode": "image", "method": "tests-set", "pictures": "mini:clown"}
FEW = {**DRAWN, "pictures_count": 5, "steps": 4, "seed": 3}
PLAIN = {"name": "clown", "mode": "image", "references": ["a.png"]}
SETTINGS = {"probe": {"every": 2, "count": 2, "images": 1}}

assert set_method.SetMethod.Config.accepts == {"set"}


def write_table(output, count):
    """Write an aligned table of pictures; return its URI."""
    recipe = Recipe(stage=AlignStage.name, output=str(output), config="{}")
    rng = np.random.default_rng(0)
    records = [
        AlignedRecord(
            record_id=f"{i:04d}",
            uri=f"{i}.png",
            pixels=rng.integers(0, 255, (32, 32, 3)).astype(np.uint8),
        )
        for i in range(count)
    ]
    commit_rows(recipe, 0, records)
    return f"{output}/aligned"


def test_a_set_guides_a_run_and_is_told_of_in_its_notes(bundle):
    spec, config = DomainSpec.parse(FEW), AdaptConfig.parse(SETTINGS)
    result, _, states = recorded(bundle, spec, config)
    assert result.notes["pictures"]["count"] == 5
    assert result.style.info["pictures"] == result.notes["pictures"]
    assert len(result.references) == 5
    assert {"clip_image", "clip_image_gain"} <= result.metrics.keys()
    resumed = adapt_domain(bundle, spec, config, resume_state=states[0])
    assert same(resumed.style, result.style)


def test_the_style_of_a_set_is_told_as_a_share_of_what_its_own_pictures_gain(bundle):
    result, _, _ = recorded(bundle, DomainSpec.parse(FEW), AdaptConfig.parse(SETTINGS))
    side = bundle.generator.image_resolution
    images = torch.cat([resize(each.image("cpu"), side) for each in result.references])
    with torch.no_grad():
        features = [clip.encode_image(images) for clip in bundle.clips]
    alike = [
        float(image_similarity(each[i : i + 1], torch.cat([each[:i], each[i + 1 :]])))
        for each in features
        for i in range(5)
    ]
    found = result.metrics
    base = found["clip_image"] - found["clip_image_gain"]
    reach = max(sum(alike) / len(alike) - base, 0.05)
    assert found["style"] == pytest.approx(found["clip_image_gain"] / reach, abs=1e-5)


def test_who_takes_no_set_refuses_one_and_who_needs_one_asks_for_it():
    assert misfits(DomainSpec.parse(DRAWN)) == {}
    other = misfits(DomainSpec.parse({**DRAWN, "method": "jojogan"}))["mode"]
    assert "leave `pictures` out" in other
    without = misfits(DomainSpec.parse({**PLAIN, "method": "tests-set"}))["mode"]
    assert "give the domain `pictures`" in without
    assert "itportrait align" in without


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pictures": "mini:crown"}, "unknown portrait domain 'crown'"),
        ({"pictures": None}, "at least one picture"),
        ({"mode": "text", "prompt": "a clown"}, "takes words alone"),
        ({"pictures_count": 0}, "pictures_count"),
    ],
)
def test_wrong_domains_are_refused(change, message):
    with pytest.raises(InvalidArgumentError, match=message):
        DomainSpec.parse({**DRAWN, **change})


def test_the_content_of_the_set_is_what_a_domain_is_known_by(tmp_path):
    def digest(spec):
        return job(spec).fingerprint

    table = write_table(tmp_path / "a", 4)
    first = digest({**DRAWN, "pictures": table})
    assert digest({**DRAWN, "pictures": write_table(tmp_path / "b", 4)}) == first
    assert digest({**DRAWN, "pictures": write_table(tmp_path / "a", 5)}) != first
    assert digest({**FEW, "pictures_count": 6}) != digest(FEW)


def test_domains_without_a_set_keep_their_plain_data_and_digests():
    spec = DomainSpec.parse(PLAIN)
    assert not {"pictures", "pictures_count"} & {*spec.model_dump(), *spec.portable()}
    more = DomainSpec.parse({**PLAIN, "pictures_count": 9})
    digests = {adapt_fingerprint(each, AdaptConfig(), "model", [b"a"]) for each in (spec, more)}
    assert len(digests) == 1


def test_paths_are_rooted_at_the_file_and_places_are_told(tmp_path):
    text = "domains: {a: {mode: image, method: tests-set, pictures: sets/aligned}}"
    spec = parse_bank_spec(text, folder="/here")
    assert spec.domains["a"].pictures == "/here/sets/aligned"
    assert spec.domains["a"].spec().portable()["pictures"] == "sets/aligned"
    assert spec.places()["pictures of domain 'a'"] == "/here/sets/aligned"
    (tmp_path / "job.yaml").write_text(
        "domains: [{name: a, mode: image, method: tests-set, pictures: sets/aligned}]"
    )
    config = load_job(str(tmp_path / "job.yaml"), input="s3://b/i", output="s3://b/o")
    assert config.places()["pictures of domain 'a'"] == f"{tmp_path}/sets/aligned"


def job(spec, bundle="mini", model_id="model"):
    return DomainJob.of(
        DomainSpec.parse(spec),
        bundle=bundle,
        adapt=AdaptConfig.parse(SETTINGS),
        align=AlignConfig(),
        model_id=model_id,
    )


def test_a_job_reads_its_table_and_keeps_a_sample(tmp_path):
    folder = tmp_path / "bundle"
    write_tiny_bundle(folder)
    table = write_table(tmp_path / "out", 12)
    spec = {**FEW, "steps": 1, "pictures": table}
    wanted = job(spec, str(folder), load_bundle(folder).model_id)
    trained = adapt_here(wanted, on_report=lambda _: None)
    assert trained.info["pictures"]["count"] == 12
    assert len(trained.version().references) == 8
    assert "set of pictures: 12; left out: none" in trained.files["card.md"].decode()
    write_table(tmp_path / "out", 13)
    with pytest.raises(
        InvalidArgumentError, match=r"pictures of domain 'clown'.*start the job again"
    ):
        adapt_here(wanted)
    gone = dataclasses.replace(wanted, spec=wanted.spec.model_copy(update={"pictures": "/gone"}))
    with pytest.raises(NoInputError, match="domain 'clown': pictures: expected an aligned table"):
        adapt_here(gone)
