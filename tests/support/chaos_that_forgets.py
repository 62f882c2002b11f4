"""`jobworker chaos`, but for one thing: the server forgets everything that it has when its clients are to be killed."""

from jobworker.cli.chaos.nemeses import NEMESES, Hit, Scene
from jobworker.cli.chaos.schedule import Fault
from jobworker.cli.main import main


def forget(scene: Scene, _fault: Fault) -> Hit | None:
    """Lose every job."""
    scene.stage.server.ask("FLUSHALL")
    return Hit()


if __name__ == "__main__":
    NEMESES["kill_clients"] = forget
    main()
