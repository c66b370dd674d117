"""Statements ("Revenue is recognized when the ride ends.") as people ask for what they say.

A statement is turned into the question that it answers: where it says when, why, how or what, the
answering part is left out; the rest changes its form. No grammar is parsed: a few shapes of English
that are safe by their first words and their first verb are enough, and a sentence that fits none
gives no question. Cost: linear in the sentence.
"""

from __future__ import annotations

import random
import re

AUXILIARIES = frozenset(
    "is are was were has have can could may might will would should must".split()
)
COPULAS = frozenset("is are was were".split())
MAX_SUBJECT_WORDS = 10
MAX_REST_WORDS = 14
MIN_WORDS = 4
DANGLING = frozenset(
    "this that these those it they there such he she here what which who however also and but or "
    "if when while because although since as for".split()
)
"""First words of a subject that points elsewhere: nobody could answer the question by itself."""
CLAUSE = AUXILIARIES | frozenset("that which who whom whose to not also saw began".split())
"""Words by which a subject is no plain noun phrase."""
OPENERS = frozenset(
    "the a an our your certain any some all each every no most many such other these those if in "
    "on at for we".split()
)
"""Words that carry a capital only because the sentence begins with them."""
LEAD_INS = (
    "in|as|however|for|during|additionally|further|furthermore|moreover|under|with|on|at|from|by|"
    "therefore|accordingly|consequently|generally|historically|currently|finally|specifically|"
    "similarly|to date|since|upon|prior to|because of|due to|although"
)
_LEAD_IN = re.compile(rf"^(?:{LEAD_INS})\b[^,]{{0,80}},\s+", re.IGNORECASE)
ASKED_BY = {
    "when": "when", "upon": "when", "until": "how long", "after": "when", "before": "when",
    "because": "why", "due to": "why", "as a result of": "why", "in order to": "why",
    "so that": "why", "by": "how", "through": "how", "using": "how", "based on": "how",
    "if": "when", "only if": "when", "unless": "when",
}  # fmt: skip
"""What begins an answer -> the word that asks for it."""
_ANSWER = re.compile(rf"\s+({'|'.join(ASKED_BY)})\s+", re.IGNORECASE)
THIRD_PERSON = {
    "includes": "include", "requires": "require", "provides": "provide", "offers": "offer",
    "allows": "allow", "contains": "contain", "represents": "represent", "reflects": "reflect",
    "affects": "affect", "means": "mean", "uses": "use", "covers": "cover", "supports": "support",
    "generates": "generate", "operates": "operate", "enables": "enable", "helps": "help",
    "causes": "cause", "prevents": "prevent", "creates": "create", "describes": "describe",
    "defines": "define", "depends on": "depend on", "consists of": "consist of",
    "refers to": "refer to", "relates to": "relate to", "applies to": "apply to",
    "results in": "result in", "leads to": "lead to",
}  # fmt: skip
CHANGES = {
    "increased": "increase", "decreased": "decrease", "grew": "grow", "declined": "decline",
    "rose": "rise", "fell": "fall", "changed": "change",
}  # fmt: skip
_VERBS = sorted([*THIRD_PERSON, *THIRD_PERSON.values(), *CHANGES], key=len, reverse=True)
_VERB = re.compile(rf"\b({'|'.join(_VERBS)})\b")
_OURS = re.compile(
    r"^we (?:(?:also|generally|currently|may|typically|primarily|often|do) )?([a-z]+) (.+)$",
    re.IGNORECASE,
)
NO_PRESENT = AUXILIARIES | frozenset("do did had also not and or each both all".split())
FIRST_PERSON = (
    (re.compile(r"\bwe(?:'ve| have)\b", re.IGNORECASE), "the company has"),
    (re.compile(r"\b(?:we|us|ourselves)\b", re.IGNORECASE), "the company"),
    (re.compile(r"\b(?:our|ours)\b", re.IGNORECASE), "the company's"),
)
"""Who asks is not who wrote."""


def statement_question(sentence: str, generator: random.Random) -> str:
    """Return a question that the sentence answers, or "" where its shape is none of the known.

    "Revenue is recognized when the ride ends." becomes "when is revenue recognized", "If a ride is
    cancelled, a fee applies." becomes "what happens if a ride is cancelled". Where several forms
    are as good, the generator draws one.
    """
    text = sentence.strip().rstrip(".!; ")
    asked = _condition(text) or _purpose(text)
    if not asked:
        text = _LEAD_IN.sub("", text, count=1)
        asked = _of_verb(text, generator) or _of_us(text, generator)
    return _finished(asked)


