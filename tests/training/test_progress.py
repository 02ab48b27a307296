"""Where a stage's time went."""

from iics.training.progress import PhaseTimes


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_phase_has_the_time_since_the_event_before():
    clock, passed_on = Clock(), []
    times = PhaseTimes(lambda *event: passed_on.append(event), clock)
    events = [
        (3, ("stage 1: features", 64, 100, 64, None)),
        (1, ("stage 1: features", 100, 100, 36, None)),
        (5, ("stage 1: cluster", 1, 1, 0, None)),
        (2, ("stage 1: train", 1, 2, 32, 1.5)),
        (2, ("stage 1: train", 2, 2, 32, 1.2)),
    ]
    for seconds, event in events:
        clock.now += seconds
        times(*event)
    assert times.summary() == {
        "stage1_features": {"seconds": 4, "images_per_second": 25},
        "stage1_cluster": {"seconds": 5},
        "stage1_train": {"seconds": 4, "images_per_second": 16},
    }
    assert passed_on == [event for _, event in events]


def test_images_in_no_time_have_no_speed():
    times = PhaseTimes(lambda *event: None, Clock())
    times("stage 1: train", 1, 1, 32, 1.5)
    assert times.summary() == {"stage1_train": {"seconds": 0}}
