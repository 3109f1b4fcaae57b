"""CLIPstyler: a small 2D network for each portrait, fitted to words; alone, or over JoJoGAN."""
