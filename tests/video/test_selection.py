"""Crops are kept of long tracklets only, every so often; the rest is counted."""

from iics.video.selection import BETWEEN_CROPS, SHORT_TRACKLET, BoxedPerson, CropSelection


def run(selection, seen, num_frames):
    """Feed tracklets: number -> frames in which it is seen; ten frames a second. Return (tracklet, frame) of crops."""
    chosen = []
    for frame in range(num_frames):
        for number, frames in seen.items():
            if frame in frames:
                person = BoxedPerson(frame, frame / 10, (0, 0, 5, 10), 0.9)
                chosen += selection.add(number, person, lambda name=(number, frame): repr(name).encode())
        selection.end_frame()
    selection.end_video()
    return [(crop.tracklet, crop.person.frame) for crop in chosen]


def test_a_crop_is_kept_every_so_many_seconds():
    selection = CropSelection(min_tracklet=3, every=0.3, max_gap=5)
    assert run(selection, {7: range(10)}, 10) == [(1, 0), (1, 3), (1, 6), (1, 9)]
    assert selection.dropped == {BETWEEN_CROPS: 6}


def test_a_person_who_comes_back_within_the_gap_goes_on():
    selection = CropSelection(min_tracklet=4, every=0, max_gap=3)
    assert [number for number, _ in run(selection, {1: [0, 1, 2, 6]}, 7)] == [1] * 4
    lost = CropSelection(min_tracklet=4, every=0, max_gap=2)
    assert run(lost, {1: [0, 1, 2, 6]}, 7) == []


def test_every_frame_is_kept_at_zero_seconds():
    assert len(run(CropSelection(min_tracklet=3, every=0, max_gap=5), {1: range(10)}, 10)) == 10


def test_short_tracklets_are_dropped_with_all_their_boxes_and_take_no_number():
    selection = CropSelection(min_tracklet=4, every=0.2, max_gap=5)
    assert run(selection, {1: range(3), 2: range(4)}, 20) == [(1, 0), (1, 2)]
    assert selection.num_tracklets == 1
    assert selection.dropped == {SHORT_TRACKLET: 3, BETWEEN_CROPS: 2}


def test_every_box_is_a_crop_or_counted():
    selection = CropSelection(min_tracklet=5, every=0.4, max_gap=2)
    seen = {1: range(12), 2: range(3, 6), 3: [0, 2, 4, 6, 8], 4: [19]}
    crops = run(selection, seen, 20)
    assert len(crops) + sum(selection.dropped.values()) == sum(len(list(frames)) for frames in seen.values())


def test_a_crop_is_the_image_of_its_frame():
    selection = CropSelection(min_tracklet=2, every=0, max_gap=5)
    person = BoxedPerson(0, 0.0, (0, 0, 5, 10), 0.9)
    assert selection.add(1, person, lambda: b"first") == []
    assert [crop.image for crop in selection.add(1, person, lambda: b"second")] == [b"first", b"second"]


def test_images_of_tracklets_that_are_lost_do_not_pile_up():
    selection = CropSelection(min_tracklet=5, every=0, max_gap=3)
    run_before = BoxedPerson(0, 0.0, (0, 0, 5, 10), 0.9)
    for number in range(100):
        selection.add(number, run_before, lambda: b"image")
        selection.end_frame()
    assert len(selection._tracklets) <= 5
