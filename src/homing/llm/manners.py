"""How a server wants to be asked: what it takes of the things that servers do not agree about.

Each is a ladder of ways, the best first. A server that refuses one is asked the next way, and what
it took is remembered in the ledger, so that it is found out once for each server and model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from homing.llm.ledger import Ledger

COMPLAINT = re.compile(
    r"un-?supported|not supported?|n[o']t support|unknown|unrecogni[sz]ed|unexpected|not permitted"
    r"|not allowed|\bextra\b|\binstead\b|deprecated|only the default"
    r"|invalid (?:parameter|schema|format)|failed to parse",
    re.I,
)
"""That a parameter is refused, rather than its value: "max_tokens is too large" is no complaint."""
OF_ALL = re.compile(r"(?:unknown|unrecogni[sz]ed|unsupported|unexpected) (?:parameter|field)", re.I)


@dataclass(frozen=True, slots=True)
class Ladder:
    """One thing that servers do not agree about.

    Attributes:
        name: What it is remembered as.
        ways: The best first; the last is refused by nobody.
        words: Of an error that is about it.
    """

    name: str
    ways: Sequence[str]
    words: re.Pattern[str]


class Manners:
    """The way of each ladder that one server takes, as far as it is known."""

    def __init__(self, server: str, ladders: Sequence[Ladder], ledger: Ledger | None) -> None:
        """Begin with what the ledger remembers; `server` is a hash, never a URL."""
        self._server = server
        self._ladders = ladders
        self._ledger = ledger
        self._ways = {ladder.name: ladder.ways[0] for ladder in ladders}
        self._known: set[str] = set()
        for ladder in ladders:
            way = ledger.trait(server, ladder.name) if ledger else None
            if way is not None and way in ladder.ways:
                self._ways[ladder.name] = way
                self._known.add(ladder.name)

    def ways(self) -> Mapping[str, str]:
        """Return ladder name -> the way in use now."""
        return dict(self._ways)

    def know(self, names: set[str]) -> bool:
        """Tell whether it is known for all of these ladders that the server takes the way."""
        return names <= self._known

    def took(self, ways: Mapping[str, str], names: set[str]) -> None:
        """Remember that the server took these ways."""
        for name in names - self._known:
            if ways[name] == self._ways[name]:
                self._known.add(name)
                if self._ledger is not None:
                    self._ledger.remember_trait(self._server, name, ways[name])

    def refused(self, ways: Mapping[str, str], names: set[str], error: str) -> bool:
        """Return whether the request may be had in another way than the one that was refused.

        Of many calls that are refused at once, the first takes the step down.

        Args:
            ways: How it was asked.
            names: The ladders that the request has to do with.
            error: What the server said.
        """
        for ladder in self._ladders:
            at = ladder.ways.index(ways[ladder.name])
            if ladder.name not in names or at + 1 == len(ladder.ways):
                continue
            blames = ladder.words.search(error) and COMPLAINT.search(error)
            if not blames and not (ladder.name == "schema" and OF_ALL.search(error)):
                continue
            if self._ways[ladder.name] == ways[ladder.name]:
                self._ways[ladder.name] = ladder.ways[at + 1]
                self._known.discard(ladder.name)
            return True
        return False
