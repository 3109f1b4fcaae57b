"""StyleGAN-NADA: words or pictures guide by the direction in which the renders change."""
