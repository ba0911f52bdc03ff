"""Patterns of JSON Schemas, run by a matcher whose time is bounded. Pure.

A schema's regular expressions are ECMA-262's. A matcher that goes back over what it has read can be
made to take forever by whoever writes the pattern; RE2 reads a text once. It speaks a dialect of
its own, so that a pattern is rewritten to what means the same there, character by character; what
has no such thing (looking ahead, referring back) is not run.
"""

import re
from dataclasses import dataclass
from typing import Any

import re2

_LONGEST = 2_000
_MEMORY = 1 << 21
"""Of a program: about 120,000 instructions, and 60 ms to make them."""
_A_STEP = 5_000
"""Bytes times states that are looked at in some 40 µs, if every one stays in play."""

_PUNCTUATION = frozenset("^$\\.*+?()[]{}|/-")
_ALIKE = frozenset("dDwWtnfr")
_SPACES = r"\t\n\x{b}\f\r\x{feff}\x{2028}\x{2029}\p{Zs}"
_ANCHORS = {".": r"[^\n\r\x{2028}\x{2029}]", "^": r"\A", "$": r"\z"}
_WIDE = 10
"""States of a sign that is one of many thousands."""
_REPEATED = re.compile(r"\{([0-9]{1,4})(?:,([0-9]{1,4})?)?\}")
_CODE = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\}")
_PROPERTY = re.compile(r"([pP])\{(?:(?:Script|sc)=([A-Z][A-Za-z_]{2,40})|([A-Z][a-z]?))\}")
_GROUP = re.compile(r"\?(?::|<[A-Za-z_$][A-Za-z0-9_$]{0,80}>)")
_SURROGATES = range(0xD800, 0xE000)


class Unread(ValueError):
    """A pattern that is not run, and why."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern as the matcher reads it; ``states`` is how many may be in play at once, about."""

    program: Any
    states: int

    def steps(self, text: str) -> int:
        """Return what looking for it in a text costs, in a validator's steps."""
        longest = len(text) * (1 if text.isascii() else 4)
        return self.states * longest // _A_STEP

    def found_in(self, text: str) -> bool:
        """Say whether the pattern is somewhere in a text."""
        try:
            return self.program.search(text) is not None
        except UnicodeEncodeError:  # half of a surrogate pair is no text
            return False


def pattern_of(source: str) -> Pattern:
    """Return a pattern as it is run; ``Unread`` if it is not."""
    if len(source) > _LONGEST:
        raise Unread(f"is longer than {_LONGEST} characters")
    text, states = _Reader(source).read()
    options = re2.Options()
    options.max_mem, options.log_errors = _MEMORY, False
    try:
        return Pattern(re2.compile(text, options), states)
    except (re2.error, UnicodeEncodeError) as error:
        raise Unread("is no pattern, or too large") from error


class _Reader:
    """Reads a pattern once from left to right, and writes it anew."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._out: list[str] = []
        self._states = [1]
        """Of what is written, by the groups that are open."""
        self._last = 0
        """Of what a repetition would repeat."""

    def read(self) -> tuple[str, int]:
        while self._at < len(self._source):
            self._one(self._source[self._at])
        if len(self._states) > 1:
            raise Unread("does not close a group")
        return "".join(self._out), self._states[0]

    def _one(self, here: str) -> None:
        if here == "[":
            self._class()
        elif here == "(":
            self._open()
        elif here == ")":
            self._close()
        elif here in "*+?{":
            self._repeat()
        elif here in "]}":
            raise Unread(f"has a {here!r} that closes nothing")
        else:
            self._at += 1
            if here == "\\":
                self._write(*self._escaped(inside=False))
            else:
                self._write(_ANCHORS.get(here, here), 1)

    def _write(self, text: str, states: int) -> None:
        self._out.append(text)
        self._states[-1] += states
        self._last = states

    def _open(self) -> None:
        self._at += 1
        if self._source.startswith("?", self._at):
            plain = _GROUP.match(self._source, self._at)
            if plain is None:
                raise Unread("looks ahead or behind, or changes its own rules")
            self._at = plain.end()
        self._out.append("(?:")
        self._states.append(1)

    def _close(self) -> None:
        if len(self._states) == 1:
            raise Unread("closes a group that is not open")
        self._at += 1
        self._write(")", self._states.pop())

    def _repeat(self) -> None:
        text, most = self._source[self._at], 1
        if text == "{":
            counted = _REPEATED.match(self._source, self._at)
            if counted is None:
                raise Unread("has a '{' that begins no repetition")
            text = counted[0]
            most = max(int(counted[1]), int(counted[2] or 0), 1)
        self._at += len(text)
        if self._source.startswith("?", self._at):
            self._at += 1
            text += "?"
        if self._source[self._at : self._at + 1] in {"*", "+", "?", "{"}:
            raise Unread("repeats a repetition")
        self._out.append(text)
        self._states[-1] += self._last * (most - 1)
        self._last *= most

    def _class(self) -> None:
        self._at += 1
        written, states = ["["], 1
        if self._source.startswith("^", self._at):
            self._at += 1
            written.append("^")
        if self._source.startswith("]", self._at):
            raise Unread("has an empty class")
        while (here := self._source[self._at : self._at + 1]) != "]":
            self._at += 1
            if not here:
                raise Unread("does not close a class")
            if here == "\\":
                text, more = self._escaped(inside=True)
                written.append(text)
                states = max(states, more)
            else:
                written.append("\\[" if here == "[" else here)
        self._at += 1
        self._write("".join([*written, "]"]), states)

    def _escaped(self, *, inside: bool) -> tuple[str, int]:
        """Return what a backslash and the signs after it are written as, with its states."""
        here = self._source[self._at : self._at + 1]
        if found := _CODE.match(self._source, self._at):
            code = int(found[1] or found[2] or found[3], 16)
            if code in _SURROGATES:
                raise Unread("names half of a surrogate pair")
            self._at = found.end()
            return f"\\x{{{code:x}}}", 1
        if found := _PROPERTY.match(self._source, self._at):
            self._at = found.end()
            return f"\\{found[1]}{{{found[2] or found[3]}}}", _WIDE
        self._at += 1
        known = {"s": _SPACES if inside else f"[{_SPACES}]", "v": r"\x{b}"}
        known |= {"b": r"\x{8}"} if inside else {"S": f"[^{_SPACES}]", "b": r"\b", "B": r"\B"}
        if here in known:
            return known[here], 1
        if here and (here in _ALIKE or here in _PUNCTUATION):
            return f"\\{here}", 1
        raise Unread(f"has a '\\{here}', which is not run")
