"""Committed tables with rows that a test has made by hand."""

from dataclasses import replace

from itportrait.engine.work import summarize
from itportrait.io.parquet import PixelFormat, Row
from itportrait.stages.recipe import stage_table


def read_styled(output, domain, *, stage="stylize", pixels=False):
    """Return the records of a domain in an output."""
    return list(stage_table(str(output), stage, domain).records(pixels=pixels))


def commit_rows(recipe, shard, records, *, keys=None, fingerprint="f"):
    """Commit records as a shard of a recipe's stage; keys default to the record ids."""
    keys = keys or [record.record_id for record in records]
    rows = [Row(key, record) for key, record in zip(keys, records, strict=True)]
    table = recipe.table()
    files = table.write_rows(shard, rows, pixel_format=PixelFormat())
    commit = summarize(recipe.definition, rows, keys)
    values = {"shard": shard, "fingerprint": fingerprint, "recipe": "r", "files": files}
    return table.commit(replace(commit, **values), replaces=table.read_commit(shard))
