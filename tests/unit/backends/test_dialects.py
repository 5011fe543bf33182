"""Each protocol, as its servers document it: what is asked, what is answered, and who applies the FIM template."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from codecompose_ls.backends.api_key import ApiKey
from codecompose_ls.backends.client import Client
from codecompose_ls.backends.connect import dialect_of
from codecompose_ls.backends.dialect import Dialect, Message
from codecompose_ls.backends.request import Patience
from codecompose_ls.errors import BackendError
from codecompose_ls.prompt.templates import CODECOMPOSE, FAMILIES, QWEN25_CODER, FimTemplate
from codecompose_ls.settings import PROTOCOLS
from codecompose_ls.types import Context, Piece, Sampling, Snippet

CONTEXT = Context("python", "src/app.py", "def add(a, b):\n    return ", "\n\nprint(add(1, 2))\n")
EIGHT = Sampling(max_tokens=8)
#: What stands for the model's name, if a server wants one.
NAME = "some-model"


def asked(protocol: str, context: Context = CONTEXT, template: FimTemplate | None = None) -> tuple[str, Any]:
    request = dialect_of(protocol).completion(context, EIGHT, model=NAME, template=template)
    return request.path, json.loads(json.dumps(request.body))


async def answered(protocol: str, body: str, *, chat: bool = False, kind: str = "text/event-stream") -> list[Piece]:
    """Ask a server that answers with a recorded body."""

    async def said() -> AsyncIterator[bytes]:
        yield body.encode()

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=said(), headers={"Content-Type": kind})

    client = Client("http://127.0.0.1:1", key=ApiKey(""), patience=Patience(), transport=httpx.MockTransport(answer))
    dialect: Dialect = dialect_of(protocol)
    if chat:
        request = dialect.chat([Message("user", "hello")], EIGHT, model=NAME)
        read = dialect.chat_piece
    else:
        request, read = dialect.completion(CONTEXT, EIGHT, model=NAME, template=None), dialect.piece
    pieces = [piece async for piece in client.stream(request, read)]
    await client.aclose()
    return pieces


# What is asked.


def test_openai_is_told_both_sides() -> None:
    path, body = asked("openai")
    assert path == "/completions"
    assert body == {
        "model": NAME,
        "prompt": CONTEXT.prefix,
        "suffix": CONTEXT.suffix,
        "max_tokens": 8,
        "temperature": 0.0,
        "logprobs": 1,
        "stream": True,
    }


def test_our_own_service_is_told_language_and_path_too() -> None:
    path, body = asked("codecompose", replace(CONTEXT, kernel="python3"))
    assert path == "/completions"
    assert (body["language"], body["path"]) == ("python", "src/app.py (python3)")
    for protocol in ("openai", "llamacpp", "ollama"):
        assert "app.py" not in json.dumps(asked(protocol))


def test_llamacpp_is_asked_to_fill_in() -> None:
    path, body = asked("llamacpp")
    assert path == "/infill"
    assert (body["input_prefix"], body["input_suffix"]) == (CONTEXT.prefix, CONTEXT.suffix)
    assert (body["n_predict"], body["cache_prompt"], body["stream"]) == (8, True, True)


def test_llamacpp_is_told_of_other_files() -> None:
    _, body = asked("llamacpp", replace(CONTEXT, snippets=(Snippet("src/shop.py", "def buy(): ...\n"),)))
    assert body["input_extra"] == [{"filename": "src/shop.py", "text": "def buy(): ...\n"}]


def test_ollama_is_told_both_sides() -> None:
    path, body = asked("ollama")
    assert path == "/api/generate"
    assert (body["prompt"], body["suffix"], body["options"]["num_predict"]) == (CONTEXT.prefix, CONTEXT.suffix, 8)
    assert "raw" not in body


def test_ollama_is_never_without_a_suffix_for_then_it_talks() -> None:
    assert asked("ollama", replace(CONTEXT, suffix=""))[1]["suffix"] == "\n"


def test_sampling_is_passed_on() -> None:
    warm = Sampling(max_tokens=8, temperature=0.5, top_p=0.9, top_k=40, seed=7)
    wanted = {"temperature": 0.5, "top_p": 0.9, "seed": 7}
    for protocol in PROTOCOLS:
        body = dialect_of(protocol).completion(CONTEXT, warm, model=NAME, template=None).body
        options = body.get("options", body)
        assert {name: options[name] for name in wanted} == wanted
        if protocol in ("llamacpp", "ollama"):
            assert options["top_k"] == 40


# Who applies the template.


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_template_is_applied_by_exactly_one_side(protocol: str, family: str) -> None:
    template = FAMILIES[family]
    sentinels = [name.lstrip("▁") for name in template.sentinels]
    _, by_server = asked(protocol)
    sides = {"codecompose": ("prompt", "suffix"), "openai": ("prompt", "suffix"), "ollama": ("prompt", "suffix")}
    prefix, suffix = sides.get(protocol, ("input_prefix", "input_suffix"))
    assert (by_server[prefix], by_server[suffix]) == (CONTEXT.prefix, CONTEXT.suffix)
    assert not any(sentinel in json.dumps(by_server, ensure_ascii=False) for sentinel in sentinels)

    path, by_us = asked(protocol, template=template)
    used = [name for name in sentinels if name in by_us["prompt"]]
    assert len(used) >= 2 and all(by_us["prompt"].count(name) == 1 for name in used if name != "<|mask:0|>")
    assert CONTEXT.prefix in by_us["prompt"] and CONTEXT.suffix in by_us["prompt"]
    assert not {"suffix", "input_prefix", "input_suffix"} & by_us.keys()
    # Each server has its own way to be told that the text is ready as it is.
    untouched = {"llamacpp": path == "/completion", "ollama": by_us.get("raw") is True}
    assert untouched.get(protocol, path == "/completions")


def test_our_own_text_has_the_header_and_is_suffix_first() -> None:
    _, body = asked("openai", template=CODECOMPOSE)
    assert body["prompt"] == (
        "<|file_sep|>python src/app.py\n<|fim_prefix|><|fim_suffix|>\n\nprint(add(1, 2))\n<|fim_middle|>"
        "def add(a, b):\n    return "
    )


@pytest.mark.parametrize(
    ("family", "prompt"),
    [
        ("qwen2.5-coder", "<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>"),
        ("starcoder", "<fim_prefix>P<fim_suffix>S<fim_middle>"),
        ("deepseek-coder", "<｜fim▁begin｜>P<｜fim▁hole｜>S<｜fim▁end｜>"),
        # Servers put the beginning of a text there themselves; twice would be once too often.
        ("codellama", "<PRE> P <SUF>S <MID>"),
        ("codegemma", "<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>"),
        ("codestral", "[SUFFIX]S[PREFIX]P"),
    ],
)
def test_the_text_of_other_families(family: str, prompt: str) -> None:
    _, body = asked("openai", Context("python", "a.py", "P", "S"), FAMILIES[family])
    assert body["prompt"] == prompt


def test_text_that_spells_a_sentinel_stays_text() -> None:
    tricky = replace(CONTEXT, prefix="x = '<|fim_middle|>'\n", suffix="# <|endoftext|>\n")
    _, body = asked("ollama", tricky, QWEN25_CODER)
    assert body["prompt"].count("<|fim_middle|>") == 1
    assert "<\u200b|fim_middle|>" in body["prompt"]


def test_sentinels_end_an_answer_as_far_as_the_protocol_lets_them() -> None:
    assert asked("ollama", template=QWEN25_CODER)[1]["options"]["stop"] == list(QWEN25_CODER.stop)
    assert asked("llamacpp", template=QWEN25_CODER)[1]["stop"] == list(QWEN25_CODER.stop)
    assert asked("openai", template=QWEN25_CODER)[1]["stop"] == list(QWEN25_CODER.stop[:4])


# What is answered: bodies as the servers write them.

VLLM = """\
data: {"id":"cmpl-1","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":"a","logprobs":\
{"text_offset":[0],"token_logprobs":[-0.25],"tokens":["a"],"top_logprobs":[{"a":-0.25}]},"finish_reason":null,\
"stop_reason":null}],"usage":null}

