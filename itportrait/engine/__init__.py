"""The engine: takes shards through stages with commits, retries and failed rows, so that nothing is
lost."""
