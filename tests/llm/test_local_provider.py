"""A language model on this machine: real transformers, a tiny model of random weights."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from handbook_sentences import HANDBOOK
from homing.errors import ModelNotFoundError
from homing.llm.local import LocalProvider
from homing.llm.provider import ChatAnswer, ChatRequest, RequestRefused, TransientFailure

CONTEXT = 256
CHAT = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SYSTEM = "Write one question that the passage answers."
PASSAGES = [f"Passage: {text}" for text in HANDBOOK.values()]


def save_model(folder: Path, *, template: str | None = None, **generation: object) -> Path:
    """Save a model of two layers that writes nonsense, with a tokenizer of the handbook's words."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=["<|end|>", "<|system|>", "<|user|>", "<|assistant|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(HANDBOOK.values(), trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>")
    fast.chat_template = template
    fast.save_pretrained(folder)
    torch.manual_seed(11)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT,
        initializer_range=0.4,  # the default is so small that every token is as likely as another
        bos_token_id=None,
        eos_token_id=0,
    )
    model = LlamaForCausalLM(config)
    model.generation_config.update(**generation)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("causal") / "plain", template=CHAT)


@pytest.fixture(scope="module")
def provider(folder: Path) -> Iterator[LocalProvider]:
    opened = LocalProvider(str(folder), device="cpu")
    yield opened
    asyncio.run(opened.close())


def ask_all(provider: LocalProvider, requests: Sequence[ChatRequest]) -> list[ChatAnswer]:
    async def all_at_once() -> list[ChatAnswer]:
        return list(await asyncio.gather(*(provider.ask(request) for request in requests)))

    return asyncio.run(all_at_once())


def question(
    passage: str, *, max_tokens: int = 12, temperature: float | None = None
) -> ChatRequest:
    return ChatRequest(SYSTEM, passage, max_tokens=max_tokens, temperature=temperature)


@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_an_answer_does_not_depend_on_who_asks_at_the_same_time(
    provider: LocalProvider, temperature: float
) -> None:
    requests = [question(passage, temperature=temperature) for passage in PASSAGES[:20]]
    together = ask_all(provider, requests)
    alone = [ask_all(provider, [request])[0] for request in requests]
    assert [a.text for a in together] == [a.text for a in alone]
    assert len({a.text for a in together}) > 10


def test_the_same_question_is_answered_alike_and_another_seed_answers_otherwise(
    folder: Path, provider: LocalProvider
) -> None:
    requests = [question(passage, temperature=1.0) for passage in PASSAGES[:4]]
    first = [a.text for a in ask_all(provider, requests)]
    assert [a.text for a in ask_all(provider, requests)] == first
    other = LocalProvider(str(folder), seed=5, device="cpu")
    assert [a.text for a in ask_all(other, requests)] != first
    asyncio.run(other.close())


def test_greedy_answers_are_those_of_transformers(folder: Path, provider: LocalProvider) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    text = f"<|system|>{SYSTEM}<|end|><|user|>{PASSAGES[0]}<|end|><|assistant|>"
    inputs = tokenizer(text, return_tensors="pt", return_token_type_ids=False)
    written = model.generate(**inputs, max_new_tokens=12, do_sample=False, pad_token_id=0)
    tail = written[0, inputs["input_ids"].shape[1] :]
    (answer,) = ask_all(provider, [question(PASSAGES[0], temperature=0.0)])
    assert answer.text == tokenizer.decode(tail, skip_special_tokens=True).strip()
    assert answer.input_tokens == inputs["input_ids"].shape[1]


def test_sampled_answers_follow_the_model_s_own_probabilities(
    folder: Path, provider: LocalProvider
) -> None:
    import torch

    prompt = question(PASSAGES[0], max_tokens=1, temperature=1.0)
    model = provider._model
    assert model is not None
    ids = model.token_ids(prompt.system, prompt.user, None)
    with torch.inference_mode():
        scores = model.model(torch.tensor([ids])).logits[0, -1]
    likeliest = int(scores.argmax())
    expected = float(scores.softmax(0)[likeliest])
    from homing.llm.local_model import Prompt

    prompts = [Prompt(ids, 1, 1.0, seed) for seed in range(600)]
    word = model.tokenizer.decode([likeliest]).strip()
    drawn = sum(reply.text == word for reply in model.write(prompts, lambda: False)) / 600
    assert drawn == pytest.approx(expected, abs=0.08)
    assert 0.02 < expected < 0.98


def test_an_answer_that_is_cut_off_says_so_and_each_has_its_own_length(
    provider: LocalProvider,
) -> None:
    requests = [question(PASSAGES[i], max_tokens=n) for i, n in enumerate((1, 3, 9))]
    answers = ask_all(provider, requests)
    assert [(a.finish, a.output_tokens) for a in answers] == [("length", n) for n in (1, 3, 9)]
    assert [a.input_tokens for a in answers] == [len(tokens(provider, r)) for r in requests]


