"""What the pages make of each kind of job."""

import html
import re

import pytest
from httpx import Client

from api.pages import specs
from core.jobs.methods import DynamicParameters
from core.jobs.recipes import Recipe, recipe_for


class Shown:
    """A page's words with single spaces, its links and its buttons."""

    def __init__(self, client: Client, path: str) -> None:
        response = client.get(path)
        assert response.status_code == 200, response.text
        self.text = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", response.text)))
        self.links = [html.unescape(link) for link in re.findall(r'href="([^"]*)"', response.text)]
        self.buttons = re.findall(r'data-post="([^"]*)"', response.text)


class TestKindsOfJobs:
    TICKET = "ab" * 32
    JOB = "12" * 16

    def text(self, client: Client, catalog, **spec: object) -> str:
        return Shown(client, f"/ui/jobs/{catalog.queued(**spec)}").text

    def test_a_recipe_is_stated_field_by_field(self) -> None:
        recipe = recipe_for("cifar_resnet", {"dense": ["fc.weight"]})
        names = [term.name for term in specs.recipe({"recipe": recipe.model_dump(mode="json")})]
        assert len(names) == len(set(names)) == len(Recipe.model_fields)

    def test_a_training_on_several_devices_tells_how_many(self, client: Client, catalog) -> None:
        given = {"kind": "train", "architecture": "mlp_2", "dataset": "digits", "batch_norm": "local"}
        text = self.text(client, catalog, **given, devices=4)
        assert "devices 4, batch normalisation over each one's share" in text
        assert "batch normalisation" not in self.text(client, catalog, **given, devices=1)

    def test_a_training_tells_its_optimizer_and_its_schedule(self, client: Client, catalog) -> None:
        changes = {"momentum": 0.9, "nesterov": True, "decay": "weights", "schedule": "cosine"}
        recipe = recipe_for("mlp", changes | {"label_smoothing": 0.1}).model_dump(mode="json")
        text = self.text(client, catalog, kind="train", architecture="mlp_2", dataset="digits", recipe=recipe)
        for words in ("optimizer sgd", "Nesterov momentum yes", "weight decay on weights", "schedule cosine"):
            assert words in text
        assert "label smoothing 0.1" in text

    def test_a_sparse_training_tells_its_schedule(self, client: Client, catalog) -> None:
        schedule = DynamicParameters(sparsity=0.9, multiplier=5).model_dump(mode="json")
        given = {"kind": "train", "architecture": "mlp_2", "dataset": "digits", "sparsity_schedule": schedule}
        text = self.text(client, catalog, **given)
        for words in (
            "sparse training RigL",
            "sparsity 0.9",
            "layer densities erk",
            "times as long 5",
            "α 0.3",
        ):
            assert words in text
        for words in ("steps between updates 100", "first update at step 0", "None"):
            assert (words in text) == (words != "None")
        assert specs.summary(given, {}) == "rigl mlp_2, sparsity 0.9, 5 times as long on digits"
        static = schedule | {"method": "static", "sparsity": None, "survivors": 1000, "multiplier": 1}
        line = specs.summary(given | {"sparsity_schedule": static, "seeds": [0, 1]}, {})
        assert line == "static mlp_2, 1,000 survivors on digits · seeds 0, 1"
        assert specs.summary(given | {"sparsity_schedule": None}, {}) == "dense mlp_2 on digits"

    def test_a_plain_transformation_states_no_option(self, client: Client, catalog) -> None:
        text = self.text(client, catalog, kind="transform", tickets=[self.TICKET], architecture="mlp_3")
        for word in ("noise", "norm", "permute", "replicate", "start", "weights", "stem", "ablation"):
            assert f" {word} " not in text, word

    def test_what_departs_from_the_default_is_stated(self, client: Client, catalog) -> None:
        text = self.text(
            client,
            catalog,
            kind="transform",
            tickets=[self.TICKET],
            architecture="mlp_4",
            via=[{"architecture": "mlp_3"}],
            order={"hidden": "interpolate"},
            replicate={"hidden": [1, 2]},
            permute=0,
            norm="fresh",
        )
        assert "1 ticket → mlp_3 → mlp_4 · hidden interpolate · ablation" in text
        for words in ("replicate hidden 1, 2", "permute 0", "norm fresh", "order hidden interpolate"):
            assert words in text
        assert " noise " not in text

    def test_a_line_between_two_trainings_has_a_table_and_a_barrier(self, client: Client, catalog) -> None:
        ends = [{"job": self.JOB, "run": run} for run in (0, 1)]
        job = catalog.queued(kind="connect", trainings=ends, points=3, dataset="digits")
        assert (
            "training 0 of job 12121212 – training 1 of job 12121212" in Shown(client, f"/ui/jobs/{job}").text
        )
        catalog.running(job)
        catalog.measured(job, {1.0: 340, 0.0: 350, 0.5: 300})
        text = Shown(client, f"/ui/jobs/{job}").text
        assert "Error barrier 12.50 points" in text
        assert "0.00 97.22 % 0.2000 0.50 83.33 % 0.2000 1.00 94.44 % 0.2000" in text
        assert "Each training by itself" not in text

    def test_an_import_tells_what_was_said_of_its_file(self, client: Client, catalog) -> None:
        job = catalog.queued(kind="import", sha256="cd" * 32, size=562_310, dataset="digits", tags=["theirs"])
        text = Shown(client, f"/ui/jobs/{job}").text
        assert "import file of 562.3 kB" in text
        assert "dataset digits tags theirs" in text
        assert "rewind step" not in text
        catalog.running(job)
        catalog.succeeded(job, [catalog.found()])
        assert "Tickets Ticket Seed" in Shown(client, f"/ui/jobs/{job}").text

    def test_an_import_that_failed_tells_where_and_is_not_retried(self, client: Client, catalog) -> None:
        job = catalog.queued(kind="import", sha256="cd" * 32, size=1)
        catalog.running(job)
        catalog.failed(job, "mask value at fc.weight", where="fc.weight", accepted="0 and <1>")
        page = Shown(client, f"/ui/jobs/{job}")
        assert "where fc.weight accepted 0 and <1>" in page.text
        assert page.buttons == []

    def test_an_export_leads_to_its_ticket_and_its_file(self, client: Client, catalog) -> None:
        ticket = catalog.upload(catalog.found())
        page = Shown(client, f"/ui/jobs/{catalog.queued(kind='export', ticket=ticket, format='onnx')}")
        assert f"/ui/tickets/{ticket}" in page.links
        assert f"/tickets/{ticket}/file?format=onnx" in page.links

    @pytest.mark.parametrize("kind", ["connect", "import", "export"])
    def test_each_kind_can_be_chosen(self, client: Client, kind: str) -> None:
        assert f"/?kind={kind}" in Shown(client, "/").links
        assert "No such jobs" in Shown(client, f"/?kind={kind}").text
