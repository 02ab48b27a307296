"""What labels get wrong is shown: clusters of several people, people in several clusters, the worst first."""

import numpy as np

from iics.reports.crop_choice import MOST_IN_ROW, NUM_ROWS
from iics.reports.label_mistakes import mistake_rows


def rows_of(labels, identity_ids, cameras=None):
    labels, identity_ids = np.array(labels), np.array(identity_ids)
    rows = mistake_rows(labels, identity_ids, np.zeros(len(labels), int) if cameras is None else np.array(cameras))
    return [(row.title, [cell.index for cell in row.cells]) for row in rows], rows


def test_right_labels_have_no_mistakes_however_they_are_numbered():
    assert rows_of([5, 5, 2, 2, -1], [0, 0, 7, 7, 7]) == ([], [])


def test_a_cluster_of_two_people_and_a_person_in_two_clusters_are_told_with_sizes():
    told, _ = rows_of([0, 0, 0, 1, 1, -1], [3, 3, 4, 4, 4, 4])
    assert told == [
        ("Clusters that hold several people", []),
        ("cluster 0: 3 crops of 2 people (2, 1 crops)", [0, 1, 2]),
        ("People whom several clusters hold", []),
        ("identity 4: 4 crops in 2 clusters (2, 1 crops); 1 without a label", [3, 4, 2]),
    ]


def test_groups_in_a_row_have_a_gap_between_them_and_cameras_come_before_repeats():
    _, rows = rows_of([0] * 10, [1] * 5 + [2] * 5, cameras=[0, 0, 0, 0, 1, 0, 0, 0, 0, 1])
    cells = rows[1].cells
    assert [cell.index for cell in cells] == [0, 4, 1, 2, 5, 9, 6, 7]
    assert [cell.starts_group for cell in cells] == [False] * 4 + [True] + [False] * 3


def test_the_most_wrong_pairs_come_first_and_rows_are_few():
    sizes = [2, 6, 4, 3, 5, 1]  # of a second person beside six crops of the first
    labels = np.repeat(np.arange(6), [6 + size for size in sizes])
    identity_ids = np.concatenate([[2 * at] * 6 + [2 * at + 1] * size for at, size in enumerate(sizes)])
    told, rows = rows_of(labels, identity_ids)
    assert [title.split(":")[0] for title, _ in told[1:]] == ["cluster 1", "cluster 4", "cluster 2", "cluster 3"]
    assert len(told) == 1 + NUM_ROWS
    assert all(len(row.cells) <= MOST_IN_ROW for row in rows)


def test_crops_of_nobody_and_without_a_label_are_no_mistakes():
    assert rows_of([0, 0, 0, -1, -1], [1, -1, 1, 2, 3])[0] == []
