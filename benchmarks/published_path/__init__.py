"""The published program's sequence of operations in plain PyTorch, float32: `bench`'s base line"""

from benchmarks.published_path.generator import PublishedGenerator, PublishedPath

__all__ = ["PublishedGenerator", "PublishedPath"]
