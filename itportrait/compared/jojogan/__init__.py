"""JoJoGAN: style pictures against their twins, whose style rows are mixed with random ones."""
