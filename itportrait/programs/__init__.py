"""The jobs: order and resources only; files of `workflows/` start them one by one."""
