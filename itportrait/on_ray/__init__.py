"""Everything that knows Ray: its sessions, tasks, trainings and metrics."""
