"""A version of a domain in a style bank: its card, and the files in its folder."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from itportrait.bank.index import check_card
from itportrait.documents import build
from itportrait.errors import CheckpointError, InvalidArgumentError, MissingModelError, NoInputError
from itportrait.io import uris
from itportrait.io.names import check_domain, check_name, check_path, resolve_under
from itportrait.styles.names import CARD_FILE, STYLE_FILE

if TYPE_CHECKING:
    from itportrait.styles import Style


@dataclass(frozen=True, kw_only=True)
class BankVersion:
    """One style of a domain, published.

    Args:
        domain: name of the style domain.
        version: name of the version, unique within the domain.
        uri: folder of its files.
        fingerprint: of all that determined it; equal means it need not be made again.
        base_model_id: the bundle it belongs to.
        spec: the domain's specification, as plain data.
        metrics: final scores on the probe set.
        info: whatever else is kept with it (chosen step, pair report, gate).
        references: names of its reference pictures, under the folder.
        created: ISO time.
    """

    domain: str
    version: str
    uri: str = ""
    fingerprint: str = ""
    base_model_id: str = ""
    spec: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)
    references: tuple[str, ...] = ()
    created: str = ""

    @property
    def warnings(self) -> list[str]:
        """Return what people should know of it: each a sentence that begins with its kind."""
        return list(self.info.get("warnings") or ())

    @property
    def run_name(self) -> str:
        """Return the name of the training that made it, and the key of its tracked run."""
        return f"{self.domain}-{self.fingerprint}"

    def file(self, name: str) -> str:
        """Return the URI of one of its files.

        Raises:
            InvalidArgumentError: the name leads out of the version's folder.
        """
        return resolve_under(self.uri, name, what=f"a file of {self.domain} {self.version}")

    def style_bytes(self) -> bytes:
        """Return the content of the style's file.

        Raises:
            MissingModelError: the version's folder lacks it.
            OSError: storage failed.
        """
        try:
            return uris.read_bytes(self.file(STYLE_FILE))
        except (FileNotFoundError, IsADirectoryError):
            raise MissingModelError(
                f"{uris.redact(self.uri)} holds no file {STYLE_FILE}; adapt the domain again, or "
                "copy the whole bank"
            ) from None

    def style(self) -> "Style":
        """Read the version's style, of any kind that is known here.

        Raises:
            MissingModelError: the version's folder lacks its file.
            CheckpointError: the file is damaged, or of an unknown kind.
            InvalidArgumentError: it is the style of another domain.
            OSError: storage failed.
        """
        from itportrait.styles import read_style

        try:
            style = read_style(self.style_bytes(), source=uris.redact(self.file(STYLE_FILE)))
        except CheckpointError as error:
            raise CheckpointError(
                f"{error}; adapt the domain again, or go back to a former champion with "
                "`itportrait bank rollback`"
            ) from error
        style.check_domain(self.domain)
        return style

    def reference_pictures(self) -> list:
        """Return the reference images, uint8 `[S, S, 3]`; none for a domain of words alone."""
        from itportrait.image import decode

        return [decode(uris.read_bytes(self.file(name))) for name in self.references]

    def reference_images(self):
        """Return the reference images `[R, 3, S, S]` in [-1, 1], or None if there are none."""
        import torch

        from itportrait.image import resize, to_tensor

        pictures = [to_tensor(pixels)[None] for pixels in self.reference_pictures()]
        if not pictures:
            return None
        size = min(picture.shape[-1] for picture in pictures)
        return torch.cat([resize(picture, size) for picture in pictures])


def read_version(uri: str) -> BankVersion:
    """Read the card of a version's folder, `…/DOMAIN/VERSION`.

    Raises:
        NoInputError: there is no such version.
        InvalidArgumentError: the card is damaged, names what lies outside of the folder, or is that
            of another domain or version.
    """
    place = resolve_under(uri, CARD_FILE)
    data, source = uris.read_json(place), uris.redact(place)
    if data is None:
        raise NoInputError(f"no version of a domain at {uris.redact(uri)} ({CARD_FILE} is missing)")
    card = replace(build(BankVersion, data, source), uri=uri)
    check_card(card.spec, card.info, source)
    check_domain(card.domain)
    check_name(card.version, "version")
    for name in card.references:
        check_path(name, f"a reference of {source}")
    here = tuple(uri.rstrip("/").split("/")[-2:])
    if here != (card.domain, card.version):
        raise InvalidArgumentError(
            source,
            expected=f"the card of {' '.join(here)}",
            actual=f"that of {card.domain} {card.version}",
            remedy="a version keeps the folder that it was published in",
        )
    return card
