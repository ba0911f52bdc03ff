"""Reading formulas: words to a tree, every fault with its place. Pure."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

MAX_LENGTH = 2000
CALLS = ("min", "max")
_DEEPEST = 40
_MOST_PARTS = 400
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|\"(?P<text>[^\"\\\n]*)\"|'(?P<quoted>[^'\\\n]*)'|(?P<sign>[-+*/()\[\].,]))"
)


class BadFormula(ValueError):
    """The text is no formula that can be reckoned; line and column begin at 1."""

    def __init__(self, problem: str, text: str, at: int) -> None:
        super().__init__(problem)
        before = text[:at]
        self.problem = problem
        self.line = before.count("\n") + 1
        self.column = at - (before.rfind("\n") + 1) + 1


class Token(NamedTuple):
    """A word of a formula, and where it begins."""

    kind: str
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Node:
    """A number, something looked up, or a sign with what it is between."""

    kind: str
    name: str
    at: int
    of: str = ""
    number: float = 0.0
    children: tuple["Node", ...] = ()


def parsed(text: str, quantities: Collection[str]) -> Node:
    """Return the root of a formula over these sums and counts; raise ``BadFormula``."""
    if len(text) > MAX_LENGTH:
        raise BadFormula(f"longer than {MAX_LENGTH} characters", text, MAX_LENGTH)
    return _Reader(text, list(_tokens(text)), quantities).whole()


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    end = len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            raise BadFormula(f"{text[at]!r} says nothing here", text, at)
        kind = str(found.lastgroup)
        quotes = kind in {"text", "quoted"}
        yield Token(
            "text" if quotes else kind, found[kind], found.start(kind) - (1 if quotes else 0)
        )
        at = found.end()
    yield Token("end", "", end)


class _Reader:
    """A descent over the words of one formula."""

    def __init__(self, text: str, tokens: list[Token], quantities: Collection[str]) -> None:
        self._text = text
        self._known = quantities
        self._tokens = tokens
        self._next = 0
        self._depth = 0
        if len(tokens) > _MOST_PARTS:
            raise self._fault(f"more than {_MOST_PARTS} parts", tokens[_MOST_PARTS])

    def whole(self) -> Node:
        """Return the root of all of it."""
        found = self._sum()
        if self._here.kind != "end":
            raise self._fault(f"{self._here.text!r} comes where the formula is over")
        return found

    @property
    def _here(self) -> Token:
        return self._tokens[self._next]

    def _fault(self, problem: str, token: Token | None = None) -> BadFormula:
        return BadFormula(problem, self._text, (token or self._here).at)

    def _take(self, *signs: str) -> Token | None:
        here = self._here
        if here.kind != "sign" or here.text not in signs:
            return None
        self._next += 1
        return here

    def _want(self, sign: str) -> None:
        if self._take(sign) is None:
            found = repr(self._here.text) if self._here.text else "the end"
            raise self._fault(f"{sign!r} is missing before {found}")

    def _sum(self) -> Node:
        found = self._product()
        while sign := self._take("+", "-"):
            found = Node(sign.text, "", sign.at, children=(found, self._product()))
        return found

    def _product(self) -> Node:
        found = self._single()
        while sign := self._take("*", "/"):
            found = Node(sign.text, "", sign.at, children=(found, self._single()))
        return found

    def _single(self) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._fault("nested too deeply")
        found = self._unnested()
        self._depth -= 1
        return found

    def _unnested(self) -> Node:
        if sign := self._take("-"):
            return Node("negative", "", sign.at, children=(self._single(),))
        if self._take("("):
            found = self._sum()
            self._want(")")
            return found
        here = self._here
        if here.kind == "number":
            self._next += 1
            number = float(here.text)
            if not isfinite(number):
                raise self._fault("larger than any number", here)
            return Node("number", "", here.at, number=number)
        if here.kind == "name":
            self._next += 1
            return self._named(here)
        raise self._fault(
            f"a number or a name is missing before {here.text!r}" if here.text
            else "the formula ends too soon"
        )  # fmt: skip

    def _named(self, name: Token) -> Node:
        if name.text in CALLS:
            self._want("(")
            found = self._sum()
            self._want(",")
            while True:
                found = Node(name.text, "", name.at, children=(found, self._sum()))
                if self._take(",") is None:
                    break
            self._want(")")
            return found
        if name.text == "pushed":
            return Node("pushed", self._key().text, name.at)
        if name.text == "point":
            key = self._key()
            self._want(".")
            return Node("point", self._quantity(), name.at, of=key.text)
        self._next -= 1
        return Node("quantity", self._quantity(), name.at)

    def _key(self) -> Token:
        self._want("[")
        key = self._here
        if key.kind != "text":
            raise self._fault('a key in quotes is missing, as in ["loans"]')
        self._next += 1
        self._want("]")
        return key

    def _quantity(self) -> str:
        here = self._here
        if here.kind != "name" or here.text not in self._known:
            known = ", ".join(self._known)
            raise self._fault(
                f"no quantity is {here.text!r}: there are {known}; and point[…], pushed[…],"
                " min and max"
            )
        self._next += 1
        return here.text
