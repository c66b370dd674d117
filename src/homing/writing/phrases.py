"""What models say around the questions they were asked for, and how they mark them.

Kept apart from the parser because it is what grows. All patterns are linear in the text.
"""

from __future__ import annotations

import re

MARKS = "?？؟⁇՞\u037e"
"""Question marks: Latin, full-width, Arabic, double, Armenian, Greek."""
ENDS = f"{MARKS}.!。！…"
_LABELS = (
    "question|query|questions?|q|frage|問題|问题|問|问|質問|問い|pregunta|domanda|pergunta|vraag|"
    "вопрос|질문|문제|سؤال|otázka|pytanie|soru"
)
_ANSWERS = (
    "answer|ans|a|antwort|lösung|答案|答|回答|réponse|reponse|respuesta|risposta|resposta|antwoord|"
    "ответ|답변|답|정답|explanation|erklärung|hint|note|reason|rationale|hinweis|解释|说明|提示"
)
_NUMBER = r"[(（\[#]?\s?\d{1,3}\s?[.):\]、．）：]"
_AFTER_NUMBER = r"(?:\s+|(?=[^\s\da-z.,]))"  # "1.What", but neither "1.5 %" nor "3.x migration"

NUMBERED = re.compile(
    rf"^(?:{_NUMBER}(?:[*_]{{2}})?{_AFTER_NUMBER}|[一二三四五六七八九十]{{1,2}}[、．.]\s*|"
    r"[①-⑳]\s*|\d️?⃣\s*)"
)
# "Q4 revenue" is no label: without a sign after the number the line must end there.
LABELLED = re.compile(
    rf"^(?:{_LABELS})\s*(?:(?:no\.|nr\.|#)?\s?\d{{1,3}}(?:\s?[.):：、](?:[*_]{{2}})?(?!\d)\s*|"
    r"\s[-–—]\s+|[*_]{0,2}\s*$)|[一二三四五六七八九十]?\s?[:：](?:[*_]{2})?\s*)",
    re.I,
)
LETTERED = re.compile(r"^[(（]?[A-Ha-h][.)）]\s+")
BULLET = re.compile(r"^[-*•–—·▪◦●○■□➤►‣⁃+>]\s+")
ANSWER = re.compile(rf"^(?:{_ANSWERS})\s*\d{{0,2}}\s*[:：]", re.I)
ANSWER_INSIDE = re.compile(
    rf"(?<=[{MARKS}])[\"”»」’')*_]*\s*(?:[-–—>]+\s*)?[*_(（\[]*(?:{_ANSWERS})[*_]*\s*[:：].*$",
    re.I | re.S,
)
NEXT_INSIDE = re.compile(
    rf"(?<=[{MARKS}])[\"”»」’')*_]*\s*(?=(?:[*_]{{2}})?[(（]?\d{{1,2}}[.)、．）：:](?!\d)|"
    rf"(?:[*_]{{2}})?(?:q|question|frage|问题)\s?\d{{1,2}}\s*[.):：])|"
    r"(?<=[:：])\s+(?=[(（]?1[.)、．）]\s)",
    re.I,
)
REMARK_AFTER = re.compile(
    rf"(?<=[{MARKS}])[\"”»」’'*_]*\s*[(（\[][^()（）\[\]]{{0,400}}[)）\]]\.?$"
)
"""'What does Lyft offer? (This question tests the reader's understanding of ...)'"""
TASK_AFTER = re.compile(
    rf"[{MARKS}]\s+(?:additionally,? )?(?:explain|discuss|describe|provide|give|list|name|compare|"
    r"identify|include|support|justify|state|erklären|beschreiben|nennen|begründen)\b",
    re.I,
)
"""'How do fares change? Explain the factors.' is one question, though it ends with none."""

