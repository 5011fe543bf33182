"""From the settings to who answers: the local engine, a server, or a server with the local engine behind it."""

from __future__ import annotations

from collections.abc import Callable

from codecompose_ls.backends import address, api_key
from codecompose_ls.backends.backend import Backend
from codecompose_ls.backends.chat import PATIENCE, Chat, RemoteChat
from codecompose_ls.backends.client import Client
from codecompose_ls.backends.codecompose import CodeCompose
from codecompose_ls.backends.dialect import Dialect
from codecompose_ls.backends.fallback import Fallback
from codecompose_ls.backends.llamacpp import LlamaCpp
from codecompose_ls.backends.ollama import Ollama
from codecompose_ls.backends.openai import OpenAI
from codecompose_ls.backends.remote import RemoteBackend
from codecompose_ls.backends.request import Patience
from codecompose_ls.errors import InputError
from codecompose_ls.prompt.templates import FAMILIES
from codecompose_ls.settings import Settings

DIALECTS: dict[str, Callable[[], Dialect]] = {
    "codecompose": CodeCompose,
    "openai": OpenAI,
    "llamacpp": LlamaCpp,
    "ollama": Ollama,
}
LOCAL, SERVER = "local", "server"


def connect(settings: Settings, *, local: Callable[[], Backend]) -> Backend:
    """Return the backend that the settings name; `local` loads the model on this machine.

    Blocks while a local model loads; no server is asked yet. Raises `InputError` for settings that cannot be used
    together, and what `local` raises.
    """
    if settings.backend == LOCAL:
        return local()
    remote = connect_remote(settings)
    return Fallback(remote, local) if settings.backend_fallback else remote


def connect_remote(settings: Settings) -> RemoteBackend:
    """Return the server's side alone. Raises `InputError`."""
    dialect = DIALECTS[settings.backend]()
    url = _url(settings.backend_url, dialect, setting="backend_url")
    model = _model(settings.backend_model, dialect, setting="backend_model", protocol=settings.backend)
    family = settings.backend_template
    if family != SERVER and family not in FAMILIES:
        known = ", ".join((SERVER, *FAMILIES))
        raise InputError(f"setting 'backend_template' must be one of {known}, not {family!r}")
    total = settings.backend_timeout_ms / 1000
    read, start = min(settings.backend_read_timeout_ms / 1000, total), settings.backend_connect_timeout_ms / 1000
    patience = Patience(connect=start, read=read, write=read, pool=start, total=total)
    return RemoteBackend(
        Client(url, key=api_key.find(address.host_of(url)), patience=patience),
        dialect,
        name=_name(model or settings.backend, url),
        model=model,
        template=FAMILIES.get(family),
        context=settings.backend_context,
    )


def connect_chat(settings: Settings) -> Chat | None:
    """Return the model that the assistants talk to; None where the settings name none. Raises `InputError`."""
    if settings.chat == "none":
        return None
    dialect = DIALECTS[settings.chat]()
    url = _url(settings.chat_url, dialect, setting="chat_url")
    model = _model(settings.chat_model, dialect, setting="chat_model", protocol=settings.chat)
    client = Client(url, key=api_key.find(address.host_of(url)), patience=PATIENCE)
    return RemoteChat(client, dialect, name=_name(model or settings.chat, url), model=model)


def title(settings: Settings) -> str:
    """Return what the status calls the model that the settings name."""
    if settings.backend == LOCAL:
        return settings.model
    url = settings.backend_url or DIALECTS[settings.backend]().default_url
    return _name(settings.backend_model or settings.backend, url)


def _name(model: str, url: str) -> str:
    return f"{model}@{address.host_of(url)}"


def _url(url: str, dialect: Dialect, *, setting: str) -> str:
    try:
        return address.check(url or dialect.default_url)
    except InputError as error:
        raise InputError(f"setting {setting!r}: {error}") from error


def _model(name: str, dialect: Dialect, *, setting: str, protocol: str) -> str:
    if dialect.needs_model and not name:
        raise InputError(f"the backend '{protocol}' needs the setting {setting!r}: the name of a model it serves")
    return name
