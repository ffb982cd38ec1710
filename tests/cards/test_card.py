"""Cards: exact values for activations known by formulas, the same ones measured, and how a card shows itself."""

import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn
from torch.nn import functional as F

from relunb import BWReLU, LinearSpline, card, compare
from relunb.cards._chapters import CHAPTERS
from relunb.cards._exact import proved
from relunb.cards._finding import dead_fraction
from relunb.cards._measured import measured
from relunb.cards._subject import subject_of
from relunb.inr import Gabor
from relunb.ops._linear_spline_layer import NAMED
from relunb.wavelet import bw_relu, relu_condition_number, shift_condition_number

ROOT = Path(__file__).parents[2]
SMOOTH = {"tanh": torch.tanh, "gelu": F.gelu, "silu": F.silu, "softplus": F.softplus}
J = (0.7651976865579666, 0.44005058574493355, 0.0195633539826684, 0.0002497577302112345)  # J_0, J_1, J_3, J_5 of 1
# condition number, dead fraction, variation of the slope, homogeneous, first turn of the DC
KNOWN = {
    "relu": (None, 1 / 4, 1, True, None),
    "leaky_relu": (None, 0, 0.99, True, None),
    "abs": (None, 0, 2, True, None),
    "hardtanh": (None, 0, 2, False, 0.0),
    "relu6": (None, 1 / 4, 2, False, None),
    "hardsigmoid": (None, 0, 1 / 3, False, 0.0),
    "hat": (3, 0, 4, False, None),
    "bw_relu": (9 / 4, 1 / 4, 16, False, 4 / math.sqrt(63)),
    "siren": (None, 0, math.inf, False, 0.0),
    "gauss": (69.5228187023, 0, 4 * math.sqrt(2 / math.e), False, None),
}


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_known_of_an_activation(name):
    found, (kappa, dead, variation, homogeneous, turn) = card(name), KNOWN[name]
    smooth = name in ("siren", "gauss")
    assert found.condition_number == (None if kappa is None else pytest.approx(kappa, rel=1e-11))
    assert found.dead_fraction == pytest.approx(dead, abs=1e-15)
    assert found.slope_variation == pytest.approx(variation, rel=1e-14)
    assert found.homogeneous is homogeneous
    assert found.level_turn == (None if turn is None else pytest.approx(turn, rel=1e-12))
    assert found.measures_level is (turn is None)
    assert found.continuous_slope is found.second_derivative is smooth
    assert set(found.how.values()) == {"proved", ""}


def test_there_is_a_card_of_every_spline_by_name():
    assert {*NAMED, "siren", "gauss"} == set(KNOWN)


def test_lines_of_a_unit_tone():
    psi = [-0.0922787270283407, -0.17733481263718, -0.148408533342398, -0.0918881492369653, -0.0254511828736995]
    assert card("bw_relu").lines[:5] == pytest.approx(psi, abs=1e-13)
    relu = [1 / math.pi, 1 / 2, 2 / (3 * math.pi), 0, -2 / (15 * math.pi), 0, 2 / (35 * math.pi)]
    assert card("relu").lines[:7] == pytest.approx(relu, abs=1e-15)
    assert card("relu").lines[3] == 0.0
    assert card("hardtanh").lines == pytest.approx([0, 1] + 7 * [0], abs=1e-15)
    assert card("siren").lines[:6] == pytest.approx([0, 2 * J[1], 0, -2 * J[2], 0, 2 * J[3]], abs=1e-15)


def test_how_lines_fall():
    """A kink that the tone reaches makes 1/n^2; one that it does not reach makes nothing."""
    reached = {name: card(name).decay_exponent for name in NAMED}
    assert reached == dict.fromkeys(NAMED, 2.0) | dict.fromkeys(("hardtanh", "hardsigmoid"), None)
    assert "reaches no kink" in card("hardtanh").notes["decay_exponent"]
    assert card("siren").decay == "abrupt past n = a" and card("gauss").decay == "faster than geometric"


