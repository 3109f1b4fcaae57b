"""Calls on whatever runs them: patience with lost processes, short memory and flaky storage."""
