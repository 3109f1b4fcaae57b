"""Drawn people: the prior, the picture's truth, and domains."""

import numpy as np
import pytest
import torch

from itportrait.errors import InvalidArgumentError, UnknownNameError
from itportrait.geometry.camera import frontal_camera, look_at_camera, unpack_camera
from itportrait.portraits import (
    DOMAINS,
    HELD_OUT_SEED,
    LATENT_DIM,
    PHOTO,
    TRAIN_SEED,
    Person,
    build_face,
    decode_traits,
    render_portrait,
    sample_people,
    world_landmarks,
)
from itportrait.portraits.domains import get_domain
from itportrait.portraits.finishes import DRAWINGS
from itportrait.portraits.shading import STUFFS
from tests.helpers.people import changed

PEOPLE = sample_people(4, HELD_OUT_SEED)
ALIGNED_POINTS = tuple(
    (0.27 * x, 0.27 * y + 0.010, 0.27 * z + 0.161)
    for x, y, z in (
        (-0.31148657, 0.29036078, 0.13377953),
        (0.30979887, 0.28972036, 0.13179526),
        (0.0032535, -0.04617932, 0.55244243),
        (-0.25216928, -0.38133916, 0.22405732),
        (0.2484662, -0.38128236, 0.22235769),
    )
)
"""World positions of eyes, nose tip and mouth corners in an aligned photo."""
FRAME = 0.633
"""World units that an aligned picture shows at the face."""


def view(yaw: float, pitch: float = 0.0) -> torch.Tensor:
    return look_at_camera(torch.tensor([float(yaw)]), torch.tensor([float(pitch)]))[0]


class TestPrior:
    def test_is_standard_normal(self):
        z = np.stack([person.latent for person in sample_people(4000, TRAIN_SEED)])
        assert z.shape == (4000, LATENT_DIM)
        assert z.dtype == np.float32
        assert np.abs(z.mean(0)).max() < 0.07
        assert np.abs(z.std(0) - 1).max() < 0.06
        assert np.abs(np.corrcoef(z.T) - np.eye(LATENT_DIM)).max() < 0.08

    def test_a_longer_sample_begins_with_the_same_people(self):
        for few, many in zip(sample_people(3, 5), sample_people(9, 5), strict=False):
            np.testing.assert_array_equal(few.latent, many.latent)

    def test_train_and_held_out_people_differ(self):
        train = np.stack([person.latent for person in sample_people(500, TRAIN_SEED)])
        held_out = np.stack([person.latent for person in sample_people(64, HELD_OUT_SEED)])
        assert np.linalg.norm(train[:, None] - held_out[None], axis=2).min() > 1

    def test_traits_stay_in_their_ranges_and_are_continuous_across_hues(self):
        for person in sample_people(200, 1):
            t = decode_traits(person)
            for name in ("melanin", "age", "beard", "glasses", "bun", "curl", "bald"):
                assert 0 <= getattr(t, name) <= 1
            assert -0.1 <= t.smile <= 1
            assert 0 <= t.mouth_open <= 1
        above = render_portrait(changed(PEOPLE[0], cloth_x=-1.0, cloth_y=1e-4), view(0), 32)
        below = render_portrait(changed(PEOPLE[0], cloth_x=-1.0, cloth_y=-1e-4), view(0), 32)
        assert np.abs(above.image.astype(int) - below.image).max() <= 2

    def test_a_latent_of_another_length_is_refused(self):
        with pytest.raises(InvalidArgumentError, match="latent"):
            Person(np.zeros(63, np.float32))


