"""The HTTP API: Falcon on waitress. It shares nothing with the supervisors but Redis."""
