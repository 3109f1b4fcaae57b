"""One training of a domain: what it is given, its workers, its checkpoints and its result."""