class TestRender:
    def test_is_deterministic_and_well_formed(self):
        first = render_portrait(PEOPLE[0], view(0.2), 40)
        again = render_portrait(Person(PEOPLE[0].latent.copy()), view(0.2)[None], 40)
        np.testing.assert_array_equal(first.image, again.image)
        np.testing.assert_array_equal(first.depth, again.depth)
        assert first.image.shape == (40, 40, 3)
        assert first.image.dtype == np.uint8
        assert first.alpha.dtype == first.depth.dtype == np.float32
        assert 0.3 < first.alpha.mean() < 0.9
        assert first.alpha.min() >= 0
        assert first.alpha.max() <= 1
        assert (first.depth[first.alpha == 0] == np.float32(3.3)).all()
        solid = first.depth[first.alpha == 1]
        assert solid.min() > 2.2
        assert solid.max() < 3.2

    def test_native_and_reference_draw_the_same(self):
        native = render_portrait(PEOPLE[1], view(-0.3), 24)
        plain = render_portrait(PEOPLE[1], view(-0.3), 24, backend="reference")
        assert np.abs(native.image.astype(int) - plain.image).mean() < 1.0

    def test_depth_of_one_view_predicts_another(self):
        """Points seen in one view lie on or behind the surface of another view, mostly on it."""
        size, cameras = 64, [view(-0.15), view(0.15)]
        first, second = (render_portrait(PEOPLE[0], camera, size) for camera in cameras)
        solid = first.alpha == 1
        pixels = (np.argwhere(solid)[:, ::-1] + 0.5) / size
        points = unproject(pixels, first.depth[solid], cameras[0])
        uv, distance = project(points, cameras[1])
        x, y = np.floor(uv * size).astype(int).T
        inside = (x >= 0) & (x < size) & (y >= 0) & (y < size)
        seen = np.full(len(x), np.nan)
        seen[inside] = second.depth[y[inside], x[inside]]
        off = (distance - seen)[inside]
        assert inside.mean() > 0.8
        assert np.median(np.abs(off)) < 0.006
        assert (np.abs(off) < 0.02).mean() > 0.8

    def test_landmarks_lie_where_aligned_photos_have_them(self):
        points = np.stack([world_landmarks(build_face(p)) for p in sample_people(60, 3)])
        aligned = np.array(ALIGNED_POINTS)
        off = np.linalg.norm((points - aligned)[..., :2], axis=2) / FRAME
        assert off.mean() < 0.02
        frontal = render_portrait(PEOPLE[0], frontal_camera(), 256)
        expected, _ = project(aligned, frontal_camera()[0])
        assert np.abs(frontal.landmarks / 256 - expected).mean() < 0.02

    def test_bad_arguments_are_refused(self):
        with pytest.raises(InvalidArgumentError, match="camera"):
            render_portrait(PEOPLE[0], torch.zeros(16), 16)
        with pytest.raises(InvalidArgumentError, match="supersample"):
            render_portrait(PEOPLE[0], view(0), 16, supersample=0)
        with pytest.raises(UnknownNameError, match="bronze"):
            render_portrait(PEOPLE[0], view(0), 16, domain="brnze")


class TestDomains:
    @pytest.fixture(scope="class")
    def drawn(self) -> dict[str, list]:
        return {
            name: [render_portrait(person, view(0.1), 40, domain=name) for person in PEOPLE[:2]]
            for name in (PHOTO, *DOMAINS)
        }

    def test_each_has_words_that_differ_and_a_finish_that_is_drawn(self):
        assert PHOTO not in DOMAINS
        words = [word for name in (PHOTO, *DOMAINS) for word in get_domain(name).words]
        assert len(words) == len(set(words))
        for name in (PHOTO, *DOMAINS):
            domain = get_domain(name)
            assert domain.style.finish in {"photo", *STUFFS, *DRAWINGS}, name
            assert len(domain.phrases) >= 3, name

    def test_all_differ_from_each_other(self, drawn):
        names = list(drawn)
        for i, a in enumerate(names):
            for b in names[:i]:
                for p, q in zip(drawn[a], drawn[b], strict=True):
                    assert np.abs(p.image.astype(int) - q.image).mean() > 8, (a, b)

    @pytest.mark.parametrize("name", ["cartoon", "alien", "zombie", "clown", "devil"])
    def test_geometry_changes_too(self, drawn, name):
        photo, styled = drawn[PHOTO][0], drawn[name][0]
        assert np.abs(photo.depth - styled.depth).mean() > 2e-3

    @pytest.mark.parametrize("name", ["pencil", "watercolor"])
    def test_flat_finishes_keep_the_geometry(self, drawn, name):
        np.testing.assert_array_equal(drawn[PHOTO][0].depth, drawn[name][0].depth)

    def test_a_pencil_drawing_has_no_color(self, drawn):
        pixels = drawn["pencil"][0].image.astype(int)
        assert (pixels.max(2) - pixels.min(2)).max() < 16


def unproject(uv: np.ndarray, depth: np.ndarray, camera: torch.Tensor) -> np.ndarray:
    cam2world, k = (part[0].numpy() for part in unpack_camera(camera[None]))
    local = np.stack([(uv[:, 0] - k[0, 2]) / k[0, 0], (uv[:, 1] - k[1, 2]) / k[1, 1]], 1)
    local = np.concatenate([local, np.ones((len(uv), 1))], 1)
    local /= np.linalg.norm(local, axis=1, keepdims=True)
    return cam2world[:3, 3] + depth[:, None] * (local @ cam2world[:3, :3].T)


def project(points: np.ndarray, camera: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    cam2world, k = (part[0].numpy() for part in unpack_camera(camera[None]))
    local = (points - cam2world[:3, 3]) @ cam2world[:3, :3]
    uv = local[:, :2] / local[:, 2:] * [k[0, 0], k[1, 1]] + [k[0, 2], k[1, 2]]
    return uv, np.linalg.norm(local, axis=1)
