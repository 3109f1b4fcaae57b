"""The invert stage: aligned portraits to W+ codes, as records; a bad one never stops the others."""

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from itportrait.errors import InvalidArgumentError, ItportraitError, RecordRejectedError
from itportrait.geometry.camera import camera_angles
from itportrait.image import resize, to_tensor, to_uint8
from itportrait.invert.camera import EXPECTED_ERROR
from itportrait.invert.config import LOW_QUALITY, InvertConfig
from itportrait.invert.methods import INVERSIONS
from itportrait.invert.objective import where_seen
from itportrait.invert.problem import Problem, Solution, Target
from itportrait.invert.rows import numbers
from itportrait.invert.target import target_of
from itportrait.metrics import identity, psnr
from itportrait.records import AlignedRecord, InvertedRecord, RecordError, Status
from itportrait.stages.within import tell_items
from itportrait.styles import Codes, PreparedGenerator

if TYPE_CHECKING:
    from itportrait.bundle import Bundle

log = logging.getLogger(__name__)
STAGE = "invert"


class NonFiniteError(ItportraitError):
    """The optimization of one portrait left the finite numbers."""


class Inverter:
    """Turns aligned portraits into codes of the bundle's generator.

    Args:
        config: of the stage.
        bundle: models; its networks are put in evaluation mode without gradients.

    Raises:
        UnknownNameError: no inversion method of that name.
        InvalidArgumentError: the method cannot work with the settings.
        MissingModelError: the encoder is asked for and the bundle has none.
    """

    def __init__(self, config: InvertConfig, bundle: "Bundle") -> None:
        self.config, self.bundle = config, bundle
        self.generator = bundle.generator
        for model in (self.generator, bundle.perceptual, bundle.identity, bundle.encoder):
            if model is not None:
                model.eval().requires_grad_(False)
        method = INVERSIONS.get(config.method)
        method.check(config, bundle)
        self.method = method(config, bundle)

    def invert(self, records: list[AlignedRecord]) -> list[InvertedRecord]:
        """Invert portraits, `config.batch_size` at a time.

        Args:
            records: of the align stage, with pixels. One that is not `ok` is passed on with its
                status and error.

        Returns:
            One record per input, in order: `ok`, `rejected` (`low_quality`) or `failed`.
        """
        results: dict[int, InvertedRecord] = {}
        batch: list[tuple[int, AlignedRecord, Target]] = []
        for position, record in enumerate(records):
            try:
                if record.status is not Status.OK:
                    results[position] = InvertedRecord(
                        record_id=record.record_id, status=record.status, error=record.error
                    )
                else:
                    batch.append((position, record, self._target(record)))
            except Exception as error:
                results[position] = _failed(record, error)
        for start in range(0, len(batch), self.config.batch_size):
            part = batch[start : start + self.config.batch_size]
            rows = self._invert_batch(
                [record for _, record, _ in part], _together([target for _, _, target in part])
            )
            results.update(zip((position for position, *_ in part), rows, strict=True))
            tell_items(len(results))
        return [results[position] for position in range(len(records))]

    def _target(self, record: AlignedRecord) -> Target:
        """Return the view of a record, as a batch of one."""
        if record.pixels is None or record.camera is None:
            missing = "pixels" if record.pixels is None else "camera"
            raise InvalidArgumentError(
                "record", expected="the align stage's pixels and camera", actual=f"no {missing}"
            )
        pixels, mask = target_of(record)
        image = to_tensor(pixels)
        camera = torch.as_tensor(np.asarray(record.camera), dtype=torch.float32)
        if image.shape[-1] != image.shape[-2] or camera.shape != (25,):
            raise InvalidArgumentError(
                "record",
                expected="square pixels and a camera [25]",
                actual=f"{list(record.pixels.shape)} and {list(camera.shape)}",
            )
        if not bool(torch.isfinite(camera).all()):
            raise InvalidArgumentError("camera", expected="finite numbers", actual=numbers(camera))
        size, device = self.generator.image_resolution, self.generator.device
        image = resize(image[None], size).to(device)
        view = Target(image, camera[None].to(device), camera_std=_camera_std(record, device))
        if mask is None:
            return view
        shown = torch.tensor(mask, dtype=torch.float32)[None, None] / 255
        return replace(view, mask=resize(shown, size).clamp(0, 1).to(device))

    def _invert_batch(
        self, records: list[AlignedRecord], portraits: Target
    ) -> list[InvertedRecord]:
        """Invert a batch; where it fails as a whole, halve it until the culprit stands alone."""
        problem = Problem((portraits,), tuple(record.record_id for record in records))
        try:
            solutions = self.method.run(problem)
            return self._measure(records, solutions, portraits)
        except Exception as error:
            if len(records) == 1:
                return [_failed(records[0], error)]
            log.warning("inversion of %d portraits failed (%s); halving", len(records), error)
        if portraits.image.is_cuda:
            torch.cuda.empty_cache()
        half = len(records) // 2
        places = torch.arange(len(records), device=portraits.image.device)
        return [
            *self._invert_batch(records[:half], portraits.keep(places[:half])),
            *self._invert_batch(records[half:], portraits.keep(places[half:])),
        ]

    @torch.no_grad()
    def _measure(
        self, records: list[AlignedRecord], solutions: list[Solution], portraits: Target
    ) -> list[InvertedRecord]:
        rows = [
            _failed(record, NonFiniteError(solution.failure), solution)
            for record, solution in zip(records, solutions, strict=True)
        ]
        good = [position for position, solution in enumerate(solutions) if not solution.failure]
        if not good:
            return rows
        # What is measured is what the rows keep: differences of weights lose digits when stored.
        found = [_row(records[position], solutions[position]) for position in good]
        codes = Codes.of(found, self.generator)
        renders = PreparedGenerator(self.generator).render(codes).final_image
        target = portraits.keep(torch.tensor(good, device=renders.device))
        image, mask = target.image, target.mask
        # What is hidden is the same in both, so that no network sees a difference in it.
        seen = where_seen(renders, image, mask)
        table = zip(
            good,
            found,
            numbers(psnr(renders, image, mask)),
            numbers(self.bundle.perceptual.distance(seen, image)),
            numbers(identity(seen, image, self.bundle.identity)),
            to_uint8(renders),
            strict=True,
        )
        for position, row, noise_db, distance, similarity, pixels in table:
            measured = replace(
                row, psnr=noise_db, perceptual=distance, identity=similarity, pixels=pixels
            )
            rows[position] = self._gate(measured)
        return rows

    def _gate(self, row: InvertedRecord) -> InvertedRecord:
        """Reject a row below the configured quality; its code and its numbers stay in it."""
        for name, value, least, unit in (
            ("psnr", row.psnr, self.config.min_psnr, " dB"),
            ("identity", row.identity, self.config.min_identity, ""),
        ):
            if least is not None and value is not None and not value >= least:
                error = RecordRejectedError(
                    LOW_QUALITY,
                    f"{name} of the inversion is {value:.2f}{unit}, below {least}{unit}",
                )
                status, reason = RecordError.of(STAGE, error)
                return replace(row, status=status, error=reason)
        return row


