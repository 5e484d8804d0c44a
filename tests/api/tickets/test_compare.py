"""Two tickets side by side, over HTTP."""

import numpy as np
import pytest

from core.tickets import read


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


class TestCompare:
    def test_masks_and_weights_against_counting_by_hand(self, client, upload, make_ticket, tmp_path):
        a, b = upload(1, density=0.5), upload(2, density=0.2)
        body = client.get(f"/tickets/{a}/compare/{b}").json()
        tickets = []
        for seed, density in ((1, 0.5), (2, 0.2)):
            (path := tmp_path / str(seed)).write_bytes(make_ticket(seed, density=density))
            tickets.append(read(path).ticket)
        first, second = (ticket.bool_masks() for ticket in tickets)
        assert (body["a"], body["b"]) == (a, b)
        assert [row["name"] for row in body["tensors"]] == list(first)
        for row in body["tensors"]:
            x, y = first[row["name"]], second[row["name"]]
            assert row["both"] == (x & y).sum()
            assert row["iou"] == pytest.approx((x & y).sum() / (x | y).sum())
            by_chance = x.sum() * y.sum() / x.size
            assert row["chance"] == pytest.approx(by_chance / (x.sum() + y.sum() - by_chance))
            u, v = (ticket.weights()[row["name"]].ravel().astype(float) for ticket in tickets)
            assert row["cosine"] == pytest.approx(u @ v / np.linalg.norm(u) / np.linalg.norm(v), abs=1e-9)
        total = sum((first[name] & second[name]).sum() for name in first)
        assert body["total"]["both"] == total

    def test_a_ticket_is_itself(self, client, upload):
        ticket = upload()
        total = client.get(f"/tickets/{ticket}/compare/{ticket}").json()["total"]
        assert (total["iou"], total["cosine"]) == (1.0, pytest.approx(1.0))

    def test_networks_of_two_depths_share_some_tensors(self, client, upload):
        shallow, deep = upload(name="mlp_1"), upload(name="mlp_2")
        body = client.get(f"/tickets/{shallow}/compare/{deep}").json()
        assert [row["name"] for row in body["tensors"]] == ["fc_layers.0.weight", "fc.weight"]
        assert (body["only_a"], body["only_b"]) == ([], ["fc_layers.2.weight"])
        assert body["other_shape"] == ["fc_layers.1.weight"]

    @pytest.mark.parametrize("missing", ["0" * 64, "nonsense"])
    def test_either_may_be_missing(self, client, upload, missing):
        ticket = upload()
        for path in (f"/tickets/{ticket}/compare/{missing}", f"/tickets/{missing}/compare/{ticket}"):
            assert client.get(path).status_code == 404
