"""`make serve`: a worker, the platform on loopback and the gateway on this machine.

For trying the three APIs, and clients of one's own, without an account anywhere. Nothing is
reachable from outside, and nothing that is made outlives `out/serve`.
"""
