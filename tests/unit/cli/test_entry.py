import subprocess
import sys

PROGRAM = """
import signal, sys
class Interrupted:
    def find_spec(self, name, path, target=None):
        if name == "click": signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Interrupted())
from jobworker.cli.entry import main
sys.exit(main())
"""


def test_ctrl_c_while_the_command_is_imported_is_one_line() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "jobworker: interrupted\n")


def test_before_that_nothing_of_ours_is_imported() -> None:
    program = "import sys; before = set(sys.modules); import jobworker.cli.entry; print(*set(sys.modules) - before)"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(ended.stdout.split()) <= {"jobworker", "jobworker.cli", "jobworker.cli.entry"}
