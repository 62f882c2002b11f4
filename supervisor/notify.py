"""The service manager's side: sd_notify(3), which is a datagram, and its watchdog."""

import os
import socket
from collections.abc import MutableMapping
from typing import Self


class Notifier:
    """Tells the service manager, if there is one that listens."""

    def __init__(self, address: str, watchdog_seconds: float | None) -> None:
        # A leading @ stands for the zero byte of an abstract address.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        #: The longest silence that the service manager bears; None: any.
        self.watchdog_seconds = watchdog_seconds

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str]) -> Self:
        """Take what the service manager has put there for us: workers, and what they start, must not speak for us."""
        address = environ.pop("NOTIFY_SOCKET", "")
        microseconds = environ.pop("WATCHDOG_USEC", "")
        pid = environ.pop("WATCHDOG_PID", "") or str(os.getpid())
        is_meant = microseconds.isdecimal() and int(microseconds) > 0 and pid == str(os.getpid())
        return cls(address, int(microseconds) / 1e6 if is_meant else None)

    def tell(self, *assignments: str) -> bool:
        """Send `NAME=value`s; return whether they are on their way, or nobody listens."""
        if not self._address or not assignments:
            return True
        try:
            # Never waits: a service manager that is stuck must not stop the loop.
            self._socket.sendto("\n".join(assignments).encode(), socket.MSG_DONTWAIT, self._address)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Release the socket."""
        self._socket.close()
