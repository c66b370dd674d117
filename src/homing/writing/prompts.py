"""Prompts: versioned Jinja files, in the package or the user's own, that ask for questions.

A prompt file has two blocks, `system` and `user`; what stands outside them is not used. Variables:

* `passage`: the passage's text
* `title`: document title and last headings, such as "Handbook > Leave > Parents", or ""
* `document_title`: the document's title, or ""
* `heading_path`: list of the headings above the passage, document title first
* `previous`, `next`: the neighbouring passages of the same document, cut at about 400 characters
* `language`: English name of the passage's language, such as "German", or ""
* `n_questions`: how many questions to write
* `plan`: list of what to ask, each with `kind`, `instruction`, `length`, `persona`
  (`homing.writing.planning`); a file that uses it gets answers with a kind for each question
* `examples`: list of real questions as an example of style; may be empty

Text of documents is data: it stands between markers (<passage>, <before>, <after>, <examples>), and
what looks like such a marker inside it is made harmless here, whatever the file. Files run in
Jinja's sandbox; a wrong one is found when it is loaded, not in the middle of a job. A file that is
changed is another prompt: its name holds a hash of its content, or the version.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property, partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homing.errors import UsageError
from homing.types import content_id
from homing.writing.planning import FALLBACK_KIND, PlannedQuestion, plan_questions

if TYPE_CHECKING:
    from jinja2 import Template

DEFAULT_PROMPT = "mixed.v1"
BLOCKS = ("system", "user")
VARIABLES = frozenset(
    "passage title document_title heading_path previous next language n_questions plan "
    "examples".split()
)
NEIGHBOUR_CHARACTERS = 400
EXAMPLE_CHARACTERS = 200
"""A question from a log that is longer shows no style, but costs tokens in every call."""
_CUT_AT_WORD = 40
_MARKER = re.compile(r"[<＜](?=[\s\u200b-\u200d\ufeff/]*(?:passage|before|after|examples)\b)", re.I)
_MARKER_ALLOWED = "‹"
LANGUAGES: Mapping[str, str] = dict(
    pair.split(":")
    for pair in (
        "ar:Arabic bg:Bulgarian bn:Bengali ca:Catalan cs:Czech da:Danish de:German el:Greek "
        "en:English es:Spanish et:Estonian fa:Persian fi:Finnish fr:French he:Hebrew hi:Hindi "
        "hr:Croatian hu:Hungarian id:Indonesian it:Italian ja:Japanese ko:Korean lt:Lithuanian "
        "lv:Latvian ms:Malay nl:Dutch no:Norwegian pl:Polish pt:Portuguese ro:Romanian ru:Russian "
        "sk:Slovak sl:Slovenian sr:Serbian sv:Swedish ta:Tamil th:Thai tr:Turkish uk:Ukrainian "
        "ur:Urdu vi:Vietnamese zh:Chinese"
    ).split()
)


class Prompt:
    """One prompt file, checked and ready to render.

    Attributes:
        name: "mixed.v1", or the file's stem and a hash of its content, such as "legal.3f2a91c0".
        kind: What its questions are labelled with where it does not use the plan, such as "quiz".
        uses_plan: Whether it asks for planned kinds.
    """

    def __init__(self, source: str, *, name: str, kind: str, shown_as: str) -> None:
        """Check a prompt's source by rendering it once.

        Args:
            shown_as: What errors call it: its path.

        Raises:
            UsageError: It is no prompt; the message names the file and the line.
        """
        self.name = name
        self.kind = kind
        self._source = source
        self._shown_as = shown_as
        self.uses_plan = "plan" in self._checked_variables()
        self.render("A passage.", plan=plan_questions("", 2), examples=["why?"], previous="Before.")

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how a worker makes the same prompt: from its source, wherever the file lies."""
        named = {"name": self.name, "kind": self.kind, "shown_as": self._shown_as}
        return partial(Prompt, self._source, **named), ()

    def render(
        self,
        passage: str,
        *,
        title: str = "",
        document_title: str = "",
        heading_path: Sequence[str] = (),
        previous: str = "",
        next: str = "",
        language: str = "",
        plan: Sequence[PlannedQuestion] = (),
        n_questions: int | None = None,
        examples: Sequence[str] = (),
    ) -> tuple[str, str]:
        """Return the system and the user message.

        Args:
            passage: Its whole text, as it is in the corpus.
            previous: The whole text before it; its end is shown.
            next: The whole text after it; its beginning is shown.
            n_questions: None takes the length of the plan.

        Raises:
            UsageError: The file uses a variable or filter in a way that fails.
        """
        values = {
            "passage": _harmless(passage),
            "title": _one_line(title),
            "document_title": _one_line(document_title),
            "heading_path": [_one_line(heading) for heading in heading_path],
            "previous": _harmless(cut_start(previous, NEIGHBOUR_CHARACTERS)),
            "next": _harmless(cut_end(next, NEIGHBOUR_CHARACTERS)),
            "language": language,
            "n_questions": len(plan) if n_questions is None else n_questions,
            "plan": list(plan),
            "examples": [cut_end(_one_line(e), EXAMPLE_CHARACTERS) for e in examples],
        }
        system, user = (self._render_block(block, values) for block in BLOCKS)
        return system, user

    def answer_schema(self, n_questions: int, kinds: Collection[str] = ()) -> dict[str, Any]:
        """Return the JSON schema of the answer; equal for all passages, as providers compile it.

        Args:
            kinds: The kinds that are planned anywhere in the job; not asked for where the prompt
                does not use the plan.
        """
        question: dict[str, Any] = {"question": {"type": "string"}}
        if self.uses_plan:
            names = sorted({*kinds, FALLBACK_KIND})
            question = {"kind": {"type": "string", "enum": names}, **question}
        item = _object(question)
        array = {"type": "array", "items": item, "minItems": n_questions, "maxItems": n_questions}
        return _object({"questions": array})

    def _checked_variables(self) -> set[str]:
        """Return the names of the variables that the file uses."""
        from jinja2 import TemplateSyntaxError, meta, nodes

        try:
            tree = self._environment.parse(self._source)
            self._template  # noqa: B018  compiling finds further errors
        except TemplateSyntaxError as error:
            raise self._error(error.lineno, error.message or "syntax error") from error
        missing = [b for b in BLOCKS if b not in {n.name for n in tree.find_all(nodes.Block)}]
        if missing:
            example = f"{{% block {missing[0]} %}}...{{% endblock %}}"
            raise self._error(1, f"The block {missing[0]!r} is missing. Write: {example}")
        used = meta.find_undeclared_variables(tree)
        for unknown in sorted(used - VARIABLES):
            line = next(n.lineno for n in tree.find_all(nodes.Name) if n.name == unknown)
            known = ", ".join(sorted(VARIABLES))
            raise self._error(line, f"There is no variable {unknown!r}. Variables are: {known}")
        return used

    def _render_block(self, block: str, values: Mapping[str, Any]) -> str:
        template = self._template
        try:
            context = template.new_context(dict(values))
            return "".join(template.blocks[block](context)).strip()
        except Exception as error:  # a user's file may fail in any way
            raise self._error(_line_of(error, template), str(error)) from error

    def _error(self, line: int, what: str) -> UsageError:
        return UsageError(f"{self._shown_as}, line {line}: {what.rstrip('.')}. Correct the prompt.")

    @cached_property
    def _environment(self) -> Any:
        from jinja2 import StrictUndefined
        from jinja2.sandbox import SandboxedEnvironment

        # Nothing is escaped: the result is text for a model, not a page.
        return SandboxedEnvironment(undefined=StrictUndefined, autoescape=False)

    @cached_property
    def _template(self) -> Template:
        return self._environment.from_string(self._source)  # type: ignore[no-any-return]


