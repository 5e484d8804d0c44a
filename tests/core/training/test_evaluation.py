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
        model.train()
        found = evaluate(model, photographs.test_images, photographs.test_labels, normalise)
        assert (found.correct, found.total) == (int((logits.argmax(1) == photographs.test_labels).sum()), 17)
        assert found.accuracy == found.correct / 17
        assert found.loss == pytest.approx(F.cross_entropy(logits, photographs.test_labels).item(), rel=1e-5)

    @pytest.mark.parametrize("training", [True, False])
    def test_the_network_is_left_as_it_was(
        self, photographs: Dataset, resnet: Architecture, training: bool
    ) -> None:
        model = build(resnet)
        load_state(model, initialise(resnet, 0))
        model.train(training)
        normalise = Normalisation(photographs, torch.device("cpu"))
        evaluate(model, photographs.test_images, photographs.test_labels, normalise)
        assert model.training is training
        for name, array in initialise(resnet, 0).items():
            assert torch.equal(model.state_dict()[name], torch.tensor(array))

    def test_accuracy_is_correct_over_total(self) -> None:
        assert Evaluation(3, 4, 0.0).accuracy == 0.75
