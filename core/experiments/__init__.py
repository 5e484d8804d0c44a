"""What each kind of job does: the paper's procedures. They know tickets and trainings, never the service."""

from __future__ import annotations

from core.experiments.connect import connect
from core.experiments.evaluate import evaluate
from core.experiments.export import export
from core.experiments.find import find
from core.experiments.importing import import_file
from core.experiments.lab import Journal, Lab
from core.experiments.train import train
from core.experiments.transform import transform
from core.jobs.specs import (
    ConnectSpec,
    EvaluateSpec,
    ExportSpec,
    FindSpec,
    ImportSpec,
    JobSpec,
    TrainSpec,
    TransformSpec,
)

__all__ = ["Journal", "Lab", "conduct"]


def conduct(spec: JobSpec, lab: Lab) -> None:
    """Do what a job asks; what it makes lies in `lab.outcome` afterwards."""
    match spec:
        case FindSpec():
            find(spec, lab)
        case TransformSpec():
            transform(spec, lab)
        case TrainSpec():
            train(spec, lab)
        case EvaluateSpec():
            evaluate(spec, lab)
        case ConnectSpec():
            connect(spec, lab)
        case ImportSpec():
            import_file(spec, lab)
        case ExportSpec():
            export(spec, lab)
