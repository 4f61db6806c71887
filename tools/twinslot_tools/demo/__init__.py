"""`make demo`: a server, four simulated boards, a good release, a bad one, and two of files."""
