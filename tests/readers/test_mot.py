"""Boxes in MOT text are crops of their frames; ids of ground truth are identities, of trackers tracklets."""

import numpy as np
import pytest

from iics.data_check.check import check_data
from iics.errors import DataError
from iics.pixels.images import load_pixels
from iics.readers.mot import load_mot, load_mtmc

TRUTH = (
    "1,1,10,10,20,40,1,1,1.0",
    "1,2,60,10,20,40,1,1,0.9",
    "2,1,12,10,20,40,1,1,1.0",
    "2,2,58,10,20,40,0,1,0.9",  # not to be considered
    "2,3,90,10,20,40,1,7,0.9",  # a static person
    "3,1,14,10,20,40,1,1,0.2",  # hidden
    "3,2,-5,10,20,40,1,1,0.8",  # over the border
    "3,4,-15,10,20,40,1,1,0.8",  # mostly beyond it
)
INFO = "[Sequence]\nname=x\nimDir=img1\nframeRate=25\nseqLength=3\nimWidth=160\nimHeight=120\nimExt=.jpg\n"


@pytest.fixture
def sequence(tmp_path, make_image):
    """Write a sequence of three frames of 160 x 120 pixels, with these lines of boxes and this seqinfo.ini."""

    def write(*lines, name="S-01", text="gt/gt.txt", info=INFO, numbers=(1, 2, 3)):
        folder = tmp_path / "data" / name
        for number in numbers:
            make_image(folder / "img1" / f"{number:06d}.png", size=(160, 120))
        (folder / text).parent.mkdir(parents=True, exist_ok=True)
        (folder / text).write_text("\n".join(lines) + "\n")
        if info:
            (folder / "seqinfo.ini").write_text(info)
        return folder

    return write


@pytest.fixture
def refusal(sequence, tmp_path):
    """What a reader says to a sequence, without the folder."""

    def call(*lines, load=load_mot, **options):
        folder = sequence(*lines, **options)
        with pytest.raises(DataError) as caught:
            load(folder)
        return str(caught.value).replace(f"{tmp_path}/data/", "")

    return call


def test_ground_truth_gives_identities_times_and_boxes_and_counts_what_it_leaves_out(sequence, caplog):
    train = load_mot(sequence(*TRUTH)).train
    assert train.identity_ids.tolist() == [1, 2, 1, 2]
    assert train.boxes.tolist() == [[10, 10, 20, 40], [60, 10, 20, 40], [12, 10, 20, 40], [0, 10, 15, 40]]
    assert [path.name for path in train.paths] == ["000001.png", "000001.png", "000002.png", "000003.png"]
    np.testing.assert_allclose(train.times, [0, 0, 0.04, 0.08])
    assert (train.camera_names, train.tracklet_ids) == (("S-01",), None)
    assert caplog.messages[0] == (
        "S-01: 4 boxes are read; left out are 1 boxes less than 30% visible; 1 boxes less than 50% within the frame; "
        "1 boxes not to be considered (flag 0); 1 boxes of other classes than 1."
    )


def test_text_beside_folders_of_sequences_is_named_as_not_read(sequence, tmp_path, caplog):
    sequence("1,1,10,10,20,40,1,1,1.0")
    (tmp_path / "data/lobby.txt").write_text("1,1,10,10,20,40\n")
    load_mot(tmp_path / "data")
    (told,) = [message for message in caplog.messages if "not read" in message]
    assert told == (
        "data: not read are lobby.txt, beside folders with gt/gt.txt or det/det.txt; boxes of a text file are read by "
        "its path."
    )


def test_other_classes_are_read_when_asked_for(sequence):
    assert load_mot(sequence(*TRUTH), classes=("7",)).train.identity_ids.tolist() == [3]
    with pytest.raises(DataError, match="has no classes: they are the eighth of eight or nine columns, it has 6"):
        load_mot(sequence("1,1,10,10,20,40", name="plain"), classes=("7",))


