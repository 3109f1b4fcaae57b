"""Named things that configuration can choose: methods, models, thresholds."""

import re
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from itportrait.errors import InvalidArgumentError, ItportraitError, UnknownNameError

T = TypeVar("T")

_GROUP = re.compile(r"^\w+(\.\w+)*$")
"""Form of the names that packaging tools accept for entry-point groups."""


class Registry(Generic[T]):
    """Map from name to object; refuses duplicates, and lists the known names on a miss.

    Args:
        kind: what people call one of them, such as "adaptation method".
        group: entry-point group through which installed packages add theirs; None for none.
        own: names of this package's own, each with the `module:object` that is loaded when it is
            asked for, so that a configuration can be checked without loading any.

    Raises:
        InvalidArgumentError: packaging tools would refuse the group.
    """

    def __init__(
        self, kind: str, *, group: str | None = None, own: Mapping[str, str] | None = None
    ) -> None:
        if group is not None and not _GROUP.match(group):
            raise InvalidArgumentError(
                "group", expected="words of letters, digits and _, with dots", actual=repr(group)
            )
        self.kind, self.group = kind, group
        self._own = dict(own or {})
        self._items: dict[str, T] = {}
        self._sought: set[str] = set()

    def register(self, name: str) -> Callable[[T], T]:
        """Register the decorated object under `name`.

        Raises:
            InvalidArgumentError: the name is taken.
        """

        def add(item: T) -> T:
            if name in self._items or name in self._own:
                raise InvalidArgumentError(
                    f"{self.kind} name", expected="a name not taken yet", actual=repr(name)
                )
            self._items[name] = item
            return item

        return add

    def get(self, name: str) -> T:
        """Return the object registered under `name`, here or by an installed package.

        Raises:
            UnknownNameError: nobody has registered the name; lists the known ones.
            InvalidArgumentError: an installed package claims a name that is taken.
            ItportraitError: an installed package claims the name and cannot be loaded.
        """
        if name in self._own and name not in self._items:
            place = EntryPoint(name, self._own[name], self.group or self.kind)
            self._items[name] = place.load()
        if name not in self._sought:
            for point in self._points(name):
                self._add(point)
            self._sought.add(name)
        if name not in self._items:
            raise UnknownNameError(self.kind, name, self.names())
        return self._items[name]

    def names(self) -> list[str]:
        """Return all known names, sorted, those of installed packages included."""
        return sorted({*self._own, *self._items, *(point.name for point in self._points())})

    def validated(self, name: str) -> str:
        """Return a name that `get` finds: the check of a setting that chooses one.

        Raises:
            ValueError: it is not found, or cannot be loaded; says what `get` says.
        """
        try:
            if name not in self._own or self._points(name):
                self.get(name)
        except ItportraitError as error:
            raise ValueError(str(error)) from None
        return name

    def _points(self, name: str | None = None) -> list[EntryPoint]:
        if self.group is None:
            return []
        found = entry_points(group=self.group)
        return [point for point in found if name is None or point.name == name]

    def _add(self, point: EntryPoint) -> None:
        package = point.dist.name if point.dist else "an installed package"
        try:
            item = point.load()
        except Exception as error:
            raise ItportraitError(
                f"{self.kind} {point.name!r} of {package} cannot be loaded from {point.value}: "
                f"{type(error).__name__}: {error}"
            ) from error
        # The plug-in's module may have used `register` too: then it is this very object.
        if self._items.setdefault(point.name, item) is not item:
            raise InvalidArgumentError(
                f"{self.kind} name",
                expected="a name not taken yet",
                actual=f"{point.name!r} of {package}",
                remedy=f"rename or uninstall {package}",
            )
