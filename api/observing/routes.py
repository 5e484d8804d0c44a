"""The route of the metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.access.policies import operates
from api.observing.figures import forget_the_dead
from api.queries import OnlyDocumented

router = APIRouter(tags=["health"], dependencies=[operates, OnlyDocumented])

_EXAMPLE = """\
# HELP elasticket_jobs Jobs that have not ended
# TYPE elasticket_jobs gauge
elasticket_jobs{kind="train",state="queued"} 3.0
"""


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus' text format",
            "content": {"text/plain": {"schema": {"type": "string"}, "example": _EXAMPLE}},
        }
    },
)
def metrics(request: Request) -> Response:
    """Tell Prometheus how the whole installation does: queue, attempts, workers, disk, and this process's requests.

    Where keys are asked for it takes the token in `ELASTICKET_METRICS_TOKEN`, or an admin key of the project `default`:
    the figures are of all projects.
    """
    request.app.state.installation.look()
    forget_the_dead()
    return Response(generate_latest(request.app.state.registry), media_type=CONTENT_TYPE_LATEST)
