"""From the settings to who answers: the local engine, a server, or a server with the local engine behind it.

What only servers need is imported when one is named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from codecompose_ls.errors import InputError
from codecompose_ls.settings import Settings

if TYPE_CHECKING:
    from codecompose_ls.backends.backend import Backend
    from codecompose_ls.backends.chat import Chat
    from codecompose_ls.backends.client import Client
    from codecompose_ls.backends.dialect import Dialect
    from codecompose_ls.backends.remote import RemoteBackend
    from codecompose_ls.backends.request import Patience

#: The model on this machine; no assistant; a server that applies the template itself.
LOCAL, NONE, SERVER = "local", "none", "server"


def connect(settings: Settings, *, local: Callable[[], Backend]) -> Backend:
    """Return the backend that the settings name; `local` loads the model on this machine.

    Blocks while a local model loads; no server is asked yet. Raises `InputError` for settings that do not go together,
    and what `local` raises.
    """
    if settings.backend == LOCAL:
        return local()
    from codecompose_ls.backends.fallback import Fallback

    remote = connect_remote(settings)
    return Fallback(remote, local) if settings.backend_fallback else remote


def connect_remote(settings: Settings) -> RemoteBackend:
    """Return the server's side alone. Raises `InputError`."""
    from codecompose_ls.backends.remote import RemoteBackend
    from codecompose_ls.backends.request import Patience
    from codecompose_ls.prompt.templates import FAMILIES

    dialect = dialect_of(settings.backend)
    url = _address(settings.backend_url, dialect, setting="backend_url")
    model = _named(settings.backend_model, dialect, setting="backend_model", protocol=settings.backend)
    family = settings.backend_template
    if family != SERVER and family not in FAMILIES:
        known = ", ".join((SERVER, *FAMILIES))
        raise InputError(f"setting 'backend_template' must be one of {known}, not {family!r}")
    total = settings.backend_timeout_ms / 1000
    read, start = min(settings.backend_read_timeout_ms / 1000, total), settings.backend_connect_timeout_ms / 1000
    return RemoteBackend(
        _client(url, Patience(connect=start, read=read, write=read, pool=start, total=total)),
        dialect,
        name=_title(model or settings.backend, url),
        model=model,
        template=FAMILIES.get(family),
        context=settings.backend_context,
    )


def connect_chat(settings: Settings) -> Chat | None:
    """Return the model that the assistants talk to; None where the settings name none. Nothing is loaded or asked yet.

    Raises `InputError`, and for a model on this machine `ModelError` and `MissingExtraError`.
    """
    if settings.chat == NONE:
        return None
    if settings.chat == LOCAL:
        return _local_chat(settings)
    from codecompose_ls.backends.chat import PATIENCE, RemoteChat

    dialect = dialect_of(settings.chat)
    url = _address(settings.chat_url, dialect, setting="chat_url")
    model = _named(settings.chat_model, dialect, setting="chat_model", protocol=settings.chat)
    patience = replace(PATIENCE, read=settings.chat_read_timeout_ms / 1000)
    name, context = _title(model or settings.chat, url), settings.chat_context
    return RemoteChat(_client(url, patience), dialect, name=name, model=model, context=context)


def _local_chat(settings: Settings) -> Chat:
    from codecompose_ls.backends.local_chat import LocalChat
    from codecompose_ls.backends.on_disk import chat_context
    from codecompose_ls.models.names import resolve

    if not settings.chat_model:
        raise InputError("chat = 'local' needs the setting 'chat_model': a chat model's folder or name")
    folder = resolve(settings.chat_model)
    context = min(settings.chat_context, chat_context(folder))
    return LocalChat(folder, context=context, threads=settings.threads)


def dialect_of(protocol: str) -> Dialect:
    """Return what speaks one of `settings.PROTOCOLS`."""
    from codecompose_ls.backends.codecompose import CodeCompose
    from codecompose_ls.backends.llamacpp import LlamaCpp
    from codecompose_ls.backends.ollama import Ollama
    from codecompose_ls.backends.openai import OpenAI

    dialects: dict[str, Callable[[], Dialect]] = {
        "codecompose": CodeCompose,
        "openai": OpenAI,
        "llamacpp": LlamaCpp,
        "ollama": Ollama,
    }
    return dialects[protocol]()


def title(settings: Settings) -> str:
    """Return what a person calls the model that the settings name."""
    if settings.backend == LOCAL:
        return settings.model
    url = settings.backend_url or dialect_of(settings.backend).default_url
    return _title(settings.backend_model or settings.backend, url)


def _title(model: str, url: str) -> str:
    from codecompose_ls.backends.address import host_of

    return f"{model}@{host_of(url)}"


def _client(url: str, patience: Patience) -> Client:
    from codecompose_ls.backends.address import host_of
    from codecompose_ls.backends.api_key import find
    from codecompose_ls.backends.client import Client

    return Client(url, key=find(host_of(url)), patience=patience)


def _address(url: str, dialect: Dialect, *, setting: str) -> str:
    """Return where a dialect's paths begin: an address that is a host alone gets the usual beginning."""
    from codecompose_ls.backends.address import check, path_of

    try:
        url = check(url or dialect.default_url)
    except InputError as error:
        raise InputError(f"setting {setting!r}: {error}") from error
    return url if path_of(url) else url + path_of(dialect.default_url)


def _named(name: str, dialect: Dialect, *, setting: str, protocol: str) -> str:
    if dialect.needs_model and not name:
        raise InputError(f"the backend '{protocol}' needs the setting {setting!r}: the name of a model it serves")
    return name
