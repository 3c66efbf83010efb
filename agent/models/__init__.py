"""The models a run can talk to. One file per kind; :func:`open_model` is the table of their names."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agent.models.base import Answer, Ask, Message, Model
from agent.models.dialects import AUTO
from agent.models.endpoint import OPENAI, Address, Endpoint
from agent.models.local import open_local
from agent.models.manual import Manual
from agent.models.pricing import Prices
from agent.models.replay import Recorder, Replay
from agent.models.scripted import Scripted
from graphs.errors import ConfigError, PrerequisiteError

__all__ = [
    "Answer",
    "Ask",
    "Found",
    "Manual",
    "Message",
    "Model",
    "Prices",
    "Recorder",
    "Replay",
    "Scripted",
    "find_model",
    "open_model",
]

OLLAMA_PORT = 11434
OLLAMA_WAIT_SECONDS = 0.5

HOW_TO_NAME_ONE = (
    "name one with --model (with OPENAI_API_KEY, or with --base-url for an OpenAI-compatible server), start Ollama, "
    "answer the prompts yourself with --model manual:DIR, or see the program at work without a model: agent demo"
)

PROVIDERS: Mapping[str, tuple[str, str]] = {
    "anthropic": ("langchain-anthropic", "ANTHROPIC_API_KEY"),
    "azure_openai": ("langchain-openai", "AZURE_OPENAI_API_KEY"),
    "bedrock": ("langchain-aws", "AWS_ACCESS_KEY_ID"),
    "bedrock_converse": ("langchain-aws", "AWS_ACCESS_KEY_ID"),
    "cohere": ("langchain-cohere", "COHERE_API_KEY"),
    "deepseek": ("langchain-deepseek", "DEEPSEEK_API_KEY"),
    "fireworks": ("langchain-fireworks", "FIREWORKS_API_KEY"),
    "google_genai": ("langchain-google-genai", "GOOGLE_API_KEY"),
    "google_vertexai": ("langchain-google-vertexai", "GOOGLE_APPLICATION_CREDENTIALS"),
    "groq": ("langchain-groq", "GROQ_API_KEY"),
    "huggingface": ("langchain-huggingface", "HF_TOKEN"),
    "mistralai": ("langchain-mistralai", "MISTRAL_API_KEY"),
    "nvidia": ("langchain-nvidia-ai-endpoints", "NVIDIA_API_KEY"),
    "perplexity": ("langchain-perplexity", "PPLX_API_KEY"),
    "together": ("langchain-together", "TOGETHER_API_KEY"),
    "xai": ("langchain-xai", "XAI_API_KEY"),
}
"""Provider before the colon → package that talks to it, variable that holds its key."""

_SHORT = {"google": "google_genai"}


@dataclass(frozen=True)
class Found:
    """A model that was found although none was named."""

    name: str
    """For ``--model``, such as ``ollama:qwen2.5-coder:7b``."""
    base_url: str
    """Where it is."""


def open_model(
    name: str,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    seconds: float = 300.0,
    stall_seconds: float = 120.0,
    prices: Prices,
    replay_delay: float = 0.0,
    dialect: str = AUTO,
) -> Model:
    """The model of that name. Nothing is connected and nothing heavy imported before the first question.

    | name | what |
    |---|---|
    | ``manual:DIR`` | prompts and answers as files in DIR |
    | ``replay:FILE`` | a recording; ``replay_delay`` simulates latency, in seconds per call |
    | ``replay-loosely:FILE`` | the same, where the wording of a question may differ from the recorded one |
    | ``local:transformers:FOLDER_OR_ID``, ``local:llamacpp:FILE.gguf`` | a model on this machine, through guidance |
    | ``local:replay:FILE`` | a recording, said again through guidance's grammar engine |
    | ``ollama:NAME`` | the local Ollama, or the one at ``base_url`` |
    | ``anthropic:NAME``, ``google:NAME``… | through LangChain's package for that provider |
    | ``openai:NAME`` or ``NAME`` | an OpenAI-compatible endpoint at ``base_url``, or OpenAI itself |

    ``seconds`` is the budget of one question, tries and waits together; ``stall_seconds`` is the longest silence of an
    endpoint; ``dialect`` is how a server takes grammars (``agent.models.dialects``), where the name is of an OpenAI-compatible
    endpoint. ``ConfigError`` for a name, URL or dialect that cannot be, ``PrerequisiteError`` for a missing key or package.
    """
    kind, colon, rest = name.partition(":")
    if not name.strip() or (
        colon and not rest.strip() and kind in {"manual", "replay", "replay-loosely", "openai", "ollama", *PROVIDERS}
    ):
        raise ConfigError(f"the model name {name!r} is incomplete; for example manual:DIR, openai:NAME or just NAME")
    if colon and kind == "manual":
        return Manual(Path(rest).expanduser())
    if colon and kind in ("replay", "replay-loosely"):
        return Replay(Path(rest).expanduser(), replay_delay, loose=kind == "replay-loosely")
    if colon and kind == "local":
        engine, _, which = rest.partition(":")
        return open_local(name, engine, which)
    if not (seconds > 0 and stall_seconds > 0):
        raise ConfigError(f"the time limits of a question must be above 0; found {seconds:g} s and {stall_seconds:g} s")
    kind = _SHORT.get(kind, kind)
    if colon and kind in PROVIDERS:
        return Endpoint(
            name,
            rest,
            api_key=api_key,
            key_variable=PROVIDERS[kind][1],
            prices=prices,
            seconds=seconds,
            stall_seconds=stall_seconds,
            open_chat=_provider(name, kind, rest, seconds=seconds, api_key=api_key),
            place=kind,
        )
    address = OPENAI if base_url is None else Address(_checked(base_url))
    if colon and kind == "ollama" and base_url is None:
        address = Address(f"http://127.0.0.1:{OLLAMA_PORT}/v1")
    if address == OPENAI and not api_key:
        raise PrerequisiteError(
            f"the model {name!r} at {OPENAI.place} wants a key: set OPENAI_API_KEY, or --base-url for another server"
        )
    return Endpoint(
        name,
        rest if colon and kind in {"openai", "ollama"} else name,
        address=address,
        api_key=api_key,
        prices=prices,
        seconds=seconds,
        stall_seconds=stall_seconds,
        dialect=dialect,
    )


def find_model(env: Mapping[str, str]) -> Found:
    """A local Ollama's most recent model, for when no model is configured; it must answer within half a second.

    It is looked for at ``OLLAMA_HOST`` of ``env`` or at 127.0.0.1:11434. ``PrerequisiteError`` says what can be set
    when there is none.
    """
    base = ollama_url(env.get("OLLAMA_HOST", ""))
    model = _newest(base)
    if model is not None:
        return Found(f"ollama:{model}", f"{base}/v1")
    if env.get("OPENAI_API_KEY") or env.get("OPENAI_BASE_URL"):
        have = "OPENAI_API_KEY" if env.get("OPENAI_API_KEY") else "OPENAI_BASE_URL"
        raise PrerequisiteError(f"no model is named: {have} is set, but not which model to use; {HOW_TO_NAME_ONE}")
    raise PrerequisiteError(f"no model is configured and no Ollama answers at {Address(base).place}; {HOW_TO_NAME_ONE}")


def ollama_url(host: str) -> str:
    """The base of Ollama's address from what ``OLLAMA_HOST`` may hold: host, host:port, :port, or a URL.

    >>> ollama_url(""), ollama_url("box:8080"), ollama_url("0.0.0.0"), ollama_url("https://box/")
    ('http://127.0.0.1:11434', 'http://box:8080', 'http://127.0.0.1:11434', 'https://box:443')
    """
    host = host.strip().strip("\"'")
    scheme, _, rest = host.rpartition("://")
    try:
        parts = urlsplit(f"//{rest}")
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"OLLAMA_HOST is {host!r}, which is no address: {error}") from error
    name = parts.hostname or "127.0.0.1"
    # What a server listens on is not what a client connects to.
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(name, name)
    port = port or {"https": 443, "http": 80}.get(scheme, OLLAMA_PORT)
    return f"{scheme or 'http'}://{f'[{name}]' if ':' in name else name}:{port}"


def _newest(base: str) -> str | None:
    """The model of an Ollama that was changed last and can write text; ``None`` when none answers or it has none."""
    # A proxy is for the world outside; Ollama is on this machine or near it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{base}/api/tags", timeout=OLLAMA_WAIT_SECONDS) as response:
            listed = json.loads(response.read(4_000_000))["models"]
        models = [
            (str(entry.get("modified_at", "")), str(entry["name"]))
            for entry in listed
            # Models for embeddings cannot answer; theirs are the families named after BERT.
            if "bert" not in str((entry.get("details") or {}).get("family", "")).lower()
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return max(models)[1] if models else None


def _checked(base_url: str) -> str:
    try:
        parts = urlsplit(base_url)
        good = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good or re.search(r"\s", base_url):
        shown = re.sub(r"//[^/@]*@", "//…@", base_url)
        raise ConfigError(f"the base URL {shown!r} is not an address; it looks like http://127.0.0.1:8000/v1")
    return base_url.rstrip("/")


def _provider(name: str, provider: str, model: str, *, seconds: float, api_key: str | None) -> Callable[[], Any]:
    """What opens a LangChain chat model; ``PrerequisiteError`` now when the packages are missing."""
    package, variable = PROVIDERS[provider]
    missing = [p for p in ("langchain", package) if find_spec(p.replace("-", "_")) is None]
    if missing:
        raise PrerequisiteError(f"the model {name!r} needs {' and '.join(missing)}: pip install {' '.join(missing)}")

    def chat() -> Any:
        init_chat_model = import_module("langchain.chat_models").init_chat_model
        options: dict[str, Any] = {"max_retries": 0, "timeout": seconds}
        if api_key:
            options["api_key"] = api_key
        try:
            return init_chat_model(model, model_provider=provider, **options)
        except ImportError as error:
            raise PrerequisiteError(f"the model {name!r} cannot be opened: {error}") from error
        except Exception as error:
            raise PrerequisiteError(
                f"the model {name!r} cannot be opened ({type(error).__name__}); is {variable} set?"
            ) from error

    return chat
