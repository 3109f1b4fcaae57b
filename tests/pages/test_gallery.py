"""The page is parsed, not searched: structure, self-containment, and that nothing is lost."""

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from itportrait.errors import InvalidArgumentError
from itportrait.pages import GalleryDomain, GalleryPortrait, render_gallery
from itportrait.pages.reel import reel_views
from itportrait.records import AlignedRecord, InvertedRecord, RecordError, Status, StylizedRecord
from tests.helpers.page import Page


def picture(value=128, side=300):
    return np.full((side, side, 3), value, np.uint8)


def portraits():
    good = GalleryPortrait(
        name="anna & <b>bob</b>.jpg",
        photo=picture(),
        aligned=AlignedRecord(record_id="a" * 16, uri="x", pixels=picture(), yaw_rad=0.3),
        inverted=InvertedRecord(
            record_id="a" * 16,
            psnr=25.31,
            identity=0.91,
            tuning="tuned",
            pixels=picture(side=128),
        ),
        stylized={
            "bronze": StylizedRecord(
                record_id="a" * 16,
                domain="bronze",
                version="1",
                identity=0.66,
                clip_direction=0.41,
                pixels=(picture(side=128), picture(side=128)),
            ),
            "zombie": StylizedRecord(
                record_id="a" * 16,
                domain="zombie",
                version="1",
                status=Status.FAILED,
                error=RecordError("stylize", "NonFiniteRenderError", "values not finite"),
            ),
        },
    )
    rejected = GalleryPortrait(
        name="coffee.png",
        photo=picture(),
        aligned=AlignedRecord(
            record_id="b" * 16,
            uri="y",
            status=Status.REJECTED,
            error=RecordError("align", "no_face", "no face found"),
        ),
    )
    failed = GalleryPortrait(
        name="broken.jpg",
        aligned=AlignedRecord(
            record_id="c" * 16,
            uri="z",
            status=Status.FAILED,
            error=RecordError("align", "DecodeError", "12 bytes are not a picture"),
        ),
    )
    return [good, rejected, failed]


DOMAINS = [
    GalleryDomain(
        "bronze", prompt="a bronze statue", reference=picture(), metrics={"identity": 0.7}
    ),
    GalleryDomain("zombie", prompt="a zombie"),
]


def test_page_is_well_formed_and_self_contained():
    page = Page(render_gallery(portraits(), DOMAINS, title="T & T", subtitle="s", footer="f"))
    sources = [attrs["src"] for tag, attrs in page.tags if tag == "img" and "src" in attrs]
    assert sources
    for source in sources:
        head, data = source.split(",", 1)
        assert head == "data:image/webp;base64"
        assert max(Image.open(io.BytesIO(base64.b64decode(data))).size) <= 256
    assert not [tag for tag, _ in page.tags if tag in ("link", "iframe")]
    assert not [attrs for _, attrs in page.tags if "href" in attrs]
    assert not [tag for tag, attrs in page.tags if tag == "script" and "src" in attrs]
    policy = next(
        attrs["content"] for tag, attrs in page.tags if "content" in attrs and "http-equiv" in attrs
    )
    assert policy.startswith("default-src 'none'")
    assert all(attrs.get("alt") is not None for tag, attrs in page.tags if tag == "img")


def test_page_shows_every_input_with_its_numbers_or_its_reason():
    text = render_gallery(portraits(), DOMAINS, views=["own view", "left"])
    words = Page(text).words()
    for needed in (
        "anna & <b>bob</b>.jpg",  # escaped in the source, shown as it is
        "25.3 dB",
        "identity 0.91 · tuned",
        "yaw +17°",
        "CLIP direction 0.41",
        "own view",
        "coffee.png",
        "align: no_face",
        "broken.jpg",
        "align: DecodeError",
        "12 bytes are not a picture",
        "stylize: NonFiniteRenderError",
    ):
        assert needed in words
    assert "<b>bob</b>" not in text
    chips = dict(re.findall(r'class="chip (\w+)"><b>(\d+)</b>', text))
    assert chips == {"ok": "0", "rejected": "1", "failed": "2"}


def test_counts_of_a_larger_run_override_those_shown():
    text = render_gallery(portraits(), [], counts={"ok": 900, "rejected": 80, "failed": 20})
    assert "<b>1,000</b>inputs" in text
    assert "<b>900</b>ok" in text


def test_an_empty_run_still_gives_a_page():
    Page(render_gallery([], []))


def test_two_domains_of_one_name_are_refused():
    with pytest.raises(InvalidArgumentError, match="distinct names"):
        render_gallery([], [GalleryDomain("a"), GalleryDomain("a")])


def test_portraits_outside_of_the_models_domain_are_marked():
    plain, *_ = portraits()
    marked = replace(plain, name="odd", unlike=0.5234)
    text = render_gallery([plain, marked], [GalleryDomain("bronze")])
    assert text.count("outside of the models' domain") == 1
    assert "distance 0.52" in text[text.index("odd</h3>") :]


def test_a_portrait_turns_through_its_film_or_else_through_its_views():
    good, *_ = portraits()
    views = (picture(1, 32), picture(2, 32), picture(3, 32))
    row = replace(good.stylized["bronze"], pixels=views)
    plain = replace(good, stylized={"bronze": row})
    frames = [picture(value, 32) for value in range(60)]
    filmed = replace(plain, turns={"bronze": reel_views(frames)}, films={"bronze": "t.mp4"})
    graded = replace(filmed, ways={"bronze": reel_views(frames[:5])})
    counts = []
    for portrait in (plain, filmed, graded):
        page = Page(render_gallery([portrait], [GalleryDomain("bronze")]))
        sliders = [attrs for tag, attrs in page.tags if attrs.get("type") == "range"]
        assert all(attrs["aria-label"].startswith(portrait.name) for attrs in sliders)
        counts.append([int(attrs["max"]) + 1 for attrs in sliders])
    # The input's own view is no part of the turn.
    assert counts == [[2], [25], [25, 5]]


def test_figures_are_explained_with_their_direction():
    text = render_gallery([], DOMAINS)
    words = Page(text).words()
    meaning = "Cosine of identity features to the input. More is better."
    assert f"Identity ↑ {meaning}" in words
    assert f'title="{meaning}"' in text
    assert "Depth distance" not in words.partition("<script>")[0]


def test_links_go_to_the_other_pages():
    page = Page(render_gallery([], [], links={"Review & more": 'review.html?"'}))
    assert [attrs["href"] for tag, attrs in page.tags if tag == "a"] == ['review.html?"']
    assert "Review & more" in page.words()
