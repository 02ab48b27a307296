import io

import pytest
from PIL import Image

from iics.errors import WriteError
from iics.reports.plot_style import (
    COLOURS,
    DASHES,
    MARKERS,
    data_uri,
    drawable,
    drawable_name,
    figure_bytes,
    legend_above,
    new_figure,
    save_figure,
)


@pytest.fixture
def figure():
    made, (ax,) = new_figure("What is shown", "people, 5 crops, seed 0.")
    ax.plot([0, 1], [1, 2], label="mAP")
    legend_above(ax)
    return made


def test_a_figure_says_what_it_shows_and_of_what(figure):
    assert figure.get_suptitle() == "What is shown"
    assert figure.get_supxlabel() == "people, 5 crops, seed 0."


def test_files_are_vector_and_raster_and_hold_their_fonts(figure, tmp_path):
    svg, pdf, png = save_figure(figure, tmp_path / "figures" / "figure4")
    assert [file.name for file in (svg, pdf, png)] == ["figure4.svg", "figure4.pdf", "figure4.png"]
    assert "<text" not in svg.read_text()  # letters are shapes
    assert b"/FontFile2" in pdf.read_bytes()  # TrueType, inside
    with Image.open(png) as picture:
        assert picture.width == round(4.4 * 300)


def test_equal_figures_are_equal_files():
    def drawn():
        made, (ax,) = new_figure("Title", "note")
        ax.plot([0, 1], [1, 2])
        return figure_bytes(made, "svg")

    assert drawn() == drawn()


def test_a_folder_that_cannot_be_made_is_named(figure, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match=r"Cannot make the folder .*file: "):
        save_figure(figure, tmp_path / "file" / "figure4")


def test_text_is_drawn_as_it_is():
    assert drawable("a $x$ b") == r"a \$x\$ b"
    assert drawable("caméra 門") == "caméra \N{WHITE SQUARE}"
    assert drawable_name("entrance-hall-north-side-2") == "entrance..h-side-2"
    made, _ = new_figure("cost $5^ and 門 \udcff", "$\\frac{")
    figure_bytes(made, "png")  # warnings are errors


def test_seven_curves_differ_in_colour_dash_and_marker():
    assert len(set(COLOURS)) == len(set(DASHES)) == len(set(MARKERS)) == 7


def test_an_address_holds_its_content():
    picture = io.BytesIO()
    Image.new("RGB", (1, 1)).save(picture, "PNG")
    assert data_uri(picture.getvalue(), "image/png").startswith("data:image/png;base64,iVBOR")


def test_matplotlibs_own_style_is_left_alone(figure):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    figure_bytes(figure, "svg")
    assert dict(mpl.rcParams) == before
