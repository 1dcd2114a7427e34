"""The HTTP front: the three APIs under their own URLs, over a RunPod endpoint.

A process of its own, `python -m src.gateway`, that knows no torch. The platform keeps the jobs;
here is kept what it does not keep: the list, the request for a remix, results past its half hour.
"""
