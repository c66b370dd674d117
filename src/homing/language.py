"""The language of a text, from its script and its commonest little words; one cheap guess."""

from __future__ import annotations

import re
from collections import Counter

SAMPLE_CHARACTERS = 20_000
LITTLE_WORDS = {
    "en": "the of and to in is that for with as are this by be on or from which not it",
    "de": "der die und das den von zu mit ist für auf nicht ein eine dem des sich im auch werden",
    "fr": "les des et est dans pour que qui une du sur pas par avec au ce sont cette ou aux",
    "es": "los las que por con para una del se es como más al su lo pero sus el son está",
    "it": "che per di una sono con non del della il nel dei gli alla più anche le da come questo",
    "pt": "que os para uma com não por dos das mais como ao na em são é pela pelo ser seu foi do",
    "nl": "het een van en dat niet zijn voor met op aan ook wordt door naar bij worden deze te of",
}
OWNERS: dict[str, set[str]] = {}
for _language, _words in LITTLE_WORDS.items():
    for _word in _words.split():
        OWNERS.setdefault(_word, set()).add(_language)

SCRIPTS = (
    ("ja", re.compile("[\u3040-\u30ff]"), 0.05),
    ("ko", re.compile("[\uac00-\ud7af]"), 0.2),
    ("zh", re.compile("[\u4e00-\u9fff]"), 0.2),
    ("ru", re.compile("[\u0400-\u04ff]"), 0.4),
)
MIN_SHARE = 0.08
"""Of the words; running text in a known language has 0.2 and more of its little words."""


def guess_language(text: str) -> str:
    """Return "en", "de", "fr", "es", "it", "pt", "nl", "zh", "ja", "ko", "ru", or "" if unsure.

    Looks at the beginning and the middle of the text. Ukrainian and the like pass for "ru".
    """
    middle = max(0, len(text) // 2 - SAMPLE_CHARACTERS // 2)
    sample = text[:SAMPLE_CHARACTERS] + " " + text[middle : middle + SAMPLE_CHARACTERS]
    n_letters = sum(map(str.isalpha, sample))
    if not n_letters:
        return ""
    for language, script, share in SCRIPTS:
        if len(script.findall(sample)) >= share * n_letters:
            return language
    words = re.findall(r"[^\W\d_]+", sample.lower())
    votes: Counter[str] = Counter()
    for word in words:
        for language in OWNERS.get(word, ()):
            votes[language] += 1
    if not votes:
        return ""
    (best, n_best), *others = votes.most_common(2)
    clear = not others or n_best >= 1.2 * others[0][1]
    return best if clear and n_best >= max(3, MIN_SHARE * len(words)) else ""