LAWS = {
    "tanh": (torch.tanh, None, "geometric, 0.2[89] a line"),  # 1/(pi/2 + sqrt(1 + pi^2/4)) = 0.291
    "silu": (F.silu, None, "geometric, 0.1[56] a line"),  # 1/(pi + sqrt(1 + pi^2)) = 0.155
    "gelu": (F.gelu, None, "faster than geometric"),
    "sine": (torch.sin, None, "faster than geometric"),
    "quick sine": (lambda x: torch.sin(30 * x), None, "faster than geometric"),
    "square": (torch.square, None, "ends after line 2"),
    "pole": (lambda x: 1 / (1 + x * x), None, "geometric, 0.41 a line"),  # sqrt(2) - 1
    "relu": (torch.relu, 2, "like n"),
    "squared": (lambda x: torch.relu(x).square(), 3, "like n"),
    "elu": (F.elu, 3, "like n"),
    "sign": (torch.sign, 1, "like n"),
    "root": (lambda x: x.abs().sqrt(), 1.5, "like n"),
}


@pytest.mark.parametrize("name", LAWS)
def test_the_law_of_the_lines_is_measured(name):
    function, exponent, words = LAWS[name]
    found = card(function)
    assert found.decay_exponent == (None if exponent is None else pytest.approx(exponent, abs=0.04))
    assert re.match(words, found.decay)


@pytest.mark.parametrize("name", KNOWN)
def test_values_alone_tell_what_formulas_prove(name):
    subject = subject_of(name)
    exact, seen = proved(subject), measured(subject._replace(form=None))
    assert exact.keys() == seen.keys() and {finding.how for finding in seen.values()} <= {"measured", ""}
    for key in ("homogeneous", "continuous_slope", "second_derivative"):
        assert seen[key].value is exact[key].value, key
    assert seen["lines"].value == pytest.approx(exact["lines"].value, abs=1e-10)
    assert seen["dead_fraction"].value == pytest.approx(exact["dead_fraction"].value, abs=1e-4)  # kinks to 2^-15
    assert seen["decay_exponent"].value == pytest.approx(exact["decay_exponent"].value, abs=0.04)
    if name != "siren":  # whose variation is infinite on the line
        assert seen["slope_variation"].value == pytest.approx(exact["slope_variation"].value, rel=1e-5)
    kappa, turn = exact["condition_number"].value, exact["level_turn"].value
    assert seen["condition_number"].value == (None if kappa is None else pytest.approx(kappa, rel=2e-5))
    assert seen["level_turn"].value == (None if turn is None else pytest.approx(turn, abs=1 / 2048))


@pytest.mark.parametrize("name", SMOOTH)
def test_a_function_without_a_formula_is_measured_by_name_and_by_value(name):
    named, given = card(name), card(SMOOTH[name])
    assert set(named.how.values()) == {"measured", ""}
    for key in vars(named).keys() - {"name", "_subject", "how", "notes"}:
        assert getattr(named, key) == getattr(given, key)
    assert dict(named.notes) == dict(given.notes)
    assert named.continuous_slope and named.second_derivative and not named.homogeneous
    assert named.dead_fraction == 0 and named.condition_number is None
    assert named.measures_level is (name != "tanh")


def test_variations_of_smooth_slopes():
    """On [-16, 16]: tanh and softplus by their limits, GELU from where its slope turns, at sqrt(2)."""
    assert card("tanh").slope_variation == pytest.approx(2, abs=1e-5)
    assert card("softplus").slope_variation == pytest.approx(1, abs=1e-5)
    steep = card(lambda x: torch.tanh(500 * x)).slope_variation  # by steps that shrink until it settles
    assert steep == pytest.approx(1000, rel=1e-3)
    density, share = math.exp(-1) / math.sqrt(2 * math.pi), (1 + math.erf(1)) / 2
    highest = share + math.sqrt(2) * density
    assert card("gelu").slope_variation == pytest.approx(4 * highest - 3, abs=1e-5)


