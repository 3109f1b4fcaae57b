"""The command that adapts a domain in this process: `itportrait adapt`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from itportrait.cli import complete
from itportrait.cli.options import BankUri, Bundle, Config, Device, Set, device_of, print_mapping
from itportrait.errors import InvalidArgumentError
from itportrait.terminal import Working

_OPTIONS = {
    "text": "--prompt",
    "image": "one --reference",
    "images": "several --reference",
    "set": "--pictures",
}
"""What may guide a method, by the options that give it."""

if TYPE_CHECKING:
    from itportrait.adapt import DomainSpec


def adapt(
    name: Annotated[str, typer.Argument(help="Name of the style domain.")],
    bank: BankUri,
    prompt: Annotated[str, typer.Option(help="What portraits become: 'a bronze statue'.")] = "",
    reference: Annotated[
        list[str] | None, typer.Option(help="Style picture; may be repeated.")
    ] = None,
    pictures: Annotated[
        str, typer.Option(help="Set of pictures: an aligned table (OUT/aligned), or mini:NAME.")
    ] = "",
    source_prompt: Annotated[
        str | None, typer.Option(help="What they are before; default: as the configuration says.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Upper bound of the steps; default: the same.")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="Adaptation method; default: the same, else itportrait.",
            autocompletion=complete.methods,
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a domain of which there is a warning.")
    ] = False,
    config: Config = "",
    set_: Set = None,
    bundle: Bundle = "",
    device: Device = "auto",
) -> None:
    """Adapt the generator to a prompt, pictures, or both, and publish it to a bank.

    What was stopped goes on from its last probe when the same command is given again.
    """
    with Working(f"adapt {name}: starting") as working:
        from itportrait.bank.store import Bank
        from itportrait.bundle import load_bundle
        from itportrait.jobs.stylize.config import load_job
        from itportrait.training.domain_job import DomainJob
        from itportrait.training.here import publish_here
        from itportrait.training.kept_state import KeptState
        from itportrait.training.vetting import refuse_warnings, vet_job

        if not (prompt.strip() or reference or pictures):
            raise InvalidArgumentError(
                "--prompt, --reference, --pictures",
                expected="at least one of them, which says what portraits become",
                actual="none",
            )
        if steps is not None and steps < 1:
            raise InvalidArgumentError("--steps", expected="1 or more", actual=steps)
        device = device_of(device)
        job = load_job(config or None, set_, required=(), bank=bank, bundle=bundle)
        asked = {"source_prompt": source_prompt, "steps": steps, "method": method}
        spec = _spec(job.defaults, name, prompt, reference or [], pictures, asked)
        _check_guides(spec)
        task = DomainJob.of(
            spec,
            bundle=job.bundle,
            adapt=job.adapt,
            align=job.align,
            model_id=load_bundle(job.bundle).model_id,
        )
        styles = Bank(job.bank)
        version = task.find_in(styles)
        warnings = vet_job(task) if version is None else version.warnings
        for text in warnings:
            working.line(f"warning: {text}")
        if strict:
            refuse_warnings({name: warnings})
        kept = version is not None
        if version is None:
            task = replace(task, warnings=tuple(warnings))
            if begun := styles.beginning():
                working.line(begun)
            version = publish_here(task, styles, job.gate, device=device, working=working)
        else:  # an earlier call may have been stopped between the publication and this
            KeptState.in_bank(styles.uri, task).remove()
    is_champion = styles.index()["domains"][name]["champion"] == version.version
    state = "champion" if is_champion else "candidate"
    if kept:
        state += "; kept: the bank holds this very domain already, and nothing was to do"
    print_mapping(f"{name} {version.version}, {state}", version.metrics)


def _check_guides(spec: "DomainSpec") -> None:
    """Refuse what the method cannot be guided by, in the words of this command's options.

    Raises:
        UnknownNameError: no such method.
        InvalidArgumentError: names the options that the method takes.
    """
    from itportrait.adapt.methods import config_of

    kind = config_of(spec.method)
    if spec.mode in kind.modes and spec.inputs <= kind.accepts:
        return
    pictures = [text for name, text in _OPTIONS.items() if name != "text" and name in kind.accepts]
    if {"image", "images"} <= kind.accepts:
        pictures = ["one or several --reference", *pictures[2:]]
    takes = {
        "text": [_OPTIONS["text"]],
        "image": pictures,
        "image_text": [f"{_OPTIONS['text']} with {text}" for text in pictures],
    }
    raise InvalidArgumentError(
        f"what guides method {spec.method!r}",
        expected=" or ".join(
            text for mode, each in takes.items() if mode in kind.modes for text in each
        ),
        actual=" with ".join(text for name, text in _OPTIONS.items() if name in spec.inputs),
        remedy="give these options alone, or choose another --method",
    )


def _spec(
    defaults: Mapping[str, Any],
    name: str,
    prompt: str,
    references: list[str],
    pictures: str,
    asked: Mapping[str, Any],
) -> "DomainSpec":
    """Return the specification of the domain; what guides it tells its mode.

    Args:
        defaults: of the configuration.
        name: of the domain.
        prompt: "" for none.
        references: URIs of style pictures.
        pictures: URI of a set of pictures, "" for none.
        asked: other options; None for those that were not given.
    """
    from itportrait.adapt import DomainSpec
    from itportrait.adapt.domain import mode_of

    mode = mode_of(prompt, by_pictures=bool(references or pictures))
    values = {"name": name, "mode": mode, "prompt": prompt or None, "references": references}
    values |= {"pictures": pictures} if pictures else {}
    values |= {key: value for key, value in asked.items() if value is not None}
    return DomainSpec.parse({**defaults, **values}, source=f"domain {name!r}")
