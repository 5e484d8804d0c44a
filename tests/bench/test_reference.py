from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from bench.cases import CASES, start
from bench.reference import PAD, Images, Reference, crop, flip, to_tensor
from core.datasets import Resident
from core.datasets.normalisation import Normalisation
from core.models import build
from core.models.state import load_state


@pytest.fixture
def pixels() -> np.ndarray:
    return np.arange(1, 49, dtype=np.uint8).reshape(4, 4, 3)


class TestTransforms:
    def test_a_tensor_is_channels_first_between_0_and_1(self, pixels: np.ndarray) -> None:
        made = to_tensor(Image.fromarray(pixels))
        assert torch.equal(made, torch.from_numpy(pixels).permute(2, 0, 1) / 255)

    def test_grey_images_have_one_channel(self, pixels: np.ndarray) -> None:
        assert to_tensor(Image.fromarray(pixels[..., 0])).shape == (1, 4, 4)

    def test_half_of_the_images_are_mirrored(self, pixels: np.ndarray) -> None:
        torch.manual_seed(0)
        made = [np.array(flip(Image.fromarray(pixels))) for _ in range(400)]
        mirrored = sum(np.array_equal(image, pixels[:, ::-1]) for image in made)
        assert mirrored + sum(np.array_equal(image, pixels) for image in made) == 400
        assert 150 < mirrored < 250

    def test_every_window_of_the_padded_image_is_drawn_and_nothing_else(self, pixels: np.ndarray) -> None:
        torch.manual_seed(0)
        padded = np.pad(pixels, ((PAD, PAD), (PAD, PAD), (0, 0)))
        windows = {padded[y : y + 4, x : x + 4].tobytes() for y in range(9) for x in range(9)}
        assert {np.array(crop(Image.fromarray(pixels))).tobytes() for _ in range(2000)} == windows


class TestImages:
    @pytest.mark.parametrize("network", list(CASES))
    def test_unaugmented_ones_are_what_our_loop_sees(self, network: str) -> None:
        dataset = CASES[network].random_images(12)
        images = Images(dataset.train_images, dataset.train_labels, dataset, augment=False)
        ours = Normalisation(dataset, torch.device("cpu"))(dataset.train_images)
        torch.testing.assert_close(torch.stack([images[i][0] for i in range(12)]), ours, atol=1e-5, rtol=1e-5)
        assert [images[i][1] for i in range(12)] == dataset.train_labels.tolist()


class TestReference:
    @pytest.fixture
    def dataset(self) -> Resident:
        """One batch of images: their order does not matter."""
        return CASES["mlp_2"].random_images(60)

    def trained(self, dataset: Resident) -> Reference:
        case = CASES["mlp_2"]
        weights, masks = start(case.architecture, case.recipe, 0)
        reference = Reference(case.architecture, dataset, case.recipe, weights=weights, masks=masks)
        reference.train_epoch()
        return reference

    def test_an_epoch_of_one_batch_is_one_step_down_the_masked_gradient(self, dataset: Resident) -> None:
        case = CASES["mlp_2"]
        weights, masks = start(case.architecture, case.recipe, 0)
        model = build(case.architecture)
        load_state(
            model,
            {name: array * masks[name] if name in masks else array for name, array in weights.items()},
        )
        images = Normalisation(dataset, torch.device("cpu"))(dataset.train_images)
        F.cross_entropy(model(images), dataset.train_labels).backward()

        found = dict(self.trained(dataset).model.network.named_parameters())
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None
            expected = parameter - case.recipe.lr * parameter.grad
            kept = (
                torch.tensor(masks[name]) if name in masks else torch.ones_like(parameter, dtype=torch.bool)
            )
            torch.testing.assert_close(found[name][kept], expected[kept], atol=1e-6, rtol=1e-4)

    def test_it_is_evaluated_under_its_masks(self, dataset: Resident) -> None:
        case = CASES["mlp_2"]
        _, masks = start(case.architecture, case.recipe, 0)
        reference = self.trained(dataset)
        found = reference.evaluate()

        model = reference.model.network
        for name, parameter in model.named_parameters():
            if name in masks:
                assert not parameter[~torch.tensor(masks[name])].any()
        logits = model(Normalisation(dataset, torch.device("cpu"))(dataset.test_images))
        assert found.total == len(dataset.test_labels) == 10
        assert found.correct == int((logits.argmax(1) == dataset.test_labels).sum())
        assert found.loss == pytest.approx(F.cross_entropy(logits, dataset.test_labels).item(), rel=1e-4)

    def test_the_rate_follows_the_recipe(self, dataset: Resident) -> None:
        case = CASES["mlp_2"]
        weights, masks = start(case.architecture, case.recipe, 0)
        recipe = case.recipe.model_copy(update={"milestones": ("1ep", "2ep")})
        reference = Reference(case.architecture, dataset, recipe, weights=weights, masks=masks)
        rates = []
        for _ in range(3):
            reference.train_epoch()
            rates += reference._schedule.get_last_lr()
        assert rates == pytest.approx([recipe.lr * 0.1, recipe.lr * 0.01, recipe.lr * 0.01])
