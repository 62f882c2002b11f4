"""What the author of a job sees."""
