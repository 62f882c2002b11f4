"""Answers that a client may keep, and ask for again only if they have changed."""

from hashlib import blake2b

import falcon


def answer_tagged(req: falcon.Request, resp: falcon.Response, data: bytes) -> None:
    """Answer with the data and its ETag, or with 304 to a client that has it."""
    tag = falcon.ETag(blake2b(data, digest_size=12).hexdigest())
    resp.etag = tag
    resp.set_header("Cache-Control", "no-cache")
    known = req.if_none_match or []
    if any(each == "*" or each == tag for each in known):
        resp.status = falcon.HTTP_304
        return
    resp.data = data
