"""The version of this stage, which every fingerprint of a domain holds."""

VERSION = 1
"""Version of the stage's code. It is raised when results change; every domain is then made anew."""
