"""Deny by default: a route that does not say who may use it is nobody's, and nothing starts with it."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from api.access import policies
from api.access.policies import NoPolicy, Policy, policy_of, reads, require_policies, routes, writes
from api.app import create_app
from core.settings import Settings

OPEN = {"/healthz", "/readyz", "/ui/sign-in"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


class TestRoutes:
    def test_all_say_who_may_use_them_and_few_are_open(self, settings: Settings) -> None:
        app = create_app(settings)
        assert policies.open_paths(app) == OPEN
        found = [route for route in routes(app) if isinstance(route, APIRoute)]
        assert len(found) > 60
        assert all(policy_of(route) is not None for route in found)

    def test_what_changes_something_needs_more_than_reading(self, settings: Settings) -> None:
        harmless = {"/plans", "/ui/sign-in", "/ui/sign-out"}
        for route in routes(create_app(settings)):
            if isinstance(route, APIRoute) and not route.methods <= {"GET", "HEAD"}:  # type: ignore[operator]
                assert route.path in harmless or policy_of(route) in (Policy("write"), Policy("admin"))

    def test_of_several_the_strictest_holds(self) -> None:
        router = APIRouter(dependencies=[reads])
        router.get("/x", dependencies=[writes])(lambda: None)
        router.get("/y")(lambda: None)
        assert [policy_of(route) for route in router.routes] == [Policy("write"), Policy("read")]


class TestForgotten:
    def test_an_application_with_such_a_route_does_not_start(self, settings: Settings) -> None:
        app = create_app(settings)
        app.get("/forgotten")(lambda: "secret")
        with pytest.raises(NoPolicy, match="/forgotten does not say who may use it"):
            require_policies(app)

    def test_nor_one_with_a_router_of_such_or_a_folder(self, settings: Settings) -> None:
        app, router = create_app(settings), APIRouter(prefix="/more")
        router.get("/forgotten")(lambda: "secret")
        app.include_router(router)
        with pytest.raises(NoPolicy, match="forgotten does not say"):
            require_policies(app)

    @pytest.mark.parametrize("auth", ["none", "keys"])
    def test_added_later_it_answers_nobody(
        self, settings: Settings, auth: str, serve: Callable[..., object]
    ) -> None:
        app = create_app(settings.model_copy(update={"auth": auth}))
        app.get("/forgotten")(lambda: "secret")
        with serve(app) as address, httpx.Client(base_url=address) as client:  # type: ignore[attr-defined]
            answer = client.get("/forgotten")
        assert answer.status_code == (403 if auth == "none" else 401)
        assert "secret" not in answer.text


class TestDocument:
    def test_what_needs_a_key_says_so_and_how_it_refuses(self, settings: Settings) -> None:
        document = create_app(settings).openapi()
        assert document["components"]["securitySchemes"]["api_key"]["scheme"] == "bearer"
        for path, methods in document["paths"].items():
            for operation in methods.values():
                assert ("security" in operation) == (path not in OPEN)
                assert ({"401", "403"} <= operation["responses"].keys()) == (path not in OPEN)