def test_a_module_and_a_function_of_psi_agree_with_the_spline():
    for same in (bw_relu, BWReLU(learnable=True)):
        found = card(same)
        assert found.condition_number == pytest.approx(9 / 4, rel=2e-5)
        assert found.how["condition_number"] == "measured"
        assert found.dead_fraction == pytest.approx(1 / 4, abs=1e-4)
    narrow = card(BWReLU(30.0))  # Pr(dead) = 1/4 + (1 - 3/c)^2 / 4
    assert narrow.dead_fraction == pytest.approx(1 / 4 + 0.9**2 / 4, abs=1e-4)
    assert narrow.slope_variation == pytest.approx(16 * 30, rel=1e-5)
    assert narrow.decay_exponent == 2.0  # from its kinks: 511 lines of a wavelet so narrow do not show it
    touched = card(lambda x: F.elu(x) + torch.relu(x - 1))  # the tone only touches this kink
    assert touched.decay_exponent == pytest.approx(3, abs=0.04) and not touched.continuous_slope


@pytest.mark.parametrize("learnable", [False, True])
def test_a_spline_of_the_reader_is_exact(learnable):
    spline = LinearSpline([0.0, 0.5, 0.5, 2.0], [1.0, -1.5, -0.5, 1.0], learnable=learnable)
    found = card(spline)
    assert found.slope_variation == 4.0  # 1 + 2 + 1: two jumps at one place are one
    assert set(found.how.values()) == {"proved", ""}
    # sqrt(1 - 1/(4 a^2)) = 1/2 at a = 1/sqrt(3)
    assert found.level_turn == pytest.approx(1 / math.sqrt(3), rel=1e-12)
    assert found.condition_number is None
    assert not card(LinearSpline([0.0], [1.0], 0.0, 1.0, learnable=learnable)).homogeneous  # v is not zero
    straight = card(LinearSpline([0.0], [0.0], 1.0, learnable=learnable))
    assert straight.continuous_slope and straight.homogeneous and not straight.second_derivative
    assert straight.lines == pytest.approx([0, 1] + 7 * [0], abs=1e-15) and straight.slope_variation == 0


def test_a_wide_spline_and_dependent_shifts():
    wide = LinearSpline([0, 1000, 2000], [1, -2, 1])
    assert card(wide).condition_number is None and "400 shifts" in card(wide).notes["condition_number"]
    double = LinearSpline([-2, 0, 2], [1, -2, 1])  # hats of twice the width
    assert card(double).condition_number == shift_condition_number(double, 1.0) == math.inf
    assert card(lambda x: double(x)).condition_number == math.inf


def test_the_extremes_of_the_symbol_are_found_between_the_points():
    """The Mexican hat has the Fourier transform u^2 e^(-u^2/4), and the largest value of its symbol is inside."""
    u = torch.linspace(0, math.pi, 100_001, dtype=torch.float64)
    u = u + 2 * math.pi * torch.arange(-5, 6).double().unsqueeze(1)
    symbol = (u**4 * torch.exp(-u.square() / 2)).sum(0)
    assert 0 < symbol.argmax() < 100_000
    found = card(lambda x: (1 - 2 * x.square()) * torch.exp(-x.square()))
    assert found.condition_number == pytest.approx((symbol.max() / symbol.min()).item(), rel=1e-9)


def test_relu_has_a_finite_statement():
    note = card("relu").notes["condition_number"]
    assert "not square integrable" in note and "2.8e5" in note
    assert round(relu_condition_number(16), -4) == 280_000
    assert "2.8e5" in card(torch.relu).notes["condition_number"]
    assert "tails too heavy" in card(lambda x: 1 / (1 + x * x)).notes["condition_number"]


