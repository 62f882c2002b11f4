"""`jobworker chaos`: everything is started, much is killed, and what was accepted is counted."""
