"""3DAvatarGAN: a set of pictures, aligned cameras, and a front plane that is bent."""
