import io
from xml.etree import ElementTree

import pytest
from PIL import Image

from core.studies.drawing import draw
from core.studies.figures import Chart, Curve, Figure, HeatMap, Point

HOSTILE = "_<script>alert('x')</script> $\\frac{1$ & \x00"
CHART = Chart(
    "sparsity-digits-mlp_3",
    f"accuracy {HOSTILE}",
    "weights pruned, %",
    "test accuracy, %",
    (
        Curve(HOSTILE, (Point(36, 90, 1.5), Point(59, 80, 2.5))),
        Curve("one seed", (Point(36, 85), Point(59, 82))),
        Curve("dense", (Point(0, 95, 0.5),), level=True),
    ),
)
MAP = HeatMap("transfer", "across", "trained", "found", ("a", "b"), (HOSTILE,), ((None, 90.5),))


@pytest.mark.parametrize("figure", [CHART, MAP], ids=["chart", "map"])
class TestDraw:
    def test_the_same_data_give_the_same_bytes(self, figure: Figure) -> None:
        for form in ("svg", "png"):
            assert draw(figure, form) == draw(figure, form)

    def test_what_people_called_their_arms_is_text(self, figure: Figure) -> None:
        root = ElementTree.fromstring(draw(figure, "svg"))
        assert not list(root.iter("{http://www.w3.org/2000/svg}script"))
        said = [text for node in root.iter() if (text := (node.text or "").strip())]
        assert any("<script>alert('x')</script> $\\frac{1$ &" in text for text in said)

    def test_the_png_is_one(self, figure: Figure) -> None:
        with Image.open(io.BytesIO(draw(figure, "png"))) as image:
            assert (image.format, image.width > 300) == ("PNG", True)
