"""A local PDS on 127.0.0.1: the described parts of NHS England's Personal Demographics Service FHIR API.

`people` has the records, `tokens` the OAuth2 token endpoint with real signature checks, `service` the responses, and
`server` the ASGI application. NHS England's own sandbox has no authorisation.
"""
