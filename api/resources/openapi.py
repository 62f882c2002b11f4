"""GET /openapi.json."""

from collections.abc import Mapping
from contextlib import suppress

import falcon

from jobworker.api.availability import Availability
from jobworker.api.catalogue import Catalogue
from jobworker.api.handbook import Handbook
from jobworker.api.openapi import build_document
from jobworker.api.operation import operation
from jobworker.api.query import allow_no_parameters
from jobworker.api.tag import answer_tagged
from jobworker.api.validation import Validators
from jobworker.store.catalogue import HandlerEntry
from jobworker.store.errors import StoreError


class OpenApi:
    """What can be asked, for programs that read it."""

    def __init__(
        self, validators: Validators, catalogue: Catalogue, default_type: str, available: Availability
    ) -> None:
        self._validators = validators
        self._catalogue = catalogue
        self._default_type = default_type
        self._available = available

    def describe(self, routes: Mapping[str, object]) -> None:
        """Take in what it shall describe: itself too, so that it cannot be given before."""
        self._handbook = Handbook(build_document(routes), self._validators, self._default_type)

    @operation("Describe this API", None, {200: "application/json", 304: None})
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show the OpenAPI document, with the payloads of the types that can be run; without Redis: without them."""
        allow_no_parameters(req)
        entries: Mapping[str, HandlerEntry] = {}
        with suppress(StoreError), self._available:
            entries = self._catalogue.entries()
        answer_tagged(req, resp, self._handbook.render(entries.values()))

    on_head = on_get
