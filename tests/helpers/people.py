"""Drawn people that differ from others in what a test asks for."""

from itportrait.portraits import Person
from itportrait.portraits.prior import INPUTS


def changed(person: Person, **inputs: float) -> Person:
    """Return a person with other inputs of the prior, in standard deviations."""
    z = person.latent.copy()
    for name, value in inputs.items():
        z[INPUTS.index(name)] = value
    return Person(z)
