"""One resource a file; the route table is in app.py."""
