"""The Personal Demographics Service: a client of its FHIR API (R4), application-restricted access.

`client` asks, `answers` are the values that come back, `errors` say what a failure asks of the caller; `authorisation`
gets tokens with signed JWTs, `exchange` bounds each request, `budget` keeps all functions together within the
application's rate, `vault` finds the credentials. Nothing here knows of requests or messages:
`gpconnect_messaging.registration` compares.
"""
