"""From crops to people: tracklets of all cameras linked into identities whose numbers stay."""
