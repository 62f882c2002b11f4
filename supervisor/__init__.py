"""The supervisor: forks and watches workers, keeps their deadlines, exchanges jobs with Redis in batches."""
