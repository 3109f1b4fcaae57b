"""The hyper-parameters of the two image-text models."""

from itportrait.config import Settings


class ClipTraining(Settings):
    """Hyper-parameters of the mini CLIP's training; by default those of the model of styles."""

    batch: int = 48
    """Pictures and captions in a batch."""
    photo_share: float = 0.6
    """Of them, photos: these show most people, and attributes are learned from people."""
    pairs: int = 8
    """Pairs of photo and domain in a batch, each with two pictures between them."""
    learning_rate: float = 2e-3
    """Of Adam."""
    weight_decay: float = 0.02
    """Of matrices; not of gains, biases and embeddings."""
    contrast_weight: float = 0.5
    """Weight of the contrast of captions."""
    domain_weight: float = 0.5
    """Weight of the classification by one prompt for each domain."""
    attribute_weight: float = 2.0
    """Weight of the classification by pairs of prompts, see `attributes`."""
    head_weight: float = 0.0
    """Weight of the classification of attributes by a head on the picture's vector."""
    direction_weight: float = 1.0
    """Weight of the direction loss."""
    between_weight: float = 2.0
    """Weight of the loss of pictures between photo and domain."""
    adversary_weight: float = 1.0
    """Weight of the loss of pictures changed against the model."""
    adversary: float = 0.08
    """Largest root mean square of that change, of pictures in [-1, 1]."""
    still_from: tuple[float, float] = (0.2, 0.5)
    """Shares of the budget between which the weights of `between` and `adversary` rise from 0:
    at once they would hold all pictures in one place, where nothing is learned. Until then they
    are not computed, which is a third of a step."""

    @classmethod
    def of_trained(cls) -> "ClipTraining":
        """Return the hyper-parameters of a model that was trained before: all losses at once."""
        return cls(learning_rate=1.5e-3, still_from=(0.0, 0.0))

    @classmethod
    def of_traits(cls) -> "ClipTraining":
        """Return those of the model of traits, which begins as the model of styles.

        With the lesser weights of `between` and `adversary`, a model that knows attributes is
        fooled even more: it takes a generator's first tint for the style.
        """
        more = {"head_weight": 1.0, "between_weight": 5.0, "adversary_weight": 3.0}
        return cls.of_trained().model_copy(update=more)
