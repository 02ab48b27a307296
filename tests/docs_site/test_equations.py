"""Equations of the pages are pictures of themselves."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from markdown import Markdown
from pymdownx.superfences import SuperFencesException

from docs_site.equations import equation_svg, math_block

FENCES = {"pymdownx.superfences": {"custom_fences": [{"name": "math", "class": "equation", "format": math_block}]}}
PAGES = Path(__file__).parent.parent.parent / "docs"
EQUATIONS = [
    equation
    for page in sorted(PAGES.glob("*.md"))
    for equation in re.findall(r"```math\n(.*?)\n```", page.read_text(), flags=re.DOTALL)
]


def test_the_method_has_its_equations():
    assert len(EQUATIONS) >= 15


@pytest.mark.parametrize("tex", EQUATIONS)
def test_every_equation_is_one_line_and_can_be_set(tex):
    assert "\n" not in tex  # code hosts show lines of one block side by side
    picture = ElementTree.fromstring(equation_svg(tex))
    assert picture.get("aria-label") == tex
    assert len(picture[0].get("d")) > 200


def test_a_picture_grows_with_its_equation_and_takes_the_colour_of_the_text():
    short, long = (ElementTree.fromstring(equation_svg(tex)) for tex in ("a", "a + b + c"))
    assert float(short.get("width").removesuffix("em")) < float(long.get("width").removesuffix("em"))
    assert short[0].get("fill") == "currentColor"


def test_letters_stand_within_the_picture_above_each_other():
    high, low = (ElementTree.fromstring(equation_svg(tex)).get("viewBox").split() for tex in ("a^{b}", "a_{b}"))
    assert float(high[1]) < float(low[1]) < 0  # y points down: a superscript begins higher
    assert float(low[1]) + float(low[3]) > float(high[1]) + float(high[3])


def test_a_label_cannot_break_out_of_its_attribute():
    assert 'aria-label="a &lt; b"' in math_block("a < b")


def test_what_cannot_be_set_ends_the_build():
    with pytest.raises(SuperFencesException, match=r"(?s)The equation '.*nonsense' cannot be set: .*Unknown symbol"):
        Markdown(extensions=["pymdownx.superfences"], extension_configs=FENCES).convert("```math\n\\nonsense\n```")


def test_a_block_becomes_a_picture():
    html = Markdown(extensions=["pymdownx.superfences"], extension_configs=FENCES).convert("```math\na + b\n```")
    assert html.startswith('<div class="equation"><svg role="img" aria-label="a + b"')