def _together(targets: list[Target]) -> Target:
    """Return the views of single portraits as a batch; without a mask, all of a view is shown."""
    mask = None
    if any(target.mask is not None for target in targets):
        mask = torch.cat([target.shown for target in targets])
    cameras = torch.cat([target.camera for target in targets])
    std = None
    if any(target.camera_std is not None for target in targets):
        usual = cameras.new_tensor(EXPECTED_ERROR[:2])[None]
        std = torch.cat([usual if t.camera_std is None else t.camera_std for t in targets])
    images = torch.cat([target.image for target in targets])
    return Target(images, cameras, mask, camera_std=std)


def _camera_std(record: AlignedRecord, device: torch.device) -> Tensor | None:
    """Return `[1, 2]` the standard deviations of yaw and pitch; None where they are not known."""
    if record.yaw_std_rad is None or record.pitch_std_rad is None:
        return None
    std = torch.tensor([[record.yaw_std_rad, record.pitch_std_rad]], device=device)
    if not bool((torch.isfinite(std) & (std > 0)).all()):
        raise InvalidArgumentError(
            "record", expected="standard deviations above 0", actual=numbers(std)
        )
    return std


def _row(record: AlignedRecord, solution: Solution) -> InvertedRecord:
    """Return the row of a portrait whose code is found and not measured yet."""
    yaw, pitch = camera_angles(solution.camera.float().view(1, -1))
    return InvertedRecord(
        record_id=record.record_id,
        seconds=solution.seconds,
        yaw_rad=float(yaw),
        pitch_rad=float(pitch),
        camera=solution.camera.cpu().numpy().astype(np.float32),
        w_plus=solution.w_plus.flatten().cpu().numpy().astype(np.float32),
        steps=solution.steps,
        weights=solution.delta and solution.delta.to_bytes(),
        tuning=solution.tuning,
    )


def _failed(
    record: AlignedRecord, error: Exception, solution: Solution | None = None
) -> InvertedRecord:
    status, reason = RecordError.of(STAGE, error)
    return InvertedRecord(
        record_id=record.record_id,
        status=status,
        error=reason,
        seconds=0.0 if solution is None else solution.seconds,
        steps=None if solution is None else solution.steps,
    )
