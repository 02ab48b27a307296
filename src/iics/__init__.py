"""Person re-identification learned from unlabelled multi-camera crops."""
