"""GET /v1/models: every name that a request may ask for, adapters with the model they belong to."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from codecompose_ls.service.catalogue import Card, Catalogue
from codecompose_ls.service.faults import Fault


def router(catalogue: Catalogue) -> APIRouter:
    routes = APIRouter()

    @routes.get("/v1/models")
    def listed() -> dict[str, Any]:
        return {"object": "list", "data": [_shown(card) for card in catalogue.shelf.cards()]}

    @routes.get("/v1/models/{name:path}")
    def one(name: str) -> dict[str, Any]:
        for card in catalogue.shelf.cards():
            if card.name == name:
                return _shown(card)
        raise Fault(404, f"no model '{name[:80]}'", code="model_not_found")

    return routes


def _shown(card: Card) -> dict[str, Any]:
    return {"id": card.name, "object": "model", "created": 0, "owned_by": "codecompose", "parent": card.parent}
