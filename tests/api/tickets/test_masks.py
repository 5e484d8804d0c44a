"""The picture of a layer's mask over HTTP, and what is said where the file is gone."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.tickets import read

NAME = "fc_layers.0.weight"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def pixels(content: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(content)))


class TestMask:
    def test_is_the_mask_bit_by_bit(self, client, upload, make_ticket, tmp_path: Path):
        ticket = upload(3, name="mlp_2")
        (path := tmp_path / "t").write_bytes(make_ticket(3, name="mlp_2"))
        for name, mask in read(path).ticket.bool_masks().items():
            answer = client.get(f"/tickets/{ticket}/layers/{name}/mask.png").raise_for_status()
            assert (answer.headers["Content-Type"], answer.headers["Mask-Block"]) == ("image/png", "1x1")
            drawn = pixels(answer.content)
            assert drawn.dtype == bool
            assert np.array_equal(drawn, mask)

    def test_a_long_layer_is_drawn_in_blocks(self, client, upload, make_ticket, tmp_path: Path):
        options = {"name": "mlp_1_20_3", "shape": (1, 64, 65)}
        ticket = upload(**options)
        (path := tmp_path / "t").write_bytes(make_ticket(**options))
        answer = client.get(f"/tickets/{ticket}/layers/{NAME}/mask.png")
        mask = read(path).ticket.bool_masks()[NAME]
        assert answer.headers["Mask-Block"] == "1x3"
        blocks = [mask[:, left : left + 3].mean(axis=1) for left in range(0, 64 * 65, 3)]
        assert np.array_equal(pixels(answer.content), np.rint(np.stack(blocks, axis=1) * 255))

    def test_is_kept_and_not_sent_again(self, client, upload):
        path = f"/tickets/{upload()}/layers/{NAME}/mask.png"
        first = client.get(path)
        assert "immutable" in first.headers["Cache-Control"]
        again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        other = client.get(path.replace("layers.0", "layers.1"))
        assert other.headers["ETag"] != first.headers["ETag"]

    @pytest.mark.parametrize("name", ["fc_layers.9.weight", "fc.bias", "%3Cscript%3E"])
    def test_of_what_is_no_layer(self, client, upload, name):
        answer = client.get(f"/tickets/{upload()}/layers/{name}/mask.png")
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:elasticket:problem:not-found")


class TestFileGone:
    def test_every_reader_of_it_says_so(self, client, upload, settings):
        ticket = upload(name="mlp_2")
        for path in settings.artifact_directory.rglob("*"):
            if path.is_file():
                path.unlink()
        here = f"/tickets/{ticket}"
        for path in ("/layers", f"/layers/{NAME}/mask.png", "/file", f"/compare/{ticket}"):
            answer = client.get(here + path)
            body = answer.json()
            assert (answer.status_code, body["type"]) == (404, "urn:elasticket:problem:file-missing"), path
            assert len(body["artifact"]) == 64
            assert "backup" in body["detail"]
        spec = {"tickets": [ticket], "architecture": "mlp_3"}
        answer = client.post("/transform?dry_run=true", json=spec)
        assert answer.json()["type"] == "urn:elasticket:problem:file-missing"
