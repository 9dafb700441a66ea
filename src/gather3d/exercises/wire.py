"""Messages between the process that judges and the one in which an answer runs.

A message is a dict of tensors, numbers, texts, tuples and lists, behind its length, as torch.save
writes it; torch.load reads it with `weights_only`, so that nothing that an answer sends is run.
"""

import io
import struct
from typing import Any, BinaryIO

import torch

from .answer import Outcome, Raised, Strange

LENGTH = struct.Struct("<Q")
LONGEST = 1 << 28  # bytes of a message
KINDS = {"outcome": Outcome, "raised": Raised, "strange": Strange}
NAMES = {kind: name for name, kind in KINDS.items()}


class UnreadableError(ValueError):
    """What came is no message."""


def packed(message: dict[str, Any]) -> bytes:
    body = io.BytesIO()
    torch.save(as_data(message), body)
    return LENGTH.pack(body.tell()) + body.getvalue()


def unpacked(body: bytes) -> dict[str, Any]:
    """The message again; UnreadableError if it is none."""
    try:
        message = from_data(torch.load(io.BytesIO(body), weights_only=True))
    except Exception as error:  # it comes from the answer's process: anything may be in it
        raise UnreadableError(f"{type(error).__name__}: {error}") from None
    if not isinstance(message, dict):
        raise UnreadableError(f"a {type(message).__name__}")
    return message


def write(stream: BinaryIO, body: bytes) -> None:
    stream.write(body)
    stream.flush()


def read(stream: BinaryIO) -> bytes:
    """The next message's body; EOFError where the other side has gone."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    (length,) = LENGTH.unpack(head)
    if length > LONGEST:
        raise UnreadableError(f"{length} bytes")
    body = stream.read(length)
    if len(body) < length:
        raise EOFError
    return body


def as_data(value: Any) -> Any:
    """Our own classes as dicts of what they hold: torch.load takes no class."""
    if type(value) in NAMES:
        fields = {name: as_data(part) for name, part in vars(value).items()}
        return {"kind": NAMES[type(value)], **fields}
    if isinstance(value, dict):
        return {name: as_data(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(as_data(part) for part in value)
    return {"kind": "ellipsis"} if value is ... else value


def from_data(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return type(value)(from_data(part) for part in value)
    if not isinstance(value, dict):
        return value
    fields = {name: from_data(part) for name, part in value.items()}
    kind = fields.pop("kind", None)
    if kind == "ellipsis":
        return ...
    return KINDS[kind](**fields) if kind else fields
