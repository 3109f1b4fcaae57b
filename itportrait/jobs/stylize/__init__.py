"""The main job: photos in, stylized portraits, pages and files out."""