def test_dead_neurons_counted_by_drawing():
    spline = LinearSpline([-0.5, -0.25, 0.5], [1, 1, -2])  # flat up to -1/2 and from 1/2 on
    draws = 2**20
    weight, bias = 2 * torch.rand(2, draws, generator=torch.Generator().manual_seed(0)) - 1
    low, high = bias - weight.abs(), bias + weight.abs()
    drawn = ((high <= -0.5) | (low >= 0.5)).double().mean().item()
    assert card(spline).dead_fraction == pytest.approx(drawn, abs=4 * math.sqrt(drawn * (1 - drawn) / draws))
    # a jump of zero parts no flat stretch
    assert card(LinearSpline([-0.5, 0.0, 0.5], [-1, 0, 1], 1.0)).dead_fraction == pytest.approx(1 / 8)
    assert dead_fraction([(-math.inf, 1.5)]) == pytest.approx(1 - 1 / 16)  # b + r > 3/2: area 1/8 of 2
    assert dead_fraction([(-math.inf, math.inf)]) == 1.0
    assert dead_fraction([(-0.5, 0.5)]) == pytest.approx(1 / 8)  # |b| + |w| <= 1/2, of a square of area 4
    seen = card(F.softshrink)
    assert seen.dead_fraction == pytest.approx(1 / 8, abs=1e-4)
    assert seen.notes["dead_fraction"] == "constant to rounding"


def test_small_kinks_and_steep_places_are_told_apart():
    hidden = card(lambda x: torch.tanh(5 * x) + 0.001 * torch.relu(x - 0.30001))
    assert not hidden.continuous_slope and "kink near x = 0.3" in hidden.notes["continuous_slope"]
    for smooth in (F.elu, lambda x: torch.tanh(100 * x), lambda x: x.abs() ** 1.5, torch.exp):
        assert card(smooth).continuous_slope
    assert "and 1 more" in card(F.hardswish).notes["continuous_slope"] and card(F.hardswish).second_derivative
    jump = card(torch.sign)
    assert jump.slope_variation == math.inf and "jump" in jump.notes["continuous_slope"]
    assert not jump.continuous_slope


def test_a_level_that_turns_is_found_where_it_does():
    found = card(lambda x: torch.cos(x))  # the DC is J_0(a), and its derivative -J_1 vanishes at 3.8317
    assert found.level_turn == pytest.approx(3.83170597, abs=1 / 1024)
    assert card(lambda x: torch.relu(x - 1)).level_turn == 0.0  # nothing happens up to a = 1
    assert card(LinearSpline([1.0], [1.0])).level_turn == 0.0


def test_a_level_that_only_just_rises_is_not_called_proved():
    """The derivative of its DC is ``1 - j sqrt(1 - 1/a^2)`` over pi: zero at a = 4 for this j, and not below."""
    just = 1 / math.sqrt(1 - 1 / 16)
    assert card(LinearSpline([0, 1], [1, -just])).how["level_turn"] == "measured"
    assert card(LinearSpline([0, 1], [1, -0.99 * just])).how["level_turn"] == "proved"
    assert card(LinearSpline([0, 1], [1, -1.01 * just])).level_turn < 4


def test_a_value_that_does_not_exist_has_a_reason():
    found = card(lambda x: torch.log(5 + x))
    assert found.slope_variation is None and "[-16, 16]" in found.notes["slope_variation"]
    assert found.condition_number is None and "[-32, 32]" in found.notes["condition_number"]
    assert "still growing" in card(torch.square).notes["slope_variation"]
    for one in (found, card("relu"), card("tanh")):
        for key in one.how:
            assert (getattr(one, key) is None) <= (key in one.notes or key == "level_turn"), key


# What is no activation -----------------------------------------------------------------------------------------------

