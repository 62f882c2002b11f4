"""Pages for people: files in static/, served by name, all from here, under a policy that lets nothing else in."""

from pathlib import Path
from typing import Final

import falcon

from jobworker.api.tag import answer_tagged

_STATIC: Final = Path(__file__).with_name("static")

#: No script, style or request that is not a file or an answer of ours, no frame around us.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
HTML: Final = "text/html; charset=utf-8"
SCRIPT: Final = "text/javascript; charset=utf-8"
STYLE: Final = "text/css; charset=utf-8"
PNG: Final = "image/png"

_TYPES: Final = {".html": HTML, ".js": SCRIPT, ".css": STYLE, ".png": PNG}


def answer_file(req: falcon.Request, resp: falcon.Response, path: str) -> None:
    """Answer with a file of static/; `path` is one that the code names, never one that a client sends."""
    file = _STATIC / path
    resp.set_header("Content-Security-Policy", POLICY)
    resp.set_header("Referrer-Policy", "no-referrer")
    answer_tagged(req, resp, file.read_bytes())
    if resp.data is not None:
        resp.content_type = _TYPES[file.suffix]
