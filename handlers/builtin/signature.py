"""Signatures of webhooks, as https://www.standardwebhooks.com has them."""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

#: What secrets begin with.
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - of all


def sign(secrets: Sequence[str], delivery_id: str, timestamp: int, body: bytes) -> str:
    """Return the header `webhook-signature`: one signature for each secret, so that they can be changed one by one.

    >>> body, at = b'{"test": 2432232314}', 1614265330
    >>> sign(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "msg_p5jXN8AQM9LWM0D4loKWxJek", at, body)
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    signed = b"%s.%d.%s" % (delivery_id.encode(), timestamp, body)
    return " ".join(f"v1,{b64encode(_digest(secret, signed)).decode()}" for secret in secrets)


def _digest(secret: str, signed: bytes) -> bytes:
    return hmac.digest(b64decode(secret.removeprefix(SECRET_PREFIX)), signed, sha256)