data: {"id":"cmpl-1","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":" + b","logprobs":\
{"text_offset":[1,3],"token_logprobs":[-0.5,-0.125],"tokens":[" +"," b"],"top_logprobs":[{},{}]},\
"finish_reason":"length","stop_reason":null}],"usage":null}

data: {"id":"cmpl-1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3}}

data: [DONE]

"""
MISTRAL_FIM = """\
data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,\
"delta":{"role":"assistant","content":"a + b"},"finish_reason":null}]}

data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,\
"delta":{"content":""},"finish_reason":"stop"}]}

data: [DONE]

"""
LLAMACPP_AS_OPENAI = """\
data: {"choices":[{"text":"a + b","index":0,"logprobs":{"content":[{"id":1,"token":"a","logprob":-0.5},\
{"id":2,"token":" + b","logprob":-0.25}]},"finish_reason":null}],"object":"text_completion"}

data: {"choices":[{"text":"","index":0,"logprobs":null,"finish_reason":"stop"}],"object":"text_completion"}

data: [DONE]

"""
WITHOUT_REASON = 'data: {"choices":[{"text":"a + b"}]}\n\ndata: [DONE]\n\n'
LLAMACPP = """\
data: {"index":0,"content":"a","tokens":[64],"stop":false,"id_slot":-1,"tokens_predicted":1,"tokens_evaluated":20,\
"completion_probabilities":[{"id":64,"token":"a","bytes":[97],"logprob":-0.25,"top_logprobs":[{"id":64,"logprob":-0.25}]}]}

