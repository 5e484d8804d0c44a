"""The pages of tickets: mask, lineage, comparison, stretch form, upload; over HTTP, without a script."""

import io
import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import numpy as np
from safetensors.numpy import save

from api.pages.lineage import MOST
from core.catalog import jobs, tickets
from core.tickets import ticket_id, write

REFUSED = [
    ("architecture=nonsense", "architecture", "unknown architecture"),
    ("architecture=cifar_resnet_20", "architecture", "family"),
    ("architecture=mlp_3&unit_map=0:0", "unit_map", "no source"),
    ("architecture=mlp_3&unit_map=x", "unit_map", "not of the form"),
    ("architecture=mlp_3&order=drop_last", "order", "does not lead"),
    ("architecture=mlp_3&order=sideways", "order", "append"),
    ("architecture=mlp_3&replicate.hidden=x", "replicate.hidden", "not a position"),
    ("architecture=mlp_3&replicate.hidden=0", "replicate.hidden", "fixed"),
    ("architecture=mlp_3&permute=1.5", "permute", "not a number"),
    ("architecture=mlp_3&permute=1", "permute", "were not kept"),
    ("architecture=mlp_5&via=nonsense", "via", "unknown architecture"),
    ("architecture=mlp_5&via=cifar_resnet_20", "via", "family"),
    ("architecture=mlp_5&via=mlp_3=sideways", "via", "append"),
    ("architecture=mlp_5&via=mlp_3=drop_last", "via", "does not lead"),
    ("architecture=nonsense&via=mlp_3", "architecture", "unknown architecture"),
    ("architecture=mlp_3&noise=2", "noise", "1"),
    ("architecture=mlp_3&noise=nan", "noise", "finite"),
    ("architecture=mlp_3&dataset=none", "dataset", "unknown dataset"),
    ("architecture=mlp_3&weights=reinit&start=zero", "", "leave start out"),
]
WRONG = [
    ({"seed": "x"}, "seed", "integer"),
    ({"dataset": "none"}, "dataset", "digits"),
    ({"tags": "<b>"}, "tags", "not a tag"),
    ({"input": "3x32"}, "input", "matches"),
    ({"level": "3"}, "level", "the file is a ticket"),
]


def sent(client, catalog, **given) -> str:
    """Upload a ticket with its file; its id."""
    file = catalog.found(**given)
    write(file.ticket, file.metadata, stream := io.BytesIO())
    answer = client.post("/tickets", content=stream.getvalue(), headers={"Accept": "application/json"})
    return answer.raise_for_status().json()["id"]


def rects(page: str) -> list[str]:
    """What each drawn block says."""
    return [unescape(text) for text in re.findall(r"<title>((?:source|target) [^<]*)</title>", page)]


class TestMask:
    def test_shows_the_layer_and_the_size_that_the_address_names(self, client, catalog):
        ticket = sent(client, catalog)
        page = client.get(f"/ui/tickets/{ticket}?layer=fc_layers.1.weight&zoom=2").text
        assert f'src="/tickets/{ticket}/layers/fc_layers.1.weight/mask.png"' in page
        assert 'width="600" height="600"' in page
        assert f"{ticket}?layer=fc_layers.1.weight&amp;zoom=3#mask" in page

    def test_else_the_first_as_large_as_fits(self, client, catalog):
        ticket = sent(client, catalog)
        for query in ("", "?layer=none&zoom=99", "?zoom=²", "?layer=%00"):
            page = client.get(f"/ui/tickets/{ticket}{query}").text
            assert "/layers/fc_layers.0.weight/mask.png" in page
            assert 'width="64" height="300"' in page

    def test_a_file_that_is_gone_is_no_broken_picture(self, client, catalog):
        page = client.get(f"/ui/tickets/{catalog.upload(catalog.found())}").text
        assert "mask.png" not in page
        assert "cannot be drawn" in page


