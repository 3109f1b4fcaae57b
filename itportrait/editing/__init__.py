"""Methods that edit portraits by words through CLIP and train nothing for a domain."""
