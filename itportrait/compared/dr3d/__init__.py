"""Dr.3D: a generator for a set of pictures without cameras, against a discriminator."""
