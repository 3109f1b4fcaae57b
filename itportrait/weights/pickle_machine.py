"""Run the instructions of a pickle on inert values; nothing is imported, and nothing is called.

Python's own unpickler cannot be bounded: an instruction of five bytes makes it allocate gigabytes,
and tuples nested deep enough end the process when they are hashed. The machine here knows the
instructions that files of weights are made of, and refuses the others by name. What a pickle names
is answered by the caller's list. Long texts and bytes stay where they are in the file.
"""

import codecs
import io
import struct
from collections.abc import Callable
from typing import Any, ClassVar

from itportrait.errors import CheckpointError, UnsafeCheckpointError
from itportrait.weights.limits import MOST_STEPS, Limits
from itportrait.weights.windows import Span, Window

_SHORT_TEXT = 1 << 10
_LONGEST_NUMBER = 32
_SCALARS = (int, float, bool, type(None))


class Record:
    """Base of the values that stand for objects of a pickle: class, arguments, state."""

    __slots__ = ("args", "name", "state")

    def __init__(self, name: str, args: tuple[Any, ...] = ()) -> None:
        self.name, self.args = name, args
        self.state: Any = None

    def call(self, args: tuple[Any, ...]) -> Any:
        """Answer a pickle that calls this.

        Raises:
            UnsafeCheckpointError: nothing of this kind can be called.
        """
        raise UnsafeCheckpointError(f"the pickle calls {self.name}, which is data")

    def build(self, state: Any) -> None:
        """Answer a pickle that gives this a state.

        Raises:
            UnsafeCheckpointError: nothing of this kind takes one.
        """
        raise UnsafeCheckpointError(f"the pickle tries to alter {self.name}")


class Text(Record):
    """A long text, such as source code or the bytes of protocol 2, that stays in the file."""

    __slots__ = ("_bytes", "_span")

    def __init__(self, span: Span) -> None:
        super().__init__("a long text")
        self._span = span
        self._bytes: Span | None = None

    def to_bytes(self) -> Span:
        """Return the bytes that protocol 2 writes as this text; decoded once, a part at a time.

        Raises:
            CheckpointError: the text stands for no bytes.
        """
        if self._bytes is None:
            file, window = io.BytesIO(), self._span.window()
            decode = codecs.getincrementaldecoder("utf-8")().decode
            try:
                while window.left:
                    part = window.take(min(window.left, 1 << 16))
                    file.write(decode(part, final=not window.left).encode("latin1"))
            except UnicodeError as error:
                raise CheckpointError(f"the pickle is malformed: {error}") from error
            self._bytes = Span(file, 0, file.tell())
        return self._bytes


