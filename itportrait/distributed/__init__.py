"""Names that saved things of release 0.1 bear: each leads to where its code is now."""