WRONG = {
    "a name": ("relo", ValueError, "must be one of 'relu', .*'softplus', a LinearSpline or a function; got 'relo'"),
    "a class": (nn.ReLU, TypeError, r"the class ReLU: give one of its kind, as ReLU\(\)"),
    "a number": (3, TypeError, "must be a LinearSpline, a name or a function; got 3"),
    "channels": (LinearSpline([[0.0], [1.0]], [[1.0], [1.0]]), ValueError, "a spline in each channel"),
    "softmax": (lambda x: torch.softmax(x, -1), ValueError, "element by element; a value of it changes"),
    "a shape": (lambda x: x.sum(), ValueError, "element by element; it made the shape"),
    "GLU": (nn.GLU(0), ValueError, "element by element"),
    "a layer": (nn.Linear(3, 3), ValueError, "element by element on float64 numbers; it failed"),
    "no tensor": (lambda x: 3.0, TypeError, "must return a real tensor; it returned 3.0"),
    "complex": (Gabor(1.0, 1.0), TypeError, "must return a real tensor"),
    "a pole": (lambda x: 1 / x, ValueError, r"finite on \[-4, 4\]; it is inf at x = 0"),
    "a logarithm": (torch.log, ValueError, r"finite on \[-4, 4\]; it is nan at x = -4"),
    "random": (nn.Dropout(0.5), ValueError, r"same values twice.*\.eval\(\)"),
    "float32": (lambda x: torch.tanh(x.float()), ValueError, "too rough to measure.*float32"),
    "meta": (lambda x: x.to("meta"), ValueError, "shape and no values"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_gets_a_sentence(name):
    activation, error, words = WRONG[name]
    with pytest.raises(error, match=words):
        card(activation)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ("relu", TypeError, "must be a list of activations, or a mapping to them; got 'relu'"),
        (nn.ReLU(), TypeError, "must be a list of activations"),
        ([], ValueError, "1 to 32 entries; it has none"),
        (("relu" for _ in range(10**9)), ValueError, "it has more"),
        (["relu", 3], TypeError, "got 3"),
    ],
)
def test_a_mistake_in_a_comparison_gets_a_sentence(given, error, words):
    with pytest.raises(error, match=words):
        compare(given)


def test_cost_is_true_or_false():
    for call in (lambda: card("relu", cost="no"), lambda: compare(["relu"], cost=1)):
        with pytest.raises(TypeError, match="cost must be True or False"):
            call()


def test_an_activation_that_writes_into_its_input_or_trains_is_left_as_it_was():
    double = card(lambda x: x.mul_(2))
    assert double.homogeneous and double.lines == pytest.approx([0, 2] + 7 * [0], abs=1e-12)
    layer = nn.PReLU()
    before = layer.weight.clone()
    assert card(layer).slope_variation == pytest.approx(0.75)
    assert torch.equal(layer.weight, before) and layer.weight.dtype == torch.float32 and layer.weight.grad is None


def test_no_mode_of_torch_changes_a_card():
    wanted = repr(compare(["bw_relu", torch.tanh]))
    for mode in (torch.device("meta"), torch.inference_mode()):
        with mode:
            assert repr(compare(["bw_relu", torch.tanh])) == wanted


# How it shows itself -------------------------------------------------------------------------------------------------


class Cells(HTMLParser):
    """The texts of a table's cells, row by row."""

    def __init__(self, page):
        super().__init__()
        self.rows, self.inside = [], False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.inside = True

    def handle_endtag(self, tag):
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data):
        if self.inside:
            self.rows[-1][-1] += data


def test_every_chapter_that_a_card_names_is_in_the_book():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf8"))
    files = {chapter["file"] for part in toc["parts"] for chapter in part["chapters"]}
    for file, title in CHAPTERS.items():
        assert f"book/{file}" in files
        assert f"\n# {title}\n" in (ROOT / "book" / f"{file}.md").read_text(encoding="utf8")


@pytest.mark.parametrize("shown", [card("bw_relu", cost=True), compare(["relu", torch.tanh], cost=True)])
def test_a_table_names_a_chapter_in_every_row(shown):
    text, page = repr(shown), shown._repr_html_()
    assert str(shown) == text
    for file, title in CHAPTERS.items():
        assert f"({file})" in " ".join(text.split()) and file in page and title in page
    head, *rows = Cells(page).rows
    assert len(rows) >= 13 and {len(row) for row in rows} == {len(head)}
    assert all(any(file in row[0] for file in CHAPTERS) for row in rows)


def test_a_card_as_text():
    lines = repr(card("bw_relu")).splitlines()
    assert lines[0].split() == ["bw_relu", "value", "known", "chapter"]
    assert len({line.find("proved") for line in lines if "proved" in line}) == 1, "aligned"
    rows = {line[:25].strip(): line[25:] for line in lines}
    assert rows["DC of cos t"].startswith("−0.092279 ")
    assert rows["its lines 1 to 4"].startswith("−0.17733, −0.14841, −0.091888, −0.025451")
    assert rows["DC measures a level"].startswith("no: turns at a = 0.503953")
    assert rows["κ of shifts by 1"].startswith("2.25 ")
    assert "torch.relu" not in repr(card("bw_relu")) and "measured" not in repr(card("bw_relu"))


