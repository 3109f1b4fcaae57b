"""What makes the weights of the embedded family: datasets and training."""