data: {"index":0,"content":" + b","tokens":[5,6],"stop":false,"id_slot":-1,"tokens_predicted":3,"tokens_evaluated":20,\
"completion_probabilities":[{"id":5,"token":" +","logprob":-0.5},{"id":6,"token":" b","logprob":-0.125}]}

data: {"index":0,"content":"","tokens":[],"stop":true,"stop_type":"limit","stopping_word":"","truncated":false,\
"completion_probabilities":[{"id":5,"token":" +","logprob":-9.0}],"timings":{"prompt_n":20}}

"""
LLAMACPP_2024 = """\
data: {"content":"a + b","multimodal":false,"slot_id":0,"stop":false}

data: {"content":"","slot_id":0,"stop":true,"stopped_eos":true,"stopped_limit":false,"stopped_word":false}

"""
OLLAMA = """\
{"model":"m","created_at":"2026-01-01T00:00:00Z","response":"a","done":false,"logprobs":[{"token":"a","logprob":-0.25}]}
{"model":"m","created_at":"2026-01-01T00:00:00Z","response":" + b","done":false,\
"logprobs":[{"token":" +","logprob":-0.5},{"token":" b","logprob":-0.125}]}
{"model":"m","created_at":"2026-01-01T00:00:00Z","response":"","done":true,"done_reason":"length","total_duration":1}
"""
OLLAMA_2024 = '{"response":"a + b","done":false}\n{"response":"","done":true,"done_reason":"stop"}\n'
NOT_STREAMED = '{"choices": [{"text": "a + b", "finish_reason": "stop"}]}'


@pytest.mark.parametrize(
    ("protocol", "body", "kind", "finish", "logprobs"),
    [
        ("openai", VLLM, "text/event-stream", "length", [-0.25, -0.625]),
        ("openai", MISTRAL_FIM, "text/event-stream", "stop", [0, 0]),
        ("openai", LLAMACPP_AS_OPENAI, "text/event-stream", "stop", [-0.75, 0]),
        ("openai", WITHOUT_REASON, "text/event-stream", "stop", [0, 0]),
        ("openai", NOT_STREAMED, "application/json", "stop", [0]),
        ("codecompose", VLLM, "text/event-stream", "length", [-0.25, -0.625]),
        ("llamacpp", LLAMACPP, "text/event-stream", "length", [-0.25, -0.625, 0]),
        ("llamacpp", LLAMACPP_2024, "text/event-stream", "stop", [0, 0]),
        ("ollama", OLLAMA, "application/x-ndjson", "length", [-0.25, -0.625, 0]),
        ("ollama", OLLAMA_2024, "application/x-ndjson", "stop", [0, 0]),
    ],
)
async def test_an_answer(protocol: str, body: str, kind: str, finish: str, logprobs: list[float]) -> None:
    pieces = await answered(protocol, body, kind=kind)
    assert "".join(piece.text for piece in pieces) == "a + b"
    assert [piece.logprob for piece in pieces] == logprobs
    assert [piece.finish for piece in pieces] == [None] * (len(pieces) - 1) + [finish]


CHAT = """\
data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}

