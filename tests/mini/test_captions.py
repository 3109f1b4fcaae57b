"""What can be said of drawn people: attributes, and captions that name them."""

import numpy as np
import pytest
import torch

from itportrait.mini.captions import attributes, captions, color_name
from itportrait.portraits import DOMAINS, HELD_OUT_SEED, LATENT_DIM, PHOTO, Person, sample_people
from itportrait.portraits.domains import get_domain
from tests.helpers.people import changed

PEOPLE = sample_people(4, HELD_OUT_SEED)


class TestWords:
    def test_attributes_follow_the_latent(self):
        base = Person(np.zeros(LATENT_DIM, np.float32))
        with_glasses = changed(base, glasses=2.0, masculine=1.5, beard=2.0, recede=3.0)
        found = attributes(with_glasses)
        assert found["glasses"]
        assert found["beard"]
        assert found["bald"]
        assert found["kind"] == "man"
        assert found["hair_length"] == "bald"
        plain = attributes(changed(base, glasses=-2.0, masculine=-1.5, hair_length=2.0, curl=2.0))
        assert not plain["glasses"]
        assert not plain["beard"]
        assert plain["hair_length"] == "long"
        assert plain["curly"]
        assert attributes(changed(base, age=-2.0))["age"] == "young"
        assert attributes(changed(base, age=2.5))["hair_color"] == "gray"

    def test_domains_alter_attributes(self):
        person = changed(PEOPLE[0], glasses=2.0)
        assert attributes(person, "bronze")["glasses"] is False
        assert attributes(person, "alien")["bald"]

    def test_captions_name_domain_and_attributes(self):
        person = changed(PEOPLE[0], glasses=2.0, hair_length=2.0, recede=-2.0)
        text = " | ".join(captions(person, PHOTO, np.random.default_rng(0), 60))
        assert any(word in text for word in ("glasses", "spectacles"))
        assert "long" in text
        assert "background" in text
        for name in DOMAINS:
            found = captions(person, name, np.random.default_rng(1), 12)
            assert len(found) == 12
            words = {w for phrase in get_domain(name).words for w in phrase.split()}
            assert any(words & set(caption.replace(",", "").split()) for caption in found), name
            assert not any("{" in caption for caption in found)

    def test_colorless_domains_name_no_color(self):
        for name in ("pencil", "clay"):
            text = " ".join(captions(PEOPLE[1], name, np.random.default_rng(2), 60))
            assert " eyes" not in text
            assert "clothes" not in text

    def test_captions_are_deterministic(self):
        a, b = (captions(PEOPLE[0], "clown", np.random.default_rng(3)) for _ in range(2))
        assert a == b

    @pytest.mark.parametrize(
        ("rgb", "name"),
        [((1, 0, 0), "red"), ((0.1, 0.2, 0.9), "blue"), ((0.5, 0.5, 0.5), "gray"),
         ((0.95, 0.95, 0.95), "white"), ((0.05, 0.05, 0.05), "black"), ((0.4, 0.25, 0.1), "brown")],
    )  # fmt: skip
    def test_color_names(self, rgb, name):
        assert color_name(torch.tensor(rgb, dtype=torch.float32)) == name
