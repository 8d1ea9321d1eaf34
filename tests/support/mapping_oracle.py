"""A second implementation of the mapping (event -> row), for tests to disagree with the loader.

Derived from the mapping contract alone and never from the C code: when the two differ, one of them is wrong. It is written to be read
beside the contract, section by section, and is as slow as it likes. No dependency beyond the standard library; in particular its own
JSON reader, because Python's loses the spelling of numbers and all but the last of equal keys.

    outcome = expected(Record(value=b'{"type":"track", ..}', topic="track", headers={..}), columns, Options())

`columns` are the table's columns and types before the event ({} or None: the table does not exist yet). `outcome` is one of Row, Rejected,
Suppressed, Deletion. Rows hold text: `row` as the mapping hands it to PostgreSQL, `stored` as psql shows it (UTC, ISO dates).
Where the contract leaves a choice, the one taken is listed in tests/data/README.md under "Readings".
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction

MAPPING_VERSION = 1
MAX_SEQUENCE_MS = (2**63 - 1) // 1_000_000 - 1  # _sdc_sequence is a bigint

# --- Results and inputs ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Record:
    """One Kafka message. `topic` is its last part: track, delete, rejected, .."""

    value: bytes
    topic: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Options:
    """The loader's options that change a row."""

    max_columns: int = 800
    ignore_paths: tuple[str, ...] = ("integrations", "_metadata", "writeKey")
    integration_names: tuple[str, ...] = ()


@dataclass
class Row:
    """A row of a data table: every column that is not NULL, but _sdc_batched_at."""

    table: str
    row: dict[str, str]
    stored: dict[str, str]
    added: dict[str, str]
    comments: dict[str, str]  # added column -> its dotted path


@dataclass(frozen=True)
class Rejected:
    """A row of _sdc_rejected. `reason` is the bare word; `schema` is where it goes."""

    schema: str
    reason: str
    record: str
    message_id: str
    user_id: str | None
    detail: str = ""


@dataclass(frozen=True)
class Suppressed:
    """Withheld and counted, never stored."""

    reason: str


@dataclass(frozen=True)
class Deletion:
    """A row of backstitch.deletion."""

    message_id: str
    schema: str
    user_id: str
    requested_at: str


Outcome = Row | Rejected | Suppressed | Deletion

# --- CRC-32C (Castagnoli) -------------------------------------------------------------------------------------------------------------


def crc32c(data: bytes) -> str:
    """The checksum as 8 lower-case hex digits, bit by bit: reflected polynomial 0x82F63B78."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return f"{crc ^ 0xFFFFFFFF:08x}"


# --- JSON, strictly -------------------------------------------------------------------------------------------------------------------

MAX_DEPTH = 64
MAX_KEYS = 10_000
UNSTORABLE = "\ufffd"


class Fault(Exception):
    """The text is refused; the message is the reason's word."""


@dataclass
class Value:
    """A JSON value with its exact spelling. `members` keeps equal keys and the order; `text` is a string's decoded content (NUL kept,
    lone surrogates already U+FFFD)."""

    kind: str  # null true false number string array object
    raw: str
    text: str = ""
    members: list[tuple[str, Value]] = field(default_factory=list)
    items: list[Value] = field(default_factory=list)

    def living(self) -> list[tuple[str, Value]]:
        """The members in force: of equal keys the last, at its own place."""
        last = {key: index for index, (key, _) in enumerate(self.members)}
        return [(key, value) for index, (key, value) in enumerate(self.members) if last[key] == index]

    def get(self, key: str) -> Value | None:
        """The member in force, or None; null is None too, because null gives nothing anywhere."""
        found = dict(self.members).get(key)
        return None if found is None or found.kind == "null" else found


_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(.))')
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "/": "/"}


def decode_string(raw: str) -> str:
    """A JSON string's content: NUL stays, a lone surrogate becomes U+FFFD."""
    if "\\" not in raw:
        return raw[1:-1]
    units = _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else _SHORT[m[2]], raw[1:-1])
    joined = units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return re.sub(r"[\ud800-\udfff]", UNSTORABLE, joined)


