"""The Personal Demographics Service: a client of the FHIR API (R4), application-restricted access.

`client` makes the calls, `answers` are the returned values, `errors` are named for what the caller must do;
`authorisation` gets tokens with signed JWTs, `exchange` bounds a request, `budget` keeps all functions together within
the application's rate, `vault` reads the credentials. Nothing here knows of requests or messages:
`gpconnect_messaging.registration` compares.
"""