class TestLineage:
    def test_tickets_and_jobs_are_joined_from_left_to_right(self, client, catalog):
        source, child = catalog.family()
        for ticket, columns in ((source, 4), (child, 4)):
            page = client.get(f"/ui/tickets/{ticket}").text
            graph = page[page.index('class="graph"') : page.index("</svg>", page.index('class="graph"'))]
            assert graph.count('class="edge"') == 3
            places = re.findall(r'class="node (\w+)" transform="translate\((\d+)', graph)
            assert [kind for kind, _ in sorted(places, key=lambda one: int(one[1]))] == [
                "job",
                "this" if ticket == source else "ticket",
                "job",
                "ticket" if ticket == source else "this",
            ]
            assert len({x for _, x in places}) == columns

    def test_many_children_are_counted_and_two_that_claim_each_other_end(self, client, catalog):
        parent = sent(client, catalog)
        with catalog.database.write() as session:
            for seed in range(1, MOST + 4):
                file = catalog.found(seed=seed)
                metadata = file.metadata.__class__(method="ett", parent=parent)
                made = file.__class__(file.ticket, metadata, 1, 1)
                tickets.register(session, ticket_id(made.ticket), made, "cd" * 32)
            first = catalog.found()
            claim = first.metadata.__class__(method="ett", parent=ticket_id(catalog.found(seed=1).ticket))
            again = first.__class__(first.ticket, claim, 1, 1)
            tickets.register(session, parent, again, "cd" * 32)
        page = client.get(f"/ui/tickets/{parent}").text
        assert page.count('class="node ticket"') <= 2 * MOST
        assert re.search(r"\d more child", page)


class TestCompare:
    def test_shows_each_layer_beside_chance(self, client, catalog):
        a, b = sent(client, catalog, seed=0), sent(client, catalog, seed=1)
        page = client.get(f"/ui/compare-tickets?a={a}&b={b}").raise_for_status().text
        body = client.get(f"/tickets/{a}/compare/{b}", headers={"Accept": "application/json"}).json()
        for row in (*body["tensors"], body["total"]):
            assert f"{row['both']:,}</td>" in page
            assert f"{row['iou'] * 100:.2f} %" in page
            assert f"{row['sign_agreement'] * 100:.2f} %" in page

    def test_offers_the_others_of_the_family(self, client, catalog):
        a, b = sent(client, catalog, seed=0), sent(client, catalog, seed=1)
        page = client.get(f"/ui/tickets/{a}").text
        assert f'<option value="{b}">' in page
        assert f'<option value="{a}">' not in page

    def test_what_is_no_ticket_is_said_at_its_field(self, client, catalog, hostile):
        page = client.get("/ui/compare-tickets", params={"a": hostile, "b": "0" * 64}).raise_for_status().text
        assert hostile not in page
        assert "no ticket&#39;s id" in page
        assert "There is no such ticket." in page

    def test_a_file_that_is_gone(self, client, catalog):
        a = catalog.upload(catalog.found())
        assert "A file is missing" in client.get(f"/ui/compare-tickets?a={a}&b={a}").text