class _Reader:
    """A strict RFC 8259 reader over text that is valid UTF-8 up to its end (`cut_at_bad_utf8`: bad bytes follow that end)."""

    def __init__(self, text: str, cut_at_bad_utf8: bool) -> None:
        self.text = text
        self.cut_at_bad_utf8 = cut_at_bad_utf8
        self.at = 0
        self.depth = 0
        self.keys = 0

    def fail(self) -> Fault:
        """The fault at this place; when everything up to the bad bytes was fine so far, they are the fault."""
        rest = self.text[self.at :]
        unfinished = rest == "" or (rest.startswith('"') and re.fullmatch(r'"(?:[^"\\\x00-\x1f]|\\.)*', rest) is not None)
        return Fault("invalid utf-8" if self.cut_at_bad_utf8 and unfinished else "not json")

    def take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise self.fail()
        self.at = found.end()
        return found[0]

    def peek(self) -> str:
        self.take(_SPACE)
        return self.text[self.at : self.at + 1]

    def expect(self, mark: str) -> None:
        if self.peek() != mark:
            raise self.fail()
        self.at += 1

    def document(self) -> Value:
        root = self.value()
        if self.peek() != "" or self.cut_at_bad_utf8:
            raise self.fail()
        return root

    def value(self) -> Value:
        first = self.peek()
        if first and first in "{[":
            return self.container(first)
        if first == '"':
            raw = self.take(_STRING)
            return Value("string", raw, text=decode_string(raw))
        for word in ("null", "true", "false"):
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return Value(word, word)
        raw = self.take(_NUMBER)
        return Value("number", raw)

    def container(self, opening: str) -> Value:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Fault("too deep")
        start, closing = self.at, "}" if opening == "{" else "]"
        value = Value("object" if opening == "{" else "array", "")
        self.at += 1
        if self.peek() == closing:
            self.at += 1
        else:
            self.item(value)
            while self.peek() == ",":
                self.at += 1
                self.item(value)
            self.expect(closing)
        self.depth -= 1
        value.raw = self.text[start : self.at]
        return value

    def item(self, owner: Value) -> None:
        if owner.kind == "array":
            owner.items.append(self.value())
            return
        self.peek()
        key = decode_string(self.take(_STRING))
        self.keys += 1
        if self.keys > MAX_KEYS:
            raise Fault("too many keys")
        self.expect(":")
        owner.members.append((key, self.value()))


def read_json(data: bytes) -> Value:
    """The value in `data`, or Fault with the reason's word of the first fault in the text."""
    try:
        return _Reader(data.decode("utf-8"), False).document()
    except UnicodeDecodeError as bad:
        return _Reader(data[: bad.start].decode("utf-8"), True).document()


# --- Section 2: column names ----------------------------------------------------------------------------------------------------------

POSTGRES_OWN_NAMES = frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"})
_WORD = re.compile(rb"[A-Z0-9]*[a-z0-9\x80-\xff]*")

Path = tuple[str, ...]


def storable(text: str) -> str:
    """Text as PostgreSQL can hold it."""
    return text.replace("\x00", UNSTORABLE)


def segment(key: str) -> str:
    """One key's part of a column name."""
    words = [word.lower() for word in _WORD.findall(key.encode()) if word]
    return b"_".join(words).decode() if words else "x" + crc32c(key.encode())


def dotted_path(path: Path) -> str:
    """The path as it stands in column comments and in _sdc_extra."""
    return ".".join(storable(key).replace(".", "\\.") for key in path)


def column_name(path: Path) -> str:
    """The column a path's value goes to."""
    name = "__".join(segment(key) for key in path)
    is_long = len(name.encode()) > 59
    if not (is_long or name in POSTGRES_OWN_NAMES or name.endswith("__st")):
        return name
    plain = name.encode()
    if len(plain) > 50:
        plain = plain[:50].decode(errors="ignore").encode()
    return plain.decode() + "_" + crc32c(dotted_path(path).encode())


# --- Section 3: values and types ------------------------------------------------------------------------------------------------------

NATURAL_TYPES = {"string": "text", "number": "numeric", "true": "boolean", "false": "boolean", "array": "jsonb"}
INTEGER_BITS = {"smallint": 16, "integer": 32, "bigint": 64}
_PARTS = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")


def number_parts(raw: str) -> tuple[bool, str, int]:
    """Sign, digits without leading zeros ("" is zero), and scale: value = digits * 10^-scale."""
    found = _PARTS.fullmatch(raw)
    assert found is not None, raw
    fraction = found[3] or ""
    return found[1] == "-", (found[2] + fraction).lstrip("0"), len(fraction) - int(found[4] or 0)


