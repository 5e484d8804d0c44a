"""The pages as a browser without scripts sees them."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import numpy as np
import pytest
from httpx import Client

from core.families.definition import made_definition
from core.families.posted import posted_architecture
from core.jobs.formats import FORMATS
from core.jobs.states import STATES, State
from core.tickets import Metadata, Ticket, TicketFile


class Reader(HTMLParser):
    """Collects what a page links to, what it says, and what a strict policy forbids."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.words: list[str] = []
        self.forbidden: list[str] = []
        self.buttons: list[str] = []
        self.ids: list[str] = []
        self.tag = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tag = tag
        given = dict(attrs)
        led = ("href", "src") if given.get("method") == "post" else ("href", "src", "action")
        self.links += [value for name in led if (value := given.get(name))]
        self.forbidden += [f"{tag} {name}" for name in given if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.forbidden.append(tag)
        if tag == "button" and (posts := given.get("data-post")):
            self.buttons.append(posts)
        if identity := given.get("id"):
            self.ids.append(identity)

    def handle_data(self, data: str) -> None:
        if self.tag != "script":
            self.words.append(data)

    @property
    def text(self) -> str:
        """The words of the page, with single spaces."""
        return re.sub(r"\s+", " ", " ".join(self.words))


def read(client: Client, path: str) -> Reader:
    """A page that must be there and keep the policy."""
    response = client.get(path)
    assert response.status_code == 200, response.text
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "same-origin"
    page = Reader(response.text)
    assert page.forbidden == []
    assert len(page.ids) == len(set(page.ids))
    return page


class TestEveryPage:
    def test_every_address_on_it_is_ours_and_answers(self, client: Client, catalog, hostile: str) -> None:
        source, child = catalog.family()
        jobs = [catalog.in_state(state) for state in State]
        catalog.upload(catalog.found(seed=9, method="random"), hostile, "a&b=c", "ä ö")
        todo = [
            "/",
            "/ui/tickets",
            f"/ui/tickets/{source}",
            f"/ui/tickets/{child}",
            *(f"/ui/jobs/{j}" for j in jobs),
        ]
        found = {urljoin(path, link) for path in todo for link in read(client, path).links}
        assert not [link for link in found if urlsplit(link).netloc]
        # The store of this test has rows without files.
        for link in sorted(link for link in found if "/file" not in link):
            assert client.get(link).status_code == 200, link

    def test_styles_and_scripts_are_asked_about_each_time(self, client: Client) -> None:
        for name in ("style.css", "live.js", "favicon.svg"):
            response = client.get(f"/static/{name}")
            assert response.status_code == 200
            assert response.headers["cache-control"] == "no-cache"


class TestJobs:
    def test_an_empty_list_says_how_to_begin(self, client: Client) -> None:
        page = read(client, "/")
        assert "No jobs yet" in page.text
        assert "curl -sS http://testserver/find" in page.text

    def test_the_first_job_it_proposes_is_accepted(self, client: Client) -> None:
        body = re.search(r"-d '(\{.*\})'", read(client, "/").text)
        assert body is not None
        response = client.post("/find", content=body[1], headers={"Content-Type": "application/json"})
        assert response.status_code == 202

    @pytest.mark.parametrize("state", State)
    def test_each_state_is_shown(self, client: Client, catalog, state: State) -> None:
        job = catalog.in_state(state)
        html = client.get("/").text
        assert f'data-tone="{STATES[state].tone}" title="{STATES[state].meaning}">{state}<' in html
        page = Reader(html)
        assert "mlp_2 on digits · imp level 10 · seeds 0–2" in page.text
        may_cancel = state in (State.WAITING, State.QUEUED, State.RUNNING)
        assert page.buttons == ([f"/jobs/{job}/cancel"] if may_cancel else [])

    def test_progress_tells_share_and_time_left(self, client: Client, catalog) -> None:
        catalog.running(catalog.queued(), done=30, total=100, eta=192.0)
        html = client.get("/").text
        assert 'width="30.000%"' in html
        assert re.search(r"30 %\s*</span><span>3 min 12 s left</span>", html)

    def test_an_end_that_is_not_known_is_not_promised(self, client: Client, catalog) -> None:
        catalog.running(catalog.queued(), done=30, total=100)
        assert " left<" not in client.get("/").text

    def test_those_that_go_on_stand_before_newer_ones_that_ended(self, client: Client, catalog) -> None:
        old = catalog.queued()
        ended = catalog.in_state(State.FAILED)
        html = client.get("/").text
        assert html.index(old) < html.index(ended)

    def test_why_it_failed_is_in_the_list(self, client: Client, catalog) -> None:
        catalog.in_state(State.FAILED)
        assert "Diverged: the training loss is nan" in read(client, "/").text

    def test_filters_keep_each_other_and_the_pages_keep_both(self, client: Client, catalog) -> None:
        for _ in range(26):
            catalog.cancelling(catalog.queued())
        page = read(client, "/?state=cancelled&kind=find")
        assert "/?state=failed&kind=find" in page.links
        assert "/?state=cancelled&kind=train" in page.links
        assert "/?kind=find" in page.links
        (older,) = [link for link in page.links if "after=" in link]
        assert older.startswith("/?state=cancelled&kind=find&after=")
        second = read(client, older)
        assert len([identity for identity in second.ids if identity.startswith("job-")]) == 1
        assert "/?state=cancelled&kind=find" in second.links
        assert not set(page.ids) & {identity for identity in second.ids if identity.startswith("job-")}

    def test_every_page_together_shows_every_job_once(self, client: Client, catalog) -> None:
        made = [catalog.queued() for _ in range(60)]
        link, seen = "/?state=queued", []
        while link:
            page = read(client, link)
            seen += [identity.removeprefix("job-") for identity in page.ids if identity.startswith("job-")]
            link = next((one for one in page.links if "after=" in one), "")
        assert seen == made[::-1]

    def test_another_kind_is_not_shown(self, client: Client, catalog) -> None:
        catalog.queued()
        assert "No such jobs" in read(client, "/?kind=train").text


class TestJob:
    @pytest.mark.parametrize("state", State)
    def test_each_state_has_its_page(self, client: Client, catalog, state: State) -> None:
        job = catalog.in_state(state)
        page = read(client, f"/ui/jobs/{job}")
        assert STATES[state].meaning in page.text
        cancel, retry = f"/jobs/{job}/cancel", f"/jobs/{job}/retry"
        assert (cancel in page.buttons) is (state in (State.WAITING, State.QUEUED, State.RUNNING))
        assert (retry in page.buttons) is (state in (State.FAILED, State.CANCELLED))

    @pytest.mark.parametrize("state", State)
    def test_only_an_ended_job_stands_still(self, client: Client, catalog, state: State) -> None:
        html = client.get(f"/ui/jobs/{catalog.in_state(state)}").text
        assert ("data-still" in html) is STATES[state].terminal

    def test_the_spec_is_readable(self, client: Client, catalog) -> None:
        page = read(client, f"/ui/jobs/{catalog.queued()}")
        for words in (
            "Iterative magnitude pruning with rewinding",
            "40 epochs",
            "learning rate 0.1",
            "fc.weight",
        ):
            assert words in page.text

    def test_results_are_mean_and_deviation_over_seeds(self, client: Client, catalog) -> None:
        page = read(client, f"/ui/jobs/{catalog.in_state(State.SUCCEEDED)}")
        # 340, 341 and 342 of 360.
        assert "94.72 ± 0.28 % 97.22 ± 0.28 %" in page.text
        assert "over seeds" in page.text

    def test_data_orders_are_reported_as_such(self, client: Client, catalog) -> None:
        _, child = catalog.family()
        train = next(
            link for link in read(client, f"/ui/tickets/{child}").links if link.startswith("/ui/jobs/")
        )
        assert read(client, train).text
        jobs = {link for link in read(client, f"/ui/tickets/{child}").links if link.startswith("/ui/jobs/")}
        assert any("over data orders" in read(client, link).text for link in jobs)

    def test_trainings_that_other_jobs_did_are_counted(self, client: Client, catalog) -> None:
        job = catalog.queued(kind="find", architecture="mlp_2", dataset="digits", fresh=True)
        catalog.running(job)
        runs = [catalog.trained(seed=seed, shared=seed < 2) for seed in range(3)]
        catalog.succeeded(job, [], runs)
        page = read(client, f"/ui/jobs/{job}")
        assert "2 of 3 trainings were done by other jobs before" in page.text
        assert "earlier work none of it used" in page.text
        nothing_shared = read(client, f"/ui/jobs/{catalog.in_state(State.SUCCEEDED)}")
        assert "by other jobs" not in nothing_shared.text
        assert "earlier work" not in nothing_shared.text

    def test_each_training_says_how_fast_it_was(self, client: Client, catalog) -> None:
        job = catalog.queued()
        catalog.running(job)
        split = {"data": 0.0005, "forward": 0.001, "backward": 0.002, "masks": 0.0005, "optimizer": 0.001}
        fast = {
            "mode": "bfloat16, compiled",
            "replicates": 3,
            "images_per_second": 29_799.6,
            "step_seconds": split,
            "training_flops": {"dense": 244_800_000, "sparse": 26_291_520},
            "peak_memory_bytes": 391_000_064,
            "device_seconds": 192.0,
            "evaluation_seconds": 0.3,
            "energy_joules": 1234.0,
        }
        unknown = {"images_per_second": None, "step_seconds": {}, "peak_memory_bytes": None}
        still = fast | unknown | {"energy_joules": None, "replicates": 1, "mode": "float32"}
        runs = [
            catalog.trained(seed=0, level=0, speed=fast),
            catalog.trained(seed=1, level=0, order=4, speed=still, shared=True),
            catalog.trained(seed=2, level=0),
        ]
        catalog.succeeded(job, runs=runs)
        html = client.get(f"/ui/jobs/{job}").text
        text = read(client, f"/ui/jobs/{job}").text
        # The third, which nobody measured, took 1.25 s.
        assert "Speed 3 min 13 s of a device" in text
        assert "mlp_2 · seed 0 · level 0 29,800 5.00 ms" in text
        assert "forward and backward 3.00 ms (60 %)" in text
        assert "245 M → 26.3 M 391.0 MB 3 min 12 s 1.23 kJ bfloat16, compiled, 3 together" in text
        assert "mlp_2 · seed 1 · order 4 · level 0 – – 245 M → 26.3 M – another job’s – float32" in text
        widths = re.findall(r'data-part="(\w+)" x="([\d.]+)%" width="([\d.]+)%"', html)
        assert widths == [
            ("data", "0.000", "10.000"),
            ("network", "10.000", "60.000"),
            ("masks", "70.000", "10.000"),
            ("optimizer", "80.000", "20.000"),
        ]
        assert "seed 2 ·" not in text

    def test_of_trainings_from_before_speeds_were_measured_none_is_told(
        self, client: Client, catalog
    ) -> None:
        assert 'id="speed"' not in client.get(f"/ui/jobs/{catalog.in_state(State.SUCCEEDED)}").text

    def test_output_tickets_are_linked(self, client: Client, catalog) -> None:
        source, child = catalog.family()
        page = read(client, "/?kind=transform")
        job = next(link for link in page.links if link.startswith("/ui/jobs/"))
        links = read(client, job).links
        assert f"/ui/tickets/{child}" in links
        assert f"/ui/tickets/{source}" in links

    def test_the_error_is_prominent_and_is_text(self, client: Client, catalog, hostile: str) -> None:
        job = catalog.queued()
        catalog.running(job)
        catalog.failed(job, hostile)
        response = client.get(f"/ui/jobs/{job}")
        assert "<script>alert" not in response.text
        page = Reader(response.text)
        assert "Why it failed" in page.text
        assert hostile in page.text


class TestTickets:
    def test_an_empty_list_says_how_to_begin(self, client: Client) -> None:
        assert "No tickets yet" in read(client, "/ui/tickets").text

    def test_tags_are_text(self, client: Client, catalog, hostile: str) -> None:
        identity = catalog.upload(catalog.found(), hostile)
        for path in ("/ui/tickets", f"/ui/tickets/{identity}"):
            html = client.get(path).text
            assert "<script>alert" not in html
            assert hostile in Reader(html).text

    def test_a_tag_leads_to_the_tickets_that_have_it(self, client: Client, catalog, hostile: str) -> None:
        tagged = catalog.upload(catalog.found(seed=1), hostile)
        other = catalog.upload(catalog.found(seed=2))
        (link,) = {link for link in read(client, "/ui/tickets").links if "tag=" in link}
        html = client.get(link).text
        assert tagged in html
        assert other not in html

    @pytest.mark.parametrize(
        ("query", "sources", "children"),
        [
            ("family=mlp", 1, 1),
            ("architecture=mlp_3", 0, 1),
            ("method=imp", 1, 0),
            ("dataset=mnist", 0, 0),
            ("sparsity_min=0.9", 0, 1),
            ("sparsity_max=0.9&tag=&family=", 1, 0),
        ],
    )
    def test_filters(self, client: Client, catalog, query: str, sources: int, children: int) -> None:
        source, child = catalog.family()
        links = read(client, f"/ui/tickets?{query}").links
        assert (links.count(f"/ui/tickets/{source}"), links.count(f"/ui/tickets/{child}")) == (
            sources,
            children,
        )

    def test_pages_keep_the_filter(self, client: Client, catalog) -> None:
        for seed in range(27):
            catalog.upload(catalog.found(seed=seed), "sweep")
        first = read(client, "/ui/tickets?tag=sweep&sparsity_min=0.5&method=")
        (older,) = [link for link in first.links if "after=" in link]
        assert older.startswith("/ui/tickets?tag=sweep&sparsity_min=0.5&after=")
        second = read(client, older)
        assert "/ui/tickets?tag=sweep&sparsity_min=0.5" in second.links
        assert len([link for link in second.links if re.fullmatch(r"/ui/tickets/[0-9a-f]{64}", link)]) == 2


class TestTicket:
    def test_figures_are_exact(self, client: Client, catalog) -> None:
        file = catalog.found()
        ticket = file.ticket
        page = read(client, f"/ui/tickets/{catalog.upload(file)}")
        removed = f"{100 * (1 - ticket.survivors / 140_200):.2f} %"
        assert f"{ticket.survivors:,} of 140,200 weights survive · {removed} removed" in page.text
        assert "Nominal: IMP level 10, which removes 89.26 % of the network that it was found in" in page.text

    def test_each_layer_has_its_density(self, client: Client, catalog) -> None:
        file = catalog.found()
        html = client.get(f"/ui/tickets/{catalog.upload(file)}").text
        for layer in file.ticket.layers():
            assert f'width="{100 * layer.survivors / layer.size:.3f}%"' in html
            assert f"{layer.survivors:,} of {layer.size:,}" in html

    @pytest.mark.parametrize("fraction", ["a lot", 7, -1.5, None, [], {}])
    def test_a_nonsensical_fraction_is_not_believed(self, client: Client, catalog, fraction: object) -> None:
        identity = catalog.upload(catalog.found(fraction=fraction))
        assert "IMP level 10, which removes 89.26 %" in read(client, f"/ui/tickets/{identity}").text

    def test_the_stated_fraction_counts(self, client: Client, catalog) -> None:
        identity = catalog.upload(catalog.found(fraction=0.5))
        assert "IMP level 10, which removes 99.90 %" in read(client, f"/ui/tickets/{identity}").text

    def test_lineage_leads_both_ways(self, client: Client, catalog) -> None:
        source, child = catalog.family()
        assert f"/ui/tickets/{child}" in read(client, f"/ui/tickets/{source}").links
        assert f"/ui/tickets/{source}" in read(client, f"/ui/tickets/{child}").links

    def test_a_parent_that_is_not_here_is_no_link(self, client: Client, catalog) -> None:
        file = catalog.stretched(catalog.found(), "12" * 32)
        page = read(client, f"/ui/tickets/{catalog.upload(file)}")
        assert "12121212" in page.text
        assert not [link for link in page.links if "1212" in link]

    def test_details_are_text(self, client: Client, catalog, hostile: str) -> None:
        html = client.get(f"/ui/tickets/{catalog.upload(catalog.found(note=hostile))}").text
        assert "<script>alert" not in html

    def test_results_name_data_orders_and_what_was_not_trained(self, client: Client, catalog) -> None:
        _, child = catalog.family()
        text = read(client, f"/ui/tickets/{child}").text
        assert "digits 94.44 % 96.94 % 17 0 0 240" in text
        assert "digits 9.17 % – – 0 – evaluated" in text

    def test_a_mean_is_of_trainings_alone(self, client: Client, catalog) -> None:
        _, child = catalog.family()
        text = read(client, f"/ui/tickets/{child}").text
        assert "digits: 9.17 % mlp_3, 1 evaluation digits:" in text
        assert "% mlp_3, 3 trainings of 240 steps, data orders 0–2" in text

    def test_it_can_be_downloaded_in_every_format(self, client: Client, catalog) -> None:
        ticket = catalog.upload(catalog.found())
        links = read(client, f"/ui/tickets/{ticket}").links
        for name in FORMATS:
            assert f"/tickets/{ticket}/file?format={name}" in links

    def test_of_a_posted_architecture(self, client: Client, catalog) -> None:
        network = posted_architecture(
            made_definition(
                {
                    "name": "chain",
                    "prunable": ["*"],
                    "stages": [{"name": "b", "pattern": "b.{unit}."}],
                    "tensors": {"b.0.weight": [4, 4], "b.1.weight": [4, 4]},
                }
            )
        )
        ones = {spec.name: np.ones(spec.shape, np.float32) for spec in network.tensors}
        ticket = Ticket.from_dense(network, 0, {name: ones[name] > 0 for name in ones}, ones)
        page = read(client, f"/ui/tickets/{catalog.upload(TicketFile(ticket, Metadata(), 1, 1))}")
        assert "input not stated classes not stated" in page.text
        assert '"architecture": "chain:3"' in page.text

    @pytest.mark.parametrize("verb", ["transform", "train"])
    def test_the_lines_to_paste_are_accepted(self, client: Client, catalog, verb: str) -> None:
        source, _ = catalog.family()
        text = read(client, f"/ui/tickets/{source}").text
        body = re.search(rf"curl -sS http://testserver/{verb} .*?-d '(\{{.*?\}})'", text)
        assert body is not None
        response = client.post(f"/{verb}", content=body[1], headers={"Content-Type": "application/json"})
        assert response.status_code == 202, response.text