def test_detections_have_neither_identity_nor_tracklet(sequence):
    lines = ("1,-1,10,10,20,40,0.9", "1,-1,60,10,20,40,0.8")
    train = load_mot(sequence(*lines, text="det/det.txt")).train
    assert (len(train), train.identity_ids, train.tracklet_ids) == (2, None, None)


def test_ids_of_a_tracker_are_tracklets_of_one_camera_each(sequence, tmp_path):
    """A file of boxes beside the frames of its name, separated by blanks as some trackers do."""
    for name in ("lobby", "yard"):
        sequence("1,1,1,1,9,9", name=name)
        (tmp_path / "data" / f"{name}.txt").write_text("1 1 10 10 20 40 -1 -1 -1 -1\n2 1 12 10 20 40 -1 -1 -1 -1\n")
    train = load_mot(tmp_path / "data" / "lobby.txt").train
    assert (train.tracklet_ids.tolist(), train.identity_ids, train.camera_names) == ([0, 0], None, ("lobby",))
    for name in ("lobby", "yard"):
        (tmp_path / "data" / name / "gt" / "gt.txt").unlink()
    both = load_mot(tmp_path / "data").train
    assert (both.tracklet_ids.tolist(), both.camera_names) == ([0, 0, 1, 1], ("lobby", "yard"))
    with pytest.raises(DataError, match=r"yard.txt, line 1: tracklet 1 is in two cameras, lobby and yard; a"):
        load_mtmc(tmp_path / "data")


def test_an_id_of_two_sequences_is_two_people_in_mot_and_one_in_mtmc(sequence, tmp_path):
    for name in ("c1", "c2"):
        sequence("1,7,10,10,20,40", name=name)
    assert load_mot(tmp_path / "data").train.identity_ids.tolist() == [1, 2]
    shared = load_mtmc(tmp_path / "data").train
    assert (shared.identity_ids.tolist(), shared.camera_names) == ([7, 7], ("c1", "c2"))


def test_an_id_of_0_is_a_person_and_no_distractor(sequence):
    assert load_mot(sequence("1,0,10,10,20,40", "1,5,60,10,20,40")).train.identity_ids.tolist() == [1, 2]


def test_the_boxes_of_a_sequence_can_be_chosen_by_their_file(sequence):
    sequence("1,-1,60,10,20,40,0.9", text="det/det.txt")
    folder = sequence(*TRUTH)
    assert load_mot(folder / "det" / "det.txt").train.boxes.tolist() == [[60, 10, 20, 40]]


