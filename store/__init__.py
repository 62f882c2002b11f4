"""Everything that jobworker knows about Redis: keys, jobs, transitions, reads, settings, errors.

``JobStore`` serves the clients' side (API, command line), ``Incarnation`` one run of a supervisor.
Every change of a job's state is one Lua script in ``lua/``; the rules behind them are in docs/protocol.md.
"""