class TestStretch:
    def test_opens_with_the_next_deeper_member(self, client, catalog):
        ticket = sent(client, catalog)
        page = client.get(f"/ui/tickets/{ticket}/stretch").raise_for_status().text
        assert "mlp_2 → mlp_3" in page
        assert "0:0;1:1,2;2:3" in page
        assert "target 2, a copy of source 1" in rects(page)
        assert "source 0, fixed" in rects(page)
        assert "?architecture=mlp_4" in page

    def test_says_what_the_api_says(self, client, catalog):
        ticket = sent(client, catalog)
        body = {"tickets": [ticket], "architecture": "mlp_4", "order": "interpolate"}
        plan = client.post("/transform?dry_run=true", json=body).json()["tickets"][0]
        page = client.get(f"/ui/tickets/{ticket}/stretch?architecture=mlp_4&order=interpolate").text
        assert f"{plan['after']['survivors']:,}</strong>" in page
        assert plan["unit_map"] in page
        assert all(warning in unescape(page) for warning in plan["warnings"])

    def test_a_block_that_was_chosen_offers_its_sources(self, client, catalog):
        ticket = sent(client, catalog)
        first = client.get(f"/ui/tickets/{ticket}/stretch?architecture=mlp_4").text
        assert "pick=0.2" in first
        page = client.get(f"/ui/tickets/{ticket}/stretch?architecture=mlp_3&order=append&pick=0.2").text
        links = [unescape(link) for link in re.findall(r'href="([^"]*unit_map[^"]*)"', page)]
        (chosen,) = links
        query = parse_qs(urlsplit(chosen).query)
        assert query == {"architecture": ["mlp_3"], "unit_map": ["0:0;1:1,2;2:3"]}
        assert 'class="unit choice"' in page

    def test_passes_through_other_members_as_the_api_does(self, client, catalog):
        ticket = sent(client, catalog)
        hops = [{"architecture": "mlp_3"}, {"architecture": "mlp_5", "order": "append"}]
        body = {"tickets": [ticket], "architecture": "mlp_6", "order": "interpolate", "via": hops}
        plan = client.post("/transform?dry_run=true", json=body).json()["tickets"][0]
        address = (
            f"/ui/tickets/{ticket}/stretch?architecture=mlp_6&order=interpolate&via=mlp_3,+mlp_5%3Dappend"
        )
        page = client.get(address).text
        assert f'<code class="long">{plan["unit_map"]}</code>' in page
        assert 'value="mlp_3, mlp_5=append"' in page
        # The map of the whole way that a choice of blocks writes needs no way any more.
        page = client.get(f"{address}&pick=0.3").text
        (one, *_) = [unescape(link) for link in re.findall(r'href="([^"]*unit_map[^"]*)"', page)]
        assert set(parse_qs(urlsplit(one).query)) == {"architecture", "unit_map"}
        action = unescape(re.search(r'method="post" action="([^"]*)"', client.get(address).text)[1])
        location = client.post(action, follow_redirects=False).headers["Location"]
        with catalog.database.read() as session:
            via = jobs.get(session, location.rsplit("/", 1)[1]).spec["via"]
        assert [(hop["architecture"], hop["order"]) for hop in via] == [("mlp_3", None), ("mlp_5", "append")]

    def test_a_refusal_stands_at_its_field(self, client, catalog):
        here = f"/ui/tickets/{sent(client, catalog)}/stretch?"
        for query, where, what in REFUSED:
            page = unescape(client.get(here + query).text)
            assert 'id="refused"' in page, query
            assert "Make the ticket" not in page
            slot = page[page.index(f'id="wrong-{where}"') :] if where else page + "</span>"
            assert what in slot[: slot.rindex("</span>") if not where else slot.index("</span>")], query

    def test_submitting_makes_the_job_of_the_address_once(self, client, catalog):
        ticket = sent(client, catalog)
        page = client.get(f"/ui/tickets/{ticket}/stretch?architecture=mlp_3&unit_map=0:0;1:1,2;2:3").text
        action = unescape(re.search(r'method="post" action="([^"]*)"', page)[1])
        key = re.search(r'name="key" value="(\w+)"', page)[1]
        answers = [client.post(action, data={"key": key}, follow_redirects=False) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [303, 303]
        assert answers[0].headers["Location"] == answers[1].headers["Location"]
        with catalog.database.read() as session:
            job = jobs.get(session, answers[0].headers["Location"].rsplit("/", 1)[1])
            assert (job.spec["architecture"], job.spec["unit_map"]) == ("mlp_3", "0:0;1:1,2;2:3")
            assert job.spec["tickets"] == [ticket]

    def test_what_is_refused_comes_back_to_the_form(self, client, catalog):
        ticket = sent(client, catalog)
        answer = client.post(f"/ui/tickets/{ticket}/stretch?architecture=mlp_3&order=drop_last")
        assert answer.status_code == 422
        assert "does not lead" in answer.text

    def test_no_other_site_may_send_a_form(self, client, catalog):
        ticket = sent(client, catalog)
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://elsewhere.example"}):
            for path in (f"/ui/tickets/{ticket}/stretch?architecture=mlp_3", "/ui/upload"):
                assert client.post(path, headers=headers).status_code == 403

    def test_a_file_that_is_gone(self, client, catalog):
        ticket = catalog.upload(catalog.found())
        assert "The file is missing" in client.get(f"/ui/tickets/{ticket}/stretch").text


class TestUpload:
    def test_what_a_file_is_and_nothing_is_kept(self, client, catalog, settings):
        file = catalog.found()
        write(file.ticket, file.metadata, stream := io.BytesIO())
        page = client.post("/ui/upload", files={"file": stream.getvalue()}, data={"do": "check"}).text
        assert f"{file.ticket.survivors:,}</strong>" in page
        assert "It will be a ticket here at once." in page
        assert not [path for path in settings.artifact_directory.rglob("*") if path.is_file()]

    def test_a_ticket_leads_to_its_page_and_another_file_to_its_job(self, client, catalog):
        file = catalog.found()
        write(file.ticket, file.metadata, stream := io.BytesIO())
        data = {"do": "upload", "tags": "paper, mine"}
        answer = client.post(
            "/ui/upload", files={"file": stream.getvalue()}, data=data, follow_redirects=False
        )
        assert answer.status_code == 303
        page = client.get(answer.headers["Location"]).text
        assert ">paper</a>" in page
        content = save({"a.weight": np.ones((3, 2), np.float32)})
        answer = client.post(
            "/ui/upload",
            files={"file": content},
            data={"do": "upload", "seed": "4"},
            follow_redirects=False,
        )
        assert answer.headers["Location"].startswith("/ui/jobs/")

    def test_what_is_wrong_stands_at_its_field(self, client, catalog):
        file = catalog.found()
        write(file.ticket, file.metadata, stream := io.BytesIO())
        for data, where, what in WRONG:
            files = {"file": stream.getvalue()}
            answer = client.post("/ui/upload", files=files, data={"do": "check"} | data)
            page = unescape(answer.text)
            slot = page[page.index(f'id="wrong-{where}"') :]
            assert answer.status_code == 422
            assert what in slot[: slot.index("</span>")], data

    def test_what_is_no_ticket_has_its_reason(self, client):
        answer = client.post("/ui/upload", files={"file": b"nonsense"}, data={"do": "check"})
        assert answer.status_code == 422
        assert "This cannot be uploaded" in answer.text

    def test_an_unknown_field_is_refused(self, client):
        answer = client.post("/ui/upload", files={"file": b"x"}, data={"colour": "red"})
        assert answer.status_code == 422


class TestHostile:
    def test_details_and_tags_are_text_on_every_page(self, client, catalog, hostile):
        parent = sent(client, catalog, note=hostile)
        with catalog.database.write() as session:
            tickets.tag(session, parent, [hostile])
        paths = [f"/ui/tickets/{parent}", f"/ui/tickets/{parent}/stretch", f"/ui/compare-tickets?a={parent}"]
        for path in paths:
            answer = client.get(path, params={"pick": hostile, "layer": hostile} if "?" not in path else None)
            assert answer.status_code == 200
            assert "<script>alert" not in answer.text
        page = client.get(
            f"/ui/tickets/{parent}/stretch", params={"architecture": hostile, "unit_map": hostile}
        )
        assert "<script>alert" not in page.text
        named = client.post("/ui/upload", files={"file": b"x"}, data={"architecture": hostile, "do": "check"})
        assert "<script>alert" not in named.text
