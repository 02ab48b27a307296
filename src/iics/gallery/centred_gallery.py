"""Whether a gallery is searched by centred features, and what is to be told of it."""

from __future__ import annotations

from iics.config import DEFAULT_CENTRE, Centre
from iics.gallery.gallery import Gallery
from iics.models.camera_means import CameraMeans
from iics.models.centre_choice import CROPS_LOOKED_AT, CentreChoice, choose_centre
from iics.models.centring import needed_means


def gallery_choice(
    gallery: Gallery, means: CameraMeans | None, centre: Centre | None, *, is_new: bool = False
) -> CentreChoice:
    """Return whether a gallery's features are compared centred.

    Args:
        gallery: Whose crops decide, where it is decided and was not before.
        means: Of its model; None if it has none.
        centre: What is wanted; None for what was said when the gallery was indexed.
        is_new: Whether auto decides anew.

    Raises:
        WeightsError: If features are to be centred and the model has no means.
        GalleryError: If the database fails.
    """
    stored = gallery.centre_choice
    if stored is not None and not is_new and (centre is None or centre == stored.centre == "auto"):
        if stored.is_centred:
            needed_means(means)
        return stored
    wanted = centre or DEFAULT_CENTRE
    if wanted == "on":
        needed_means(means)
    if wanted != "auto":
        return CentreChoice(wanted, wanted == "on")
    names = gallery.camera_names()
    if not names:
        return CentreChoice(wanted, False, "Features are not centred: the gallery is empty.")
    features, camera_ids = gallery.sample_of_cameras(names, CROPS_LOOKED_AT)
    choice, _ = choose_centre(wanted, means, names, own_mean=gallery.own_mean, features=features, camera_ids=camera_ids)
    return choice


def centring_notes(gallery: Gallery, means: CameraMeans, query_camera: str | None) -> tuple[str, ...]:
    """Return what is to be told of cameras that training did not see, and of a query whose camera is not known."""
    names = gallery.camera_names()
    if query_camera is not None and query_camera not in names:
        names = [*names, query_camera]
    notes = gallery.centres(means, names).unseen_notes() if names else ()
    if query_camera is None:
        return *notes, "The query's camera is not known: the query is centred by the mean of all training cameras."
    return notes
