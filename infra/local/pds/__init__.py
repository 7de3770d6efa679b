"""A local PDS: NHS England's Personal Demographics Service FHIR API, as far as its description goes, on 127.0.0.1.

`people` are the records, `tokens` the OAuth2 token endpoint with real signature checks, `service` what is answered to
which request, `server` the door to it. It is not NHS England's sandbox, which knows no authorisation.
"""
