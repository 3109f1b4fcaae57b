"""Train the identity network: one person near, others far, whatever view, light or domain.

Supervised contrastive learning over several pictures of each person, plus regression of the
latents that shape the face, which tells the network what identity is made of. A person is drawn
before one background in all views; so backgrounds are replaced at random, in training and in
measuring, or the network would know people by their wall.

Source:
    Supervised contrastive learning (Khosla et al., NeurIPS 2020), loss "out".
"""

import torch
from scipy.stats import mannwhitneyu
from torch import Tensor, nn
from torch.nn import functional as F

from itportrait.perception.identity import IdentityModel, MiniIdentityModel
from itportrait.perception.trunk import ConvTrunk
from itportrait.portraits import PHOTO
from itportrait.portraits.prior import INPUTS
from itportrait.pretrain.training.augment import distort, replace_background
from itportrait.pretrain.training.data import PortraitData
from itportrait.pretrain.training.task import AdamTraining, NetworkTask, TaskInputs

CHANGEABLE = (
    *("smile", "mouth_open", "eye_open", "gaze_x", "gaze_y", "glasses", "makeup"),
    *("cloth_x", "cloth_y", "cloth_light", "background_x", "background_y", "background_light"),
    *("light_azimuth", "light_elevation", "light_fill"),
)
"""Latents that are no part of who someone is."""
FACE_INPUTS = [index for index, name in enumerate(INPUTS) if name not in CHANGEABLE]


class IdentityTraining(AdamTraining):
    """Hyper-parameters of the identity network's training."""

    people: int = 16
    """Number of people in a batch."""
    pictures: int = 3
    """Number of pictures of each person; half of the people are shown in photos alone."""
    background_share: float = 0.75
    """Share of the pictures whose background is replaced."""
    temperature: float = 0.1
    """Temperature of the contrastive loss: the cosines are divided by it."""
    latent_weight: float = 0.5
    """Weight of the regression of the face's latents."""


class IdentityNetwork(nn.Module):
    """The identity model with a head for the face's latents."""

    def __init__(self, model: MiniIdentityModel) -> None:
        super().__init__()
        self.model = model
        self.latent = nn.Linear(model.head.out_features, len(FACE_INPUTS))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return unit embeddings `[N, D]` and latents `[N, len(FACE_INPUTS)]`."""
        embedding = self.model.embed(image)
        return embedding, self.latent(embedding * embedding.shape[1] ** 0.5)


def contrastive_loss(embedding: Tensor, person: Tensor, temperature: float) -> Tensor:
    """Return the supervised contrastive loss.

    Args:
        embedding: unit `[N, D]`.
        person: `[N]`; rows of one person attract each other.
        temperature: divides the cosines.
    """
    itself = torch.eye(len(embedding), dtype=torch.bool, device=embedding.device)
    logits = (embedding @ embedding.T / temperature).masked_fill(itself, -1e4)
    positive = (person[:, None] == person[None]) & ~itself
    log_share = logits - logits.logsumexp(1, keepdim=True)
    return -(log_share * positive).sum(1).div(positive.sum(1).clamp_min(1)).mean()


def area_under_curve(positive: Tensor, negative: Tensor) -> float:
    """Return the probability that a positive pair scores above a negative one (ROC AUC)."""
    wins = mannwhitneyu(positive.double().numpy(), negative.double().numpy()).statistic
    return float(wins / (len(positive) * len(negative)))


class IdentityTask(NetworkTask[IdentityNetwork, IdentityTraining]):
    """The identity network in training.

    Args:
        inputs: several pictures of each person, in any domains, with geometry.
        config: hyper-parameters.
        trunk: trunk to start from, e.g. the perceptual network's; a new one by default.
    """

    def __init__(
        self, inputs: TaskInputs, config: IdentityTraining, *, trunk: ConvTrunk | None = None
    ) -> None:
        own = ConvTrunk()
        if trunk is not None:
            own.load_state_dict(trunk.state_dict())
        network = IdentityNetwork(MiniIdentityModel(own)).to(inputs.device)
        super().__init__("identity", network, [config.optimizer(network)], config, inputs)
        self.everything = _rows_of_people(self.train, self.train.domains)
        self.photos = _rows_of_people(self.train, (PHOTO,))

    def batch(self, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return rows and people `[n]` of a step."""
        config, rows, people = self.config, [], []
        half = config.people // 2
        for table, count in ((self.photos, half), (self.everything, config.people - half)):
            chosen = self.draw(len(table), count, salt=count)
            for index in chosen.tolist():
                order = torch.randperm(len(table[index]), generator=rng)[: config.pictures]
                rows.append(table[index][order])
        flat = torch.cat(rows)
        people = self.train.person[flat]
        return flat, people

    def losses(self, progress: float, rng: torch.Generator) -> dict[str, Tensor]:
        """Return the contrastive loss and the regression of the face's latents."""
        rows, people = self.batch(rng)
        image, alpha = self.train.floats(rows, self.device), self.train.alphas(rows, self.device)
        image = replace_background(image, alpha, rng, share=self.config.background_share)
        embedding, latent = self.module(distort(image, rng))
        true_latent = self.train.latent[rows][:, FACE_INPUTS].to(self.device)
        contrast = contrastive_loss(embedding, people.to(self.device), self.config.temperature)
        return {
            "contrast": contrast,
            "latent": self.config.latent_weight * F.mse_loss(latent, true_latent),
        }

    def measure(self) -> dict[str, float]:
        """Return the AUC among photos, and between photos and other domains."""
        return measure_identity(self.average.model, self.held_out, self.device)

    def model(self) -> MiniIdentityModel:
        """Return the averaged network without its head."""
        return self.average.model.eval().requires_grad_(False)


def _rows_of_people(data: PortraitData, domains: tuple[str, ...]) -> list[Tensor]:
    wanted = torch.tensor([name in domains for name in data.domains])[data.domain]
    rows = wanted.nonzero().flatten()
    rows = rows[data.person[rows].argsort(stable=True)]
    _, counts = torch.unique_consecutive(data.person[rows], return_counts=True)
    return [part for part in rows.split(counts.tolist()) if len(part) > 1]


@torch.no_grad()
def measure_identity(
    model: IdentityModel,
    data: PortraitData,
    device: torch.device | str = "cpu",
    *,
    count: int = 600,
) -> dict[str, float]:
    """Measure how well cosines tell people apart, all before random plain backgrounds.

    Returns:
        `auc`: photos of one person in different views against photos of different people;
        `auc_stylized`: a photo and a picture in another domain; each where the data has such pairs.
    """
    rows = data.spread(count)
    rng, parts = torch.Generator().manual_seed(0), []
    for part in rows.split(64):
        image = replace_background(data.floats(part, device), data.alphas(part, device), rng)
        parts.append(model.embed(image).cpu())
    embedding = torch.cat(parts)
    person, photo = data.person[rows], data.domain[rows] == data.domains.index(PHOTO)
    cosine, same = embedding @ embedding.T, person[:, None] == person[None]
    upper = torch.ones_like(same).triu(1)
    both = photo[:, None] & photo[None] & upper
    across = (photo[:, None] ^ photo[None]) & upper
    figures = {}
    if (both & same).any():
        figures["auc"] = area_under_curve(cosine[both & same], cosine[both & ~same])
    if (across & same).any():
        figures["auc_stylized"] = area_under_curve(cosine[across & same], cosine[across & ~same])
    return figures
