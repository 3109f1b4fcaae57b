"""What the generator promises beyond the goldens: options, shapes, gradients, errors."""

import pytest
import torch

from itportrait.errors import CheckpointError, InvalidArgumentError, MissingModelError
from itportrait.generator import (
    GeneratorConfig,
    TriPlaneGenerator,
    ffhq512_config,
    load_generator,
    load_state,
    mini_config,
    save_generator,
)
from itportrait.generator.config import SuperResolutionBlock
from itportrait.generator.volume import Volume
from itportrait.geometry.camera import frontal_camera, look_at_camera

SMALL = {
    "z_dim": 8,
    "w_dim": 16,
    "plane_resolution": 16,
    "plane_channels": 4,
    "backbone_channels": [8, 8, 8],
    "decoder_hidden": 8,
    "neural_rendering_resolution": 8,
    "image_resolution": 32,
    "superresolution": "custom",
    "superresolution_blocks": [{"channels": 8}, {"channels": 8}],
    "rendering": {"depth_resolution": 6, "depth_resolution_importance": 6},
}


def make(seed=0, rendering=None, **changes):
    data = {**SMALL, **changes}
    data["rendering"] = {**SMALL["rendering"], **(rendering or {})}
    torch.manual_seed(seed)
    return TriPlaneGenerator(GeneratorConfig.from_json(data)).eval()


def code(model, count=2, seed=1):
    z = torch.randn(count, model.z_dim, generator=torch.Generator().manual_seed(seed))
    return model.mapping(z, frontal_camera()).detach()


CAMERAS = look_at_camera(torch.tensor([0.3, -0.4]), torch.tensor([0.1, -0.1]))


@torch.no_grad()
def test_shapes_and_ranges():
    model = make()
    view = model.synthesize(code(model), CAMERAS, return_samples=True)
    assert view.image.shape == (2, 3, 32, 32)
    assert view.image_raw.shape == (2, 3, 8, 8)
    assert view.image_depth.shape == view.image_alpha.shape == (2, 1, 8, 8)
    assert float(view.image_alpha.min()) >= 0
    assert float(view.image_alpha.max()) <= 1 + 1e-5
    assert float(view.image_depth.min()) >= 2.25
    assert float(view.image_depth.max()) <= 3.5
    depths, weights = view.samples
    assert depths.shape == weights.shape == (2, 64, 11)
    assert bool((depths.diff(dim=-1) >= 0).all())
    assert torch.allclose(weights.sum(-1).view(2, 1, 8, 8), view.image_alpha, atol=1e-6)


def test_samples_explain_depth():
    model = make()
    view = model.synthesize(code(model), CAMERAS, return_samples=True)
    depths, weights = view.samples
    expected = (depths * weights).sum(-1) / weights.sum(-1)
    assert torch.allclose(view.image_depth.flatten(1), expected, atol=1e-5)


def test_parts_add_up_to_synthesize():
    model = make()
    ws = code(model)
    whole = model.synthesize(ws, CAMERAS)
    parts = model.render(model.planes(ws), ws, CAMERAS)
    raw = model.render(model.planes(ws), ws, CAMERAS, super_resolve=False)
    assert torch.equal(whole.image, parts.image)
    assert raw.image is None
    assert torch.equal(raw.image_raw, whole.image_raw)


def test_batch_rows_do_not_touch_each_other():
    model = make()
    ws = code(model)
    together = model.synthesize(ws, CAMERAS).image
    alone = torch.cat([model.synthesize(ws[i : i + 1], CAMERAS[i : i + 1]).image for i in (0, 1)])
    assert torch.allclose(together, alone, atol=1e-4)


def test_random_sampling_follows_its_generator():
    model = make()
    ws = code(model)

    def draw(seed):
        rng = torch.Generator().manual_seed(seed)
        return model.synthesize(ws, CAMERAS, sampling="random", rng=rng).image_raw

    assert torch.equal(draw(3), draw(3))
    assert not torch.equal(draw(3), draw(4))


def test_random_noise_follows_its_generator():
    model = make()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith("noise_strength"):
                value.fill_(0.5)
    ws = code(model)

    def draw(seed):
        return model.planes(ws, "random", torch.Generator().manual_seed(seed))

    assert torch.equal(draw(3), draw(3))
    assert not torch.equal(draw(3), draw(4))
    assert not torch.equal(model.planes(ws, "none"), model.planes(ws, "const"))


