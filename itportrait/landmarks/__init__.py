"""Dense landmarks of faces, by networks that others publish."""
