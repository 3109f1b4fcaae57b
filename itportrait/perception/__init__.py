"""Models that look at pictures: image-text, perceptual, identity, encoder, face detector."""
