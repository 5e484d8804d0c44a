"""A training that is cut, and goes on: from a checkpoint, or rewound."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from core.datasets import Dataset
from core.families import architecture
from core.families.initialisation import initialise
from core.jobs.recipes import Recipe, recipe_for
from core.training.checkpoint import read_state, write_state


class TestResume:
    def test_from_any_step_it_ends_in_the_same_bits(
        self, run: Any, recorder: Any, variant: Recipe, digest: Any, checkpoint_path: Path
    ) -> None:
        observer = recorder()
        undisturbed = run(observer, recipe=variant)
        for saved in random.Random(variant.lr).sample(observer.states, 7) + observer.states[-1:]:
            with checkpoint_path.open("wb") as stream:
                write_state(saved, stream)
            again = recorder()
            resumed = run(again, recipe=variant, weights={}, masks={}, state=read_state(checkpoint_path))
            assert digest(resumed.weights) == digest(undisturbed.weights)
            assert resumed.history == undisturbed.history
            assert [step for step, _ in again.steps] == list(range(saved.step + 1, 21))
            if again.states:
                final, expected = again.states[-1], observer.states[-1]
                assert list(final.slots) == list(expected.slots)
                assert all(digest(final.slots[slot]) == digest(expected.slots[slot]) for slot in final.slots)

    def test_resumed_again_and_again(self, run: Any, recorder: Any, variant: Recipe, digest: Any) -> None:
        undisturbed = run(recorder(set()), recipe=variant)

        class Killed(Exception):
            pass

        class Mortal(recorder):  # type: ignore[misc]
            def checkpoint(self, state: Any) -> None:
                super().checkpoint(state)
                raise Killed

        saved = None
        for step in sorted(random.Random(0).sample(range(1, 20), 5)):
            observer = Mortal({step})
            with pytest.raises(Killed):
                run(observer, recipe=variant, state=saved)
            saved = observer.states[0]
        resumed = run(recorder(set()), recipe=variant, state=saved)
        assert digest(resumed.weights) == digest(undisturbed.weights)
        assert resumed.history == undisturbed.history

    def test_an_mlp_without_momentum(
        self, digits: Dataset, recorder: Any, digest: Any, checkpoint_path: Path, train_alone: Any
    ) -> None:
        network = architecture("mlp_2", digits.facts.input, 10)
        weights = initialise(network, 0)
        observer = recorder({7, 12, 13, 30})
        recipe = recipe_for("mlp", {"length": "3ep"})
        undisturbed = train_alone(
            network, digits, recipe, seed=0, weights=weights, masks={}, observer=observer
        )
        for saved in observer.states:
            with checkpoint_path.open("wb") as stream:
                write_state(saved, stream)
            resumed = train_alone(
                network,
                digits,
                recipe,
                seed=0,
                weights={},
                masks={},
                observer=recorder(set()),
                state=read_state(checkpoint_path),
            )
            assert digest(resumed.weights) == digest(undisturbed.weights)
            assert resumed.history == undisturbed.history

    def test_observing_changes_nothing(self, run: Any, recorder: Any, digest: Any) -> None:
        one, other = run(recorder()), run(recorder(set()))
        assert digest(one.weights) == digest(other.weights)
        assert one.history == other.history


class TestRewinding:
    def test_cut_at_step_k_it_ends_in_the_weights_at_step_k(
        self, run: Any, recorder: Any, variant: Recipe, digest: Any
    ) -> None:
        observer, cut = recorder({4}), recorder(set())
        run(observer, recipe=variant)
        to_k = run(cut, recipe=variant, end_step=4)
        assert digest(to_k.weights) == digest(observer.states[0].weights)
        assert to_k.weights["bn.num_batches_tracked"] == 4
        assert (to_k.steps, to_k.last.step, cut.steps[-1]) == (4, 4, (4, 4))

    def test_a_recipe_of_k_steps_is_the_same_where_its_schedule_does_not_look_ahead(
        self, run: Any, recorder: Any, recipe: Recipe, digest: Any
    ) -> None:
        to_k = run(recorder(set()), recipe=recipe.model_copy(update={"length": "4it"}))
        assert digest(to_k.weights) == digest(run(recorder(set()), end_step=4).weights)

    def test_without_momentum_a_rewound_training_continues_as_if_never_left(
        self, run: Any, recorder: Any, recipe: Recipe, digest: Any
    ) -> None:
        memoryless = recipe.model_copy(update={"momentum": 0.0})
        observer = recorder({4})
        whole = run(observer, recipe=memoryless)
        rewound = run(recorder(set()), recipe=memoryless, weights=observer.states[0].weights, start_step=4)
        assert digest(rewound.weights) == digest(whole.weights)
        assert rewound.history[1:] == whole.history[1:]

    def test_it_starts_with_a_fresh_optimiser(self, run: Any, recorder: Any) -> None:
        observer = recorder({4})
        whole = run(observer)
        rewound = run(recorder(set()), weights=observer.states[0].weights, start_step=4)
        assert any((rewound.weights[name] != whole.weights[name]).any() for name in whole.weights)

    def test_a_start_past_the_end_is_refused(self, run: Any, recorder: Any) -> None:
        with pytest.raises(ValueError, match="of 20 steps cannot start at step 20"):
            run(recorder(set()), start_step=20)
        with pytest.raises(ValueError, match="of 4 steps cannot start at step 4"):
            run(recorder(set()), start_step=4, end_step=4)