_OPENING = re.compile(
    r"^\W*(?:sure|certainly|of course|absolutely|okay|ok|great|got it|understood|happy to|"
    r"here(?: are|'s|’s| is| you go)|below (?:are|is|you)|the following|these are|i(?:'ve| have) |"
    r"based on (?:the|this|your)[^?？]*[:：]|"
    r"natürlich|gerne?\b|klar\b|selbstverständlich|hier (?:sind|ist|kommen|finden)|im folgenden|"
    r"nachfolgend|folgende|"
    r"当然|好的|没问题|以下|下面是|这里是|这是|這是|當然|根据[^?？]*[:：]|"
    r"voici|bien sûr|d'accord|ci-dessous|claro|por supuesto|aquí (?:están|tienes?|hay)|"
    r"a continuación|ecco|certo|certamente|di seguito|aqui est|abaixo|hier zijn|natuurlijk|"
    r"もちろん|はい[、。]|こちら|конечно|вот\b|ниже|물론|다음은|네[,.])",
    re.I,
)
_CLOSING = re.compile(
    r"^\W*(?:let me know|feel free|i hope|hope (?:this|these)|please (?:let|note)|note that|"
    r"these questions|this (?:question|list|set)|each question|both questions|all questions|"
    r"if you (?:need|want|would|have|'d)\b.*(?:question|help|else|let me)|enjoy|good luck|thank|"
    r"diese fragen|ich hoffe|lassen sie mich|lass mich|sag mir|viel (?:erfolg|spaß)|"
    r"(?:falls|wenn) (?:sie|du) .*(?:fragen|hilfe|anpass|weitere)|"
    r"希望|请告诉|如有|如果您?(?:需要|有|还|想).*(?:问题|帮助|告诉)|如需|这些问题|請|祝|"
    r"n'hésitez|j'espère|ces questions|espero|avísame|estas preguntas|spero|fammi sapere|"
    r"laat het|ik hoop|надеюсь|если вам)",
    re.I,
)
_OFFER = re.compile(
    r"^\W*(?:(?:would|do) you (?:like|want|need)|shall i|should i|is there anything|anything else|"
    r"möchten sie|möchtest du|soll ich|brauchen sie|您?(?:还|是否)?需要我?|要不要|souhaitez-vous|"
    r"voulez-vous|¿?(?:quieres?|desea|te gustaría)|vuoi|wilt u|wil je|хотите)"
    r".*(?:\bquestions?\b|\bme to\b|\belse\b|fragen|问题|問題|preguntas|domande|vragen|вопрос)",
    re.I,
)
_ABOUT_QUESTIONS = re.compile(
    r"question|quer(?:y|ies)|quiz|json|frage|问题|問題|質問|pregunta|domand|pergunta|vrage|вопрос|"
    r"질문",
    re.I,
)
_REFUSAL = re.compile(
    r"^\W*(?:i(?:'m| am) sorry|sorry\b|i (?:can(?:no|')t|can’t|am unable|won't)|unfortunately|"
    r"as an ai|es tut mir leid|tut mir leid|leider|ich kann (?:keine|nicht|ihnen)|抱歉|对不起|"
    r"很遗憾|je suis désolé|désolé|lo siento|mi dispiace|к сожалению)",
    re.I,
)


def is_preamble(text: str) -> bool:
    """Tell whether an item of a list announces questions, as "Here are two questions:" does."""
    bare = _bare(text)
    if bare.endswith((":", "：")):
        return True
    return not asks(bare) and bool(_OPENING.match(bare) and _ABOUT_QUESTIONS.search(bare))


def is_talk(text: str) -> bool:
    """Tell whether a line outside any list is the model talking to the user.

    Such as "Sure!", "Let me know if ...", "Would you like more questions?", "I'm sorry, but ...".
    """
    bare = _bare(text)
    if is_preamble(bare) or _OFFER.match(bare):
        return True
    patterns = (_OPENING, _CLOSING, _REFUSAL)
    return not asks(bare) and any(pattern.match(bare) for pattern in patterns)


def asks(text: str) -> bool:
    """Tell whether a text ends with a question mark, of any script, within quotes or not."""
    return text.rstrip(" )]）\"'”’»」*_").endswith(tuple(MARKS))


def without_greeting(line: str) -> str:
    """Return a line without the talk before its question: "Sure! How long is leave?"."""
    for _ in range(3):  # "Sure! Here it is: How long is leave?"
        match = re.match(r"[^?？:：!！.。]{1,80}[:：!！.。]\s*(?=\S)", line)
        if not (match and _OPENING.match(line) and asks(line)):
            break
        line = line[match.end() :]
    return line


def _bare(text: str) -> str:
    return text.strip(" \t*_#\"'“”„`>-")
