from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from core.datasets import Dataset
from core.datasets.batches import Normalisation
from core.families.architecture import Architecture
from core.families.initialisation import initialise
from core.models import build
from core.models.state import load_state
from core.training import evaluation
from core.training.evaluation import Evaluation, evaluate


class TestEvaluate:
    @pytest.mark.parametrize("batch", [1, 5, 1000])
    def test_equals_one_image_at_a_time(
        self, photographs: Dataset, resnet: Architecture, batch: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(evaluation, "BATCH", batch)
        model = build(resnet)
        load_state(model, initialise(resnet, 0))
        normalise = Normalisation(photographs, torch.device("cpu"))
        model.eval()
        with torch.no_grad():
            logits = torch.cat([model(normalise(image[None])) for image in photographs.test_images])
        (found,) = evaluate(
            lambda batch: model(batch)[None], photographs.test_images, photographs.test_labels, normalise
        )
        assert (found.correct, found.total) == (int((logits.argmax(1) == photographs.test_labels).sum()), 17)
        assert found.accuracy == found.correct / 17
        assert found.loss == pytest.approx(F.cross_entropy(logits, photographs.test_labels).item(), rel=1e-5)

    def test_several_networks_are_evaluated_each_by_itself(
        self, photographs: Dataset, resnet: Architecture
    ) -> None:
        normalise = Normalisation(photographs, torch.device("cpu"))
        models = [build(resnet).eval() for _ in range(3)]
        for seed, model in enumerate(models):
            load_state(model, initialise(resnet, seed))
        images, labels = photographs.test_images, photographs.test_labels
        alone = [
            evaluate(lambda batch, model=model: model(batch)[None], images, labels, normalise)[0]  # type: ignore[misc]
            for model in models
        ]
        at_once = evaluate(
            lambda batch: torch.stack([model(batch) for model in models]), images, labels, normalise
        )
        assert at_once == alone
        assert len({found.loss for found in alone}) == 3

    def test_accuracy_is_correct_over_total(self) -> None:
        assert Evaluation(3, 4, 0.0).accuracy == 0.75
