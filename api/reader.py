"""Reads jobs as answers show them."""

from jobworker.api.errors import NotAJobId
from jobworker.api.schemas import JobsAnswer, JobView
from jobworker.api.submission import Submission
from jobworker.api.views import view_job, view_summary
from jobworker.store.ids import is_job_id
from jobworker.store.jobs import JobStore
from jobworker.store.listing import JobFilter


class JobReader:
    """Completes records by what the handlers declare now. Raises what the store raises."""

    def __init__(self, store: JobStore, submission: Submission) -> None:
        self._store = store
        self._submission = submission

    def job(self, job_id: str) -> JobView:
        """Return a job, whole."""
        record = self._store.get(job_id)
        delivery_id = record.delivery_id
        delivery = None if delivery_id is None else self._store.deliveries.get(delivery_id)
        return view_job(record, self._submission.declaration_of(record.type), delivery)

    def page(self, wanted: JobFilter, limit: int, cursor: str | None) -> JobsAnswer:
        """Return a page of a list."""
        page = self._store.list_jobs(wanted, limit=limit, cursor=cursor)
        items = [view_summary(summary, self._submission.declaration_of(summary.type)) for summary in page.jobs]
        return JobsAnswer(items, page.next_cursor)


def read_job_id(text: str) -> str:
    """Return the job's id that a path names: a UUID may be written in upper case, too. Raises NotAJobId."""
    job_id = text.lower()
    if not is_job_id(job_id):
        raise NotAJobId(f"{text[:100]!r} is not a job's id: that is a UUID, as POST /jobs answers it")
    return job_id
