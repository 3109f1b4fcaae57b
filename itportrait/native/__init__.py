"""Native code of ops on a CPU: C++ files that share headers, built by `ops.loader`."""
