"""The build of a style bank: what changed is adapted, judged and published."""