def tokens(provider: LocalProvider, request: ChatRequest) -> list[int]:
    assert provider._model is not None
    return provider._model.token_ids(request.system, request.user, request.schema)


def test_an_answer_that_ends_by_itself_says_so(provider: LocalProvider) -> None:
    requests = [question(passage, max_tokens=100, temperature=2.0) for passage in PASSAGES[:8]]
    ended = [a for a in ask_all(provider, requests) if a.finish == "stop"]
    assert ended
    assert all(a.output_tokens <= 100 and "<|end|>" not in a.text for a in ended)


def test_a_passage_longer_than_the_context_is_refused_and_its_neighbours_are_not(
    provider: LocalProvider,
) -> None:
    async def both() -> list[ChatAnswer | BaseException]:
        asks = (provider.ask(question(text)) for text in ("leave " * CONTEXT, PASSAGES[0]))
        return await asyncio.gather(*asks, return_exceptions=True)

    refused, answered = asyncio.run(both())
    assert isinstance(answered, ChatAnswer)
    assert isinstance(refused, RequestRefused)
    assert f"takes {CONTEXT}" in str(refused)


def test_an_answer_ends_where_the_context_does(provider: LocalProvider) -> None:
    requests = [question("leave " * n, max_tokens=1000) for n in (60, 80, 90)]
    answers = ask_all(provider, requests)
    assert {a.input_tokens + a.output_tokens for a in answers if a.finish == "length"} == {CONTEXT}


def test_a_schema_and_a_model_without_chat_format_get_a_plain_prompt(tmp_path: Path) -> None:
    provider = LocalProvider(str(save_model(tmp_path / "base")), device="cpu")
    schema = {"type": "object", "properties": {"questions": {"type": "array"}}}
    request = ChatRequest(SYSTEM, PASSAGES[0], schema=schema)
    assert provider._model is not None
    text = provider._model.tokenizer.decode(tokens(provider, request))
    assert text.strip().startswith(SYSTEM)
    assert '"questions"' in text
    assert text.endswith(f"{PASSAGES[0]}\n")
    asyncio.run(provider.close())


def test_a_chat_format_that_knows_no_system_message_still_gets_the_instructions(
    tmp_path: Path,
) -> None:
    strict = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    model = save_model(tmp_path / "strict", template=strict + CHAT)
    provider = LocalProvider(str(model), device="cpu")
    assert provider._model is not None
    text = provider._model.tokenizer.decode(tokens(provider, question(PASSAGES[0])))
    assert text.startswith(f"<|user|>{SYSTEM}")
    asyncio.run(provider.close())


def test_the_settings_that_the_makers_of_a_model_recommend_hold(tmp_path: Path) -> None:
    own = {"do_sample": True, "temperature": 0.7, "top_k": 1, "repetition_penalty": 1.3}
    provider = LocalProvider(str(save_model(tmp_path / "own", **own)), device="cpu")
    sampled, greedy = (question(PASSAGES[0], temperature=t) for t in (None, 0.0))
    answers = ask_all(provider, [sampled, greedy])
    assert answers[0].text == answers[1].text  # the best one of one: top_k holds
    asyncio.run(provider.close())


def test_the_event_loop_goes_on_while_the_model_writes(provider: LocalProvider) -> None:
    async def count() -> int:
        ask = asyncio.create_task(provider.ask(question(PASSAGES[0], max_tokens=100)))
        n = 0
        while not ask.done():
            n += 1
            await asyncio.sleep(0.001)
        return n

    assert asyncio.run(count()) > 3


def test_closing_cuts_off_what_is_being_written_and_frees_the_model(folder: Path) -> None:
    provider = LocalProvider(str(folder), device="cpu")

    async def close_in_the_middle() -> list[ChatAnswer | BaseException]:
        requests = (question(passage, max_tokens=200) for passage in PASSAGES[:12])
        asks = [asyncio.create_task(provider.ask(request)) for request in requests]
        await asyncio.sleep(0.05)
        await provider.close()
        return await asyncio.gather(*asks, return_exceptions=True)

    outcomes = asyncio.run(close_in_the_middle())
    assert all(isinstance(x, ChatAnswer | TransientFailure) for x in outcomes)
    assert any(isinstance(x, TransientFailure) for x in outcomes)
    assert provider._model is None
    assert not provider._thread.is_alive()
    asyncio.run(provider.close())
    with pytest.raises(TransientFailure, match="closed"):
        ask_all(provider, [question(PASSAGES[0])])


def test_asking_for_a_model_that_is_nowhere_names_the_remedies() -> None:
    with pytest.raises(ModelNotFoundError, match=r"HF_HUB_OFFLINE.*path of a model folder"):
        LocalProvider("nobody/no-such-model-at-all")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"config\.json"):
        LocalProvider(str(tmp_path))


def test_an_embedding_model_is_not_taken_for_one_that_writes(tiny_model: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="does not write text"):
        LocalProvider(str(tiny_model))
