"""Fakes in memory of the services that the product uses, one for every service, and the product over them.

AWS's fakes answer boto3's calls, so that the product's own adapters run on them unchanged. A fake is never kinder than
the real service: what it does not know, it refuses.
"""
