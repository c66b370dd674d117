"""Instructions ("Return the longest ...", "Submit the form ...") as people ask for them."""

from __future__ import annotations

import random
import re

# Verbs that instructions begin with, in documentation, manuals and handbooks.
VERBS = frozenset(
    "add adjust allow append apply assert assign attach build calculate call cancel change check "
    "choose clean clear click close collect combine compare complete compress compute configure "
    "connect contact convert copy count create cut decode decompress define delete describe "
    "determine disable disconnect display divide download draw edit enable encode end ensure "
    "enter escape estimate evaluate execute exit export extract fill filter find fix flatten "
    "follow format generate get give group handle hold identify import include initialize insert "
    "install iterate join keep limit link list listen load locate lock log look make map mark "
    "match measure merge mix modify move multiply normalize open order organize override pack "
    "parse pass pay perform pick place plan prepare press prevent print process protect provide "
    "publish pull push put raise read receive record reduce refresh register release reload "
    "remove rename repeat replace report request require reset resize resolve restart restore "
    "retrieve return reverse review revoke rotate round run save schedule search select send "
    "separate set share show shut sign skip sort split start stop store strip submit subscribe "
    "substitute subtract swap switch take terminate test translate trim try turn uninstall unlock "
    "unpack unregister update upgrade upload use validate verify view wait walk wrap write".split()
)
_THIRD_PERSON = {verb + "s": verb for verb in VERBS} | {
    verb + "es": verb for verb in VERBS if verb.endswith(("s", "sh", "ch", "x", "z"))
}
_OPENINGS = ("how do I {}", "how to {}", "{}", "how can I {}", "way to {}")
_AS_ASKED = {"return": "get", "returns": "get", "test": "check", "raise": "raise"}
MIN_WORDS, MAX_WORDS = 3, 16


def how_to_question(sentence: str, generator: random.Random) -> str:
    """Return an instruction as a question, or "" where the sentence is not one.

    "Return the longest common prefix of the paths." becomes "how do I get the longest common
    prefix of the paths"; the opening is drawn.
    """
    first, _, rest = sentence.partition(" ")
    key = first.lower()
    if not first[:1].isupper() or (key not in VERBS and key not in _THIRD_PERSON) or not rest:
        return ""
    verb = _AS_ASKED.get(key, _THIRD_PERSON.get(key, key))
    rest = re.split(r"[.;:(]\s|[.;:]$|, (?=which|or raise|and return)", rest)[0].strip(" .,;:")
    if not MIN_WORDS <= len(rest.split()) <= MAX_WORDS:
        return ""
    return generator.choice(_OPENINGS).format(f"{verb} {rest}")
