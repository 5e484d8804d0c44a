from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from core.datasets import Resident
from core.datasets.normalisation import Normalisation
from core.families.architecture import Architecture
from core.families.initialisation import initialise
from core.models import build
from core.models.state import load_state
from core.training.evaluation import Evaluation, evaluate


class TestEvaluate:
    @pytest.mark.parametrize("batch", [1, 5, 1000])
    def test_equals_one_image_at_a_time(
        self, photographs: Resident, resnet: Architecture, batch: int
    ) -> None:
        model = build(resnet)
        load_state(model, initialise(resnet, 0))
        normalise = Normalisation(photographs, torch.device("cpu"))
        model.eval()
        with torch.no_grad():
            logits = torch.cat([model(normalise(image[None])) for image in photographs.test_images])
        batches = zip(
            normalise(photographs.test_images).split(batch), photographs.test_labels.split(batch), strict=True
        )
        (found,) = evaluate(lambda images: model(images)[None], batches)
        assert (found.correct, found.total) == (int((logits.argmax(1) == photographs.test_labels).sum()), 17)
        assert found.accuracy == found.correct / 17
        assert found.loss == pytest.approx(F.cross_entropy(logits, photographs.test_labels).item(), rel=1e-5)

    def test_several_networks_are_evaluated_each_by_itself(
        self, photographs: Resident, resnet: Architecture
    ) -> None:
        models = [build(resnet).eval() for _ in range(3)]
        for seed, model in enumerate(models):
            load_state(model, initialise(resnet, seed))
        batches = photographs.test_batches(torch.device("cpu"))
        alone = [
            evaluate(lambda images, model=model: model(images)[None], batches)[0]  # type: ignore[misc]
            for model in models
        ]
        assert evaluate(lambda images: torch.stack([model(images) for model in models]), batches) == alone
        assert len({found.loss for found in alone}) == 3

    def test_accuracy_is_correct_over_total(self) -> None:
        assert Evaluation(3, 4, 0.0).accuracy == 0.75