def is_huge(raw: str) -> bool:
    """More than 400 digits before or after the point, written out."""
    _, digits, scale = number_parts(raw)
    return scale > 400 or (digits != "" and len(digits) - scale > 400)


def print_numeric(raw: str) -> str:
    """How PostgreSQL prints numeric for this text (not huge)."""
    negative, digits, scale = number_parts(raw)
    if scale <= 0:
        plain = (digits + "0" * -scale) if digits else "0"
    else:
        padded = digits.rjust(scale + 1, "0")
        plain = padded[:-scale] + "." + padded[-scale:]
    return ("-" if negative and digits else "") + plain


def exact(raw: str) -> Fraction:
    """The number that a JSON number denotes (not huge)."""
    return Fraction(print_numeric(raw))


def _shortest_digits(number: float) -> tuple[str, int]:
    """The fewest digits that denote a positive double, and its decimal exponent. As PostgreSQL's Ryu does it, the decimal must lie
    strictly between the midpoints to both neighbours; Python's repr also accepts a midpoint itself."""
    exactly = Fraction(number)
    below = (exactly + Fraction(math.nextafter(number, 0))) / 2
    following = math.nextafter(number, math.inf)
    above = (exactly + Fraction(following)) / 2 if following != math.inf else 2 * exactly - below
    exponent = int(f"{number:.16e}".partition("e")[2])
    for decimals in range(18):
        unit = Fraction(10) ** (exponent - decimals)
        nearest = round(exactly / unit)
        inside = [digits for digits in (nearest, nearest - 1, nearest + 1) if below < digits * unit < above]
        if inside:
            digits = str(min(inside, key=lambda digits: abs(digits * unit - exactly)))
            return digits.rstrip("0"), exponent - decimals + len(digits) - 1
    raise AssertionError(number)


def print_double(number: float) -> str:
    """How PostgreSQL prints double precision: shortest digits, exponent form below 1e-4 and from 1e15 on."""
    sign = "-" if math.copysign(1, number) < 0 else ""
    if number == 0:
        return sign + "0"
    digits, exponent = _shortest_digits(abs(number))
    if exponent < -4 or exponent >= 15:
        tail = "." + digits[1:] if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{tail}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    whole = digits[: exponent + 1].ljust(exponent + 1, "0")
    return sign + (whole + "." + digits[exponent + 1 :]).rstrip(".")


def fits_double(raw: str) -> bool:
    """True when PostgreSQL's shortest text of the double denotes the number as sent."""
    number = float(raw)
    if number in (float("inf"), float("-inf")):
        return False
    return exact(print_double(number)) == exact(raw)


def as_text(value: Value) -> str:
    """A value in a text column: a string's content, anything else as its JSON text."""
    return storable(value.text) if value.kind == "string" else value.raw


_UNSTORABLE_ESCAPE = re.compile(
    r"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"  # a pair: stays
    r"|(\\u0000|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"  # NUL or half a pair
    r"|(\\.)",  # any other escape, so that \\u0000 is not mistaken for one
    re.DOTALL,
)
_JSON_TOKEN = re.compile(rf"({_STRING.pattern})|({_NUMBER.pattern})")


def as_jsonb(value: Value) -> str:
    """A value as JSON that jsonb accepts: byte for byte, but for unstorable escapes and huge numbers."""

    def fix_string(raw: str) -> str:
        return _UNSTORABLE_ESCAPE.sub(lambda m: r"\ufffd" if m[2] else m[0], raw)

    def fix(token: re.Match[str]) -> str:
        if token[1]:
            return fix_string(token[1])
        return f'"{token[2]}"' if is_huge(token[2]) else token[2]

    return _JSON_TOKEN.sub(fix, value.raw)


def json_quote(text: str) -> str:
    """Text as a JSON string, escaped as PostgreSQL prints it in jsonb."""
    short = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(short.get(c) or (c if c >= " " else f"\\u{ord(c):04x}") for c in text) + '"'


