"""ITportrait: image-text coupled 3D portrait domain adaptation."""
