"""Commands around networks that others publish: `itportrait models …`."""

import json
from typing import Annotated

import typer

from itportrait.cli import complete
from itportrait.cli.options import Bundle, Json, print_mapping
from itportrait.terminal import Working

Name = Annotated[
    str, typer.Argument(help="Name of a published network.", autocompletion=complete.published)
]


def list_models(json_: Json = False) -> None:
    """List the published networks: whether they are here, from where, their terms and their use."""
    from itportrait.published.registry import MODELS
    from itportrait.published.store import place_of, state_of

    about = [
        {
            "name": model.name,
            "what": model.what,
            "state": state_of(model),
            "used_by": model.used_by,
            "license": model.license,
            "note": model.note,
            "from": model.requirement,
            "wheel": model.wheel,
            "wheel_bytes": model.wheel_bytes,
            "wheel_sha256": model.wheel_sha256,
            "file": model.member,
            "bytes": model.member_bytes,
            "sha256": model.member_sha256,
            "path": str(place_of(model)),
        }
        for model in MODELS.values()
    ]
    if json_:
        print(json.dumps(about, indent=1))
        return
    for each in about:
        print_mapping(str(each.pop("name")), each)


def get(
    name: Name,
    from_: Annotated[
        str, typer.Option("--from", metavar="FILE", help="The wheel, if you have copied it here.")
    ] = "",
) -> None:
    """Download a published network by pip, check it, and convert it; none of its code is run."""
    with Working(f"models get {name}"):
        from itportrait.published.registry import find_model
        from itportrait.published.store import get_model

        model = find_model(name)
        fetched = get_model(model, from_ or None)
    print(fetched.path if fetched.made else f"{fetched.path} is there already")
    if fetched.made:
        print(f"license: {model.license}. {model.note}")


def path(name: Name) -> None:
    """Print the file of a published network that this machine has."""
    from itportrait.published.store import find_weights

    print(find_weights(name))


def use(
    names: Annotated[
        list[str],
        typer.Argument(help="Names of published networks.", autocompletion=complete.published),
    ],
    bundle: Bundle = "mini",
    output: Annotated[
        str, typer.Option(help="Folder of the new bundle; by default the bundle's own is changed.")
    ] = "",
) -> None:
    """Let a bundle measure, and train, by published networks in place of its own."""
    with Working(f"models use {' '.join(names)}"):
        from itportrait.bundle.choice import cautions_for, use_models
        from itportrait.published.registry import find_model

        models = [find_model(name) for name in names]
        cautions = cautions_for(bundle, models)
        spec = use_models(bundle, models, output or None)
    print("\n".join([f"{output or bundle}: bundle {spec.model_id}", *cautions]))
