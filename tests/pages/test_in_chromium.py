"""Every kind of page in a real browser, on a phone and on a desk."""

from dataclasses import replace

import pytest
import trimesh
from PIL import Image
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial

from itportrait.meshes import encode_mesh
from itportrait.meshes.atlas import unwrap
from itportrait.pages import render_gallery, render_report, render_review
from tests.helpers.browser import SMALL_TEXTS, Browser, find_chromium
from tests.helpers.shown import gallery_domains, gallery_portraits, review_groups, run_of

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed")
LONG = "a_name_without_any_space_that_a_camera_or_an_export_gave_to_this_file_0001_final.jpg"
"""Of a file: pages must break it, since it is wider than a phone."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    texts = {
        "gallery": render_gallery(
            gallery_portraits(LONG), gallery_domains(), views=["own view", "-25°", "+0°", "+25°"]
        ),
        "report": render_report(run_of(LONG)),
        "review": render_review(review_groups(LONG)),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text)
    return folder


@pytest.mark.parametrize("kind", ["gallery", "report", "review"])
@pytest.mark.parametrize("width", [360, 390, 1400])
def test_nothing_sticks_out_and_nothing_complains(browser, pages, kind, width):
    browser.open(pages / f"{kind}.html", width)
    browser.run("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert browser.run("document.documentElement.scrollWidth") == width
    assert browser.run(SMALL_TEXTS) == []
    assert browser.run("[...document.images].filter(i => !i.alt && i.closest('main')).length") == 0
    assert browser.complaints == []


@pytest.mark.parametrize("width", [360, 390])
def test_first_columns_of_the_report_are_read_as_words(browser, pages, width):
    browser.open(pages / "report.html", width)
    widths = browser.run(
        "[...document.querySelectorAll('tbody tr > :first-child')]"
        ".map(cell => cell.getBoundingClientRect().width)"
    )
    assert min(widths) >= 90
    kept = browser.run(
        "[...document.querySelectorAll('.table')].map(box => { box.scrollLeft = 1e4;"
        "return box.querySelector('tbody td').getBoundingClientRect().left"
        " - box.getBoundingClientRect().left })"
    )
    assert all(0 <= left < 12 for left in kept)


def test_every_view_of_the_gallery_is_on_a_phone_s_screen(browser, pages):
    browser.open(pages / "gallery.html", 360)
    edges = browser.run(
        "[...document.querySelectorAll('.strip img')].map(i => i.getBoundingClientRect().right)"
    )
    assert len(edges) >= 4
    assert max(edges) <= 360


def test_captions_of_the_review_stand_below_their_pictures(browser, pages):
    for width in (360, 1400):
        browser.open(pages / "review.html", width)
        covered = browser.run(
            "[...document.querySelectorAll('figure')].filter(f => f.querySelector('img') &&"
            " f.querySelector('img').getBoundingClientRect().bottom >"
            " f.querySelector('figcaption').getBoundingClientRect().top).length"
        )
        assert covered == 0


def test_portraits_turn_under_the_mouse_a_finger_and_the_keys(browser, pages):
    browser.open(pages / "gallery.html", 390)
    shown = "document.querySelector('.reel').style.getPropertyValue('--view')"
    assert browser.run(shown) == "6"
    browser.run("document.querySelector('.reel input').focus()")
    browser.press("ArrowRight", 39)
    assert browser.becomes(shown, "7")
    place = (
        "(box => { const b = box.getBoundingClientRect(); return [b.left, b.top, b.width] })"
        "(document.querySelector('.reel img'))"
    )
    browser.run("document.querySelector('.reel').scrollIntoView({ block: 'center' })")
    left, top, width = browser.run(place)
    browser.mouse("mousePressed", left + width / 2, top + 20, "left")
    browser.mouse("mouseMoved", left + 2, top + 20, "left")
    browser.mouse("mouseReleased", left + 2, top + 20, "left")
    assert browser.becomes(shown, "1")
    browser.touch("touchStart", left + 4, top + 20)
    browser.touch("touchMove", left + width / 2, top + 20)
    browser.touch("touchMove", left + width - 4, top + 20)
    browser.touch("touchEnd")
    assert browser.becomes("Number(" + shown + ") > 6", True)
    assert not browser.run("document.getElementById('zoom').open")
    assert browser.complaints == []


def test_meshes_turn_under_the_mouse_and_the_keys(browser, pages):
    ball = trimesh.creation.icosphere(radius=0.3)
    atlas = unwrap(ball, 128)
    red = PBRMaterial(baseColorTexture=Image.new("RGB", (128, 128), (250, 20, 20)))
    points, look = ball.vertices[atlas.vertices], TextureVisuals(uv=atlas.uv, material=red)
    glb = encode_mesh(trimesh.Trimesh(points, atlas.faces, visual=look, process=False))
    first, *others = gallery_portraits(LONG)
    first = replace(first, meshes={name: ("mesh.glb", glb) for name in first.stylized})
    path = pages / "meshes.html"
    path.write_text(render_gallery([first, *others], gallery_domains()))
    browser.open(path, 390)
    browser.run("document.querySelector('.mesh').scrollIntoView({ block: 'center' })")
    shown = "document.querySelector('.mesh canvas')"
    assert browser.becomes(f"{shown}.dataset.yaw !== undefined", True)
    color = f"[...{shown}.getContext('2d').getImageData(160, 160, 1, 1).data]"
    assert browser.becomes(f"{color}[0] > 200 && {color}[1] < 60 && {color}[3] === 255", True)
    browser.run(f"{shown}.focus()")
    browser.press("ArrowUp", 38)
    assert browser.becomes(f"{shown}.dataset.pitch", "-0.175")
    yaw = float(browser.run(f"{shown}.dataset.yaw"))
    browser.press("ArrowLeft", 37)
    turned = f"Math.round(({shown}.dataset.yaw - {yaw}) * 180 / Math.PI)"
    assert browser.becomes(turned, 10)
    left, top, width = browser.run(
        f"(b => [b.left, b.top, b.width])({shown}.getBoundingClientRect())"
    )
    browser.mouse("mousePressed", left + width / 2, top + width / 2, "left")
    browser.mouse("mouseMoved", left + width / 4, top + width / 2, "left")
    browser.mouse("mouseReleased", left + width / 4, top + width / 2, "left")
    assert browser.becomes(turned, 10 + 45)
    assert browser.run("document.documentElement.scrollWidth") == 390
    # Copying from a software WebGL, and this test's reading of pixels, are slow, as it notes.
    said = [entry.get("entry", {}).get("text", "") for entry in browser.complaints]
    assert [text for text in said if "ReadPixels" not in text and "readback" not in text] == []
