"""What systemd is to a service: a datagram socket that hears how it goes."""

import socket
from pathlib import Path


class ServiceManager:
    """Hears what is told to the address, a path or `@name`."""

    def __init__(self, address: str) -> None:
        self.address = address
        #: Every message so far, as its lines.
        self.heard: list[list[str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._socket.setblocking(False)

    @classmethod
    def at(cls, folder: Path) -> "ServiceManager":
        return cls(str(folder / "notify"))

    def has_heard(self, line: str) -> bool:
        """Whether the line has been told by now."""
        self._listen()
        return any(line in message for message in self.heard)

    def count(self, line: str) -> int:
        """How often it was told."""
        self._listen()
        return sum(message.count(line) for message in self.heard)

    def close(self) -> None:
        self._socket.close()

    def _listen(self) -> None:
        while True:
            try:
                self.heard.append(self._socket.recv(4096).decode().split("\n"))
            except BlockingIOError:
                return