def print_jsonb(value: Value) -> str:
    """How PostgreSQL prints jsonb for JSON that it accepted: keys by length, then bytes."""
    if value.kind == "object":
        members = sorted(value.living(), key=lambda member: (len(member[0].encode()), member[0].encode()))
        return "{" + ", ".join(f"{json_quote(key)}: {print_jsonb(item)}" for key, item in members) + "}"
    if value.kind == "array":
        return "[" + ", ".join(map(print_jsonb, value.items)) + "]"
    if value.kind == "string":
        return json_quote(value.text)
    return print_numeric(value.raw) if value.kind == "number" else value.raw


def convert(value: Value, column_type: str) -> str | None:
    """The value's text for a column of this type, or None when it does not go in exactly."""
    base, _, arguments = column_type.partition("(")
    sizes = [int(size) for size in arguments.rstrip(")").split(",")] if arguments else []
    if base == "text":
        return as_text(value)
    if base == "varchar":
        text = as_text(value)
        return text if not sizes or len(text) <= sizes[0] else None
    if base in ("json", "jsonb"):
        return as_jsonb(value)
    if base == "boolean":
        return {"true": "t", "false": "f"}.get(value.kind)
    if base in ("timestamptz", "timestamp"):
        moment = parse_timestamp(value.text) if value.kind == "string" else None
        return None if moment is None else print_timestamp(moment, base == "timestamptz")
    return convert_number(value.raw, base, sizes) if value.kind == "number" and not is_huge(value.raw) else None


def is_finer(value: Value, column_type: str) -> bool:
    """True for a time that the column would cut: its text is no longer what was sent. Only the four times of an event are cut."""
    return column_type.startswith("timestamp") and re.search(r"\.[0-9]{6}0*[1-9]", value.text) is not None


def convert_number(raw: str, base: str, sizes: list[int]) -> str | None:
    """The same for a number that is not huge; types not named here take nothing."""
    if base == "numeric":
        if not sizes:
            return raw
        precision, scale = (sizes + [0])[:2]
        scaled = exact(raw) * 10**scale
        return raw if scaled.denominator == 1 and abs(scaled) < 10**precision else None
    if base in INTEGER_BITS:
        number, limit = exact(raw), 2 ** (INTEGER_BITS[base] - 1)
        return str(number) if number.denominator == 1 and -limit <= number < limit else None
    if base == "double precision":
        return raw if fits_double(raw) else None
    return None


def print_stored(text: str, column_type: str) -> str:
    """What psql shows for text that the mapping handed over for a column of this type."""
    base, _, arguments = column_type.partition("(")
    if base == "jsonb":
        return print_jsonb(read_json(text.encode()))
    if base == "double precision":
        return print_double(float(text))
    if base == "numeric" and arguments:
        scale = int(arguments.rstrip(")").split(",")[1]) if "," in arguments else 0
        scaled = exact(text) * 10**scale
        return print_numeric(f"{scaled.numerator}e-{scale}")
    return print_numeric(text) if base == "numeric" else text


# --- Section 4: timestamps ------------------------------------------------------------------------------------------------------------

Moment = int  # microseconds since 1970-01-01 UTC

