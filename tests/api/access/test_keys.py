from collections.abc import Callable

import httpx

Keyed = Callable[..., httpx.Client]
ASKED = {"name": "nightly", "scope": "write", "days": 90}


class TestMaking:
    def test_it_is_shown_once_and_lets_in(self, keyed: Keyed, stranger: httpx.Client) -> None:
        admin = keyed(scope="admin")
        answer = admin.post("/keys", json=ASKED)
        body = answer.json()
        assert answer.status_code == 201
        assert answer.headers["location"] == f"/keys/{body['id']}"
        assert answer.headers["cache-control"] == "no-store"
        assert (body["name"], body["scope"], body["project"]) == ("nightly", "write", "default")
        sent = {"Authorization": f"Bearer {body['key']}"}
        assert stranger.get("/jobs", headers=sent).status_code == 200
        assert body["key"].split("_")[2] not in admin.get("/keys").text

    def test_a_repetition_makes_none_and_shows_none(self, keyed: Keyed) -> None:
        admin, named = keyed(scope="admin"), {"Idempotency-Key": "k1"}
        first, again = (admin.post("/keys", json=ASKED, headers=named) for _ in range(2))
        assert (first.json()["id"], again.json()["key"]) == (again.json()["id"], None)
        assert again.headers["idempotency-replayed"] == "true"
        assert len(admin.get("/keys").json()["items"]) == 2

    def test_what_is_not_valid_is_refused(self, keyed: Keyed) -> None:
        admin = keyed(scope="admin")
        for wrong in ({"name": ""}, {"scope": "root"}, {"days": 0}, {"name": "a\nb"}, {"project": "vision"}):
            assert admin.post("/keys", json=ASKED | wrong).status_code == 422


class TestRevoking:
    def test_it_lets_nobody_in_from_then_on(self, keyed: Keyed, stranger: httpx.Client) -> None:
        admin = keyed(scope="admin")
        made = admin.post("/keys", json=ASKED).json()
        sent = {"Authorization": f"Bearer {made['key']}"}
        revoked = admin.delete(f"/keys/{made['id']}")
        assert revoked.status_code == 200
        assert revoked.json()["revoked_at"] is not None
        assert stranger.get("/jobs", headers=sent).status_code == 401
        assert admin.delete(f"/keys/{made['id']}").json() == revoked.json()

    def test_one_that_is_not_there_is_told(self, keyed: Keyed) -> None:
        assert keyed(scope="admin").delete("/keys/" + "0" * 12).status_code == 404


class TestListing:
    def test_pages_hold_every_key_once(self, keyed: Keyed) -> None:
        admin = keyed(scope="admin")
        made = [admin.post("/keys", json=ASKED).json()["id"] for _ in range(4)]
        found, path = [], "/keys?limit=2"
        while path:
            page = admin.get(path).json()
            found += [one["id"] for one in page["items"]]
            path = page["next"]
        assert len(found) == len(set(found)) == 5
        assert set(made) < set(found)
