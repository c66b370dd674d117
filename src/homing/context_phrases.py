"""Questions about "the passage" as such, and how to make questions about the matter of them.

A model that is shown a passage likes to say so: "According to the context information, how long is
leave?". Nobody who searches does. The phrase can often be left out, and what is left is a question
that somebody could ask; "What does the passage say?" is none, whatever is left out.
"""

from __future__ import annotations

import re

# German: "laut (dem obigen) Text".
_TEXT_DE = "(?:text|textes|textabschnitt|textauszug|abschnitt|absatz|auszug|kontext|passage)"
_BY_THE_TEXT_DE = (
    r"\b(?:laut|gemäß|entsprechend|basierend auf) (?:(?:dem|diesem|des|dieses|der|dieser) )?"
    rf"(?:\w+en )?{_TEXT_DE}\b(?!\s*[\d§])"
)
# Chinese: "according to (the above) text"; "based on text" may be the matter itself.
_GIVEN_ZH = "(?:上述|以上|上面|以下|下面|所给|给定|所?提供|该|本|这|这段|这篇)的?"
_BY_THE_TEXT_ZH = (
    "(?:(?:根据|依据|按照)(?:上文|上下文|文中|短文|文章|段落|文本)|"
    f"(?:根据|依据|按照|基于){_GIVEN_ZH}(?:上下文|文本|短文|文章|文字|段落|信息|内容))"
)
_ABOUT_THE_CONTEXT = re.compile(
    r"\b(?:according to|based on|as (?:described|mentioned|stated|discussed) in|"
    r"(?:described|mentioned|stated|discussed|provided|given|used|listed) in|in|from|does|of) "
    r"(?:the|this) (?:(?:given|provided|above|following|preceding) )?"
    r"(?:passage|excerpt|snippet|context(?: information)?|text|paragraph|author)"
    r"(?=\s*(?:$|[,.?!:;]|say|state|mention|describe|discuss|provide|explain|suggest|mean|about))|"
    r"\b(?:the|this) (?:given|provided|above|following) (?:passage|excerpt|context|text|paragraph|"
    r"document|information|section|table)\b|"
    r"\bthe context information\b|\b(?:the|this) (?:passage|excerpt|snippet) "
    r"(?:say|state|mention|describe|discuss|explain|is about)|"
    # German: also "im Text erwähnt", "im vorliegenden Abschnitt".
    rf"{_BY_THE_TEXT_DE}|\b(?:im|in dem|in diesem|in der|in dieser) (?:(?:vorliegenden|obigen|"
    rf"gegebenen|folgenden|bereitgestellten) )?{_TEXT_DE} "
    r"(?:erwähnt|genannt|beschrieben|erläutert|angegeben|gesagt)|"
    rf"\b(?:vorliegende|obige|gegebene|bereitgestellte)[mnrs]? {_TEXT_DE}\b|"
    # Chinese: also "mentioned in the text", "this passage".
    rf"{_BY_THE_TEXT_ZH}|"
    "(?:上文|文中|段落中|文章中|文本中|短文中)所?(?:提到|提及|述|描述|说明|列出|指出)|"
    "这(?:段|篇)(?:文字|文章|文本|话|短文)|[该本]段落",
    re.I,
)
_NOUN = (
    r"(?:the|this) (?:(?:given|provided|above|following|preceding) )?"
    r"(?:(?:context )?information (?:provided|given)(?: (?:in|by) the (?:context|text|passage))?|"
    r"context information|passage|excerpt|snippet|context|text|paragraph|"
    r"(?<=given )information|(?<=provided )information|(?<=above )information|"
    r"(?<=given )document|(?<=provided )document|(?<=above )document)"
    r"(?: information)?(?: (?:provided|given|above))?"
)
_SAID = (
    "described mentioned stated discussed provided given used listed outlined identified".split()
)
_SAYS = rf"(?:{'|'.join(_SAID)})"
# What is left of "the one mentioned in the text", or of "has been mentioned in it", says nothing.
_HANGING = "".join(
    rf"(?<!\b{word})"
    for word in [*"one ones that those this is are was were be been being not".split(), *_SAID]
)
_AFTER_ASKING = "|".join(rf"(?<=^{word})" for word in "who what which how when where why".split())
_PARTS = (
    # "Who, according to the text, pays?": with both commas.
    rf"(?:{_AFTER_ASKING}), (?:according to|based on|as {_SAYS} (?:in|by)) {_NOUN},",
    # "According to the text, who pays?"
    rf"^(?:according to|based (?:up)?on|as {_SAYS} (?:in|by)|in|from) {_NOUN}(?:, | *[:;] )",
    # "Who pays, as mentioned in the text?", "the amounts listed in the passage".
    rf"{_HANGING},? "
    rf"(?:according to|based (?:up)?on|(?:as )?{_SAYS} (?:in|by)|in|from|within) {_NOUN}"
    r"(?=\s*(?:[,.?!;:)]|$)| (?:and|or|to|for|in|by|that|which|exclude|include|could|can|may|might|"
    r"would|will|is|are|have|has|do|does)\b)",
    rf"\s?{_BY_THE_TEXT_DE},?",
    f"{_BY_THE_TEXT_ZH}[，,]?",
)
_REMOVABLE = re.compile("|".join(_PARTS), re.I)
_LEAST_WORDS = 3


def context_phrase(question: str, passage: str) -> str:
    """Return the words of a question that speak of its passage as such, "" where none do.

    Words that stand in the passage itself, such as the "in the text" of a style guide, are its
    matter and do not count.
    """
    match = _ABOUT_THE_CONTEXT.search(question)
    return match[0] if match and match[0].casefold() not in passage.casefold() else ""


def without_context_phrases(question: str, passage: str) -> str:
    """Return the question as one who does not see the passage would ask it.

    "Who pays, according to the text?" becomes "Who pays?". A question that still speaks of the
    passage afterwards, or of which nearly nothing is left, is returned as it was. Cost: linear.
    """
    if not context_phrase(question, passage):
        return question
    text = " ".join(_REMOVABLE.sub("", question).split())
    text = re.sub(r"\s+([,.?!;:)])", r"\1", text).lstrip(",;: ")
    text = re.sub(r"(?<!\.)\.\.(?!\.)", ".", text)  # "Lyft, Inc. mentioned in the text."
    n_letters = sum(map(str.isalpha, text))
    is_short = len(text.split()) < _LEAST_WORDS and text.isascii()
    if is_short or n_letters < _LEAST_WORDS or context_phrase(text, passage):
        return question
    return text[:1].upper() + text[1:]
