"""ITK3 messages: compose the Send Document message, read the responses to it."""
