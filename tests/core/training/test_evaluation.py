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
        model.train()
        batches = zip(
            normalise(photographs.test_images).split(batch), photographs.test_labels.split(batch), strict=True
        )
        found = evaluate(model, batches)
        assert (found.correct, found.total) == (int((logits.argmax(1) == photographs.test_labels).sum()), 17)
        assert found.accuracy == found.correct / 17
        assert found.loss == pytest.approx(F.cross_entropy(logits, photographs.test_labels).item(), rel=1e-5)

    @pytest.mark.parametrize("training", [True, False])
    def test_the_network_is_left_as_it_was(
        self, photographs: Resident, resnet: Architecture, training: bool
    ) -> None:
        model = build(resnet)
        load_state(model, initialise(resnet, 0))
        model.train(training)
        evaluate(model, photographs.test_batches(torch.device("cpu")))
        assert model.training is training
        for name, array in initialise(resnet, 0).items():
            assert torch.equal(model.state_dict()[name], torch.tensor(array))

    def test_accuracy_is_correct_over_total(self) -> None:
        assert Evaluation(3, 4, 0.0).accuracy == 0.75
