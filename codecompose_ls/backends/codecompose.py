"""This project's own service (`codecompose-ls serve`): OpenAI's protocol, the metadata that our models are told,
and what an answer may begin with that must say something.
"""

from __future__ import annotations

from dataclasses import replace

from codecompose_ls.backends.openai import OpenAI
from codecompose_ls.backends.request import Request
from codecompose_ls.prompt.templates import FimTemplate
from codecompose_ls.types import Context, Sampling


class CodeCompose(OpenAI):
    """Implements `dialect.Dialect`; the names of models are those of the service's registry."""

    default_url = "http://127.0.0.1:8040/v1"

    def completion(self, context: Context, sampling: Sampling, *, model: str, template: FimTemplate | None) -> Request:
        request = super().completion(context, sampling, model=model, template=template)
        if template is not None:
            return request
        path = f"{context.path} ({context.kernel})" if context.kernel else context.path
        body = {**request.body, "language": context.language, "path": path}
        if sampling.opening is not None:
            body["opening"] = sampling.opening.name.lower()
        return replace(request, body=body)
