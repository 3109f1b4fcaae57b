"""The two model families' generators."""

from itportrait.generator.config import GeneratorConfig, RenderingConfig, SuperResolutionBlock


def mini_config() -> GeneratorConfig:
    """Return the embedded generator's: 128 x 128, 1.2 M parameters, made for a CPU."""
    return GeneratorConfig(
        z_dim=64,
        w_dim=128,
        image_resolution=128,
        neural_rendering_resolution=32,
        mapping="skip",
        mapping_layers=3,
        mapping_hidden=256,
        plane_resolution=64,
        plane_channels=16,
        plane_axes="corrected",
        backbone_channels=(128, 128, 96, 64, 48),
        use_noise=False,
        decoder_hidden=32,
        background=True,
        superresolution="custom",
        superresolution_blocks=(
            SuperResolutionBlock(channels=64),
            SuperResolutionBlock(channels=32),
        ),
        superresolution_half=False,
        rendering=RenderingConfig(
            depth_resolution=12,
            depth_resolution_importance=12,
            density_gain=30.0,
            mask_outside=True,
            merge_coarse=False,
        ),
    )


def ffhq512_config() -> GeneratorConfig:
    """Return the published ffhq512-128 generator's."""
    return GeneratorConfig()
