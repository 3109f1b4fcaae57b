"""What a job is told: its file, the settings that come with its models, and the command line."""
