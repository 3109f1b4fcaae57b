"""Named things that configuration can choose: methods, models, thresholds."""

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from itportrait.errors import InvalidArgumentError, UnknownNameError

T = TypeVar("T")


class Registry(Generic[T]):
    """Map from name to object; refuses duplicates, and lists the known names on a miss.

    Other packages register through the entry-point group `itportrait.<kind>`.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Register the decorated object under `name`.

        Raises:
            InvalidArgumentError: the name is taken.
        """

        def add(item: T) -> T:
            if name in self._items:
                raise InvalidArgumentError(
                    f"{self.kind} name", expected="a name not taken yet", actual=repr(name)
                )
            self._items[name] = item
            return item

        return add

    def get(self, name: str) -> T:
        """Return the object registered under `name`.

        Raises:
            UnknownNameError: no such name, neither here nor among the entry points.
        """
        if name not in self._items:
            for point in entry_points(group=f"itportrait.{self.kind}"):
                if point.name == name:
                    self._items[name] = point.load()
        if name not in self._items:
            raise UnknownNameError(self.kind, name, self.names())
        return self._items[name]

    def names(self) -> list[str]:
        """Return all known names, sorted, those of entry points included."""
        points = {point.name for point in entry_points(group=f"itportrait.{self.kind}")}
        return sorted(points | set(self._items))
