"""A secret that no repr, log, report or traceback can show by accident. Standard library only."""

from contextlib import suppress

MASK = "********"
LONGEST = 255  # bytes: open-iscsi keeps a value in 256 (usr/idbm.h, VALUE_MAXVAL)


class Secret:
    """Holds one secret. Equal secrets are equal; the text comes out of `reveal` only.

    Not a str on purpose: json and string formatting would print a subclass of str.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "***"


def secret_in(content: bytes) -> Secret:
    """The secret that a password file holds: its one line, without the newline. Raises ValueError with a sentence
    that does not repeat the content."""
    leave_no_core()
    text = content.removesuffix(b"\n").removesuffix(b"\r")
    if not text:
        raise ValueError("it is empty")
    if b"\n" in text or b"\0" in text:
        raise ValueError("it holds more than one line")
    if text != text.strip():
        raise ValueError("the secret begins or ends with white space, which open-iscsi cannot keep")
    if len(text) > LONGEST:
        raise ValueError(f"the secret is longer than {LONGEST} bytes")
    try:
        secret = text.decode()
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None
    if not secret.isprintable():
        raise ValueError("the secret contains a control character")
    return Secret(secret)


def masked(text: str, secrets: tuple[str, ...]) -> str:
    """The text without any of the secrets, the longest first, so that none is left in part."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def leave_no_core() -> None:
    """Whoever holds a secret leaves no core file with it, nor do the programs it starts, which read node records."""
    import resource  # no run without a secret pays for it

    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