class PickleMachine:
    """Reads one pickle.

    Args:
        window: begins with the pickle; stands behind its end mark afterwards.
        limits: of the file.
        find: returns the record for a module and a name, or raises.
        load_storage: returns the record for a persistent id; without it there may be none.
        on_build: replaces a record that got its state, where more of the file belongs to it.
    """

    def __init__(
        self,
        window: Window,
        limits: Limits,
        find: Callable[[str, str], Record],
        load_storage: Callable[[Any], Record] | None = None,
        on_build: Callable[[Record], Any] | None = None,
    ) -> None:
        self._window, self._limits, self._find = window, limits, find
        self._load_storage, self._on_build = load_storage, on_build
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Return the pickle's value: containers, numbers, texts, spans and records.

        Raises:
            UnsafeCheckpointError: it asks for what is not data.
            CheckpointError: it is truncated, malformed, or larger than such files are.
        """
        while True:
            self._limits.take_steps()
            code = self._window.take(1)
            if code == b".":
                return self._pop()
            instruction = self._INSTRUCTIONS.get(code)
            if instruction is None:
                raise CheckpointError(
                    f"the pickle is malformed: no file of weights has the instruction {code!r}"
                )
            instruction(self)

    # --- the stack

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise CheckpointError("the pickle is malformed: a value is missing")
        return self._stack.pop()

    def _peek(self, kind: type) -> Any:
        value = self._pop()
        self._stack.append(value)
        if type(value) is not kind:
            raise CheckpointError(
                f"the pickle is malformed: {describe(value)} where a {kind.__name__} belongs"
            )
        return value

    def _pop_to_mark(self) -> list[Any]:
        if not self._marks:
            raise CheckpointError("the pickle is malformed: a mark is missing")
        start = self._marks.pop()
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def _mark(self) -> None:
        self._marks.append(len(self._stack))

    def _pop_one(self) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._pop()

    def _duplicate(self) -> None:
        value = self._pop()
        self._stack += (value, value)

    # --- the memo

    def _put(self, index: int) -> None:
        if index not in range(MOST_STEPS):  # an instruction keeps one value at most
            raise CheckpointError(f"the pickle is malformed: memo index {index}")
        value = self._pop()
        self._stack.append(value)
        self._memo[index] = value

    def _get(self, index: int) -> None:
        if index not in self._memo:
            raise CheckpointError(f"the pickle is malformed: nothing at memo index {index}")
        self._push(self._memo[index])

    # --- numbers, texts, bytes

    def _unsigned(self, size: int) -> int:
        return int.from_bytes(self._window.take(size), "little")

    def _number(self, size: int) -> None:
        self._push(int.from_bytes(self._window.take(size), "little", signed=size == 4))

    def _long(self, size: int) -> None:
        count = self._unsigned(size)
        if count > _LONGEST_NUMBER:
            raise CheckpointError(f"the pickle is malformed: a number of {count} bytes")
        self._push(int.from_bytes(self._window.take(count), "little", signed=True))

    def _line_number(self) -> int | bool:
        line = self._window.line().removesuffix("L")
        if line in ("00", "01"):
            return line == "01"
        try:
            return int(line[:80])
        except ValueError:
            raise CheckpointError(f"the pickle is malformed: {line[:40]!r} is no number") from None

    def _double(self) -> None:
        self._push(struct.unpack(">d", self._window.take(8))[0])

    def _text(self, size: int) -> None:
        count = self._unsigned(size)
        if count > _SHORT_TEXT:
            return self._push(Text(self._window.skip(count)))
        self._limits.take_text(count)
        try:
            self._push(self._window.take(count).decode("utf-8", "surrogatepass"))
        except UnicodeDecodeError as error:
            raise CheckpointError(f"the pickle is malformed: a text is none: {error}") from error

    def _bytes(self, size: int) -> None:
        self._push(self._window.skip(self._unsigned(size)))

    # --- containers

    def _key(self, value: Any) -> Any:
        """Return a value that may be a key: its hash takes no time and no depth."""
        if type(value) is str:
            return value
        self._limits.take_odd_key()
        parts = value if type(value) is tuple else (value,)
        if len(parts) <= 8 and all(type(part) in (*_SCALARS, str) for part in parts):
            return value
        raise CheckpointError(f"the pickle is malformed: {describe(value)} as a dictionary's key")

    def _tuple(self, count: int) -> None:
        values = [self._pop() for _ in range(count)]
        self._push(tuple(reversed(values)))

    def _dict(self) -> None:
        values = self._pop_to_mark()
        self._push({})
        self._set_items(values)

    def _append(self) -> None:
        value = self._pop()
        self._peek(list).append(value)

    def _appends(self) -> None:
        values = self._pop_to_mark()
        self._peek(list).extend(values)

    def _set_items(self, values: list[Any]) -> None:
        if len(values) % 2:
            raise CheckpointError("the pickle is malformed: a key without a value")
        target = self._peek(dict)
        for key, value in zip(values[::2], values[1::2], strict=True):
            target[self._key(key)] = value

    def _set_item(self) -> None:
        value, key = self._pop(), self._pop()
        self._set_items([key, value])

    def _add_items(self) -> None:
        values = self._pop_to_mark()
        self._peek(set).update(map(self._key, values))

    # --- what a pickle names, calls and alters

    def _global(self) -> None:
        self._push(self._find(self._window.line(), self._window.line()))

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        if type(name) is not str or type(module) is not str:
            raise CheckpointError("the pickle is malformed: it asks for a name that is no text")
        self._push(self._find(module, name))

    def _call(self) -> None:
        args, function = self._pop(), self._pop()
        if not isinstance(function, Record) or type(args) is not tuple:
            raise CheckpointError(f"the pickle is malformed: it calls {describe(function)}")
        value = function.call(args)
        if type(value) in (dict, set):  # a copy of what may have been named many times
            self._limits.take_steps(len(value))
        self._push(value)

    def _build(self) -> None:
        state, target = self._pop(), self._pop()
        if type(target) is dict:
            # Attributes of an ordered dictionary, such as the versions of a state dict: not needed.
            return self._push(target)
        if not isinstance(target, Record):
            raise CheckpointError(f"the pickle is malformed: it alters {describe(target)}")
        target.build(state)
        self._push(target if self._on_build is None else self._on_build(target))

    def _persistent(self) -> None:
        pid = self._pop()
        if self._load_storage is None:
            raise UnsafeCheckpointError(
                f"the pickle asks for the persistent id {describe(pid)}; nothing was executed"
            )
        self._push(self._load_storage(pid))

    def _protocol(self) -> None:
        if (number := self._unsigned(1)) > 5:
            raise CheckpointError(f"the pickle is malformed: protocol {number} is not known")

    _INSTRUCTIONS: ClassVar[dict[bytes, Callable[["PickleMachine"], Any]]] = {
        b"\x80": _protocol,
        b"\x95": lambda self: self._window.take(8),  # a frame is only a hint
        b"(": _mark,
        b"0": _pop_one,
        b"1": lambda self: self._pop_to_mark(),
        b"2": _duplicate,
        b"p": lambda self: self._put(self._line_number()),
        b"q": lambda self: self._put(self._unsigned(1)),
        b"r": lambda self: self._put(self._unsigned(4)),
        b"\x94": lambda self: self._put(len(self._memo)),
        b"g": lambda self: self._get(self._line_number()),
        b"h": lambda self: self._get(self._unsigned(1)),
        b"j": lambda self: self._get(self._unsigned(4)),
        b"N": lambda self: self._push(None),
        b"\x88": lambda self: self._push(True),
        b"\x89": lambda self: self._push(False),
        b"I": lambda self: self._push(self._line_number()),
        b"L": lambda self: self._push(self._line_number()),
        b"K": lambda self: self._number(1),
        b"M": lambda self: self._number(2),
        b"J": lambda self: self._number(4),
        b"\x8a": lambda self: self._long(1),
        b"\x8b": lambda self: self._long(4),
        b"G": _double,
        b"X": lambda self: self._text(4),
        b"\x8c": lambda self: self._text(1),
        b"\x8d": lambda self: self._text(8),
        b"T": lambda self: self._text(4),
        b"U": lambda self: self._text(1),
        b"B": lambda self: self._bytes(4),
        b"C": lambda self: self._bytes(1),
        b"\x8e": lambda self: self._bytes(8),
        b"\x96": lambda self: self._bytes(8),
        b")": lambda self: self._push(()),
        b"\x85": lambda self: self._tuple(1),
        b"\x86": lambda self: self._tuple(2),
        b"\x87": lambda self: self._tuple(3),
        b"t": lambda self: self._push(tuple(self._pop_to_mark())),
        b"]": lambda self: self._push([]),
        b"l": lambda self: self._push(self._pop_to_mark()),
        b"a": _append,
        b"e": _appends,
        b"}": lambda self: self._push({}),
        b"d": _dict,
        b"s": _set_item,
        b"u": lambda self: self._set_items(self._pop_to_mark()),
        b"\x8f": lambda self: self._push(set()),
        b"\x90": _add_items,
        b"\x91": lambda self: self._push(frozenset(map(self._key, self._pop_to_mark()))),
        b"c": _global,
        b"\x93": _stack_global,
        b"R": _call,
        b"\x81": _call,
        b"b": _build,
        b"Q": _persistent,
    }


def describe(value: Any) -> str:
    """Return a few words for any value of a pickle, however deep or long it is."""
    if isinstance(value, Record):
        return value.name
    if type(value) in (*_SCALARS, str):
        return repr(value)[:80]
    return type(value).__name__