def test_frames_of_a_video_are_read_as_those_of_pictures(tmp_path, walk, drawn_people):
    """A video in place of img1, read by two threads."""
    (tmp_path / "cam" / "gt").mkdir(parents=True)
    (tmp_path / "cam" / "street.mp4").symlink_to(walk)
    lines = [f"{frame},{who},{x},70,40,100" for frame in range(1, 41) for who, x in ((1, 20 + frame), (2, 260))]
    (tmp_path / "cam" / "gt" / "gt.txt").write_text("\n".join(lines))
    train = load_mot(tmp_path / "cam").train
    assert train.times[-1] == pytest.approx(39 / 25)
    assert train.label(0) == f"{tmp_path}/cam/street.mp4/000001[40x100+21+70]"
    pixels = load_pixels(train, height=100, width=40, num_threads=2)
    for at in (0, 30, 62, 78):
        left, top, width, height = train.boxes[at]
        differences = []
        for frame in (at // 2 - 1, at // 2, at // 2 + 1):
            drawn = drawn_people.picture([drawn_people.RED, drawn_people.GREEN], frame)
            differences.append(np.abs(pixels[at] - drawn[top : top + height, left : left + width].astype(float)).mean())
        assert np.argmin(differences) == 1, at  # the video is lossy: nearest to its own frame
    assert not [error for error in check_data(load_mot(tmp_path / "cam")).errors if "from camera" not in error]


def test_a_video_that_ends_before_a_box_is_told_by_the_check(tmp_path, walk):
    (tmp_path / "cam.mp4").symlink_to(walk)
    (tmp_path / "cam.txt").write_text("1,1,10,70,40,100\n900,1,10,70,40,100\n")
    report = check_data(load_mot(tmp_path / "cam.txt"))
    assert any("ends after 40 frames; frame 900 is asked for" in error for error in report.errors)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["0,1,10,10,20,40"], "S-01/gt/gt.txt, line 1: frame 0, but frames of MOT files are counted from 1."),
        (["1,1,10,10,20"], "S-01/gt/gt.txt, line 1: 5 values, MOT text has 6 to 10 in a line: frame, id, left"),
        (["1,1,10,10,20,40", "1,2,60,10,20,40,1"], "S-01/gt/gt.txt, line 2: 7 values, but 6 in line 1."),
        (["frame,id,left,top,width,height"], "line 1: frame 'frame' is no whole number. MOT text has no line of names"),
        (["1,1,10,10,20,40", "1,1,60,10,20,40"], "line 2: id 1 has two boxes in frame 1 (the other in line 1)"),
        (["1,1,10,10,20,40", "4,1,60,10,20,40"], "has boxes in frame 4, but seqinfo.ini says 3 frames. Mend one."),
        (["1,1,200,10,20,40"], "line 1: the box at left 200, top 10 of 20 x 40 pixels lies outside its frame of 160 x"),
        (["1,1,10,10,0,40"], "S-01/gt/gt.txt, line 1: a box of 0 x 40 pixels is empty."),
        (["1,1,10,10,x,40"], "S-01/gt/gt.txt, line 1: width 'x' is no number of pixels."),
        (["1,1,10,10,20,40,1,4,0,1"], "S-01/gt/gt.txt looks like VisDrone's annotations: a class, truncation"),
        (["1,1,10,10,20,40,0"], "S-01 has no box to read: 1 boxes not to be considered (flag 0) left out."),
        ([""], "S-01/gt/gt.txt is empty; MOT text has a line a box"),
    ],
)
def test_a_line_that_cannot_be_meant_is_refused(refusal, lines, message):
    assert message in refusal(*lines)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"numbers": (1, 3)},
            "1 of 3 frames with boxes in S-01/gt/gt.txt have no picture in S-01/img1, the first is",
        ),
        ({"numbers": (0, 1, 2, 3)}, "S-01/img1/000000.png is numbered 0, but frames of MOT files are counted from 1"),
        ({"info": INFO.replace("160", "320")}, "Frames in S-01/img1 have 160 x 120 pixels, seqinfo.ini says 320 x 120"),
        ({"info": "frameRate=25"}, "Cannot read S-01/seqinfo.ini: File contains no section headers"),
        (
            {"numbers": ()},
            "The frames of S-01/gt/gt.txt are missing: there is no folder S-01/img1, and there is",
        ),
    ],
)
def test_frames_that_are_missing_or_others_are_refused(refusal, options, message):
    assert message in refusal(*TRUTH, **options)


def test_the_same_frames_by_two_detectors_are_not_two_cameras(sequence, tmp_path):
    for detector in ("DPM", "SDP"):
        sequence(*TRUTH, name=f"MOT17-02-{detector}")
    with pytest.raises(DataError, match=r"MOT17-02-DPM and MOT17-02-SDP in .* show the same frames"):
        load_mot(tmp_path / "data")


def test_a_sequence_without_boxes_among_others_is_not_passed_over(sequence, tmp_path):
    sequence(*TRUTH, name="S-01")
    sequence(*TRUTH, name="S-02", text="gt/other.txt")
    with pytest.raises(DataError, match=r"S-02 has frames but neither gt/gt\.txt nor det/det\.txt, which"):
        load_mot(tmp_path / "data")


def test_a_folder_without_boxes_is_refused_with_what_is_needed(tmp_path):
    with pytest.raises(DataError, match="holds no boxes"):
        load_mot(tmp_path)
    with pytest.raises(DataError, match="There is nothing at"):
        load_mot(tmp_path / "gone")