data: {"choices":[{"index":0,"delta":{"reasoning_content":"hm"},"finish_reason":null}]}

data: {"choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}]}

data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

data: [DONE]

"""
OLLAMA_CHAT = """\
{"model":"m","message":{"role":"assistant","content":"Hel"},"done":false}
{"model":"m","message":{"role":"assistant","content":"lo"},"done":false}
{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"}
"""


@pytest.mark.parametrize(
    ("protocol", "body"), [("openai", CHAT), ("codecompose", CHAT), ("llamacpp", CHAT), ("ollama", OLLAMA_CHAT)]
)
async def test_a_talk(protocol: str, body: str) -> None:
    pieces = await answered(protocol, body, chat=True)
    assert "".join(piece.text for piece in pieces) == "Hello"
    assert pieces[-1].finish == "stop"


def test_what_a_talk_asks() -> None:
    messages = [Message("system", "be brief"), Message("user", "hello")]
    paths = {}
    for protocol in PROTOCOLS:
        request = dialect_of(protocol).chat(messages, EIGHT, model=NAME)
        paths[protocol] = request.path
        assert request.body["messages"] == [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "hello"},
        ]
    assert paths == {
        "codecompose": "/chat/completions",
        "openai": "/chat/completions",
        "llamacpp": "/v1/chat/completions",
        "ollama": "/api/chat",
    }


@pytest.mark.parametrize(
    ("protocol", "body"),
    [
        ("openai", 'data: {"choices":[{"text":"a"}]}\n\ndata: {"error":{"message":"out of memory","code":500}}\n\n'),
        (
            "llamacpp",
            'data: {"content":"a","stop":false}\n\ndata: {"error":{"message":"out of memory","code":500}}\n\n',
        ),
        ("ollama", '{"response":"a","done":false}\n{"error":"out of memory"}\n'),
    ],
)
async def test_an_error_in_the_midst_of_an_answer(protocol: str, body: str) -> None:
    with pytest.raises(BackendError, match="says: out of memory"):
        await answered(protocol, body)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "body", ['{"choices": 7}', '{"content": ["x"]}', '{"response": {}}', '{"choices":[{"text":null}]}']
)
async def test_an_answer_of_another_shape_is_no_answer(protocol: str, body: str) -> None:
    with pytest.raises(BackendError, match="stopped in the midst"):
        await answered(protocol, f"data: {body}\n\n")


def test_the_models_that_a_server_lists() -> None:
    listing = {"object": "list", "data": [{"id": "base"}, {"id": "tuned"}]}
    for protocol in ("codecompose", "openai", "llamacpp"):
        assert dialect_of(protocol).model_names(listing) == ["base", "tuned"]
    assert dialect_of("ollama").model_names({"models": [{"name": "qwen2.5-coder:1.5b"}]}) == ["qwen2.5-coder:1.5b"]
    for protocol in PROTOCOLS:
        assert dialect_of(protocol).model_names({"data": 7, "models": None}) == []


def test_what_warms_a_server_up() -> None:
    warm_up = {name: dialect_of(name).warm_up(CONTEXT, model=NAME, template=None) for name in PROTOCOLS}
    assert warm_up["openai"] is warm_up["codecompose"] is None
    assert warm_up["llamacpp"] is not None and warm_up["llamacpp"].body["n_predict"] == 0
    # Without a prompt Ollama loads the model and says that it is done.
    assert warm_up["ollama"] is not None and "prompt" not in warm_up["ollama"].body