def builtin_prompts() -> list[str]:
    """Return the names of the prompts in the package, such as "mixed.v1"."""
    folder = files("homing.writing") / "prompt_files"
    names = (entry.name for entry in folder.iterdir())
    return sorted(name.removesuffix(".jinja") for name in names if name.endswith(".jinja"))


def load_prompt(which: str | Path = DEFAULT_PROMPT) -> Prompt:
    """Return a prompt of the package, or a user's own file.

    Args:
        which: "mixed.v1"; "mixed" for its latest version; or the path of a file.

    Raises:
        UsageError: There is no such prompt, or it is wrong; the message names the file and line.
    """
    versions = [n for n in builtin_prompts() if str(which) in (n, n.rpartition(".v")[0])]
    if versions:
        name = max(versions, key=lambda n: int(n.rpartition(".v")[2]))
        path = files("homing.writing") / "prompt_files" / f"{name}.jinja"
        source = path.read_text("utf-8")
        return Prompt(source, name=name, kind=name.rpartition(".v")[0], shown_as=f"{name}.jinja")
    path = Path(which)
    try:
        source = path.read_text("utf-8")
    except FileNotFoundError as error:
        known = ", ".join(builtin_prompts())
        raise UsageError(f"There is no prompt {str(which)!r}: no such file, and not one of "
                         f"{known}.") from error  # fmt: skip
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The prompt {which} cannot be read as UTF-8 text: {error}") from error
    name = f"{path.stem}.{content_id(source)[:8]}"
    return Prompt(source, name=name, kind=path.stem, shown_as=str(path))


def language_name(code: str) -> str:
    """Return the English name of a language, such as "German" for "de", or "" if unknown."""
    return LANGUAGES.get(code.lower().partition("-")[0], "")


def cut_end(text: str, n: int) -> str:
    """Return about the first `n` characters, cut between words where there are any."""
    text = text.strip()
    if len(text) <= n:
        return text
    space = max(text.rfind(" ", n - _CUT_AT_WORD, n), text.rfind("\n", n - _CUT_AT_WORD, n))
    return text[: space if space > 0 else n].rstrip() + " …"


def cut_start(text: str, n: int) -> str:
    """Return about the last `n` characters, cut between words where there are any."""
    text = text.strip()
    if len(text) <= n:
        return text
    match = re.search(r"\s", text[-n : len(text) - n + _CUT_AT_WORD])
    return "… " + text[-n + match.end() if match else -n :].lstrip()


def _harmless(text: str) -> str:
    """Return text of a document in which no marker of the prompt can be opened or closed."""
    return _MARKER.sub(_MARKER_ALLOWED, text)


def _one_line(text: str) -> str:
    return _harmless(" ".join(text.split()))


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an object with just these properties, as strict modes want it."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _line_of(error: BaseException, template: Template) -> int:
    """Return the line of the template in which rendering failed, 1 if it is not known."""
    line, trace = 1, error.__traceback__
    while trace:
        if trace.tb_frame.f_globals.get("__jinja_template__") is template:
            line = template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return line
