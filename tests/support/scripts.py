"""The scripts as they are shipped, for tests that run them under a clock of their own."""

from pathlib import Path
from typing import Final

import jobworker.store.scripts
from jobworker.store.scripts import Script, script

#: All of them, by their digests.
SCRIPTS: Final[dict[str, Script]] = {
    known.digest: known
    for known in (
        script(file.stem) for file in sorted((Path(jobworker.store.scripts.__file__).parent / "lua").glob("*.lua"))
    )
}
#: The key that TIME is answered from, in µs.
CLOCK: Final = "test:clock"
#: Lua, to stand before a script: `server` is the real `redis`, `time()` what TIME answers.
PRELUDE: Final = f"""
local server = redis
local function time()
  local clock_us = server.call('GET', '{CLOCK}')
  return {{string.sub(clock_us, 1, -7), string.sub(clock_us, -6)}}
end
"""
#: The names of those that write.
WRITERS: Final = {known.name for known in SCRIPTS.values() if "-- Promise: changes nothing" not in known.source}
