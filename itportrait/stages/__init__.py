"""What a stage is: items in, records out, and all that the engine must know of it."""
