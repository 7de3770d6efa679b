"""Bodies that a stranger could send to our mailbox: written to use up memory or time, or to confuse a reader.

Each is within what MESH carries to a small message; a compressed one is a few kB.
"""

import gzip
import itertools
import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from gpconnect_messaging.itk3.response_codes import RESPONSE_CODES
from infra.local.practice.answering import Answer
from infra.local.practice.reading import Reading
from infra.local.practice.responding import Practice, Shape, write

_BUNDLE = b'<Bundle xmlns="http://hl7.org/fhir">'
_HEADER = (
    b'<entry><resource><MessageHeader><response><identifier value="x"/><details><reference value="#"/></details>'
    b"</response></MessageHeader></resource></entry>"
)
_ISSUE = (
    b"<entry><resource><OperationOutcome><issue><details>%b</details></issue></OperationOutcome></resource></entry>"
)
_CODING = b'<coding><code value="20013"/></coding>'


def _xml(content: bytes) -> bytes:
    return _BUNDLE + _HEADER + content + b"</Bundle>"


def _json(values: bytes) -> bytes:
    return b'{"resourceType":"Bundle","x":[' + values + b"0]}"


def _namespaces(count: int) -> bytes:
    return b" ".join(b'xmlns:a%d="b%d"' % (number, number) for number in range(count))


HOSTILE: dict[str, Callable[[], bytes]] = {
    "1.2 million empty elements in 5 kB": lambda: gzip.compress(_xml(b"<a/>" * 1_200_000)),
    "elements in a megabyte": lambda: _xml(b"<a/>" * 250_000),
    "elements just within the budget": lambda: _xml(b"<a/>" * 9_900),
    "an element of 90,000 attributes": lambda: _xml(b"<a " + b" ".join(b'a%d=""' % n for n in range(90_000)) + b"/>"),
    "an element of 49,000 attributes": lambda: _xml(b"<a " + b" ".join(b'a%d=""' % n for n in range(49_000)) + b"/>"),
    "an element of 40,000 namespaces": lambda: _xml(b"<a " + _namespaces(40_000) + b"/>"),
    "thousands of elements below thousands of namespaces": lambda: _xml(
        b"<a " + _namespaces(9_000) + b">" + b"<a8999:a/>" * 9_000 + b"</a>"
    ),
    "a value of a megabyte": lambda: _xml(b'<a value="' + b"x" * 1_000_000 + b'"/>'),
    "a text of a megabyte": lambda: _xml(b"x" * 1_000_000),
    "character references": lambda: _xml(b"&#65;" * 190_000),
    "comments": lambda: _xml(b"<!---->" * 140_000),
    "processing instructions": lambda: _xml(b"<?a?>" * 190_000),
    "a tag that does not end": lambda: _xml(b"")[:-9] + b"<a" + b" " * 1_000_000,
    "a reference of slashes": lambda: _BUNDLE + _HEADER.replace(b'"x"', b'"' + b"/" * 1_000_000 + b'"') + b"</Bundle>",
    "thousands of codings": lambda: _xml(_ISSUE % (_CODING * 4_900)),
    "thousands of issues": lambda: _xml((_ISSUE % _CODING) * 1_400),
    "a code of digits": lambda: _xml(_ISSUE % (b'<coding><code value="' + b"11111a" * 160_000 + b'"/></coding>')),
    "declarations that do not end": lambda: b"<?xml " * 170_000,
    "a declaration of many encodings": lambda: b"<?xml " + b'encoding="a" ' * 80_000,
    "nested elements": lambda: _xml(b"<a>" * 5_000),
    "JSON objects in a megabyte": lambda: _json(b"{}," * 340_000),
    "JSON objects just within the budget": lambda: _json(b'{"":{}},' * 16_000),
    "JSON lists": lambda: _json(b"[],[[]]," * 120_000),
    "nested JSON lists": lambda: _json(b"[" * 500_000),
    "a JSON text of a megabyte": lambda: _json(b'"' + b"x" * 1_000_000 + b'",'),
    "a JSON number of a megabyte": lambda: _json(b"1" * 1_000_000 + b","),
    "JSON in UTF-16": lambda: ('{"x":"' + "\U0001f600" * 240_000 + '"}').encode("utf-16"),
    "elements in a JSON string": lambda: json.dumps(_xml(b"<a/>" * 9_900).decode()).encode(),
    "escapes in a JSON string": lambda: b'"' + b"\\u0041" * 170_000 + b'"',
    "elements in UTF-32": lambda: _xml(b"<a/>" * 9_900).decode().encode("utf-32"),
    "a value in Windows-1252 that says UTF-8": lambda: _xml(b'<a value="' + b"\xe9" * 1_000_000 + b'"/>'),
    "thousands of outcomes": lambda: _xml(b"<entry><resource><OperationOutcome/></resource></entry>" * 3_000),
    "outcomes of elements that STU3 does not know": lambda: _xml(_ISSUE % (b"<a/>" * 9_800)),
    "thousands of empty gzip members": lambda: gzip.compress(b"") * 50_000,
    "a hundred gzip members": lambda: gzip.compress(b"<a/>" * 2_500) * 99,
    "a gzip bomb": lambda: gzip.compress(bytes(200_000_000), 1),
    "a gzip stream in a gzip stream": lambda: gzip.compress(gzip.compress(bytes(20_000_000))),
}