@pytest.mark.parametrize("merge_coarse", [True, False])
def test_gradients_reach_everything(merge_coarse):
    model = make(background=True, rendering={"merge_coarse": merge_coarse})
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith("noise_strength"):
                value.fill_(0.1)
    ws, camera = code(model).requires_grad_(), CAMERAS.clone().requires_grad_()
    planes = model.planes(ws)
    planes.retain_grad()
    view = model.render(planes, ws, camera)
    (view.image.square().mean() + view.image_depth.mean()).backward()
    for value in (ws, camera, planes):
        assert value.grad is not None
        assert torch.isfinite(value.grad).all()
        assert float(value.grad.abs().max()) > 0
    without = [
        name
        for name, value in model.named_parameters()
        if not name.startswith("backbone.mapping") and value.grad is None
    ]
    # The super-resolution runs without noise, as published.
    assert all("superresolution" in n and n.endswith("noise_strength") for n in without)


def test_gradient_of_camera_matches_differences():
    # One pass: fine depths move with the camera too, but carry no gradient, as published.
    model = make(rendering={"depth_resolution_importance": 0}).double()
    ws = code(make()).double()
    camera = CAMERAS[:1].double()
    planes = model.planes(ws[:1]).detach()

    def depth(value):
        one = camera.clone()
        one[0, 11] = value
        raw = model.render(planes, ws[:1], one, super_resolve=False).image_raw
        return raw.square().mean()

    at = camera[0, 11].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(depth(at), at)
    step = torch.tensor(1e-6, dtype=torch.float64)
    with torch.no_grad():
        numeric = (depth(at + step) - depth(at - step)) / (2 * step)
    assert float(gradient) == pytest.approx(float(numeric), rel=1e-3)


def test_plane_axes_are_pinned():
    published, corrected = make(plane_axes="eg3d"), make(plane_axes="corrected")
    planes = torch.zeros(1, 3, 4, 16, 16)
    planes[:, 2] = torch.arange(16.0).view(1, 1, 1, 16)  # grows along the third plane's columns

    def response(model, axis):
        points = torch.zeros(1, 2, 3)
        points[0, :, axis] = torch.tensor([-0.2, 0.2])
        feature = Volume(model.config, model.decoder, planes).features(points)
        return float((feature[1] - feature[0]).mean())

    assert [response(published, axis) > 0.1 for axis in range(3)] == [False, False, True]
    assert [response(corrected, axis) > 0.1 for axis in range(3)] == [False, True, False]
    planes[:, 2] = torch.arange(16.0).view(1, 1, 16, 1)  # along its rows
    assert [response(published, axis) > 0.1 for axis in range(3)] == [True, False, False]
    assert [response(corrected, axis) > 0.1 for axis in range(3)] == [False, False, True]


