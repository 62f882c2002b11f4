"""One setting as its Struct declares it: its names, what it allows, and its values as text."""

import csv
import io
import re
from collections.abc import Callable
from typing import Any, Final, cast

import msgspec
from msgspec import NODEFAULT, Struct, inspect

from jobworker.store.settings import Settings

_FLAGS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_PASSWORD_IN_URL: Final = re.compile(r"(://[^:@/]*:).*@")
_PASSWORD_IN_QUERY: Final = re.compile(r"([?&]\w*password=)[^&]*")


class Setting(Struct, frozen=True):
    """One key of one section."""

    section: str
    key: str
    type: Any
    default: Any

    @property
    def name(self) -> str:
        """`section.key`."""
        return f"{self.section}.{self.key}"

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return f"JOBWORKER_{self.section}_{self.key}".upper()

    @property
    def option(self) -> str:
        """Its name on the command line."""
        return f"--{self.section}-{self.key}".replace("_", "-")

    @property
    def is_list(self) -> bool:
        """Whether it takes several values."""
        return isinstance(_bare(self.type), inspect.VarTupleType)

    @property
    def is_flag(self) -> bool:
        """Whether it is true or false."""
        return isinstance(_bare(self.type), inspect.BoolType)

    @property
    def is_secret(self) -> bool:
        """Whether its values may hold a password, or are a secret."""
        return self.key in ("url", "secret", "key")

    @property
    def description(self) -> str:
        """What it does."""
        return str(_schema(inspect.type_info(self.type)).get("description", ""))

    @property
    def allowed(self) -> str:
        """What it allows, in words."""
        return _words(inspect.type_info(self.type))

    def from_text(self, text: str) -> Any:
        """Read a value as the environment gives it. Raises ValueError, which says what is allowed."""
        if self.is_list:
            return self.from_texts(_split(text))
        if self.is_flag and (flag := _FLAGS.get(text.strip().lower())) is not None:
            return flag
        return self._convert(text, strict=False)

    def from_texts(self, texts: list[str]) -> Any:
        """Read the values of a list. Raises ValueError, which says what is allowed."""
        return self._convert(tuple(texts), strict=False)

    def from_value(self, value: object) -> Any:
        """Check a value as TOML or Python gives it. Raises ValueError, which says what is allowed."""
        return self._convert(value, strict=True)

    def to_text(self, value: Any) -> str:
        """Write a value as the environment takes it."""
        if self.is_list:
            return _join(value)
        return str(value).lower() if self.is_flag else str(value)

    def masked(self, value: Any) -> Any:
        """Return the value as it may be shown: secrets, and passwords in URLs, are hidden."""
        if self.is_list and self.is_secret:
            return ("***",) * len(value)
        if self.key == "key":
            return masked_token(value)
        return masked_url(value) if self.is_secret else value

    def _convert(self, value: object, *, strict: bool) -> Any:
        try:
            return msgspec.convert(value, self.type, strict=strict)
        except msgspec.ValidationError:
            # What is not even a URL may still be a password.
            found = "this value" if self.is_secret else _shortened(value)
            raise ValueError(f"{found} is not allowed; allowed: {self.allowed}") from None


def masked_url(url: str) -> str:
    """Return the URL with its password hidden.

    >>> masked_url("redis://user:secret@host/0")
    'redis://user:***@host/0'
    """
    return _PASSWORD_IN_QUERY.sub(r"\1***", _PASSWORD_IN_URL.sub(r"\1***@", url))


def masked_token(token: str) -> str:
    """Return an API key with its secret hidden.

    >>> masked_token("jw_0123456789ab_secret")
    'jw_0123456789ab_***'
    """
    return f"{token.rpartition('_')[0]}_***" if token else ""


def _shortened(value: object) -> str:
    text = repr(list(cast("tuple[str, ...]", value)) if isinstance(value, tuple) else value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _split(text: str) -> list[str]:
    # An item that holds a comma stands in double quotes, as in any CSV.
    rows = list(csv.reader(io.StringIO(text), skipinitialspace=True))
    return [item.strip() for row in rows for item in row if item.strip()]


def _join(items: tuple[str, ...]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(items)
    return line.getvalue()


def _bare(annotation: Any) -> inspect.Type:
    kind = inspect.type_info(annotation)
    return kind.type if isinstance(kind, inspect.Metadata) else kind


def _schema(kind: inspect.Type) -> dict[str, Any]:
    return cast("dict[str, Any]", getattr(kind, "extra_json_schema", None) or {})


def _words(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.Metadata):
        return str(_schema(kind).get("title") or _words(kind.type))
    return _WORDS[type(kind)](kind)


def _range(noun: str) -> Callable[[Any], str]:
    def words(kind: inspect.IntType | inspect.FloatType) -> str:
        return f"{noun} from {kind.ge} to {kind.le}"

    return words


_WORDS: Final[dict[Any, Callable[[Any], str]]] = {
    inspect.IntType: _range("a whole number"),
    inspect.FloatType: _range("a number"),
    inspect.BoolType: lambda _: "true or false",
    inspect.StrType: lambda kind: "a text that is not empty" if kind.min_length else "any text",
    inspect.LiteralType: lambda kind: " or ".join(map(str, kind.values)),
    inspect.UnionType: lambda kind: " or ".join(map(_words, kind.types)),
    inspect.VarTupleType: lambda kind: f"a list; each item: {_words(kind.item_type)}",
}


def _declared() -> list[Setting]:
    return [
        Setting(section.name, field.name, field.type, _default(field))
        for section in msgspec.structs.fields(Settings)
        for field in msgspec.structs.fields(section.type)
    ]


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default_factory() if field.default is NODEFAULT else field.default


#: Every setting by `section.key`, in the order of the sections.
SETTINGS: Final = {setting.name: setting for setting in _declared()}
