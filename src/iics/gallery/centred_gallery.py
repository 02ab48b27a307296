"""Whether a gallery is searched by centred features, and what is to be told of it."""

from __future__ import annotations

from dataclasses import replace

from iics.config import DEFAULT_CENTRE, Centre
from iics.gallery.gallery import Gallery
from iics.models.camera_means import CameraMeans
from iics.models.centre_choice import CROPS_LOOKED_AT, CentreChoice, choose_centre
from iics.models.centring import needed_means


def gallery_choice(
    gallery: Gallery, means: CameraMeans | None, centre: Centre | None, *, is_new: bool = False
) -> CentreChoice:
    """Return whether a gallery's features are compared centred, with what is to be told of its cameras.

    Args:
        gallery: Whose crops decide, where it is decided and was not before.
        means: Of its model; None if it has none.
        centre: What is wanted; None for what was said when the gallery was indexed.
        is_new: Whether auto decides anew.

    Raises:
        WeightsError: If features are to be centred and the model has no means.
        GalleryError: If the database fails.
    """
    choice = _choice(gallery, means, centre, is_new=is_new)
    if not choice.is_centred:
        return choice
    return replace(choice, notes=centring_notes(gallery, needed_means(means)))


def _choice(gallery: Gallery, means: CameraMeans | None, centre: Centre | None, *, is_new: bool) -> CentreChoice:
    stored = gallery.centre_choice
    if stored is not None and not is_new and (centre is None or centre == stored.centre == "auto"):
        return stored
    wanted = centre or DEFAULT_CENTRE
    if wanted != "auto":
        return CentreChoice(wanted, wanted == "on")
    names = gallery.camera_names()
    if not names:
        return CentreChoice(wanted, False, "Features are not centred: the gallery is empty.")
    features, camera_ids = gallery.sample_of_cameras(names, CROPS_LOOKED_AT)
    choice, _ = choose_centre(wanted, means, names, own_mean=gallery.own_mean, features=features, camera_ids=camera_ids)
    return choice


def centring_notes(gallery: Gallery, means: CameraMeans) -> tuple[str, ...]:
    """Return what is to be told of a gallery's cameras that training saw too little of."""
    return gallery.centres(means, gallery.camera_names()).unseen_notes()


def query_notes(
    gallery: Gallery, means: CameraMeans | None, query_camera: str | None, *, is_centred: bool
) -> tuple[str, ...]:
    """Return what is to be told of the camera of a query.

    Args:
        gallery: That is searched.
        means: Of its model.
        query_camera: What is known of it; None if nothing.
        is_centred: Whether centred features are compared.
    """
    if not is_centred or means is None:
        return () if query_camera is None else ("The query's camera counts for nothing: features are not centred.",)
    if query_camera is None:
        return ("The query's camera is not known: the query is centred by the mean of all training cameras.",)
    is_told = query_camera in gallery.camera_names()  # among the gallery's
    return () if is_told else gallery.centres(means, [query_camera]).unseen_notes()
