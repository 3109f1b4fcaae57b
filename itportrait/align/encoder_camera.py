"""The camera that a bundle's encoder predicts, where the bundle's generator confirms it.

A network answers on every picture, also on those unlike any that it was trained on. So the portrait
that it read is rendered from the camera that it read: where that shows the picture, the picture is
of the generator's kind, and the camera is right; else nothing is said.
"""

import numpy as np
import torch

from itportrait.align.networks import no_encoder
from itportrait.bundle import Bundle
from itportrait.geometry.camera import look_at_camera
from itportrait.image import resize, to_tensor


class EncoderCamera:
    """Predicts cameras of aligned crops.

    Args:
        bundle: brings encoder, generator and perceptual distance; put in evaluation mode.
        max_distance: largest perceptual distance between crop and render that confirms a camera.

    Raises:
        MissingModelError: the bundle has no encoder.
    """

    def __init__(self, bundle: Bundle, max_distance: float) -> None:
        if bundle.encoder is None:
            raise no_encoder(bundle.name)
        self.encoder, self.max_distance = bundle.encoder, max_distance
        self.orbit = bundle.orbit
        self.generator, self.perceptual = bundle.generator, bundle.perceptual
        for model in (self.encoder, self.generator, self.perceptual):
            model.eval().requires_grad_(False)

    def distance(self, pixels: np.ndarray) -> float:
        """Return how far a crop is from the encoder's portrait of it.

        It is large for pictures unlike those that the generator draws.

        Args:
            pixels: uint8 `[S, S, 3]`, framed as the generator's pictures are.

        Returns:
            A perceptual distance, 0 or more.
        """
        return self._look(pixels)[1]

    def read(self, pixels: np.ndarray) -> np.ndarray | None:
        """Return the camera of a crop, or None where the generator does not confirm it.

        Args:
            pixels: uint8 `[S, S, 3]`, framed as the generator's pictures are.

        Returns:
            `[25]` float32, or None.
        """
        camera, distance = self._look(pixels)
        return None if distance > self.max_distance else camera

    @torch.no_grad()
    def _look(self, pixels: np.ndarray) -> tuple[np.ndarray, float]:
        image = to_tensor(pixels)[None].to(self.generator.device)
        image = resize(image, self.generator.image_resolution)
        w_plus, angles = self.encoder(image)
        camera = look_at_camera(angles[:, 0], angles[:, 1], self.orbit)
        render = self.generator.synthesize(w_plus, camera).final_image
        distance = float(self.perceptual.distance(render, image))
        return camera[0].cpu().numpy().astype(np.float32), distance
