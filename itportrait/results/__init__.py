"""What is made of a run's tables: galleries, review pages, and files of every portrait."""