def test_planes_scale_with_the_box():
    points = torch.rand(1, 50, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    one, two = make(), make(rendering={"box_warp": 2.0})
    planes = one.planes(code(one, 1))
    assert torch.allclose(one.sample(points, planes)[0], two.sample(2 * points, planes)[0])


@pytest.mark.parametrize(
    ("kind", "size", "feature_size"),
    [("8XDC", 512, 128), ("4X", 256, 128), ("2X", 128, 64)],
)
def test_published_superresolutions(kind, size, feature_size):
    model = make(superresolution=kind, image_resolution=size, superresolution_blocks=[])
    names = set(model.superresolution.state_dict())
    assert ("resample_filter" in names) == (kind != "8XDC")
    ws = code(model, 1)
    features = torch.randn(1, 4, feature_size, feature_size)
    with torch.no_grad():
        for side in (feature_size, feature_size // 2, 12):
            small = torch.nn.functional.interpolate(features, (side, side))
            assert model.superresolution(small, ws).shape == (1, 3, size, size)


def test_4x_keeps_larger_features():
    model = make(superresolution="4X", image_resolution=256, superresolution_blocks=[])
    with torch.no_grad():
        out = model.superresolution(torch.randn(1, 4, 136, 136), code(model, 1))
    assert out.shape == (1, 3, 272, 272)


def test_rendering_at_odd_resolution():
    model = make()
    view = model.synthesize(code(model), CAMERAS, neural_rendering_resolution=7)
    assert view.image_raw.shape == (2, 3, 7, 7)
    assert view.image.shape == (2, 3, 32, 32)


def test_automatic_ray_range_covers_the_box():
    model = make(rendering={"ray_start": "auto", "ray_end": "auto"})
    view = model.synthesize(code(model), CAMERAS, return_samples=True)
    # The box is 1 wide and 2.7 away: no depth lies before 2.7 - sqrt(3)/2 or far behind it.
    assert 2.7 - 0.87 < float(view.samples.depths.min()) < 2.3
    assert 3.1 < float(view.samples.depths.max()) < 2.7 + 1.1
    assert torch.isfinite(view.image).all()


def test_disparity_sampling_is_denser_in_front():
    model = make(rendering={"disparity_space_sampling": True, "depth_resolution_importance": 0})
    depths = model.synthesize(code(model), CAMERAS, return_samples=True).samples.depths
    steps = depths.diff(dim=-1)
    assert bool((steps.diff(dim=-1) > 0).all())


def test_one_pass_without_importance_samples():
    model = make(rendering={"depth_resolution_importance": 0})
    assert model.synthesize(code(model), CAMERAS, return_samples=True).samples.depths.shape[2] == 5


def empty_space(model):
    with torch.no_grad():
        model.decoder.net[2].bias[0] = -100.0
    return model


@torch.no_grad()
def test_white_back_and_background_fill_what_rays_leave():
    white = empty_space(make(rendering={"white_back": True}))
    assert torch.allclose(
        white.synthesize(code(white), CAMERAS).image_raw, torch.ones(1), atol=1e-4
    )
    model = empty_space(make(background=True))
    ws = code(model)
    raw = model.synthesize(ws, CAMERAS).image_raw
    assert float(raw.min()) >= -1
    assert float(raw.max()) <= 1
    assert float(raw.std()) > 0
    assert float((raw[0] - raw[1]).abs().max()) > 0.01


def test_depth_of_empty_space_has_a_finite_gradient():
    model = make(rendering={"mask_outside": True, "ray_start": 5.0, "ray_end": 6.0})
    planes = model.planes(code(model)).detach().requires_grad_()
    view = model.render(planes, code(model), CAMERAS, super_resolve=False)
    (view.image_depth.mean() + view.image_raw.mean()).backward()
    assert planes.grad is not None
    assert torch.isfinite(planes.grad).all()
    assert torch.isfinite(view.image_depth).all()


def test_mask_empties_the_outside():
    model = make(rendering={"mask_outside": True})
    planes = model.planes(code(model, 1))
    inside, outside = torch.zeros(1, 1, 3), torch.tensor([[[0.0, 0.51, 0.0]]])
    assert float(model.sample(outside, planes)[0]) == -30
    assert float(model.sample(inside, planes)[0]) > -30


def test_skip_mapping_carries_z_and_ignores_the_camera():
    model = make(mapping="skip", mapping_layers=3, mapping_hidden=24)
    z = torch.randn(2, 8)
    ws = model.mapping(z, CAMERAS)
    assert torch.equal(ws[:, 0, :8], z)
    assert torch.equal(ws, model.mapping(z, frontal_camera()))


def test_truncation():
    model = make()
    model.w_avg.copy_(torch.randn(16))
    z = torch.randn(2, 8)
    full = model.mapping(z, CAMERAS)
    assert torch.allclose(model.mapping(z, CAMERAS, 0.0), model.w_avg.expand_as(full))
    cut = model.mapping(z, CAMERAS, 0.5, truncation_cutoff=2)
    assert torch.allclose(cut[:, :2], (full[:, :2] + model.w_avg) / 2, atol=1e-6)
    assert torch.equal(cut[:, 2:], full[:, 2:])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ws": torch.zeros(2, 3, 16)}, r"ws must be \[N, 6, 16\], got \[2, 3, 16\]"),
        ({"camera": torch.zeros(2, 16)}, "pack it with pack_camera"),
        ({"camera": CAMERAS[:1]}, "repeat planes and ws"),
        ({"sampling": "grid"}, "sampling must be midpoint or random"),
    ],
)
def test_errors_of_render(changes, message):
    model = make()
    ws = code(model)
    arguments = {"planes": model.planes(ws), "ws": ws, "camera": CAMERAS} | changes
    with pytest.raises(InvalidArgumentError, match=message):
        model.render(**arguments)


