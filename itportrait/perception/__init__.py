"""Models that look at pictures: image-text, perceptual, identity, encoder, hyper, face detector."""
