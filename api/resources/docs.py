"""GET /docs and the files that its page loads."""

from collections.abc import Mapping
from typing import Final

import falcon

from jobworker.api.operation import operation
from jobworker.api.pages import HTML, PNG, SCRIPT, STYLE, answer_file
from jobworker.api.query import allow_no_parameters

#: What can be asked for, and where it lies in static/: no other name reaches the disk.
FILES: Final[Mapping[str, str]] = {
    "docs.js": "docs.js",
    "swagger-ui-bundle.js": "swagger-ui/swagger-ui-bundle.js",
    "swagger-ui.css": "swagger-ui/swagger-ui.css",
    "favicon-32x32.png": "swagger-ui/favicon-32x32.png",
}


class Docs:
    """The API, for people: Swagger UI over `/openapi.json`."""

    @operation("Show this API to people", None, {200: HTML, 304: None})
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show the page on which every operation can be read and tried; it loads nothing from elsewhere."""
        allow_no_parameters(req)
        answer_file(req, resp, "docs.html")

    on_head = on_get


class DocsFile:
    """A file that the page loads."""

    @operation("Show a file of the page at /docs", None, {200: (SCRIPT, STYLE, PNG), 304: None}, errors=(404,))
    def on_get(self, req: falcon.Request, resp: falcon.Response, file: str) -> None:
        """Show a script, the styles or the icon of the page."""
        allow_no_parameters(req)
        path = FILES.get(file)
        if path is None:
            raise falcon.HTTPNotFound
        answer_file(req, resp, path)

    on_head = on_get
