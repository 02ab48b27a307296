"""What an event says, and where a stage's time went."""

from iics.training.progress import ProgressEvent, WorkTimes


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def event(work, done, total, num_images=0, loss=None):
    return ProgressEvent(
        round_number=1, num_rounds=2, stage="stage 1", work=work, done=done, total=total, num_images=num_images, loss=loss
    )


def test_phase_is_the_stage_and_its_work_or_the_work_alone():
    assert event("train", 1, 2).phase == "stage 1: train"
    assert ProgressEvent(round_number=0, num_rounds=2, work="evaluate", done=1, total=2).phase == "evaluate"


def test_work_has_the_time_since_the_event_before():
    clock, passed_on = Clock(), []
    times = WorkTimes(passed_on.append, clock)
    events = [
        (3, event("features", 64, 100, 64)),
        (1, event("features", 100, 100, 36)),
        (5, event("cluster", 1, 1)),
        (2, event("train", 1, 2, 32, 1.5)),
        (2, event("train", 2, 2, 32, 1.2)),
    ]
    for seconds, step in events:
        clock.now += seconds
        times(step)
    assert times.summary() == {
        "features": {"seconds": 4, "images_per_second": 25},
        "cluster": {"seconds": 5},
        "train": {"seconds": 4, "images_per_second": 16},
    }
    assert passed_on == [step for _, step in events]


def test_images_in_no_time_have_no_speed():
    times = WorkTimes(lambda _: None, Clock())
    times(event("train", 1, 1, 32, 1.5))
    assert times.summary() == {"train": {"seconds": 0}}