def _condition(text: str) -> str:
    match = re.match(r"^(if|when|whenever|unless)\s+([^,]{12,110}),\s+\S", text, re.IGNORECASE)
    if not match or match[2].split()[0].lower() in DANGLING:
        return ""
    word = match[1].lower()
    return f"what happens {word} {match[2]}"


def _purpose(text: str) -> str:
    match = re.match(r"^(?:in order )?to\s+([a-z]+ [^,]{8,90}),\s+\S", text, re.IGNORECASE)
    return f"how to {match[1]}" if match else ""


def _of_verb(text: str, generator: random.Random) -> str:
    """Return what is asked of a statement by the first verb that ends its subject."""
    words = text.split()
    head = words[: MAX_SUBJECT_WORDS + 1]
    place = next((i for i, word in enumerate(head) if word in AUXILIARIES), None)
    match = _VERB.search(" ".join(words[: MAX_SUBJECT_WORDS + 2]))
    if match and (place is None or match.start() < len(" ".join(words[:place]))):
        return _with_verb(text[: match.start()].split(), match[1], generator)
    if place is None or not _is_subject(words[:place]):
        return ""
    subject, rest = " ".join(words[:place]), " ".join(words[place + 1 :])
    return _with_auxiliary(subject, words[place], rest, generator)


def _with_auxiliary(subject: str, auxiliary: str, rest: str, generator: random.Random) -> str:
    answer = _ANSWER.search(f" {rest}")
    told = _one_thought(rest[: answer.start()] if answer else rest).split()
    if answer and 0 < len(told) <= MAX_REST_WORDS:
        return f"{ASKED_BY[answer[1].lower()]} {auxiliary} {subject} {' '.join(told)}"
    first = rest.split(maxsplit=1)[:1]
    if auxiliary in COPULAS and first and first[0].lower() in {"a", "an", "the", "one", "any"}:
        return f"what {auxiliary} {subject}"
    if not told:
        return ""
    kept = " ".join(told[:MAX_REST_WORDS])
    return generator.choice(("", "how ")) + f"{auxiliary} {subject} {kept}"


def _with_verb(subject: list[str], verb: str, generator: random.Random) -> str:
    if not _is_subject(subject):
        return ""
    what = " ".join(subject)
    if verb in CHANGES:
        return f"{generator.choice(('why', 'how much'))} did {what} {CHANGES[verb]}"
    does = "does" if verb in THIRD_PERSON or what.lower() == "we" else "do"
    return f"what {does} {what} {THIRD_PERSON.get(verb, verb)}"


def _of_us(text: str, generator: random.Random) -> str:
    """Return what is asked of "We offer ..."."""
    match = _OURS.match(text)
    if not match or match[1].lower() in NO_PRESENT or match[1].lower().endswith(("ly", "ed")):
        return ""
    answer = _ANSWER.search(f" {match[2]}")
    told = _one_thought(match[2][: answer.start()] if answer else match[2]).split()
    if not told:
        return ""
    asks = ASKED_BY[answer[1].lower()] if answer else generator.choice(("how", ""))
    return f"{asks} does we {match[1].lower()} {' '.join(told[:MAX_REST_WORDS])}".strip()


def _is_subject(words: list[str]) -> bool:
    """Tell whether the words are one thing that can be asked about."""
    if not 1 <= len(words) <= MAX_SUBJECT_WORDS:
        return False
    lower = [word.lower() for word in words]
    return (
        lower[0].strip(",") not in DANGLING
        and not any(word.endswith((",", ";", ":")) for word in lower)
        and not CLAUSE.intersection(lower)
        and (len(words) == 1 or "we" not in lower)
    )


def _one_thought(text: str) -> str:
    """Return the text up to where another thought begins."""
    return re.split(r"[;:(—–]|,\s|\.\s", text.strip())[0].strip(" ,.")


def _finished(question: str) -> str:
    for pattern, word in FIRST_PERSON:
        question = pattern.sub(word, question)
    words = question.split()
    if len(words) < MIN_WORDS or "follows" in words:
        return ""
    return " ".join(word.lower() if word.lower() in OPENERS else word for word in words)
