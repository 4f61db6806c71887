"""`make demo`: a server, three simulated boards, a good release and a bad one."""