def test_what_is_measured_says_so_and_how_finely():
    text = repr(card(torch.tanh))
    assert text.count(" measured ") == 10 and "2^-15" in text and "proved" not in text
    rows = repr(compare(["gauss", torch.tanh])).splitlines()
    line = next(row for row in rows if row.startswith("line 1"))
    assert line.split()[-3:] == ["0", "0.81168*", "together/harmonics"]
    assert "* measured:" in "\n".join(rows) and "the rest is proved" in "\n".join(rows)
    assert "measured" not in repr(compare(["gauss", "relu"]))


def test_a_page_decides_the_colors_and_no_name_is_markup():
    page = card(torch.tanh)._repr_html_()
    assert not re.search(r"color|background|#[0-9a-f]{3}", page)
    mean = compare({"<b>x</b>": torch.tanh, "a|b": "relu"})._repr_html_()
    assert "<b>" not in mean and "&lt;b&gt;x" in mean
    assert "n<sup>−2</sup>" in mean and "2<sup>-15</sup>" in mean and "^" not in mean
    assert card(lambda x: x.tanh()).name == "a function" and card(nn.Tanh()).name == "Tanh()"


@pytest.mark.slow
def test_the_cost_is_measured_when_asked_for():
    plain, found = card("relu"), card("relu", cost=True)
    assert plain.cost_forward is None and "cost=True" in plain.notes["cost_backward"]
    assert 0.3 < found.cost_forward < 3 and 0.3 < found.cost_backward < 3  # it is beside itself
    assert found.how["cost_forward"] == "measured" and "2^-15" not in repr(found)
    assert card(lambda x: torch.relu(x.detach()), cost=True).notes["cost_backward"] == "it has no gradient"


@pytest.mark.usefixtures("no_window")
def test_the_picture_of_a_card():
    function, lines, shifts = card("gauss").plot().axes
    x, y = (torch.as_tensor(part) for part in function.lines[0].get_data())
    torch.testing.assert_close(y.double(), torch.exp(-x.double().square()), rtol=1e-12, atol=1e-12)
    slope = [torch.as_tensor(part).double() for part in function.lines[1].get_data()]
    torch.testing.assert_close(slope[1], -2 * slope[0] * torch.exp(-slope[0].square()), rtol=0, atol=1e-5)
    assert lines.lines[0].get_xdata().tolist()[:3] == [0, 2, 4], "the odd lines are zero, and are not drawn"
    assert 20 * math.log10(abs(card("gauss").lines[2])) == pytest.approx(lines.lines[0].get_ydata()[1], abs=1e-9)
    assert -10 * math.log10(69.5228187023) == pytest.approx(min(shifts.lines[0].get_ydata()), abs=1e-9)
    assert [text.get_text() for text in function.get_legend().get_texts()] == ["gauss", "its slope"]


@pytest.mark.usefixtures("no_window")
def test_the_picture_without_a_symbol_and_of_several():
    eigenvalues = card("relu").plot().axes[2]
    assert "16 shifts" in eigenvalues.get_xlabel()
    depth = eigenvalues.lines[0].get_ydata()[-1]
    assert depth == pytest.approx(-10 * math.log10(relu_condition_number(16)), abs=0.01)  # the midpoint rule
    function, _, shifts = compare(["relu", "hat", "bw_relu", torch.tanh, torch.sign]).plot().axes
    assert len(function.lines) == 5 and len(shifts.lines) == 2
    assert shifts.get_title() == "3 of 5 have none"
    assert min(shifts.lines[0].get_ydata()) == pytest.approx(-10 * math.log10(3), abs=1e-4)


@pytest.mark.usefixtures("no_window")
def test_a_jump_is_no_slope():
    slope = torch.as_tensor(card(torch.sign).plot().axes[0].lines[1].get_ydata())
    assert slope.isnan().sum() in (1, 2) and slope[~slope.isnan()].abs().max() == 0
