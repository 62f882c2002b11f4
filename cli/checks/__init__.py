"""What `jobworker doctor` looks at: one function a check, one list of them a file."""