_DATE = r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,9}))?"
_RFC3339 = re.compile(rf"{_DATE}(?:[Tt]{_TIME}(?P<zone>[Zz]|[+-][0-9]{{2}}(?::?[0-9]{{2}})?)?)?", re.ASCII)
_GO_STRING = re.compile(rf"{_DATE} {_TIME} (?P<zone>[+-][0-9]{{4}}) (?:[A-Z]+|[+-][0-9]{{2,4}})(?: m=[+-][0-9]+\.[0-9]+)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)


def parse_timestamp(text: str) -> Moment | None:
    """Strict RFC 3339 (zone may be missing or short as in ISO 8601, the time may be missing) or Go's time.String(); None for all
    else and outside years 1 to 9999."""
    found = _RFC3339.fullmatch(text) or _GO_STRING.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = (
        int(found[part] or 0) for part in ("year", "month", "day", "hour", "minute", "second")
    )
    zone = (found["zone"] or "Z").replace(":", "")
    zone = zone + "00" if len(zone) == 3 else zone  # "+08"
    fraction = ((found["fraction"] or "") + "000000")[:6]
    try:
        offset = timedelta() if zone in "Zz" else timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5]))
        if zone not in "Zz" and (int(zone[1:3]) > 23 or int(zone[3:5]) > 59):
            return None
        local = datetime(year, month, day, hour, minute, second, int(fraction))
        return ((local + offset if zone.startswith("-") else local - offset) - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        return None


def print_timestamp(moment: Moment, with_zone: bool = True) -> str:
    """As psql shows it in UTC."""
    at = _EPOCH + moment * _MICROSECOND
    fraction = f".{at.microsecond:06d}".rstrip("0") if at.microsecond else ""
    return f"{at.year:04d}-{at:%m-%d %H:%M:%S}{fraction}{'+00' if with_zone else ''}"


# --- Section 4: message id ------------------------------------------------------------------------------------------------------------

_ID_KEYS = ("messageId", "message_id", "messageid")


def derived_id(source: str, data: bytes) -> str:
    """For events without an id and bodies that do not parse."""
    return "sha256:" + hashlib.sha256(source.encode() + b"\0" + data).hexdigest()[:32]


def message_id(event: Value, source: str, data: bytes) -> tuple[str, str | None]:
    """The event's id and the key that gave it (None: derived)."""
    key = next((key for key in _ID_KEYS if event.get(key) is not None), None)
    value = event.get(key) if key else None
    if value is None or value.kind not in ("string", "number") or as_text(value) == "":
        return derived_id(source, data), None
    text = as_text(value)
    if len(text.encode()) > 255:
        text = "sha256:" + hashlib.sha256(text.encode()).hexdigest()[:32]
    return text, key


# --- Section 4: fixed columns ---------------------------------------------------------------------------------------------------------

_EVERY_TABLE = {
    **dict.fromkeys(("message_id", "type", "user_id", "anonymous_id", "channel", "version"), "text"),
    **dict.fromkeys(("received_at", "sent_at", "timestamp", "original_timestamp"), "timestamptz"),
    "_sdc_received_at": "timestamptz",
    "_sdc_batched_at": "timestamptz",
    "_sdc_sequence": "bigint",
    "_sdc_table_version": "bigint",
    "_sdc_extra": "jsonb",
}
# The paths that the fixed columns are made for: what a twin of theirs has as its comment, whatever spelling an event used.
FIXED_PATHS = {
    "message_id": "messageId", "type": "type", "user_id": "userId", "anonymous_id": "anonymousId", "channel": "channel", "version": "version",
    "received_at": "receivedAt", "sent_at": "sentAt", "timestamp": "timestamp", "original_timestamp": "originalTimestamp", "event": "event",
    "name": "name", "category": "category", "group_id": "groupId", "previous_id": "previousId",
}
_OF_TABLE: dict[str, tuple[str, ...]] = {
    "identify": (),
    "track": ("event",),
    "page": ("name", "category"),
    "screen": ("name", "category"),
    "group": ("group_id",),
    "alias": ("previous_id",),
}


def fixed_columns(table: str) -> dict[str, str]:
    """The columns a table of this name is created with."""
    return {**_EVERY_TABLE, **dict.fromkeys(_OF_TABLE[table], "text")}


# --- Sections 2 to 4: one event into its row ------------------------------------------------------------------------------------------

_CLIENT_LIBRARY = re.compile(r"(?:@segment/)?(?:analytics\.js|analytics-(?:next|ios|android|swift|kotlin|react-native|flutter))")
_TIMES = ("timestamp", "original_timestamp", "received_at", "sent_at")


class _RowBuilder:
    """Collects one row; what it cannot place goes to twins and to _sdc_extra."""

    def __init__(self, table: str, columns: Mapping[str, str], options: Options) -> None:
        self.columns = dict(columns)
        self.fixed_paths = {name: FIXED_PATHS[name] for name in fixed_columns(table) if name in FIXED_PATHS}
        self.options = options
        self.row: dict[str, str] = {}
        self.added: dict[str, str] = {}
        self.comments: dict[str, str] = {}
        self.extra: dict[str, str] = {}
        self.claimed: set[str] = set()

    def leaves(self, path: Path, value: Value) -> Iterator[tuple[Path, Value]]:
        """Every value below, objects flattened, in the order of the document; null, {} and ignored paths give nothing."""
        if value.kind == "null" or (path and dotted_path(path) in self.options.ignore_paths):
            return
        if value.kind != "object":
            yield path, value
            return
        for key, item in value.living():
            yield from self.leaves((*path, key), item)

    def is_ignored(self, path: Path) -> bool:
        return any(dotted_path(path[:length]) in self.options.ignore_paths for length in range(1, len(path) + 1))

    def add_column(self, name: str, column_type: str, path: Path) -> bool:
        if len(self.columns) >= self.options.max_columns:
            return False
        self.columns[name] = self.added[name] = column_type
        self.comments[name] = self.fixed_paths.get(name.removesuffix("__st"), dotted_path(path))
        return True

    def to_extra(self, path: Path, value: Value) -> None:
        key = dotted_path(path)
        while key in self.extra:  # paths that look the same, or a value of ours beside one that was sent: none hides the other
            key += UNSTORABLE
        self.extra[key] = as_jsonb(value)

    def store(self, name: str, path: Path, value: Value) -> None:
        """Into the column, else its twin, else _sdc_extra."""
        if name not in self.columns and not self.add_column(name, NATURAL_TYPES[value.kind], path):
            self.to_extra(path, value)
            return
        text = None if is_finer(value, self.columns[name]) and name not in _TIMES else convert(value, self.columns[name])
        if text is not None:
            self.row[name] = text
            return
        twin = name + "__st"
        has_twin = twin in self.columns or self.add_column(twin, "text", path)
        if has_twin and self.columns[twin] == "text":
            self.row[twin] = as_text(value)
        else:
            self.to_extra(path, value)

    def store_time(self, name: str, moment: Moment) -> None:
        """A time of ours; a column that is no time gets it as a sender would have written it."""
        base = self.columns[name]
        if base in ("timestamptz", "timestamp"):
            self.row[name] = print_timestamp(moment, base == "timestamptz")
        else:
            self.store(name, (FIXED_PATHS[name],), _string(print_timestamp(moment, False).replace(" ", "T") + "Z"))

    def finish(self, table: str) -> Row:
        if self.extra:
            self.row["_sdc_extra"] = "{" + ",".join(f"{json_quote(key)}:{text}" for key, text in self.extra.items()) + "}"
        stored = {name: print_stored(text, self.columns[name]) for name, text in self.row.items()}
        return Row(table, self.row, stored, self.added, self.comments)


def _header_value(headers: Mapping[str, str], name: str) -> Value | None:
    return read_json(headers[name].encode()) if headers.get(name) else None


def _map_row(record: Record, event: Value, table: str, columns: Mapping[str, str], options: Options) -> Row:
    headers = record.headers
    builder = _RowBuilder(table, columns, options)
    corrects_clock = headers["via"] in ("api", "pixel")
    times: dict[str, tuple[Path, Value]] = {}

    identity, id_key = message_id(event, headers["source"], record.value)
    builder.row["message_id"] = identity
    builder.claimed.add("message_id")
    for path, value in builder.leaves((), event):
        name = column_name(path)
        if name == "message_id" and path == (id_key,):
            continue
        if name in builder.claimed:
            builder.to_extra(path, value)
            continue
        builder.claimed.add(name)
        if name in _TIMES:
            times[name] = path, value
        else:
            builder.store(name, path, value)
    received = int(headers["received-at"]) * 1000
    if headers.get("sent-at") and "sent_at" not in times:
        times["sent_at"] = ("sentAt",), _string(headers["sent-at"])
    _put_times(builder, times, received, corrects_clock)

    for owner in ("context", "integrations"):
        batch = _header_value(headers, owner)
        for path, value in builder.leaves((owner,), batch) if batch else ():
            name = column_name(path)
            if name not in builder.claimed:
                builder.claimed.add(name)
                builder.store(name, path, value)
    if corrects_clock:
        _fill_ip(builder, event, headers)
    if "type" not in builder.claimed:
        builder.store("type", ("type",), _string(table))
    imported = _moment(times.get("received_at")) if headers["via"] == "import" else None
    counted_from = received if imported is None or not 0 <= imported // 1000 <= MAX_SEQUENCE_MS else imported
    builder.row["_sdc_received_at"] = print_timestamp(received)
    builder.row["_sdc_sequence"] = str(counted_from // 1000 * 1_000_000 + int(headers["seq"]))
    builder.row["_sdc_table_version"] = str(MAPPING_VERSION)
    return builder.finish(table)


def _string(text: str) -> Value:
    return Value("string", json_quote(text), text=text)


def _moment(found: tuple[Path, Value] | None) -> Moment | None:
    return parse_timestamp(found[1].text) if found is not None and found[1].kind == "string" else None


def _put_times(builder: _RowBuilder, times: Mapping[str, tuple[Path, Value]], received: Moment, corrects_clock: bool) -> None:
    """The four times, after all else that the event brings. For events that come straight from an SDK the clock is corrected:
    timestamp = receivedAt - (sentAt - originalTimestamp)."""
    client, original = times.get("timestamp"), times.get("original_timestamp")
    chosen: dict[str, tuple[Path, Value] | Moment | None] = {name: times.get(name) for name in ("received_at", "sent_at")}
    if corrects_clock:
        chosen["received_at"] = received
    if corrects_clock and not (client and original):
        brought = original or client
        chosen["timestamp"], chosen["original_timestamp"] = _corrected(_moment(brought), _moment(times.get("sent_at")), received), brought
    else:  # both stay as sent
        chosen["timestamp"], chosen["original_timestamp"] = client, original
    for name, found in chosen.items():
        if isinstance(found, Moment):
            builder.store_time(name, found)
        elif found is not None:
            builder.store(name, *found)
    if corrects_clock and "received_at" in times:
        builder.to_extra(*times["received_at"])


def _corrected(happened: Moment | None, sent: Moment | None, received: Moment) -> Moment:
    if happened is None:
        return received
    corrected = happened if sent is None else received - (sent - happened)
    try:
        print_timestamp(corrected)
    except OverflowError:  # outside years 1 to 9999
        return happened
    return corrected


def _fill_ip(builder: _RowBuilder, event: Value, headers: Mapping[str, str]) -> None:
    """The sender's address, for browsers and mobile devices that did not give one."""
    contexts = [context for context in (event.get("context"), _header_value(headers, "context")) if context is not None]

    def lookup(*keys: str) -> Value | None:
        for found in contexts:
            value: Value | None = found
            for key in keys:
                value = value.get(key) if value is not None and value.kind == "object" else None
            if value is not None:
                return value
        return None

    library, direct, path = lookup("library", "name"), lookup("direct"), ("context", "ip")
    is_client = library is not None and library.kind == "string" and _CLIENT_LIBRARY.fullmatch(library.text) is not None
    is_direct = direct is not None and direct.kind == "true"
    if headers.get("ip") and (is_client or is_direct) and "context__ip" not in builder.claimed and not builder.is_ignored(path):
        builder.store("context__ip", path, _string(headers["ip"]))


# --- Sections 1 and 5: what does not become a row -------------------------------------------------------------------------------------

_REFUSED_SCHEMAS = re.compile(r"public|information_schema|pg_.*|backstitch")
OUR_NAMES = ("Stitch", "Stitch Data", "Backstitch")


def schema_of(source_name: str) -> str | None:
    """A source's schema from its name; None when the name is refused."""
    lowered = source_name.encode().lower()  # bytes: ASCII letters only
    name = re.sub(rb"[^a-z0-9]+", b"_", lowered).decode().strip("_")
    name = "s_" + name if name[:1].isdigit() else name
    return name if name and len(name) <= 48 and not _REFUSED_SCHEMAS.fullmatch(name) else None


def _is_valid_schema(schema: str) -> bool:
    return schema_of(schema) == schema


def _are_headers_valid(headers: Mapping[str, str]) -> bool:
    return (
        re.fullmatch(r"1(\.[0-9]+)?", headers.get("v", "")) is not None
        and headers.get("source", "") != ""
        and re.fullmatch(r"[0-9]{1,15}", headers.get("received-at", "")) is not None
        and re.fullmatch(r"[0-9]{1,6}", headers.get("seq", "")) is not None
        and headers.get("via") in ("webhook", "api", "pixel", "import")
        and headers.get("auth") in ("token", "signature", "signature-first", "key", "none")
        and _is_valid_schema(headers.get("schema", ""))
    )


def is_suppressed(event: Value, headers: Mapping[str, str], options: Options) -> bool:
    """Selective integrations: true when the event excludes us."""
    if headers["via"] == "webhook":
        return False
    owners = [event.get("integrations"), _header_value(headers, "integrations")]

    def setting(name: str) -> str:
        found = (owner.get(name) for owner in owners if owner is not None and owner.kind == "object")
        return next((value.kind for value in found if value is not None), "absent")

    ours = [setting(name) for name in (*OUR_NAMES, *options.integration_names)]
    if any(kind in ("true", "object") for kind in ours):
        return False
    if "false" in ours:
        return True
    # All and all are one name; what the event says of either goes before the batch, and what is neither true nor false is not said
    said = [owner.get(name) for owner in owners if owner is not None and owner.kind == "object" for name in ("All", "all")]
    return next((value.kind for value in said if value is not None and value.kind in ("true", "false")), "true") == "false"


def user_id_of(event: Value) -> str | None:
    """Who the event is about: of the keys that give user_id the first that is a number, or a string that is not empty."""
    found = (value for key, value in event.living() if segment(key) == "user_id" and value.kind in ("string", "number"))
    return next((as_text(value) for value in found if as_text(value) != ""), None)


def blank_write_key(event: Value) -> str:
    """The event's text with the value of writeKey emptied: a credential never reaches _sdc_rejected."""
    text, at = event.raw, 1
    for key, value in event.members:
        at += _SPACE.match(text, at).end() - at  # type: ignore[union-attr]
        at = _STRING.match(text, at).end()  # type: ignore[union-attr]
        at = text.index(":", at) + 1
        at = _SPACE.match(text, at).end()  # type: ignore[union-attr]
        new = '""' if key == "writeKey" else value.raw
        text = text[:at] + new + text[at + len(value.raw) :]
        at = _SPACE.match(text, at + len(new)).end() + 1  # type: ignore[union-attr]
    return text


def storable_bytes(data: bytes) -> str:
    """Any bytes as storable text: invalid UTF-8 and NUL as \\xNN."""
    text = data.decode("utf-8", "surrogateescape")
    return re.sub(r"[\udc80-\udcff\x00]", lambda m: f"\\x{ord(m[0]) & 0xFF:02x}", text)


def _reject(record: Record, reason: str, schema: str, event: Value | None, detail: str = "") -> Rejected:
    source = record.headers.get("source", "")
    if event is None or event.kind != "object":
        return Rejected(schema, reason, storable_bytes(record.value), derived_id(source, record.value), None, detail)
    identity, _ = message_id(event, source, record.value)
    before, after = record.value.decode().split(event.raw, 1)
    return Rejected(schema, reason, before + blank_write_key(event) + after, identity, user_id_of(event), detail)


def expected(record: Record, columns: Mapping[str, str] | None, options: Options) -> Outcome:
    """What must become of a record, given the columns its table has now."""
    headers = record.headers
    schema = headers.get("schema", "")
    schema = schema if _is_valid_schema(schema) else "backstitch"
    event: Value | None = None
    fault = ""
    try:
        event = read_json(record.value)
    except Fault as why:
        fault = str(why)
    if not _are_headers_valid(headers):
        return _reject(record, "invalid record", schema, event)
    if record.topic == "rejected":
        return _reject(record, headers["reason"], schema, event, headers.get("detail", ""))
    if event is None:
        return _reject(record, fault, schema, None)
    if event.kind != "object":
        return _reject(record, "not an object", schema, event)
    kind = event.get("type")
    table = headers.get("type", "") if kind is None else (kind.text if kind.kind == "string" else "")
    if table == "delete":
        return _delete(record, event, schema)
    if table not in _OF_TABLE:
        return _reject(record, "unknown event type", schema, event)
    if is_suppressed(event, headers, options):
        return Suppressed("integrations")
    columns = columns or fixed_columns(table)
    identity, _ = message_id(event, headers["source"], record.value)
    key_type = columns.get("message_id", "text")
    if key_type.startswith("varchar") and convert(_string(identity), key_type) is None:
        return _reject(record, "refused by database", schema, event, f"message_id is longer than its column, {key_type}")
    return _map_row(record, event, table, columns, options)


def _delete(record: Record, event: Value, schema: str) -> Outcome:
    """A delete counts only from a webhook that proved itself for the whole body."""
    headers = record.headers
    if headers["via"] != "webhook" or headers["auth"] not in ("token", "signature"):
        return _reject(record, "delete not allowed here", schema, event)
    user = user_id_of(event)
    if not user:
        return _reject(record, "delete without user", schema, event)
    identity, _ = message_id(event, headers["source"], record.value)
    return Deletion(identity, schema, user, print_timestamp(int(headers["received-at"]) * 1000))
