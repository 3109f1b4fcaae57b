"""Run calls on an executor, with patience for lost processes, short memory and flaky storage."""
