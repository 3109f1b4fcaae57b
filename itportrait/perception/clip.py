"""Pictures and texts in one space: any open_clip model, with weights that are on this machine.

The embedded model is an ordinary open_clip model whose configuration lies beside its weights:

    FOLDER/itportrait-mini.json     open_clip's own configuration format
    FOLDER/clip.pt                  weights, fp16, compressed
    FOLDER/vocabulary.json          the words that its captions were made of

Two thirds of the weights are embeddings of tokens that no caption has, and zero: compressed, which
safetensors cannot be, the file has 3 MB instead of 9.5.
"""

from functools import cache
from pathlib import Path
from typing import Any, Self

import open_clip
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from itportrait.errors import InvalidArgumentError, MissingModelError, UnknownNameError
from itportrait.image import resize
from itportrait.perception.clip_files import check_config, create_model, read_vocabulary
from itportrait.perception.trunk import check_image
from itportrait.perception.words import unknown_words

MINI_NAME = "itportrait-mini"
WEIGHTS_FILE = "clip.pt"
PLAIN_TEMPLATES = ("{}",)
WEIGHTS_REMEDY = (
    "`itportrait models get open-clip-vit-b-32` (or -16) says where open_clip takes them from, "
    "`itportrait import-open-clip FILE` takes a file, and `itportrait models use "
    "open-clip-vit-b-32 --bundle FOLDER` names it in a bundle"
)


class ImageTextModel(nn.Module):
    """An open_clip model with differentiable preprocessing and unit vectors out.

    Args:
        model: of `open_clip.create_model`.
        tokenizer: of `open_clip.get_tokenizer`.
        name: the model's name in open_clip.
        vocabulary: words that the model was trained on; none where it knows any.
        templates: prompts that `encode_prompt` averages over by default.
    """

    model: Any
    image_mean: Tensor
    image_std: Tensor

    def __init__(
        self,
        model: Any,
        tokenizer,
        *,
        name: str,
        vocabulary: frozenset[str] | None = None,
        templates: tuple[str, ...] = PLAIN_TEMPLATES,
    ) -> None:
        super().__init__()
        self.model, self.tokenizer, self.name = model, tokenizer, name
        self.vocabulary, self.templates = vocabulary, templates
        size = model.visual.image_size
        self.image_size = size[0] if isinstance(size, tuple | list) else size
        for key in ("mean", "std"):
            values = torch.tensor(getattr(model.visual, f"image_{key}")).view(1, 3, 1, 1)
            self.register_buffer(f"image_{key}", values, persistent=False)
        self.eval().requires_grad_(False)

    @classmethod
    def load(cls, name: str, weights: str | Path | None) -> Self:
        """Load any of open_clip's architectures with weights from a local file.

        Args:
            name: e.g. `ViT-B-32`, `ViT-B-16` (`ViT-B-32-quickgelu` for OpenAI's own weights).
            weights: a local file in open_clip's format. Nothing is ever downloaded.

        Raises:
            UnknownNameError: open_clip has no such architecture.
            MissingModelError: no such file; says how to fetch it.
            CheckpointError: the file does not fit the architecture.
        """
        if name not in open_clip.list_models():
            raise UnknownNameError("image-text model", name, open_clip.list_models())
        if weights is None or not Path(weights).is_file():
            lacking = f"are not at {weights}" if weights else "are not named by the bundle"
            raise MissingModelError(f"the weights of {name} {lacking}; {WEIGHTS_REMEDY}")
        model = create_model(name, Path(weights), foreign=False)
        return cls(model, open_clip.get_tokenizer(name), name=name)

    @classmethod
    def load_mini(cls, folder: str | Path) -> Self:
        """Load the embedded model from its folder (see the head of this file).

        Raises:
            MissingModelError: a file is missing.
            CheckpointError: the weights do not fit the configuration, or that asks for more than
                two towers of bounded size.
        """
        folder = Path(folder)
        for file in (f"{MINI_NAME}.json", WEIGHTS_FILE, "vocabulary.json"):
            if not (folder / file).is_file():
                raise MissingModelError(
                    f"{folder / file} is missing; `make pretrain` remakes the embedded models"
                )
        config = check_config(folder / f"{MINI_NAME}.json")
        words, templates = read_vocabulary(folder / "vocabulary.json")
        open_clip.add_model_config(folder / f"{MINI_NAME}.json")
        return cls(
            create_model(MINI_NAME, folder / WEIGHTS_FILE, foreign=True),
            _tokenizer(config.text_cfg.context_length),
            name=MINI_NAME,
            vocabulary=words,
            templates=templates,
        )

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.image_mean.device

    def encode_image(self, image: Tensor) -> Tensor:
        """Return unit vectors `[N, D]` of pictures `[N, 3, H, W]` in [-1, 1]; differentiable.

        Raises:
            InvalidArgumentError: wrong shape.
        """
        check_image(image)
        pixels = (resize(image, self.image_size) + 1) / 2
        return F.normalize(
            self.model.encode_image((pixels - self.image_mean) / self.image_std), dim=1
        )

    def encode_text(self, texts: list[str]) -> Tensor:
        """Return unit vectors `[N, D]` of texts.

        Raises:
            InvalidArgumentError: no text, or a string where a list belongs.
        """
        if isinstance(texts, str) or not texts:
            raise InvalidArgumentError("texts", expected="a list of strings", actual=repr(texts))
        tokens = self.tokenizer(list(texts)).to(self.device)
        return F.normalize(self.model.encode_text(tokens), dim=1)

    @torch.no_grad()
    def encode_prompt(self, text: str, templates: tuple[str, ...] | None = None) -> Tensor:
        """Return the unit mean `[D]` of a prompt's vectors in several templates.

        Args:
            text: the prompt, e.g. `bronze statue`.
            templates: with a `{}` for the prompt; the model's own by default.
        """
        filled = [template.format(text) for template in templates or self.templates]
        return F.normalize(self.encode_text(filled).mean(0), dim=0)

    def unknown_words(self, text: str) -> list[str]:
        """Return the words of a prompt that the model never saw, in order, each once.

        A large model's vocabulary is open: then the list is empty.
        """
        if self.vocabulary is None:
            return []
        return unknown_words(text, self.vocabulary)


@cache
def _tokenizer(context_length: int) -> Any:
    """Return open_clip's own tokenizer, whose vocabulary takes a quarter of a second to read."""
    return open_clip.SimpleTokenizer(context_length=context_length)
