"""A textured file in three.js, in a real browser: the viewer that most web pages are built on."""

import base64
import functools
import http.server
import io
import threading

import numpy as np
import pytest
from PIL import Image

from itportrait.geometry.camera import frontal_camera
from itportrait.geometry.orbit import FFHQ_ORBIT
from itportrait.meshes import TextureOptions, encode_mesh, textured_mesh
from tests.helpers.browser import Browser, find_chromium
from tests.helpers.three import find_three
from tests.meshes.test_texture import OPTIONS, SIDE, Ball, seen

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed"),
]
PAGE = f"""<!doctype html><script type="importmap">{{"imports": {{
  "three": "./three/build/three.module.js", "three/addons/": "./three/examples/jsm/"}}}}</script>
<script type="module">
import * as THREE from 'three';
import {{ GLTFLoader }} from 'three/addons/loaders/GLTFLoader.js';
const renderer = new THREE.WebGLRenderer({{ preserveDrawingBuffer: true, antialias: false }});
renderer.setSize({SIDE}, {SIDE}); document.body.append(renderer.domElement);
const camera = new THREE.PerspectiveCamera(2 * Math.atan(0.5 / 4.2647) * 180 / Math.PI, 1, 0.1, 10);
camera.position.set(0, 0, 2.7); camera.lookAt(0, 0, 0);
const scene = new THREE.Scene(); scene.background = new THREE.Color(0, 1, 0);
try {{
  const file = await new GLTFLoader().loadAsync('./mesh.glb');
  scene.add(file.scene); renderer.render(scene, camera);
  file.scene.traverse(part => {{ if (part.isMesh) window.material = part.material.type; }});
  window.picture = renderer.domElement.toDataURL('image/png');
}} catch (error) {{ window.picture = String(error); }}
</script>"""


@pytest.fixture
def site(tmp_path):
    three, why = find_three()
    if three is None:
        pytest.skip(why)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "three").symlink_to(three)
    (tmp_path / "site" / "index.html").write_text(PAGE)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format, *args):
            pass

    handler = functools.partial(Handler, directory=str(tmp_path / "site"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield tmp_path / "site", f"http://127.0.0.1:{server.server_port}/index.html"
    server.shutdown()
    thread.join()
    server.server_close()


def test_three_shows_the_mesh_without_lights_as_it_is_rendered(site, tmp_path):
    folder, address = site
    mesh = textured_mesh(Ball(), FFHQ_ORBIT, OPTIONS, TextureOptions(256))
    (folder / "mesh.glb").write_bytes(encode_mesh(mesh))
    browser = Browser(tmp_path / "profile")
    try:
        browser.open(address, 800)
        assert browser.becomes("typeof window.picture", "string", within_s=60)
        picture = browser.run("window.picture")
        assert picture.startswith("data:image/png;base64,"), picture
        assert browser.run("window.material") == "MeshBasicMaterial"  # without lights
    finally:
        browser.close()
    shown = Image.open(io.BytesIO(base64.b64decode(picture.partition(",")[2]))).convert("RGB")
    expected, hit = seen(mesh, frontal_camera())
    colors = np.asarray(shown).astype(int)
    inside = (colors[..., 1] < 128) == hit
    assert inside.mean() > 0.99
    difference = np.abs(colors - expected)[hit & (colors[..., 1] < 128)].max(-1)
    assert (difference < 60).mean() > 0.93  # here pixels are not mixed where the colors meet