def test_errors_of_mapping_planes_and_sample():
    model = make()
    with pytest.raises(InvalidArgumentError, match=r"z must be \[N, 8\]"):
        model.mapping(torch.zeros(2, 9), CAMERAS)
    with pytest.raises(InvalidArgumentError, match="camera must be"):
        model.mapping(torch.zeros(3, 8), CAMERAS)
    with pytest.raises(InvalidArgumentError, match="noise_mode must be"):
        model.planes(code(model), "loud")
    with pytest.raises(InvalidArgumentError, match="points must be"):
        model.sample(torch.zeros(1, 5, 3), model.planes(code(model)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"plane_resolution": 48}, "plane_resolution must be a power of two"),
        ({"backbone_channels": [8, 8]}, "backbone_channels must name 3 blocks"),
        ({"mapping": "skip", "w_dim": 8}, "w_dim must exceed z_dim"),
        ({"superresolution": "4X", "image_resolution": 128}, "4X 256"),
        ({"image_resolution": 64}, "superresolution_blocks must lead from"),
        ({"rendering": {"ray_start": "auto"}}, "both be 'auto'"),
        ({"rendering": {"ray_start": 4.0}}, "before ray_end"),
        ({"plane_channel": 3}, "unknown key 'plane_channel'; known: backbone_channels"),
    ],
)
def test_errors_of_the_configuration(changes, message):
    with pytest.raises(InvalidArgumentError, match=message):
        GeneratorConfig.from_json({**SMALL, **changes})


def test_configuration_round_trip():
    for config in (mini_config(), ffhq512_config()):
        assert GeneratorConfig.from_json(config.to_json()) == config


def test_unsupported_published_arguments_are_named():
    kwargs = {"z_dim": 512, "c_dim": 0, "w_dim": 512, "img_resolution": 512, "img_channels": 3}
    with pytest.raises(InvalidArgumentError, match="rendering_kwargs"):
        GeneratorConfig.from_eg3d(kwargs)
    rendering = {"superresolution_module": "training.superresolution.SuperresolutionHybrid8X"}
    with pytest.raises(InvalidArgumentError, match=r"SuperresolutionHybrid8X$"):
        GeneratorConfig.from_eg3d(kwargs | {"rendering_kwargs": rendering})


def test_mini_is_small_and_whole():
    model = TriPlaneGenerator(mini_config())
    assert 1.0e6 < sum(p.numel() for p in model.parameters()) < 1.4e6
    assert mini_config().superresolution_blocks[1] == SuperResolutionBlock(channels=32)


@pytest.mark.parametrize("half", [False, True])
def test_save_and_load(tmp_path, half):
    model = make(background=True)
    save_generator(model, tmp_path, half=half)
    loaded = load_generator(tmp_path)
    assert loaded.config == model.config
    assert not any(p.requires_grad for p in loaded.parameters())
    ws = code(model)
    error = (loaded.synthesize(ws, CAMERAS).image - model.synthesize(ws, CAMERAS).image).abs().max()
    assert float(error) < (0.05 if half else 1e-7)


def test_load_says_what_is_wrong(tmp_path):
    with pytest.raises(MissingModelError, match=r"FILE\.pkl --output "):
        load_generator(tmp_path)
    save_generator(make(), tmp_path)
    path = tmp_path / "generator.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="truncated"):
        load_generator(tmp_path)


def test_state_that_does_not_fit_is_named():
    model = make()
    state = dict(model.state_dict())
    del state["decoder.net.0.bias"]
    state["decoder.net.2.bias"] = torch.zeros(7)
    state["decoder.net.4.bias"] = torch.zeros(7)
    with pytest.raises(CheckpointError) as caught:
        load_state(model, state, source="x.pkl")
    assert "missing: decoder.net.0.bias" in str(caught.value)
    assert "misshapen: decoder.net.2.bias [7] instead of [5]" in str(caught.value)
    assert "unknown: decoder.net.4.bias" in str(caught.value)


def test_another_resample_filter_is_refused():
    model = make()
    state = dict(model.state_dict())
    name = "backbone.synthesis.b8.conv0.resample_filter"
    state[name] = torch.ones(4, 4) / 16
    with pytest.raises(CheckpointError, match=name):
        load_state(model, state, source="x.pkl")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_agrees_with_cpu():
    model = make(background=True, superresolution_half=False)
    ws = code(model)
    expected = model.synthesize(ws, CAMERAS)
    view = model.cuda().synthesize(ws.cuda(), CAMERAS.cuda())
    assert torch.allclose(view.image_depth.cpu(), expected.image_depth, atol=1e-3)
    assert torch.allclose(view.image.cpu(), expected.image, atol=2e-2)