def responses() -> list[bytes]:
    """Genuine responses as practices write them: several codes in every shape, two of them longer than most."""
    practice = Practice("A20047", "A20047OT001")
    now = datetime(2026, 3, 4, 12, tzinfo=UTC)
    made = []
    for number, (code, shape) in enumerate(itertools.product(RESPONSE_CODES, Shape)):
        reading = Reading(message_id=f"3f2504e0-4f89-41d3-9a0c-{number:012x}")
        made.append(write(Answer(code), reading, practice, shape=shape, now=now).content)
    return made


def mutants(seed: int, sources: list[bytes]) -> Iterator[bytes]:
    """Give bodies without end, the same for the same seed: changed responses, now and then with a hostile part."""
    chance = random.Random(seed)
    while True:
        body = chance.choice(sources)
        zipped = body[:2] == b"\x1f\x8b"
        if zipped and chance.random() < 0.8:
            body = gzip.decompress(body)
        for _ in range(chance.choice((0, 1, 1, 1, 2, 4))):
            body = chance.choice(_CHANGES)(body, chance)
        if zipped:
            body = gzip.compress(body, 1, mtime=0)
            if chance.random() < 0.2:
                body = body[: chance.randrange(len(body))]
        yield body


def _position(body: bytes, chance: random.Random) -> int:
    """Choose a position in a body, most often one where the structure changes."""
    if chance.random() < 0.7:
        signs = [position for position, byte in enumerate(body) if byte in b'<>{}[]":,']
        if signs:
            return chance.choice(signs)
    return chance.randrange(len(body) + 1)


def _bytes_changed(body: bytes, chance: random.Random) -> bytes:
    changed = bytearray(body or b" ")
    for _ in range(chance.randint(1, 8)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def _cut(body: bytes, chance: random.Random) -> bytes:
    return body[: _position(body, chance)]


def _part_left_out(body: bytes, chance: random.Random) -> bytes:
    first, last = sorted((_position(body, chance), _position(body, chance)))
    return body[:first] + body[last:]


def _part_repeated(body: bytes, chance: random.Random) -> bytes:
    first, last = sorted((_position(body, chance), _position(body, chance)))
    times = chance.choice((2, 3, 10, 200))
    return body[:first] + body[first:last][:3_000] * times + body[last:]


def _part_moved(body: bytes, chance: random.Random) -> bytes:
    first, last = sorted((_position(body, chance), _position(body, chance)))
    rest = body[:first] + body[last:]
    position = _position(rest, chance)
    return rest[:position] + body[first:last] + rest[position:]


def _deeper(body: bytes, chance: random.Random) -> bytes:
    position, depth = _position(body, chance), chance.choice((10, 90, 120, 300, 2_000))
    opened, closed = chance.choice(((b"<x>", b"</x>"), (b"[", b"]"), (b'{"x":', b"}")))
    return body[:position] + opened * depth + closed * depth + body[position:]


def _something_put_in(body: bytes, chance: random.Random) -> bytes:
    what = chance.choice(_SOMETHING) * chance.choice((1, 1, 3, 500))
    position = _position(body, chance)
    return body[:position] + what + body[position:]


def _otherwise_encoded(body: bytes, chance: random.Random) -> bytes:
    text = body.decode("utf-8", "replace")
    encoding = chance.choice(("utf-16", "utf-16-be", "utf-32", "utf-7", "latin-1", "utf-8-sig", "cp037"))
    return text.encode(encoding, "replace")


def _declared_otherwise(body: bytes, chance: random.Random) -> bytes:
    declared = chance.choice((b"UTF-16", b"UTF-7", b"ISO-8859-1", b"EBCDIC-CP-US", b"none", b"ASCII", b"GB18030"))
    return body.replace(b"UTF-8", declared, 1)


def _random(_body: bytes, chance: random.Random) -> bytes:
    return chance.randbytes(chance.choice((0, 1, 20, 4_000)))


def _hostile(body: bytes, chance: random.Random) -> bytes:
    # Rare: one costs as much as hundreds of the others.
    return HOSTILE[chance.choice(list(HOSTILE))]() if chance.random() < 0.004 else _bytes_changed(body, chance)


_SOMETHING = (
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"<!DOCTYPE a>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?xml?>", b"&lt;",
    b"&#0;", b"&a;", b"\\ud83d", b"\\u0000", b"1e999", b"-0", b"NaN", b"null", b"[]", b"{}", b'<contained value="x"/>',
    b'<issue><details><coding><code value="30001"/></coding></details></issue>', b'xmlns="urn:x" ', b'xmlns:y="urn:y" ',
    b"<y:z/>",
    b'value="', b'"', b"9" * 400, b"x" * 4_000, json.dumps("\u2028").encode(),
)  # fmt: skip
_CHANGES = (
    _bytes_changed, _cut, _part_left_out, _part_repeated, _part_moved, _deeper, _something_put_in, _otherwise_encoded,
    _declared_otherwise, _random, _hostile,
)  # fmt: skip
