"""What a similarity means, in words that claim no more than was measured."""

import math

import pytest

from iics.models.match_thresholds import MatchThreshold, MatchThresholds
from iics.models.score_meaning import (
    NOT_CALIBRATED,
    meaning_of,
    measured_elsewhere,
    rate_text,
    source_text,
    summary_lines,
    transfer_lines,
)

ONE_PERCENT = MatchThreshold(0.01, 0.68, 0.004, 0.019, 0.66, 0.7, 300, found=0.62, same_camera_rate=0.043)
FIVE_PERCENT = MatchThreshold(0.05, 0.5, 0.03, 0.08, 0.48, None, 200)


def measured(*thresholds, calibration="identities"):
    return MatchThresholds(
        thresholds or (MatchThreshold(0.001), ONE_PERCENT, FIVE_PERCENT),
        calibration=calibration,
        data="shop",
        split="query against gallery",
        num_people=40,
        num_different=51234,
        num_people_pairs=780,
        num_same=300,
        is_trained_on=False,
        limits="Other cameras differ.",
    )


def test_a_similarity_is_placed_by_the_strictest_threshold_that_it_exceeds():
    assert meaning_of(0.71, measured()) == (
        "0.71: above the 1 % threshold (0.68), which 0.4 % to 1.9 % of pairs of two different people of shop exceed"
    )
    assert meaning_of(0.6, measured()).startswith("0.60: above the 5 % threshold (0.50), which 3 % to 8 % of pairs")


def test_a_similarity_below_all_is_said_to_be_so():
    assert meaning_of(0.31, measured()) == (
        "0.31: not above the 5 % threshold (0.50); 3 % to 8 % of pairs of two different people of shop lie above that"
    )


def test_digits_tell_a_similarity_from_its_threshold():
    assert meaning_of(0.6812, measured()).startswith("0.681: above the 1 % threshold (0.680)")
    assert meaning_of(0.5, measured()).startswith("0.5000: not above the 5 % threshold (0.5000)")


def test_a_model_without_thresholds_says_so_and_how_to_get_them():
    assert meaning_of(0.71, None) == "0.71: not calibrated"
    assert summary_lines(None) == [NOT_CALIBRATED]
    assert "iics evaluate MODEL DATA --calibrate" in NOT_CALIBRATED


def test_too_few_people_give_no_meaning():
    few = measured(MatchThreshold(0.001), MatchThreshold(0.01))
    assert meaning_of(0.9, few) == "0.90: the model was calibrated on too few people to say what that means"
    assert "0.1 % of two different people: too few people to tell; 1,000 pairs are needed" in summary_lines(few)[1]


def test_no_number_is_no_similarity():
    with pytest.raises(ValueError, match="similarity must be a number, got NaN"):
        meaning_of(math.nan, measured())


def test_the_summary_has_every_threshold_its_source_and_its_limits():
    lines = summary_lines(measured(), are_own_crops=True)
    assert lines == [
        "Which similarity means the same person? Measured on shop, query against gallery: 51,234 pairs of two "
        "different people, cameras differ (780 different pairs of 40), 300 pairs of one person.",
        "   0.1 % of two different people: too few people to tell; 1,000 pairs are needed",
        "     1 % of two different people exceed 0.680 (95 % interval 0.660 to 0.700; true rate 0.4 % to 1.9 %; within "
        "one camera 4.3 %); finds 62 % of the pairs of one person",
        "     5 % of two different people exceed 0.500 (95 % interval 0.480 to ?; true rate 3 % to 8 %)",
        "  Among 10,000 crops of other people some 100 exceed 0.680, too: a high similarity is not an identification.",
        "  Other cameras differ.",
    ]


def test_beside_crops_of_others_it_says_where_the_rates_were_measured_and_that_they_do_not_hold():
    *lines, last = summary_lines(measured())
    assert lines == summary_lines(measured(), are_own_crops=True)
    assert last.strip() == measured_elsewhere(measured())
    assert last.startswith("  Measured on shop. On crops of other cameras or people than those, the rates do not hold")
    assert "a threshold of 1 % was exceeded by 3 %" in last
    assert last.endswith("with tracklets and times, or with boxes: iics evaluate MODEL DATA --calibrate")


def test_thresholds_on_other_crops_are_told_with_the_share_that_is_above_them_there():
    assert transfer_lines(measured(), {0.01: 0.0297, 0.05: 0.11}, data="market") == [
        "The model file's thresholds were measured on shop, query against gallery. On market:",
        "  3 % of the pairs of two people exceed 0.680, the 1 % threshold",
        "  11 % of the pairs of two people exceed 0.500, the 5 % threshold",
        "  Where these differ, calibrate on your own crops: iics evaluate MODEL DATA --calibrate",
    ]


def test_pairs_of_one_camera_are_called_so():
    assert "in one picture of one camera" in source_text(measured(calibration="tracklets and moments"))


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (0.001, "0.1 %"),
        (0.00042, "0.042 %"),
        (0.0187, "1.9 %"),
        (0.0999, "10 %"),
        (0.1234, "12.3 %"),
        (1.0, "100 %"),
        (0.0, "0 %"),
        (1e-7, "under 0.001 %"),
    ],
)
def test_shares_have_the_digits_they_need(rate, text):
    assert rate_text(rate) == text


def of_answers(*thresholds):
    return MatchThresholds(thresholds, "answers", "shop", "all crops", 0, 18, 18, 7, True, "Limits.")


def test_thresholds_of_answers_say_so_and_what_is_missing():
    known = of_answers(MatchThreshold(0.001), MatchThreshold(0.05, 0.6, 0.04, 0.06, 0.58, 0.62, 20))
    text = "\n".join(summary_lines(known, are_own_crops=True))
    assert "shop, all crops: 25 pairs of crops of two cameras that people looked at, 7 of one person" in text
    assert "0.1 % of two different people: too few answers to tell; ask about more pairs (iics label --pairs)" in text
    assert "exceed 0.600 (95 % interval 0.580 to 0.620; true rate 4 % to 6 %)\n" in text  # not what share is found
    told = meaning_of(0.7, of_answers(MatchThreshold(0.01)))
    assert told == "0.70: the model was calibrated on too few answers to say what that means"


def test_whoever_is_told_to_calibrate_is_told_what_that_takes():
    for told in (NOT_CALIBRATED, measured_elsewhere(of_answers(MatchThreshold(0.01)))):
        assert "with identities" in told
        assert "iics label MODEL asks you about 50 pairs" in told
