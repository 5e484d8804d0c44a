"""The Celery application. Messages are hints: the database decides what is to be done, so none is ever waited for."""

from __future__ import annotations

from celery import Celery

from core.jobs.placement import QUEUE
from core.settings import settings

app = Celery("elasticket", broker=settings().broker_url, include=["workers.tasks"])
app.conf.update(
    task_default_queue=QUEUE,
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    # Acknowledged when taken: a lost hint is repeated by the reconciler, while late acknowledgement would be
    # redelivered to a second worker by every job that outlives the broker's visibility timeout.
    task_acks_late=False,
    worker_prefetch_multiplier=1,
    worker_disable_prefetch=True,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    # A broker that is stopped keeps its connections: what is not answered in about ten seconds is asked anew.
    broker_transport_options={
        # What a worker has taken and not yet begun it remembers itself: to have the broker remember it too, in case
        # the worker dies, is two exchanges for each hint.
        "ack_emulation": False,
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "socket_keepalive": True,
        "health_check_interval": 5,
    },
    worker_log_format="%(asctime)s %(processName)s %(message)s",
    worker_task_log_format="%(asctime)s %(processName)s %(message)s",
)
